"""One tree of a sequence of them: grown on the columns before, it says from which rows a value may be drawn.

In: coded columns and what to predict. Out: for new rows, donors in the same leaf. Categories become numbers for each
tree anew, ordered by what it predicts: by its mean (Breiman et al. 1984), of several classes by the first principal
component of their shares (Coppersmith, Hong, Hosking 1999). No better split of two sets is lost by that for numbers and
two classes.

Axes: r = rows, f = features, c = categories of a column, m = classes that are predicted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.models.synthesizers.base import Positions
from issodask.models.synthesizers.coded import Categories, Measure, Numbers

_MOST_CLASSES = 50
"""With more, a tree would need memory for each class in each of its nodes: codes, by frequency, are predicted then."""
_SPLIT_LEAVES = 3
"""A node of fewer rows than so many leaves have at least is not split (rpart's default, and synthpop's)."""


@dataclass(frozen=True)
class Grown:
    """A tree, the numbers that stand for categories in it, and the rows of each leaf, leaf by leaf.

    scores   by column before it: float64, (c,) for categories, None for numbers
    order    rows of the original, ordered by leaf; those of leaf i begin at starts[i]: int64
    tree     None where no column is before it: all rows are one leaf then
    """

    tree: Any
    scores: tuple[Numbers | None, ...]
    order: Positions
    starts: Positions

    def donors(
        self, before: list[tuple[Measure | Categories, Positions]], n: int, random: np.random.Generator
    ) -> Positions:
        """For each of `n` new rows, whose values in the columns before are those of the given rows, a donor."""
        leaves = np.zeros(n, np.int64)
        if self.tree is not None and n:
            features = _features([(column, rows) for column, rows in before], self.scores, n)
            leaves = self.tree.apply(features)
        first = self.starts[leaves]
        n_rows = self.starts[leaves + 1] - first
        return self.order[first + (random.random(n) * n_rows).astype(np.int64)]


def grow(
    before: list[Measure | Categories],
    rows: Positions,
    wanted: NDArray[Any],
    n_classes: int | None,
    min_leaf: int,
    seed: int,
) -> Grown:
    """A tree that predicts `wanted` of the given rows: codes of so many classes, or numbers where that is None."""
    if not before:
        return Grown(None, (), rows, np.array([0, len(rows)]))
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    scores = tuple(
        _scores(column.codes[rows], column.n, wanted, n_classes) if isinstance(column, Categories) else None
        for column in before
    )
    features = _features([(column, rows) for column in before], scores, len(rows))
    has_classes = n_classes is not None and 2 < n_classes <= _MOST_CLASSES
    kind = DecisionTreeClassifier if has_classes else DecisionTreeRegressor  # of two classes the same, and quicker
    tree = kind(min_samples_leaf=min_leaf, min_samples_split=max(2, _SPLIT_LEAVES * min_leaf), random_state=seed)
    leaves = tree.fit(features, wanted).apply(features)
    counts = np.bincount(leaves, minlength=tree.tree_.node_count)
    order = rows[np.argsort(leaves, kind="stable")]
    return Grown(tree, scores, order, np.concatenate([[0], np.cumsum(counts)]))


def _features(
    columns: list[tuple[Measure | Categories, Positions]], scores: tuple[Numbers | None, ...], n: int
) -> NDArray[np.float32]:
    """What a tree sees of rows, float32, (n, f): of numbers with gaps also whether there is one."""
    features = []
    for (column, rows), own in zip(columns, scores, strict=True):
        if isinstance(column, Categories):
            features.append((np.zeros(column.n) if own is None else own)[column.codes[rows]])
            continue
        values = column.values[rows]
        if column.missing.any():
            features.append(np.isnan(values).astype(np.float64))
            values = np.where(np.isnan(values), np.nanmean(column.values), values)
        features.append(values)
    return np.column_stack(features).astype(np.float32) if features else np.zeros((n, 0), np.float32)


def _scores(codes: Positions, n_categories: int, wanted: NDArray[Any], n_classes: int | None) -> Numbers:
    """A number for each category, float64, (c,); one that no row has gets the mean."""
    counts = np.bincount(codes, minlength=n_categories)
    if n_classes is None or n_classes <= 2 or n_classes > _MOST_CLASSES:
        sums = np.bincount(codes, weights=wanted, minlength=n_categories)
        return np.where(counts, sums / np.maximum(counts, 1), wanted.mean())
    cells = np.bincount(codes * n_classes + wanted, minlength=n_categories * n_classes)
    shares = cells.reshape(n_categories, n_classes) / np.maximum(counts, 1)[:, None]
    apart = np.where(counts[:, None], shares - np.bincount(wanted, minlength=n_classes) / len(wanted), 0)
    axis = np.linalg.eigh((apart * counts[:, None]).T @ apart)[1][:, -1]
    return np.asarray(apart @ (axis * np.sign(axis[np.abs(axis).argmax()])))  # which of two directions is chance
