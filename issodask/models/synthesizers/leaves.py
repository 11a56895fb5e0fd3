"""The leaves of a tree of a forest that tells real rows from drawn ones: which real rows are in each, and its bounds.

In: a tree of scikit-learn and the real rows. Out: leaves that have enough of them, and rows drawn from these. A leaf
with too few is left out: its rows go where its sibling's go.

Axes: k = nodes, l = leaves, r = rows, f = features, n = rows that are drawn.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Leaves:
    """Leaves with rows.

    leaf_of   of each row, int64, (r,)
    order     rows, leaf by leaf; those of leaf i begin at starts[i]: int64
    low, high bounds of each leaf, float32, (l, f)
    """

    leaf_of: Positions
    order: Positions
    starts: Positions
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def of(cls, tree: Any, real: NDArray[np.float32], min_leaf: int) -> "Leaves":
        nodes = _Nodes.of(tree, real, min_leaf)
        found, leaf_of = np.unique(nodes.apply(real), return_inverse=True)
        low, high = nodes.bounds(real.shape[1])
        starts = np.concatenate([[0], np.cumsum(np.bincount(leaf_of))])
        return cls(leaf_of, np.argsort(leaf_of, kind="stable"), starts, low[found], high[found])

    def drawn(self, features: Numbers, is_number: NDArray[np.bool_], n: int, random: np.random.Generator) -> Numbers:
        """`n` rows, float64, (n, f), of leaves that are as frequent as among real ones, which have these `features`.

        Numbers are drawn from a normal distribution within the bounds, all else from the rows of the leaf.
        """
        leaf = self.leaf_of[random.integers(0, len(self.leaf_of), n)]
        counts = np.diff(self.starts)
        drawn = np.empty((n, features.shape[1]))
        for i_feature, values in enumerate(features.T):
            uniform = random.random(n)
            if not is_number[i_feature]:
                drawn[:, i_feature] = values[self.order[self.starts[leaf] + (uniform * counts[leaf]).astype(np.int64)]]
                continue
            bounds = self.low[leaf, i_feature], self.high[leaf, i_feature]
            mean, deviation = self._moments(values, counts)
            drawn[:, i_feature] = _truncated(uniform, mean[leaf], deviation[leaf], *bounds)
        return drawn

    def _moments(self, values: Numbers, counts: Positions) -> tuple[Numbers, Numbers]:
        """Mean and standard deviation in each leaf, float64, (l,)."""
        mean = np.bincount(self.leaf_of, weights=values) / counts
        squares = np.bincount(self.leaf_of, weights=(values - mean[self.leaf_of]) ** 2)
        return mean, np.sqrt(squares / np.maximum(counts - 1, 1))


def _truncated(
    uniform: Numbers, mean: Numbers, deviation: Numbers, low: NDArray[np.float32], high: NDArray[np.float32]
) -> Numbers:
    """Normal numbers within bounds that hold the mean; the mean itself where they don't vary."""
    from scipy.special import ndtr, ndtri

    width = np.where(deviation > 0, deviation, 1)
    below = ndtr(np.minimum((low - mean) / width, 0))
    above = ndtr(np.maximum((high - mean) / width, 0))
    scores = ndtri(below + uniform * (above - below))
    return np.where(deviation > 0, mean + np.where(np.isfinite(scores), scores, 0) * deviation, mean)


@dataclass(frozen=True)
class _Nodes:
    """A binary tree as arrays, (k,): children after their parents, -1 for those of leaves."""

    left: Positions
    right: Positions
    feature: Positions
    threshold: Numbers

    @classmethod
    def of(cls, tree: Any, real: NDArray[np.float32], min_leaf: int) -> "_Nodes":
        counts = np.bincount(tree.apply(real), minlength=tree.node_count)
        left, right = tree.children_left.tolist(), tree.children_right.tolist()
        is_left_out = (counts < min_leaf).tolist()
        for node in reversed(range(tree.node_count)):
            if left[node] < 0:
                continue
            without_left, without_right = is_left_out[left[node]], is_left_out[right[node]]
            is_left_out[node] = without_left and without_right
            if without_left:
                left[node] = right[node]
            elif without_right:
                right[node] = left[node]
        return cls(np.array(left), np.array(right), tree.feature.astype(np.int64), tree.threshold.copy())

    def apply(self, rows: NDArray[np.float32]) -> Positions:
        """The leaf of each row."""
        node = np.zeros(len(rows), np.int64)
        moving = np.flatnonzero(self.left[node] >= 0)
        while len(moving):
            at = node[moving]
            is_left = rows[moving, self.feature[at]] <= self.threshold[at]
            node[moving] = np.where(is_left, self.left[at], self.right[at])
            moving = moving[self.left[node[moving]] >= 0]
        return node

    def bounds(self, n_features: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Between which values each node's rows lie, float32, (k, f); a node without a sibling is as its parent."""
        low = np.full((len(self.left), n_features), -np.inf, np.float32)
        high = np.full((len(self.left), n_features), np.inf, np.float32)
        level = np.zeros(1, np.int64)
        while len(level):
            level = level[self.left[level] >= 0]
            left, right = self.left[level], self.right[level]
            for child in (left, right):
                low[child], high[child] = low[level], high[level]
            splits = left != right
            feature, threshold = self.feature[level[splits]], self.threshold[level[splits]]
            high[left[splits], feature] = threshold
            low[right[splits], feature] = threshold
            level = np.unique(np.concatenate([left, right]))
        return low, high
