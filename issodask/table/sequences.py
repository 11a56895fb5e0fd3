"""How the rows of groups are coded, and which cells a group lies in: the sequential twin of bins.py and cliques.py.

In: the original and its groups. Out: `SequenceBins` (codes of each row), `SequenceCliques` (cells of the objective).

mostlyai-qa draws one row of each group and its successor: row int((L - 1) U) of L. In expectation each of the first
max(1, L - 1) rows of a group counts 1 / max(1, L - 1), and so it counts here, in whole parts of `unit`. "Sequence
Length" is one more column. Coherence adds three families of cells: a column's value and its value in the next row; the
number of distinct categories of a column in a group; and the groups in which each of the ten most frequent categories
occurs. Its categories are 30 bins, of at most 100 rows of a group.

Source: mostlyai-qa 1.10, _sampling.py: sample_two_consecutive_rows, prepare_data_for_coherence; _coherence.py.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.kernels.lists import MOST_VALUES, count_groups, distinct_values, list_groups
from issodask.kernels.units import GroupUnits
from issodask.table.bins import MIN_CATEGORY_COUNT, OTHER, Bins
from issodask.table.blocks import SequenceCodes
from issodask.table.cliques import FAMILIES, CellIndex, Cliques, family_shares
from issodask.table.columns import Columns, Numbers
from issodask.table.groups import SEQUENCE_LENGTH, Groups

COHERENCE_FAMILIES = ("successors", "distinct categories", "sequences per category")
COHERENCE_BINS = 30
TOP_CATEGORIES = 9
MOST_UNIT = 2_520
"""Divisible by all of 1 to 10, so that the rows of groups of up to 11 rows weigh exactly the same."""
_LARGEST_TARGET = 2**27
_MOST_DRAWS, _DRAWN_ROWS = 8, 400_000
_GOLDEN = 0.6180339887498949
_BUFFER_CELLS = 4_000_000


@dataclass(frozen=True)
class SequenceBins:
    """The bins of a sequential table of d columns (all but the group key).

    rows         of the columns and Sequence Length, as mostlyai-qa finds them on drawn rows
    successors   of the columns, as found on the rows that follow
    values       of the columns, 30 each, for coherence
    distinct     of the number of distinct values of each column in a group
    categories   per column, and code of `values`: which of its most frequent categories that is (10 at most)
    mean_categories  per column, how many of these occur in a group of the original
    """

    rows: Bins
    successors: Bins
    values: Bins
    distinct: Bins
    categories: tuple[tuple[int, ...], ...]
    mean_categories: tuple[float, ...]

    @classmethod
    def fit(cls, table: Columns | pd.DataFrame, groups: Groups) -> "SequenceBins":
        """Find the bins of `table`, the original without its group key.

        Raises InputError for an empty table, for no columns beside the key, and for a column named Sequence Length.
        """
        table = Columns.of(table)
        if SEQUENCE_LENGTH in table.names:
            raise InputError(
                f"the original has a column {SEQUENCE_LENGTH!r}, but that is what the number of rows of a group is "
                "called: rename it"
            )
        draws, n_draws = _draw_rows(groups)
        with_length = _with_length(table, groups.length_of_rows())
        min_count = MIN_CATEGORY_COUNT * n_draws
        rows = Bins.fit(with_length.take(groups.order[draws]), min_count=min_count)
        has_next = groups.lengths[_group_of(draws, groups)] > 1
        followers = table.take(groups.order[draws + has_next]).masked(~has_next)
        successors = Bins.fit(followers, min_count=min_count)
        values = Bins.fit(table, n_bins=COHERENCE_BINS)
        coded = values.encode(table)[groups.order]
        numbers = distinct_values(coded, groups.starts)
        distinct = Bins.fit(pd.DataFrame(numbers, columns=list(table.names)))
        categories = tuple(_top_categories(coded[:, j], groups, values.labels[j]) for j in range(coded.shape[1]))
        folded = np.stack([np.array(table)[coded[:, j]] for j, table in enumerate(categories)], axis=1)
        means = distinct_values(folded.astype(np.uint8), groups.starts).mean(axis=0)
        return cls(rows, successors, values, distinct, categories, tuple(means.tolist()))

    def with_hidden_as_other(self) -> "SequenceBins":
        """See Bins."""
        rows, successors, values = (bins.with_hidden_as_other() for bins in (self.rows, self.successors, self.values))
        return replace(self, rows=rows, successors=successors, values=values)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns whose marginals count: the table's and Sequence Length."""
        return self.rows.names

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        return self.rows.labels

    @property
    def n_columns(self) -> int:
        """Columns of the table, without its group key: d."""
        return len(self.values.columns)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Number of codes of each column of codes: int64, (3 d + 1,): rows, successors, values."""
        return np.concatenate([self.rows.sizes, self.successors.sizes, self.values.sizes])

    def encode(self, table: Columns | pd.DataFrame, lengths: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Code rows whose groups have the given lengths (int64, n_rows): uint8, (n_rows, 3 d + 1), as `sizes`."""
        table = Columns.of(table)
        with_length = _with_length(table, lengths)
        parts = self.rows.encode(with_length), self.successors.encode(table), self.values.encode(table)
        return np.concatenate(parts, axis=1)

    def encode_groups(self, table: Columns | pd.DataFrame, groups: Groups) -> SequenceCodes:
        """Code a whole table, group after group."""
        codes = self.encode(table, groups.length_of_rows())
        return SequenceCodes(codes if groups.is_gathered else codes[groups.order], groups.starts)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON."""
        bins = {name: getattr(self, name).to_dict() for name in ("rows", "successors", "values", "distinct")}
        return {**bins, "categories": self.categories, "mean_categories": self.mean_categories}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SequenceBins":
        bins = {name: Bins.from_dict(values[name]) for name in ("rows", "successors", "values", "distinct")}
        categories = tuple(tuple(table) for table in values["categories"])
        return cls(**bins, categories=categories, mean_categories=tuple(values["mean_categories"]))

    def hash(self) -> str:
        """Names these bins: equal bins, equal text."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:32]


