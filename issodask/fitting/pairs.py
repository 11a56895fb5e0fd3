"""Pairs of columns, a factor for each of their cells, and what is done with them block by block.

In: the codes and weights of a block. Out: the weights scaled by the factors of their cells, or summed by cell.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.kernels.ipf import scale_weights, sum_weights
from issodask.table.cliques import Cliques


class PairTable(NamedTuple):
    """A small table that goes out to the blocks: the pairs of a group, and a factor for each of their cells."""

    pairs: NDArray[np.int64]  # (p, 2) columns
    starts: NDArray[np.int64]  # (p,) first cell of each pair
    sizes: NDArray[np.int64]  # (d,) bins per column
    factors: NDArray[np.float64]  # (cells,)


NOTHING = PairTable(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


class Weights(Protocol):
    """The weights of all units, wherever they are."""

    def step(self, scale_by: PairTable | None, sum_by: PairTable, n_sums: int) -> NDArray[np.float64]:
        """Scale all weights by a table's factors, then sum them by another table's cells; last, sum their squares."""

    def largest(self) -> float:
        """The largest weight."""


def weigh_block(
    codes: NDArray[np.uint8], factors: Sequence[PairTable], largest: float, first: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The weights of units (codes: u x d), float64, (u,), that began as `first` or 1; none is above `largest`.

    Factors of cells that few units fill are large. As long as they are fitted, the sums hold them in bounds; of a unit
    that they were not fitted on, hundreds of them may meet (1e17 was seen in a table of 80 columns).
    """
    weights = np.ones(len(codes)) if first is None else first.copy()
    for table in factors:
        scale_weights(codes, table.pairs, table.starts, table.sizes, table.factors, weights)
    return np.minimum(weights, largest)


def scale_block(codes: NDArray[np.uint8], weights: NDArray[np.float64], table: PairTable) -> None:
    """A block's share of a step: scale its weights, in place."""
    scale_weights(codes, table.pairs, table.starts, table.sizes, table.factors, weights)


def sum_block(codes: NDArray[np.uint8], weights: NDArray[np.float64], table: PairTable) -> NDArray[np.float64]:
    """A block's share of a step: the sums of its weights by cell, and of their squares: (1, cells + 1)."""
    sums = np.zeros((1, len(table.factors) + 1))
    sum_weights(codes, table.pairs, table.starts, table.sizes, weights, sums[0, :-1])
    sums[0, -1] = np.square(weights).sum()
    return sums


def sum_cells(
    codes: NDArray[np.uint8], weights: NDArray[np.float64], tables: Sequence[PairTable]
) -> NDArray[np.float64]:
    """Sums of weights by cell, of all tables one after the other, then of all weights and of their squares.

    float64, (cells + 2,)
    """
    by_table = [sum_block(codes, weights, table)[0, :-1] for table in tables]
    return np.concatenate([*by_table, [weights.sum(), np.square(weights).sum()]])


def rank_pairs(marginals: NDArray[np.int64], cliques: Cliques, limit: int) -> NDArray[np.int64]:
    """The `limit` pairs of the original with the highest mutual information: (p, 2)."""
    pairs = cliques.by_arity.get(2, np.zeros((0, 2), np.int64))
    information = np.array([_mutual_information(marginals[cliques.cells_of((a, b))]) for a, b in pairs.tolist()])
    ranked = np.argsort(-information, kind="stable")[:limit]
    return pairs[np.sort(ranked)]


def pair_table(pairs: list[tuple[int, int]], marginals: NDArray[np.int64], cliques: Cliques) -> PairTable:
    """The original's share of each cell of some pairs."""
    shares = []
    for a, b in pairs:
        counts = marginals[cliques.cells_of((a, b))].ravel()
        shares.append(counts / counts.sum())
    starts = np.cumsum([0, *(len(share) for share in shares[:-1])])
    return PairTable(np.array(pairs, np.int64), starts.astype(np.int64), cliques.index.sizes, np.concatenate(shares))


def disjoint_groups(pairs: NDArray[np.int64], n_columns: int) -> list[list[tuple[int, int]]]:
    """Deal pairs into at most `n_columns` groups in which no column occurs twice (circle method of a round robin)."""
    n = n_columns + n_columns % 2
    groups: dict[int, list[tuple[int, int]]] = {}
    for a, b in pairs.tolist():
        day = 2 * a % (n - 1) if b == n - 1 else (a + b) % (n - 1)
        groups.setdefault(day, []).append((a, b))
    return [groups[day] for day in sorted(groups)]


def _mutual_information(counts: NDArray[np.int64]) -> float:
    joint = counts / counts.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())
