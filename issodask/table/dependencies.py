"""Columns that determine others: each value of the one has a single value of the other in all of the original.

In: plain columns. Out: `Dependency`, found where chance doesn't explain it, and which rows of any table keep it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask.kernels.bins import NO_TIME
from issodask.table.columns import Columns, Numbers, Plain, Times

LEAST_ROWS_PER_VALUE = 5.0
SURELY = 20.0
"""A dependency that chance would bring with a probability above e^-20 is none."""

_MISSING = np.int64(-(2**62))
_TINY = np.finfo(float).tiny
_TICKS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class Dependency:
    """Which value of one column goes with each of another: int64, (values,), by `value_keys`, `given` ascending."""

    determines: str
    determined: str
    given: NDArray[np.int64]
    expected: NDArray[np.int64]

    @property
    def text(self) -> str:
        return f"{self.determines} -> {self.determined}"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.determines, self.determined

    def hash(self) -> str:
        """Names the values: equal values, equal text."""
        return xxhash.xxh3_64(self.given.tobytes() + self.expected.tobytes()).hexdigest()

    def keeps(self, table: Columns) -> NDArray[np.bool_]:
        """Which rows keep it: bool, (n,). A value that the original does not have determines nothing."""
        given, found = value_keys(table[self.determines]), value_keys(table[self.determined])
        place = np.minimum(np.searchsorted(self.given, given), len(self.given) - 1)
        return (self.given[place] != given) | (self.expected[place] == found)


def find_dependencies(table: Columns, names: Sequence[str]) -> tuple[Dependency, ...]:
    """All dependencies among the columns `names` whose determining values occur five times on average."""
    coded: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {
        name: tuple(np.unique(value_keys(table[name]), return_inverse=True))  # type: ignore[misc]
        for name in names
    }
    found = []
    for a in names:
        keys, places = coded[a]
        n_known = int((keys[places] != _MISSING).sum())
        if len(keys) < 2 or n_known < LEAST_ROWS_PER_VALUE * len(keys):
            continue
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], np.arange(len(keys)))
        sizes = np.diff(np.append(starts, len(places)))
        is_known = keys != _MISSING
        for b in names:
            others, of_rows = coded[b]
            if a == b or len(others) < 2:
                continue
            gathered = of_rows[order]
            low, high = np.minimum.reduceat(gathered, starts), np.maximum.reduceat(gathered, starts)
            if (low != high)[is_known].any() or not _is_beyond_chance(sizes[is_known], of_rows):
                continue
            found.append(Dependency(a, b, keys[is_known], others[low[is_known]]))
    return tuple(found)


def value_keys(column: Plain) -> NDArray[np.int64]:
    """A number for each value, the same in all tables: int64, (n,); one of its own for missing ones."""
    if isinstance(column, Numbers):
        keys = (column.values + 0.0).view(np.int64).copy()  # -0.0 is 0.0
        keys[np.isnan(column.values)] = _MISSING
        return keys
    if isinstance(column, Times):
        keys = column.ticks * _TICKS[column.unit]  # wraps around where it is too large: the same wherever it does
        keys[column.ticks == NO_TIME] = _MISSING
        return keys
    hashes = [xxhash.xxh3_64(text.encode()).intdigest() >> 1 for text in column.texts]
    return np.array([*hashes, int(_MISSING)], np.int64)[column.places]


def _is_beyond_chance(sizes: NDArray[np.int64], of_rows: NDArray[np.int64]) -> bool:
    """Whether so many rows of each value would hardly agree in the other column if both had nothing to do with it."""
    shares = np.bincount(of_rows) / len(of_rows)
    distinct, n_times = np.unique(sizes, return_counts=True)
    log_chance = sum(
        times * np.log(max(float(np.sum(shares**size)), _TINY))
        for size, times in zip(distinct.tolist(), n_times.tolist(), strict=True)
    )
    return bool(log_chance < -SURELY)
