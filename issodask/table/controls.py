"""Controls: what is asked of a table in numbers: a share of 50 % for one value, or a count for each county and age.

In: cells as a user writes them (values of one to three columns, a number each). Out: `Control`, which says of each unit
in which cell it is. Categories go by value, numbers and times by intervals: "18-24", "18..24", ">= 65", "65+",
"[18, 25)", "2020-03", "2020-01..2020-06"; an empty value stands for missing ones. Units in no cell are its rest.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.kernels.bins import NO_TIME
from issodask.table.columns import Columns, Plain, Texts, Times
from issodask.table.schema import Schema, quoted

COUNT, SHARE = "count", "share"
"""The column of a table of totals that has the numbers of units, or shares of them."""

MOST_COLUMNS = 3
_NUMBER = r"[-+]?\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?"
_RANGES = (r"(.+?)\s*\.\.\s*(.+)", r"(.+?)\s+to\s+(.+)", rf"({_NUMBER})\s*[-–]\s*({_NUMBER})")
_BRACKETS = r"([\[\(])\s*(.+?)\s*,\s*(.+?)\s*([\]\)])"
_TRUTH = {"true": 1.0, "yes": 1.0, "1": 1.0, "1.0": 1.0, "false": 0.0, "no": 0.0, "0": 0.0, "0.0": 0.0}
_MOST_CELLS = 2**24
MAX_TICKS = 2**63 - 1


@dataclass(frozen=True)
class Grouping:
    """Which of some named sets each value of a column is in.

    names   as the user wrote them; "" are missing values
    spans   of numbers (float) or times (ticks of `unit`): the lowest and the highest of each name, both included
    """

    column: str
    names: tuple[str, ...]
    spans: tuple[tuple[float, float], ...] = ()
    unit: str = ""

    def encode(self, values: Plain) -> NDArray[np.int64]:
        """The place of each value's name: int64, (n,); the number of names where it is in none."""
        places = {name: i for i, name in enumerate(self.names)}
        rest = len(self.names)
        missing = places.get("", rest)
        if isinstance(values, Texts):
            of_texts = np.array([*(places.get(text, rest) for text in values.texts), missing], np.int64)
            return of_texts[values.places]
        if isinstance(values, Times):
            known: NDArray[np.bool_] = values.ticks != NO_TIME
            ordered: NDArray[Any] = _in_unit(values, self.unit)
        else:
            known, ordered = ~np.isnan(values.values), values.values
        spans = np.array(self.spans, ordered.dtype).reshape(-1, 2)
        by_low = np.argsort(spans[:, 0], kind="stable")
        lows, highs = spans[by_low].T
        place = np.searchsorted(lows, ordered, side="right") - 1
        is_in = (place >= 0) & known
        is_in[is_in] = ordered[is_in] <= highs[place[is_in]]
        named = np.array([i for i, name in enumerate(self.names) if name != ""], np.int64)
        found = np.full(len(ordered), rest, np.int64)
        found[is_in] = named[by_low[place[is_in]]]
        found[~known] = missing
        return found


@dataclass(frozen=True)
class Control:
    """Cells, and what is asked of each.

    cells    per cell the names of its values, one for each grouping
    amounts  float64, (cells,): units or, where `is_share`, shares of them
    """

    groupings: tuple[Grouping, ...]
    cells: tuple[tuple[str, ...], ...]
    amounts: NDArray[np.float64]
    is_share: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(grouping.column for grouping in self.groupings)

    @property
    def is_by_value(self) -> bool:
        """Whether it is of one column whose values are texts."""
        return len(self.groupings) == 1 and not self.groupings[0].spans

    @property
    def labels(self) -> tuple[str, ...]:
        """How each cell is told, the rest last."""
        named = [
            ", ".join(f"{column} {name or '(missing)'}" for column, name in zip(self.columns, cell, strict=True))
            for cell in self.cells
        ]
        return (*named, f"any other {' and '.join(self.columns)}")

    def encode(self, table: Columns) -> NDArray[np.int64]:
        """The cell of each row: int64, (n,); the number of cells for the rest."""
        shape = [len(grouping.names) + 1 for grouping in self.groupings]
        codes = [grouping.encode(table[grouping.column]) for grouping in self.groupings]
        by_place = np.full(int(np.prod(shape)), len(self.cells), np.int64)
        places = [[grouping.names.index(cell[i]) for cell in self.cells] for i, grouping in enumerate(self.groupings)]
        by_place[np.ravel_multi_index(places, shape)] = np.arange(len(self.cells))
        return by_place[np.ravel_multi_index(codes, shape)]

    def shares(self, n_units: int) -> NDArray[np.float64]:
        """The share of each cell, the rest last: float64, (cells + 1,). Raises InputError when there is none left."""
        asked = self.amounts if self.is_share else self.amounts / n_units
        rest = 1.0 - float(asked.sum())
        if rest < -1e-9:
            most = "1" if self.is_share else f"the {n_units:,} units of the subset"
            raise InputError(f"{self.told} add up to {self.amounts.sum():,.6g}, more than {most}: lower them")
        return np.append(asked, max(0.0, rest))

    def totals(self, n_units: int) -> NDArray[np.int64]:
        """Whole units of each cell, the rest last, that add up to `n_units`: (cells + 1,); large remainders go up."""
        wanted = self.shares(n_units) * n_units
        whole = np.floor(wanted + 1e-9).astype(np.int64)
        up = np.argsort(whole - wanted, kind="stable")[: n_units - int(whole.sum())]
        whole[up] += 1
        return whole

    @property
    def told(self) -> str:
        """What an error message calls it."""
        return f"{'shares' if self.is_share else 'totals'} of {' x '.join(self.columns)}"