class SequenceIndex(NamedTuple):
    """The arrays that kernels need to list a group's cells; d columns, cells counted from 0 over all families."""

    rows: CellIndex  # of d + 1 columns
    successor_first: NDArray[np.int64]  # (d,)       first cell of (code, code in the next row)
    successor_sizes: NDArray[np.int64]  # (d,)       codes of a successor
    no_successor: NDArray[np.uint8]  # (d,)          its code when the group has one row
    distinct_first: NDArray[np.int64]  # (d,)
    distinct_codes: NDArray[np.uint8]  # (d, 256)    bin of each number of distinct values
    category_first: NDArray[np.int64]  # (d,)
    category_codes: NDArray[np.uint8]  # (d, 256)    category of each value
    category_amounts: NDArray[np.int64]  # (d,)      what one category of a group weighs


@dataclass(frozen=True)
class SequenceCliques:
    """All cells of groups: those of single columns, pairs, triples (`rows`), and those of coherence.

    `unit` is what a group weighs in each clique: the parts of its rows add up to it. `sizes` are the codes that have a
    cell, of each column of codes: int64, (3 d + 1,).
    """

    sizes: NDArray[np.int64]
    rows: Cliques
    index: SequenceIndex
    unit: int
    family_starts: NDArray[np.int64]

    @classmethod
    def of(
        cls, bins: SequenceBins, n_units: int, pool_counts: Sequence[Sequence[int]] | None = None
    ) -> "SequenceCliques":
        """Lay out the cells for a subset of `n_units` groups.

        `pool_counts` says how often each code occurs in the pool; bins that only it could fill, and doesn't, are left
        out. (That no row follows is not among the counts: where it has no bin but "(unseen)", that stays.)
        """
        d = bins.n_columns
        unit = max(1, min(MOST_UNIT, _LARGEST_TARGET // n_units))
        empty = np.zeros(3 * d + 1, np.int64)
        if pool_counts is not None:
            empty = np.array([int(counts[-1] == 0) for counts in pool_counts])
        rows = Cliques.of(bins.rows.sizes - empty[: d + 1])
        no_successor = np.array([column.codes[-1] for column in bins.successors.columns], np.uint8)
        successor_sizes = np.maximum(bins.successors.sizes - empty[d + 1 : 2 * d + 1], no_successor + np.int64(1))
        category_sizes = np.array([max(table) + 1 for table in bins.categories])
        counts = (rows.index.sizes[:d] * successor_sizes, bins.distinct.sizes, category_sizes)
        firsts, family_starts, start = [], [*rows.family_starts.tolist()], rows.n_cells
        for n_cells in counts:
            firsts.append(start + np.cumsum(n_cells) - n_cells)
            start += int(n_cells.sum())
            family_starts.append(start)
        index = SequenceIndex(
            rows=rows.index,
            successor_first=firsts[0],
            successor_sizes=successor_sizes,
            no_successor=no_successor,
            distinct_first=firsts[1],
            distinct_codes=_distinct_codes(bins.distinct),
            category_first=firsts[2],
            category_codes=np.array([(*t, *[0] * (256 - len(t))) for t in bins.categories], np.uint8),
            category_amounts=np.maximum(1, np.rint(unit / np.array(bins.mean_categories))).astype(np.int64),
        )
        sizes = np.concatenate([rows.index.sizes, successor_sizes, bins.values.sizes])
        return cls(sizes, rows, index, unit, np.array(family_starts, np.int64))

    @property
    def n_cells(self) -> int:
        return int(self.family_starts[-1])

    @property
    def n_cliques(self) -> int:
        """Cliques of rows and of coherence."""
        return self.rows.n_cliques + 3 * self.n_columns

    @property
    def n_columns(self) -> int:
        return len(self.index.successor_sizes)

    @property
    def families(self) -> tuple[str, ...]:
        return (*FAMILIES, *COHERENCE_FAMILIES)

    @property
    def family_shares(self) -> NDArray[np.float64]:
        """Weight of one clique's accuracy in the overall accuracy, by family: float64, (6,)."""
        n_rows = [len(self.rows.by_arity.get(arity, ())) for arity in (1, 2, 3)]
        shares = family_shares(np.array([*n_rows, self.n_columns]))
        return np.append(shares[:3], np.repeat(shares[3] / 3, 3))

    def sum_by_family(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Sum an array of cells over all cliques of each family: (6,)."""
        bounds = self.family_starts
        return np.array([cells[first:last].sum() for first, last in pairwise(bounds)])

    def count(self, codes: SequenceCodes, cells: NDArray[np.int64], units: NDArray[np.int64] | None = None) -> None:
        """Add all cells of the given units of `codes` (default: each once) to `cells`, in parts of `unit`.

        Raises IndexError when a code has no bin.
        """
        self._check(codes)
        groups = np.arange(len(codes.starts) - 1) if units is None else units
        count_groups(codes.rows, codes.starts, groups, self.index, self.unit, cells)

    def gather(
        self, pieces: Sequence[tuple[SequenceCodes, NDArray[np.int64]]], unit: int, weights: NDArray[np.float64]
    ) -> GroupUnits:
        """List the cells of the given units of each piece, for the kernels."""
        parts = []
        for codes, units in pieces:
            self._check(codes)
            parts += self._listed(codes, units, weights)
        return GroupUnits.stack(parts) if parts else GroupUnits.none(len(self.families), weights)

    def _listed(self, codes: SequenceCodes, units: NDArray[np.int64], weights: NDArray[np.float64]) -> list[GroupUnits]:
        """The units' lists, in pieces of bounded size."""
        capacity = _BUFFER_CELLS + self.n_cells
        cells, amounts = np.empty(capacity, np.int32), np.empty(capacity, np.uint16)
        parts, n_done = [], 0
        while n_done < len(units):
            rest = units[n_done:]
            bounds = np.empty((len(rest), len(self.families) + 1), np.int64)
            listed = cells, amounts, bounds
            n = list_groups(codes.rows, codes.starts, rest, self.index, self.unit, _BUFFER_CELLS, *listed)
            n_cells = int(bounds[n - 1, -1])
            parts.append(GroupUnits(bounds[:n], cells[:n_cells].copy(), amounts[:n_cells].copy(), weights))
            n_done += n
        return parts

    def _check(self, codes: SequenceCodes) -> None:
        if codes.rows.shape[1] != len(self.sizes):
            raise IndexError(
                f"codes have {codes.rows.shape[1]} columns, {self.n_columns} columns of sequences need "
                f"{len(self.sizes)}"
            )
        if len(codes.rows) and (codes.rows.max(axis=0) >= self.sizes).any():
            raise IndexError("a code is not below the number of bins of its column")


def _draw_rows(groups: Groups) -> tuple[NDArray[np.int64], int]:
    """Rows as mostlyai-qa draws them, positions in `groups.order`, several of each group, evenly; and how many."""
    n_draws = int(np.clip(_DRAWN_ROWS // max(1, groups.n_groups), 1, _MOST_DRAWS))
    shifts = (np.arange(groups.n_groups) * _GOLDEN) % 1.0
    chances = (shifts[None, :] + np.arange(n_draws)[:, None] / n_draws) % 1.0
    draws = groups.starts[:-1] + ((groups.lengths - 1) * chances).astype(np.int64)
    return draws.ravel(), n_draws


def _group_of(positions: NDArray[np.int64], groups: Groups) -> NDArray[np.int64]:
    return np.searchsorted(groups.starts, positions, side="right") - 1


def _with_length(table: Columns, lengths: NDArray[np.int64]) -> Columns:
    return table.having(SEQUENCE_LENGTH, Numbers(lengths.astype(np.float64)))


def _top_categories(values: NDArray[np.uint8], groups: Groups, labels: tuple[str, ...]) -> tuple[int, ...]:
    """For each code of a column the category it counts as: one of the nine that most groups have, or another.

    mostlyai-qa calls the others "(other)"; where a bin of that name is among the nine, they count to it.
    """
    of_group = np.repeat(np.arange(groups.n_groups), groups.lengths)
    pairs = np.unique(of_group * MOST_VALUES + values)
    n_groups = np.bincount(pairs % MOST_VALUES, minlength=len(labels))
    top = np.argsort(-n_groups, kind="stable")[:TOP_CATEGORIES]
    top = np.sort(top[n_groups[top] > 0])
    others = int(np.searchsorted(top, labels.index(OTHER))) if OTHER in [labels[code] for code in top] else len(top)
    table = np.full(len(labels), others)
    table[top] = np.arange(len(top))
    return tuple(table.tolist())


def _distinct_codes(distinct: Bins) -> NDArray[np.uint8]:
    numbers = pd.DataFrame({name: np.arange(MOST_VALUES) for name in distinct.names})
    return np.ascontiguousarray(distinct.encode(numbers).T)


Layout = Cliques | SequenceCliques


def coherence_only(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the six families, for an objective that looks at coherence alone."""
    return np.append(np.zeros(3), weights[3:])
