"""Cliques (1, 2 or 3 columns) and where each of their cells lies in one array.

In: the number of bins per column. Out: `Cliques`, which every count, target, residual and accuracy shares. The layout
keeps the cells that one unit touches close together; `issodask.kernels.cells` describes it and walks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from issodask.kernels.counting import count_units
from issodask.kernels.units import RowUnits

FAMILIES = ("univariate", "bivariate", "trivariate")

MAX_TRIPLES = 10_000
"""Triples that are held; mostlyai-qa scores a random 10,000 when there are more (`MAX_TRIVARIATES`)."""


class CellIndex(NamedTuple):
    """The arrays that kernels need to find a cell; all int64, d = columns."""

    sizes: NDArray[np.int64]  # (d,)    bins per column
    first: NDArray[np.int64]  # (d+1,)  cumulated sizes
    pair_rows: NDArray[np.int64]  # (d,)    first cell of the pairs that column a opens
    triple_rows: NDArray[np.int64]  # (d, d)  first cell of the triples that columns (a, b) open; -1: not held


@dataclass(frozen=True)
class Cliques:
    """All columns, all pairs, and all triples (or a fair sample of them) of a table with the given bins per column."""

    index: CellIndex
    n_cells: int
    unit: int = 1
    """What a unit weighs in each clique when it is counted."""

    @classmethod
    def of(cls, sizes: ArrayLike, max_triples: int = MAX_TRIPLES, seed: int = 0) -> "Cliques":
        """Lay out the cells.

        With more than `max_triples` triples, random pairs (a, b) are drawn, each with all its third columns, until
        at least that many are held: each pair is as likely as any other, so the mean over triples keeps its scale.
        """
        sizes = np.asarray(sizes, np.int64)
        d = len(sizes)
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        width = first[d] - first[1:]  # cells of a row whose last fixed column is a
        pair_rows = np.full(d, -1, np.int64)
        triple_rows = np.full((d, d), -1, np.int64)
        n_cells = int(first[d])
        for a in range(d - 1):
            pair_rows[a] = n_cells
            n_cells += int(sizes[a] * width[a])
        for a, b in _held_pairs(d, max_triples, seed):
            triple_rows[a, b] = n_cells
            n_cells += int(sizes[a] * sizes[b] * width[b])
        return cls(CellIndex(sizes, first, pair_rows, triple_rows), n_cells)

    @property
    def n_columns(self) -> int:
        return len(self.index.sizes)

    @cached_property
    def by_arity(self) -> dict[int, NDArray[np.int64]]:
        """Column numbers of each clique, (k, arity), in the order of `sum_by_clique`; empty arities are absent."""
        d = self.n_columns
        singles = np.arange(d, dtype=np.int64)[:, None]
        pairs = np.array(list(combinations(range(d), 2)), np.int64).reshape(-1, 2)
        triples = [(a, b, c) for a, b in self._triple_openers() for c in range(b + 1, d)]
        groups = {1: singles, 2: pairs, 3: np.array(triples, np.int64).reshape(-1, 3)}
        return {arity: cliques for arity, cliques in groups.items() if len(cliques)}

    @property
    def n_cliques(self) -> int:
        return sum(len(cliques) for cliques in self.by_arity.values())

    @property
    def families(self) -> tuple[str, ...]:
        return FAMILIES

    @cached_property
    def family_starts(self) -> NDArray[np.int64]:
        """Where the cells of each arity begin, and where the last ones end: int64, (4,)."""
        pairs = self.index.first[-1]
        triples = pairs + sum(int(self.index.sizes[a]) * self._width(a) for a in range(self.n_columns - 1))
        return np.array([0, pairs, triples, self.n_cells], np.int64)

    @property
    def family_shares(self) -> NDArray[np.float64]:
        """Weight of one clique's accuracy in the overall accuracy, by arity: float64, (3,)."""
        return family_shares(np.array([len(self.by_arity.get(arity, ())) for arity in (1, 2, 3)]))

    def sum_by_family(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Sum an array of cells over all cliques of 1, 2 and 3 columns: (3,)."""
        bounds = self.family_starts
        return np.array([cells[first:last].sum() for first, last in pairwise(bounds)])

    def count(self, codes: NDArray[np.uint8], cells: NDArray[np.int64], units: NDArray[np.int64] | None = None) -> None:
        """Add 1 to all cells of the given rows of `codes` (uint8, u x d; default: each row once).

        Raises IndexError when a code has no bin.
        """
        self._check(codes)
        count_units(np.ascontiguousarray(codes if units is None else codes[units]), self.index, cells)

    def gather(
        self, pieces: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]], unit: int, weights: NDArray[np.float64]
    ) -> RowUnits:
        """The given rows of each piece of codes, for the kernels."""
        parts = [codes[rows] for codes, rows in pieces]
        codes = np.concatenate(parts) if parts else np.zeros((0, self.n_columns), np.uint8)
        return RowUnits(codes, self.index, unit, weights)

    def sum_by_clique(self, cells: NDArray[Any]) -> dict[int, NDArray[Any]]:
        """Sum an array of cells over each clique: arity -> (k,), in the order of `by_arity`."""
        d, sizes = self.n_columns, self.index.sizes
        sums = {1: [np.add.reduceat(cells[: self.index.first[d]], self.index.first[:d])]}
        sums[2] = [self._sum_row(cells, self.index.pair_rows[a], int(sizes[a]), a) for a in range(d - 1)]
        sums[3] = [
            self._sum_row(cells, self.index.triple_rows[a, b], int(sizes[a] * sizes[b]), b)
            for a, b in self._triple_openers()
        ]
        return {arity: np.concatenate(parts) for arity, parts in sums.items() if parts}

    def cells_of(self, clique: tuple[int, ...]) -> NDArray[np.int64]:
        """Positions of a clique's cells, in C order over its columns: (size of the 1st, ..., size of the last)."""
        index, last = self.index, clique[-1]
        if len(clique) == 1:
            return np.arange(index.first[last], index.first[last + 1])
        start = index.pair_rows[clique[0]] if len(clique) == 2 else index.triple_rows[clique[0], clique[1]]
        if start < 0:
            raise KeyError(f"the cells of {clique} are not held")
        shape = tuple(int(index.sizes[column]) for column in clique)
        opener = clique[-2]
        rows = np.arange(np.prod(shape[:-1]))[:, None] * self._width(opener)
        columns = index.first[last] - index.first[opener + 1] + np.arange(shape[-1])
        return (start + rows + columns).reshape(shape)

    def _check(self, codes: NDArray[np.uint8]) -> None:
        """Kernels do not check bounds, so the doors to them do."""
        if codes.shape[1] != self.n_columns:
            raise IndexError(f"codes have {codes.shape[1]} columns, the cliques {self.n_columns}")
        if len(codes) and (codes.max(axis=0) >= self.index.sizes).any():
            raise IndexError("a code is not below the number of bins of its column")

    def _width(self, column: int) -> int:
        return int(self.index.first[-1] - self.index.first[column + 1])

    def _triple_openers(self) -> list[tuple[int, int]]:
        held = np.argwhere(self.index.triple_rows >= 0)
        return [(int(a), int(b)) for a, b in held]

    def _sum_row(self, cells: NDArray[Any], start: int, n_rows: int, opener: int) -> NDArray[Any]:
        width = self._width(opener)
        by_bin = cells[start : start + n_rows * width].reshape(n_rows, width).sum(axis=0)
        return np.add.reduceat(by_bin, self.index.first[opener + 1 : -1] - self.index.first[opener + 1])


def family_shares(n_cliques: NDArray[np.int64]) -> NDArray[np.float64]:
    """What one clique of each family counts, when the overall accuracy is the mean of the families' means."""
    n_families = np.count_nonzero(n_cliques)
    return np.divide(1.0, n_cliques * n_families, out=np.zeros(len(n_cliques)), where=n_cliques > 0)


def _held_pairs(d: int, max_triples: int, seed: int) -> list[tuple[int, int]]:
    pairs = [(a, b) for a in range(d - 2) for b in range(a + 1, d - 1)]
    if sum(d - 1 - b for _, b in pairs) <= max_triples:
        return pairs
    order = np.random.default_rng(seed).permutation(len(pairs))
    n_triples = np.cumsum([d - 1 - pairs[i][1] for i in order])
    n_held = int(np.searchsorted(n_triples, max_triples)) + 1
    return sorted(pairs[i] for i in order[:n_held])