def control_of(
    rows: Sequence[Mapping[str, Any]], is_share: bool, amount: str, original: Columns, schema: Schema
) -> Control:
    """The control that these rows ask for: values by column, and the number of units (or share) under `amount`.

    Raises InputError for columns that are not there, values that can't be read, and cells that occur twice.
    """
    if not rows:
        raise InputError("a table of totals has no rows: give each combination a count or a share")
    columns = [str(name) for name in rows[0] if name != amount]
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise InputError(
            f"totals have the columns {quoted(columns) or 'none'} beside {amount!r}: give one to {MOST_COLUMNS}"
        )
    for column in columns:
        check_column(column, schema)
    texts = [tuple(_text(row.get(column)) for column in columns) for row in rows]
    (twice, n_times), *_ = Counter(texts).most_common(1)
    if n_times > 1:
        told = ", ".join(f"{column} {name!r}" for column, name in zip(columns, twice, strict=True))
        raise InputError(f"{told} occurs {n_times} times: give each combination one number")
    groupings = tuple(
        _grouping(column, list(dict.fromkeys(cell[i] for cell in texts)), original[column], schema)
        for i, column in enumerate(columns)
    )
    if np.prod([float(len(grouping.names) + 1) for grouping in groupings]) > _MOST_CELLS:
        raise InputError(f"totals of {' x '.join(columns)} have too many combinations: use fewer columns")
    amounts = np.array([_amount(row.get(amount), is_share, cell) for row, cell in zip(rows, texts, strict=True)])
    return Control(groupings, tuple(texts), amounts, is_share)


