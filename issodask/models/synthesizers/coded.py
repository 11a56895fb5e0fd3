"""A table as most synthesizers want it: numbers, and numbered categories; and the way back, in the original's types.

In: a frame of the door's types. Out: float64 for numbers and times (NaN where missing), int64 codes for all else, where
a missing value is a category like any other. Columns of one value are neither: there is nothing to learn.

Axes: r = rows.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.kernels.bins import NO_TIME
from issodask.models.synthesizers.base import Positions
from issodask.table.columns import Columns, Times

Numbers = NDArray[np.float64]

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_STEPS_S = (86_400, 3_600, 60, 1)
_MOST_DECIMALS = 9


@dataclass(frozen=True)
class Measure:
    """A column of numbers, or of times as whole steps (days, hours, minutes, seconds or ticks) since the first.

    values   float64, (r,), NaN where missing
    low      the least value and the greatest, as the original holds them
    step     of times: ticks of a step
    """

    values: Numbers
    dtype: Any
    low: Any
    high: Any
    step: int | None = None

    @classmethod
    def of(cls, column: pd.Series) -> "Measure":
        plain = Columns.of(column.to_frame("it"))["it"]
        if isinstance(plain, Times):
            return cls._of_times(plain, column)
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        return cls(numbers, column.dtype, column.min(), column.max())

    @classmethod
    def _of_times(cls, plain: Times, column: pd.Series) -> "Measure":
        known = plain.ticks != NO_TIME
        since = plain.ticks - plain.ticks[known].min()
        lengths = [length * _PER_SECOND[plain.unit] for length in _STEPS_S]
        step = next((length for length in lengths if not (since[known] % length).any()), 1)
        return cls(np.where(known, since // step, np.nan), column.dtype, column.min(), column.max(), step)

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        return np.isnan(self.values)

    @property
    def is_whole(self) -> bool:
        return self.step is not None or pd.api.types.is_integer_dtype(self.dtype)

    @cached_property
    def decimals(self) -> int | None:
        """After how many all values end; None where that is no matter."""
        known = self.values[~self.missing]
        ends = (i for i in range(_MOST_DECIMALS) if np.allclose(known, known.round(i), rtol=1e-12, atol=0))
        return next(ends, None)

    def back(self, values: Numbers) -> Any:
        """Values within the original's range, as fine as its own, in its type; missing where NaN."""
        missing = np.isnan(values)
        bounded = np.clip(np.where(missing, np.nanmin(self.values), values), *self._ends)
        if self.step is not None:
            return self._as_times(np.rint(bounded).astype(np.int64), missing)
        exact = self._as_whole(np.rint(bounded)) if self.is_whole else self._as_fine(bounded)
        return pd.Series(exact).astype(self.dtype).mask(missing).array

    @property
    def _ends(self) -> tuple[float, float]:
        return float(np.nanmin(self.values)), float(np.nanmax(self.values))

    def _as_times(self, steps: Positions, missing: NDArray[np.bool_]) -> Any:
        unit = getattr(self.dtype, "unit", None) or np.datetime_data(self.dtype)[0]
        ticks = (steps * (self.step or 1)).astype(f"timedelta64[{unit}]")
        return (pd.Series(ticks) + self.low).mask(missing).astype(self.dtype).array

    def _as_whole(self, numbers: Numbers) -> Any:
        """Exactly the original's ends at the ends: as floating numbers they may be too large for its type."""
        least, most = self._ends
        whole = np.full(len(numbers), self.low, np.uint64 if self.low >= 0 else np.int64)
        whole[numbers >= most] = self.high
        inside = (numbers > least) & (numbers < most)
        whole[inside] = numbers[inside].astype(whole.dtype)
        return whole

    def _as_fine(self, numbers: Numbers) -> Numbers:
        return numbers if self.decimals is None else numbers.round(self.decimals)


@dataclass(frozen=True)
class Categories:
    """A column of categories, the most frequent first.

    codes   int64, (r,)
    first   of each category, a row of the original that has it
    """

    codes: Positions
    first: Positions

    @classmethod
    def of(cls, column: pd.Series) -> "Categories":
        found, _ = pd.factorize(column, use_na_sentinel=False)
        by_frequency = np.argsort(-np.bincount(found), kind="stable")
        place = np.argsort(by_frequency)
        codes = place[found]
        return cls(codes, np.unique(codes, return_index=True)[1])

    @property
    def n(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Coded:
    """The columns of an original that vary, by name."""

    columns: dict[str, Measure | Categories]

    @classmethod
    def of(cls, original: pd.DataFrame) -> "Coded":
        columns = {str(name): _coded(original[name]) for name in original.columns}
        return cls({name: column for name, column in columns.items() if column is not None})


def _coded(column: pd.Series) -> Measure | Categories | None:
    if len(column) == 0 or column.nunique(dropna=False) < 2:
        return None
    types = pd.api.types
    is_measure = types.is_datetime64_any_dtype(column.dtype) or (
        types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    )
    return Measure.of(column) if is_measure else Categories.of(column)
