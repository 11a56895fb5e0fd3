"""What bins see of a table: plain columns, each of NumPy arrays.

`store/plain.py` makes them from Arrow, which is how tables come in; `Columns.of` from a pandas frame of the door's
types, for those who compute with pandas. A column's class says how mostlyai-qa bins it: as numbers, times or texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.kernels.bins import NO_TIME

Rows = NDArray[np.int64] | slice


@dataclass(frozen=True)
class Numbers:
    """Numbers and truth values: float64, NaN where missing."""

    values: NDArray[np.float64]

    def take(self, rows: Rows) -> "Numbers":
        return Numbers(self.values[rows])

    def masked(self, missing: NDArray[np.bool_]) -> "Numbers":
        return Numbers(np.where(missing, np.nan, self.values))


@dataclass(frozen=True)
class Times:
    """Points in time: int64, `unit` ("s", "ms", "us", "ns") since 1970 UTC, NO_TIME where missing; shown in `zone`."""

    ticks: NDArray[np.int64]
    unit: str
    zone: str | None = None

    def take(self, rows: Rows) -> "Times":
        return replace(self, ticks=self.ticks[rows])

    def masked(self, missing: NDArray[np.bool_]) -> "Times":
        return replace(self, ticks=np.where(missing, NO_TIME, self.ticks))


@dataclass(frozen=True)
class Texts:
    """Categories: `places` (int32) is where each row's text stands in `texts`, -1 where it is missing.

    `texts` may name some more than once, and some that no row has.
    """

    texts: tuple[str, ...]
    places: NDArray[np.int32]

    def take(self, rows: Rows) -> "Texts":
        return replace(self, places=self.places[rows])

    def masked(self, missing: NDArray[np.bool_]) -> "Texts":
        return replace(self, places=np.where(missing, np.int32(-1), self.places))


Plain = Numbers | Times | Texts


@dataclass(frozen=True)
class Columns:
    """The plain columns of a table of `n_rows` rows, by name, in its order."""

    columns: Mapping[str, Plain]
    n_rows: int

    @classmethod
    def of(cls, table: "Columns | pd.DataFrame") -> "Columns":
        """Columns as they are; a pandas frame, with the types that the door gives it, as columns."""
        if isinstance(table, Columns):
            return table
        return cls({str(name): _of_series(table[name]) for name in table.columns}, len(table))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def __getitem__(self, name: str) -> Plain:
        return self.columns[name]

    def take(self, rows: Rows) -> "Columns":
        """The given rows: positions, which may repeat, or a slice."""
        n_rows = len(range(self.n_rows)[rows]) if isinstance(rows, slice) else len(rows)
        return Columns({name: column.take(rows) for name, column in self.columns.items()}, n_rows)

    def masked(self, missing: NDArray[np.bool_]) -> "Columns":
        """The same rows, without any value where `missing` (bool, (n_rows,)) says so."""
        return Columns({name: column.masked(missing) for name, column in self.columns.items()}, self.n_rows)

    def with_constants(self, constants: "Columns") -> "Columns":
        """With columns all of whose values are that of the only row of `constants`."""
        rows = np.zeros(self.n_rows, np.int64)
        return Columns({**self.columns, **constants.take(rows).columns}, self.n_rows)

    def having(self, name: str, column: Plain) -> "Columns":
        """With one more column."""
        return Columns({**self.columns, name: column}, self.n_rows)


def _of_series(values: pd.Series) -> Plain:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return Texts(tuple(map(str, values.cat.categories)), values.cat.codes.to_numpy().astype(np.int32))
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        zone = getattr(values.dtype, "tz", None)
        utc = values if zone is None else values.dt.tz_convert("UTC").dt.tz_localize(None)
        return Times(utc.to_numpy().astype(np.int64), utc.dt.unit, None if zone is None else str(zone))
    if pd.api.types.is_numeric_dtype(values.dtype):
        return Numbers(_finite(values.to_numpy(np.float64, na_value=np.nan), str(values.name)))
    places, found = pd.factorize(values)
    return Texts(tuple(map(str, found)), places.astype(np.int32))


def _finite(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        raise InputError(infinite(name, n_infinite))
    return values


def infinite(name: str, n_infinite: int) -> str:
    """What to say of infinite numbers."""
    return (
        f"column {name!r} has {n_infinite:,} infinite numbers, but finite ones are needed: make them missing or give "
        "them a bound"
    )