def check_column(column: str, schema: Schema) -> None:
    """Raise InputError unless the original has this column, and it is not made anew."""
    if column not in schema.names:
        near = get_close_matches(column, schema.names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"its columns are {quoted(schema.names)}"
        raise InputError(f"the original has no column {column!r}: {hint}")
    if schema[column].role == "id":
        raise InputError(f"column {column!r} is an id, which the subset gets anew: nothing can be asked of its values")


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _amount(value: Any, is_share: bool, cell: tuple[str, ...]) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = np.nan
    if not (0 <= found < np.inf) or (is_share and found > 1) or (not is_share and found != round(found)):
        wanted = "a share from 0 to 1" if is_share else "a whole number of units"
        raise InputError(f"{' x '.join(map(repr, cell))} is given {value!r}: give {wanted}")
    return found


def _grouping(column: str, names: list[str], values: Plain, schema: Schema) -> Grouping:
    if isinstance(values, Texts):
        return _by_value(column, names, values, schema[column].values == "boolean")
    intervals = [name for name in names if name != ""]
    unit = values.unit if isinstance(values, Times) else ""
    spans: list[tuple[float, float]]
    if isinstance(values, Times):
        spans = [_time_span(column, name, values) for name in intervals]
    elif schema[column].values == "boolean":
        spans = [_truth_span(column, name) for name in intervals]
    else:
        spans = [_number_span(column, name) for name in intervals]
    _check_apart(column, intervals, spans)
    return Grouping(column, tuple(names), tuple(spans), unit)


def _by_value(column: str, names: list[str], values: Texts, is_truth: bool) -> Grouping:
    known = list(dict.fromkeys(values.texts))
    if is_truth:
        by_meaning = {_TRUTH.get(text.lower()): text for text in known}
        names = [by_meaning.get(_TRUTH.get(name.lower()), name) if name else name for name in names]
    for name in names:
        if name and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {quoted(known)}"
            raise InputError(f"no row of the original has {column} {name!r}: {hint}")
    return Grouping(column, tuple(names))


def _truth_span(column: str, name: str) -> tuple[float, float]:
    truth = _TRUTH.get(name.lower())
    if truth is None:
        raise InputError(f"{column} is true or false, not {name!r}")
    return truth, truth


def _number_span(column: str, name: str) -> tuple[float, float]:
    def read(text: str) -> float:
        if not re.fullmatch(_NUMBER, text):
            raise _unreadable(column, name, "18-24, >= 65 or [18, 25)")
        return float(text)

    def next_to(end: float) -> Callable[[float], float]:
        return lambda number: float(np.nextafter(number, end))

    return _span(name, lambda text: (read(text), read(text)), next_to(-np.inf), next_to(np.inf))


def _time_span(column: str, name: str, values: Times) -> tuple[int, int]:
    def read(text: str) -> tuple[int, int]:
        try:
            period = pd.Period(text)
            first, after = (_ticks(day.start_time, values) for day in (period, period + 1))
        except ValueError as error:
            raise _unreadable(column, name, "2020-03, 2020-01..2020-06 or >= 2021-05-01") from error
        return first, max(first, after - 1)

    low, high = _span(name, read, lambda tick: tick - 1, lambda tick: tick + 1)
    return int(max(low, -MAX_TICKS)), int(min(high, MAX_TICKS))


def _ticks(time: pd.Timestamp, values: Times) -> int:
    """A time without a zone is one of the column's."""
    if values.zone is not None:
        time = time.tz_localize(values.zone, ambiguous=True, nonexistent="shift_forward")
    return int(time.to_datetime64().astype(f"datetime64[{values.unit}]").astype(np.int64))


def _unreadable(column: str, name: str, such: str) -> InputError:
    return InputError(f"{name!r} is no interval of column {column!r}: give such as {such}")


def _span(
    name: str, read: Callable[[str], tuple[Any, Any]], below: Callable[[Any], Any], above: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """The lowest and the highest value of an interval; `read` gives both of a single value."""
    text = name.strip()
    if found := re.fullmatch(r"(>=|<=|>|<|≥|≤)\s*(.+)", text):
        sign, (low, high) = found[1], read(found[2])
        spans = {">=": (low, np.inf), ">": (above(high), np.inf), "<=": (-np.inf, high), "<": (-np.inf, below(low))}
        return spans[{"≥": ">=", "≤": "<="}.get(sign, sign)]
    if found := re.fullmatch(_BRACKETS, text):
        low, high = read(found[2]), read(found[3])
        return (low[0] if found[1] == "[" else above(low[1])), (high[1] if found[4] == "]" else below(high[0]))
    if text.endswith("+") and (found := re.fullmatch(r"(.+?)\s*\+", text)):
        return read(found[1])[0], np.inf
    for pattern in _RANGES:
        if found := re.fullmatch(pattern, text):
            return read(found[1])[0], read(found[2])[1]
    return read(text)


def _check_apart(column: str, names: Sequence[str], spans: Sequence[tuple[float, float]]) -> None:
    order = sorted(range(len(spans)), key=lambda i: spans[i])
    for i, j in pairwise(order):
        if spans[j][0] <= spans[i][1]:
            raise InputError(f"intervals {names[i]!r} and {names[j]!r} of column {column!r} overlap: keep them apart")
    for i in order:
        if spans[i][0] > spans[i][1]:
            raise InputError(f"interval {names[i]!r} of column {column!r} is empty: give its lower end first")


def _in_unit(values: Times, unit: str) -> NDArray[np.int64]:
    """The ticks in another unit, whose times are those of the original; finer ones are rounded down."""
    if values.unit == unit:
        return values.ticks
    known = values.ticks != NO_TIME
    ticks = values.ticks.copy()
    ticks[known] = values.ticks[known].view(f"datetime64[{values.unit}]").astype(f"datetime64[{unit}]").astype(np.int64)
    return ticks
