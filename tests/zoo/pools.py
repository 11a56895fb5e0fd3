"""Pools without training: units of the original drawn again, with noise (crude) or as no generator should (bad).

Everything is done with row numbers: each column takes, for each row of the pool, the value of some row of the original.
So types and values stay what they are, and a pool has no value that the original has not.

Axes: r = rows of the original, p = rows of the pool, u = units (rows, or groups) of the pool.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

Rows = NDArray[np.int64]

_NOISE = 0.02  # by how many of the ranks a number moves: the standard deviation
_REDRAWN = 0.05  # share of values that are drawn anew, whatever the row
_MOVED, _MOVED_BY = 0.7, 0.15  # bad: the share of a column's values that move up, and by how many of the ranks
_BIAS = 2.0  # bad: log of how much likelier the highest unit is than the lowest
_RARE = 0.15  # bad: categories below this share may be missing
_PART_ROWS = 100_000


def write_pool(original: Path, key: str | None, n_units: int, folder: Path, is_bad: bool, seed: int = 1) -> None:
    """Draw a pool from the Parquet file `original` and write it as parts that hold whole groups."""
    table = pq.read_table(original)
    pool, first_rows = draw(table, key, n_units, is_bad, np.random.default_rng(seed))
    folder.mkdir(parents=True, exist_ok=True)
    n_parts = -(-len(pool) // _PART_ROWS)
    cuts = [0, *(int(first_rows[n_units * i // n_parts]) for i in range(1, n_parts)), len(pool)]
    for i, (start, stop) in enumerate(pairwise(cuts)):
        pq.write_table(pool.slice(start, stop - start), folder / f"part-{i:03d}.parquet")


def draw(
    table: pa.Table, key: str | None, n_units: int, is_bad: bool, random: np.random.Generator
) -> tuple[pa.Table, Rows]:
    """The pool, and the first row of each unit in it."""
    units = _Units.of(table, key)
    names = [name for name in table.column_names if name != key]
    columns = {name: _Column.of(table[name]) for name in names}
    odds = units.odds([columns[name] for name in random.choice(names, 2)]) if is_bad else None
    chosen = random.choice(len(units.lengths), n_units, p=odds)
    rows, unit = units.rows(chosen)
    first_rows = np.searchsorted(unit, np.arange(n_units))
    drawn = {}
    for name in table.column_names:
        if name == key:
            drawn[name] = _new_keys(table.schema.field(name).type, unit)
            continue
        column = columns[name]
        if units.is_constant(column):
            taken = column.disturbed(rows[first_rows], random, is_bad)[unit]
        else:
            taken = column.disturbed(rows, random, is_bad)
        drawn[name] = table[name].take(pa.array(taken))
    return pa.table(drawn, schema=table.schema.remove_metadata()), first_rows


def _new_keys(type_: pa.DataType, unit: Rows) -> pa.Array:
    keys = pa.array(unit + 1)
    return keys.cast(type_) if not _is_text(type_) else pc.binary_join_element_wise("unit", keys.cast(type_), "-")


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_)


def _is_ordered(type_: pa.DataType) -> bool:
    return pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_temporal(type_)


@dataclass(frozen=True)
class _Units:
    """Rows of the original (r), unit by unit, and where each unit begins."""

    order: Rows
    starts: Rows
    lengths: Rows

    @classmethod
    def of(cls, table: pa.Table, key: str | None) -> "_Units":
        if key is None:
            every = np.arange(len(table))
            return cls(every, every, np.ones(len(table), np.int64))
        codes = _codes(table[key])
        lengths = np.bincount(codes)
        return cls(np.argsort(codes, kind="stable"), np.cumsum(lengths) - lengths, lengths)

    def rows(self, chosen: Rows) -> tuple[Rows, Rows]:
        """The rows of the chosen units, one unit after the other, and the number (u) of each row's unit; both (p,)."""
        lengths = self.lengths[chosen]
        unit = np.repeat(np.arange(len(chosen)), lengths)
        within = np.arange(len(unit)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.order[self.starts[chosen][unit] + within], unit

    def odds(self, columns: "list[_Column]") -> NDArray[np.float64]:
        """How likely each unit is to be drawn: the more so, the higher its first row ranks in these columns."""
        first = self.order[self.starts]
        weights = np.exp(sum(_BIAS * column.rank[first] / len(column.rank) for column in columns))
        return weights / weights.sum()

    def is_constant(self, column: "_Column") -> bool:
        """Whether no unit has two values of it."""
        codes = column.codes[self.order]
        same = codes == np.repeat(codes[self.starts], self.lengths)
        return bool(same.all())


@dataclass(frozen=True)
class _Column:
    """A column of the original (r): the code of each value (missing: the highest), its rank, and the rows by rank."""

    is_ordered: bool
    codes: Rows
    rank: Rows
    by_rank: Rows
    n_valid: int

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "_Column":
        codes = _codes(column)
        by_rank = np.argsort(codes, kind="stable")
        rank = np.empty_like(by_rank)
        rank[by_rank] = np.arange(len(by_rank))
        return cls(_is_ordered(column.type), codes, rank, by_rank, len(column) - column.null_count)

    def disturbed(self, rows: Rows, random: np.random.Generator, is_bad: bool) -> Rows:
        """Other rows, whose values the pool takes instead of those of `rows`."""
        if self.is_ordered and self.n_valid:
            rows = self._moved(rows, random, is_bad)
        anew = random.random(len(rows)) < _REDRAWN
        rows = np.where(anew, random.integers(len(self.rank), size=len(rows)), rows)
        return self._without_rare(rows, random) if is_bad and not self.is_ordered else rows

    def _moved(self, rows: Rows, random: np.random.Generator, is_bad: bool) -> Rows:
        """Values some ranks further on; missing ones stay missing."""
        steps = _NOISE * random.standard_normal(len(rows))
        if is_bad:
            steps += _MOVED_BY * (random.random(len(rows)) < _MOVED)
        rank = self.rank[rows] + np.rint(steps * self.n_valid).astype(np.int64)
        moved = self.by_rank[rank.clip(0, self.n_valid - 1)]
        return np.where(self.rank[rows] < self.n_valid, moved, rows)

    def _without_rare(self, rows: Rows, random: np.random.Generator) -> Rows:
        """Every second rare category is missing: rows of other categories take the place of its rows."""
        shares = np.bincount(self.codes) / len(self.codes)
        is_missing = (shares < _RARE) & (np.arange(len(shares)) % 2 == 0)
        others = np.flatnonzero(~is_missing[self.codes])
        if not len(others):
            return rows
        instead = random.choice(others, len(rows))
        return np.where(is_missing[self.codes[rows]], instead, rows)


def _codes(column: pa.ChunkedArray) -> Rows:
    """The number of each value among the sorted ones, int64 (r,); missing values come last."""
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64)
    ranks = pc.rank(column, tiebreaker="dense")
    return np.asarray(ranks).astype(np.int64) - 1
