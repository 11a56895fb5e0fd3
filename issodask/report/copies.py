"""Units of a table that equal a unit of the original, and how many of them chance explains.

In: the original and other tables with its columns and types. Out: `Copies` of each. Rows are equal in every column,
missing values included; groups have the same rows in the same order.

A row that several originals share names nobody, and another sample would have it too. What counts are rows that equal
one that the original has once. By Good and Turing (Good 1953, Biometrika 40) 2 f2 / n of a second sample's units would:
n units of the original, f2 of its distinct ones there twice. On census the estimate for all equal rows is 0.12 %, and
the holdout shows 0.11 %; on seven columns of ACS 6.8 % and 7.0 %.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.report.tables import Table

_MISSING = np.uint64(0x6A09E667F3BCC909)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


@dataclass(frozen=True)
class Copies:
    """How many of a table's `n_units` equal a unit of the original.

    n_equal    those that do
    n_of_once  of these, how many equal one that the original has once
    by_chance  how many of the latter chance explains at most (three standard deviations above what it is expected to)
    """

    n_units: int
    n_equal: int
    n_of_once: int
    by_chance: float

    @property
    def share(self) -> float:
        return self.n_equal / self.n_units

    @property
    def are_beyond_chance(self) -> bool:
        return self.n_of_once > self.by_chance

    def to_dict(self, unit: str) -> dict[str, Any]:
        """As JSON has it; `unit` is what a unit is called."""
        return {"unit": unit, **asdict(self), "beyond_chance": self.are_beyond_chance}


@dataclass(frozen=True)
class Fingerprints:
    """What is kept of an original to know its units again.

    hashes   uint64, of each distinct unit, ascending
    counts   int64, how many units are this one
    columns  those that are compared, each with the kind of its values
    """

    hashes: NDArray[np.uint64]
    counts: NDArray[np.int64]
    columns: pd.DataFrame

    @classmethod
    def of(cls, original: Table, leave_out: Collection[str] = ()) -> "Fingerprints":
        """Take them of all columns but those in `leave_out`."""
        compared = [i for i, name in enumerate(original.rows.columns) if name not in leave_out]
        columns = original.rows.iloc[:0, compared]
        hashes, counts = np.unique(_unit_hashes(original, columns), return_counts=True)
        return cls(hashes, counts, columns)

    def copies_in(self, table: Table) -> Copies:
        found = _unit_hashes(table, self.columns)
        places = np.searchsorted(self.hashes, found).clip(max=len(self.hashes) - 1)
        is_equal = self.hashes[places] == found
        n_of_once = int((is_equal & (self.counts[places] == 1)).sum())
        return Copies(len(found), int(is_equal.sum()), n_of_once, self._explained(len(found)))

    def _explained(self, n_units: int) -> float:
        """How many of `n_units` would at most equal a unit that the original has once.

        One is added to what was counted, so that an original without repeats still allows for some: no repeat among n
        leaves a rate of about 1/n possible. The variance is of a Poisson count, whose rate is itself an estimate.
        """
        n_original = int(self.counts.sum())
        rate = (2 * int((self.counts == 2).sum()) + 1) / (n_original + 1)
        expected = n_units * rate
        return expected + 3 * sqrt(expected * (1 + 2 * n_units / n_original))


def _unit_hashes(table: Table, columns: pd.DataFrame) -> NDArray[np.uint64]:
    """One uint64 per unit: of a group the sum of its rows' hashes, each mixed with the row's place."""
    hashes = np.zeros(len(table.rows), np.uint64)
    for name in columns.columns:
        hashes = _mixed(hashes + _value_hashes(table.rows[name], columns[name]))
    if not table.is_grouped:
        return hashes
    groups = table.groups
    places = np.arange(len(table.rows)) - np.repeat(groups.starts[:-1], groups.lengths)
    return np.add.reduceat(_mixed(hashes + (places + 1).astype(np.uint64) * _GOLDEN), groups.starts[:-1])


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Source: splitmix64."""
    hashes = hashes + _GOLDEN
    for shift, factor in _MIXERS:
        hashes = (hashes ^ (hashes >> shift)) * factor
    return hashes ^ (hashes >> np.uint64(31))


def _value_hashes(values: pd.Series, original: pd.Series) -> NDArray[np.uint64]:
    """One uint64 per value, compared as the kind of value that the column has in the original."""
    if pd.api.types.is_numeric_dtype(original):
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.util.hash_array(numbers + 0.0)  # no -0.0
    if pd.api.types.is_datetime64_any_dtype(original):
        return pd.util.hash_array(pd.to_datetime(values, errors="coerce").to_numpy(dtype="datetime64[us]"))
    codes, distinct = pd.factorize(values)
    texts = pd.Series(distinct).astype("string").to_numpy(dtype=object)
    return np.append(pd.util.hash_array(texts, categorize=False), _MISSING)[codes]
