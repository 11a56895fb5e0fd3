"""Turn the values of a column into at most a dozen bins, exactly as mostlyai-qa does, and a table into codes.

In: the original (`Bins.fit`), then any table of the same columns (`Bins.encode`), as plain columns. Out: uint8 codes.
Numbers and dates: quantiles of the original. Categories: the ten most frequent ones that occur at least five times.
Missing values are a bin of their own. Bins that the original never fills are one last bin, "(unseen)": the target of
all their cells is 0, so their shares add up the same in the L1 error.

Source: mostlyai-qa 1.10, _accuracy.py: bin_data, bin_numeric, bin_datetime, bin_categorical, search_bin_boundaries.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.kernels.bins import NO_TIME, bin_numbers, bin_times, code_texts
from issodask.table.columns import Columns, Numbers, Plain, Texts, Times
from issodask.table.labels import category_labels, number_labels, time_labels
from issodask.table.schema import Kind, check_columns

RARE = "_RARE_"
"""The text that mostlyai's engine writes in place of rare ones."""

EMPTY, OTHER, MISSING, UNSEEN = "(empty)", "(other)", "(n/a)", "(unseen)"
SPECIAL = (EMPTY, OTHER, RARE, MISSING)
MIN_CATEGORY_COUNT = 5
MAX_QUANTILES = 1000
NO_NUMBERS = (-1e10, 1e10)
NO_TIMES = ("1700-01-01", "2200-01-01")
TICKS_PER_DAY = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
MAX_TICKS = 2**63 - 1


@dataclass(frozen=True)
class ColumnBins:
    """The bins of one column.

    `edges`: mostlyai-qa's boundaries, ascending, of numbers (float) or of times (int, in `unit` since 1970); bin i
    holds [edges[i], edges[i + 1]), the last one also its upper edge. `categories`: a bin each. Missing values are the
    last bin. `codes[i]` is the code of bin i; `labels[code]` is mostlyai-qa's name of it, the last one "(unseen)".
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    unit: str | None = None
    categories: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def n_bins(self) -> int:
        return len(self.labels)

    def encode(self, column: Plain, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The code of each value: uint8, (n_rows,), written to `out` if it is given.

        Raises InputError for a column of another kind.
        """
        if kind_of(column) != self.kind:
            raise InputError(
                f"types disagree: column {self.name!r} is {self.kind} in the original, but {kind_of(column)} here: "
                "give both the same type"
            )
        if out is None:
            out = np.empty(len(_values_of(column)), np.uint8)
        _code(column, self, np.array(self.codes, np.uint8), out)
        return out


@dataclass(frozen=True)
class Bins:
    """The bins of all columns, in the original's order."""

    columns: tuple[ColumnBins, ...]

    @classmethod
    def fit(cls, table: Columns | pd.DataFrame, n_bins: int = 10, min_count: int = MIN_CATEGORY_COUNT) -> "Bins":
        """Find the bins of `table`, the original; a category of fewer than `min_count` rows is none of its own.

        Raises InputError for an empty table.
        """
        table = Columns.of(table)
        if not table.n_rows or not table.names:
            raise InputError(
                f"the original has {table.n_rows:,} rows and {len(table.names)} columns: give a table with both"
            )
        return cls(tuple(_fit_column(name, table[name], n_bins, min_count) for name in table.names))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        return tuple(column.labels for column in self.columns)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of codes of each column: int64, (n_columns,)."""
        return np.array([column.n_bins for column in self.columns], dtype=np.int64)

    def encode(self, table: Columns | pd.DataFrame) -> NDArray[np.uint8]:
        """Code a table that has (at least) these columns.

        Returns uint8, C-contiguous, (n_rows, n_columns), code < sizes[column].
        Raises InputError when a column is missing or of another kind.
        """
        table = Columns.of(table)
        check_columns(table.names, self.names, where="the table")
        codes = np.empty((table.n_rows, len(self.columns)), np.uint8)
        for i_column, column in enumerate(self.columns):
            column.encode(table[column.name], codes[:, i_column])
        return codes

    def with_hidden_as_other(self) -> "Bins":
        """The same bins, but `_RARE_`, where the original has no such text of its own, counts as "(other)".

        Generators write it in place of values that they hide; a subset has others there (table/rare.py).
        """
        return Bins(tuple(_with_hidden_as_other(column) for column in self.columns))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Bins":
        return cls(tuple(_column_bins_from_dict(column) for column in values["columns"]))

    def hash(self) -> str:
        """Names these bins: equal bins, equal text."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:32]


def _column_bins_from_dict(values: Mapping[str, Any]) -> ColumnBins:
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return ColumnBins(**{**values, **tuples})


def _with_hidden_as_other(bins: ColumnBins) -> ColumnBins:
    if bins.kind != "categorical":
        return bins
    rare, other = bins.categories.index(RARE), bins.categories.index(OTHER)
    if bins.labels[bins.codes[rare]] != UNSEEN:
        return bins
    codes = (*bins.codes[:rare], bins.codes[other], *bins.codes[rare + 1 :])
    return replace(bins, codes=codes)


def kind_of(column: Plain) -> Kind:
    """How mostlyai-qa bins such a column."""
    if isinstance(column, Numbers):
        return "numeric"
    return "datetime" if isinstance(column, Times) else "categorical"


def _fit_column(name: str, column: Plain, n_bins: int, min_count: int) -> ColumnBins:
    if isinstance(column, Numbers):
        every_bin, labels = _numeric_bins(name, column, n_bins)
    elif isinstance(column, Times):
        every_bin, labels = _datetime_bins(name, column, n_bins)
    else:
        every_bin, labels = _categorical_bins(name, column, n_bins, min_count)
    bin_of_rows = np.empty(len(_values_of(column)), np.int64)
    _code(column, every_bin, np.arange(len(labels)), bin_of_rows)
    occurs = np.bincount(bin_of_rows, minlength=len(labels)) > 0
    seen = [label for label, is_seen in zip(labels, occurs, strict=True) if is_seen]
    codes = np.where(occurs, np.cumsum(occurs) - 1, len(seen))
    if len(seen) > np.iinfo(np.uint8).max:
        raise InputError(f"column {name!r} has {len(seen)} bins, but at most 255 are possible: lower n_bins")
    return replace(every_bin, codes=tuple(codes.tolist()), labels=(*seen, UNSEEN))


# finding bins: each returns the bins without codes, and the labels of all of them, "(n/a)" last


def _numeric_bins(name: str, column: Numbers, n_bins: int) -> tuple[ColumnBins, list[str]]:
    numbers = np.sort(column.values[~np.isnan(column.values)])
    distinct = numbers[_is_new(numbers)]
    if len(distinct) <= n_bins:
        edges = sorted({*distinct.tolist(), distinct[-1].item() + 1}) if len(distinct) else list(NO_NUMBERS)
    else:
        edges = search_edges(numbers, n_bins).tolist()
    edges = _floored(edges)
    return ColumnBins(name, "numeric", edges=tuple(edges)), [*number_labels(edges[:-1]), MISSING]


def _datetime_bins(name: str, column: Times, n_bins: int) -> tuple[ColumnBins, list[str]]:
    known = np.sort(column.ticks[column.ticks != NO_TIME])
    unit = _unit_of_bins(known, column.unit)
    ticks = known * (TICKS_PER_DAY[unit] // TICKS_PER_DAY[column.unit])
    if len(ticks) == 0:
        edges = np.array(NO_TIMES, dtype=f"datetime64[{unit}]").astype("int64").tolist()
    elif ticks[0] == ticks[-1]:
        edges = sorted({int(ticks[0]), _a_day_later(int(ticks[0]), unit)})
    else:
        edges = search_edges(ticks, n_bins).tolist()
    bins = ColumnBins(name, "datetime", edges=tuple(edges), unit=unit)
    return bins, [*time_labels(edges, unit, column.zone), MISSING]


def _unit_of_bins(known: NDArray[np.int64], unit: str) -> str:
    """Nanoseconds, as mostlyai-qa has it, where the dates allow; it fails on others, which keep the original's unit."""
    furthest = max(abs(int(known[0])), abs(int(known[-1]))) if len(known) else 0
    limit = MAX_TICKS // (TICKS_PER_DAY["ns"] // TICKS_PER_DAY[unit])
    return "ns" if furthest < limit else unit


def _categorical_bins(name: str, column: Texts, n_bins: int, min_count: int) -> tuple[ColumnBins, list[str]]:
    texts, places = _merged_texts(column.texts)
    of_rows = places[column.places]  # -1 is the last one, MISSING
    counts = np.bincount(of_rows, minlength=len(texts))
    # Equally frequent categories: the one that occurs first goes first, as in pandas' value_counts.
    first_rows = np.full(len(texts), len(of_rows))
    first_rows[of_rows[::-1]] = np.arange(len(of_rows))[::-1]
    top = np.lexsort((first_rows, -counts))[:n_bins]
    frequent = sorted(texts[i] for i in top if counts[i] >= min_count)
    categories = [text for text in frequent if text not in SPECIAL] + list(SPECIAL)
    return ColumnBins(name, "categorical", categories=tuple(categories)), category_labels(categories)


def _merged_texts(texts: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct texts, with names for empty and missing ones, and where each of `texts` stands there, MISSING last."""
    named = [*(text or EMPTY for text in texts), MISSING]
    merged = {text: i for i, text in enumerate(dict.fromkeys(named))}
    return list(merged), np.array([merged[text] for text in named], np.int64)


def search_edges(ordered: np.ndarray, n_bins: int) -> np.ndarray:
    """Distinct quantiles that cut `ordered` (ascending, not empty) into n_bins or more, or as many as can be found.

    Source: mostlyai-qa, search_bin_boundaries: ever more equally spaced positions, until n_bins + 1 values differ.
    """
    edges = ordered[:0]
    for n_positions in range(n_bins, max(n_bins + 1, min(MAX_QUANTILES, len(ordered) + 1))):
        found = ordered[np.linspace(0, len(ordered) - 1, n_positions).astype(int)]
        edges = found[_is_new(found)]
        if len(edges) >= n_bins + 1:
            break
    return edges


def _is_new(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values differ from the one before."""
    return np.append(len(ordered) > 0, ordered[1:] != ordered[:-1])[: len(ordered)]


def _floored(edges: list[float]) -> list[float]:
    """Round all edges but the last down to the fewest decimals that keep them apart."""
    for precision in range(20):
        floors = [(np.floor(edge * 10**precision) / 10**precision).item() for edge in edges]
        if len(set(floors)) == len(edges):
            return [*floors[:-1], edges[-1]]
    return edges


# from values to bins


def _values_of(column: Plain) -> NDArray[Any]:
    if isinstance(column, Numbers):
        return column.values
    return column.ticks if isinstance(column, Times) else column.places


def _code(column: Plain, bins: ColumnBins, codes: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the code of each value's bin to `out`; `codes` are those of the bins, the last one of missing values."""
    if isinstance(column, Texts):
        positions = {text: i for i, text in enumerate(bins.categories)}
        other = positions[OTHER]
        found = [positions.get(text or EMPTY, other) for text in column.texts]
        code_texts(_frozen(column.places), codes[[*found, positions[MISSING]]], out)
    elif isinstance(column, Numbers):
        edges = np.array(_reached_edges(bins.edges, _is_last_beyond(bins.edges)), np.float64)
        bin_numbers(_frozen(column.values), edges, codes, codes[len(bins.edges) - 1], out)
    else:
        unit = bins.unit or "ns"
        is_beyond = len(bins.edges) > 0 and bins.edges[-1] > MAX_TICKS - TICKS_PER_DAY[unit]
        ticks = [_in_unit(int(edge), unit, column.unit) for edge in _reached_edges(bins.edges, is_beyond)]
        bin_times(_frozen(column.ticks), np.array(ticks, np.int64), codes, codes[len(bins.edges) - 1], out)


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    """A read-only view, as Arrow's arrays are: kernels are compiled for one of the two only."""
    view = values.view()
    view.flags.writeable = False
    return view


def _reached_edges(edges: tuple[float, ...], is_beyond: bool) -> list[float]:
    """Those of a column's edges that a value has to reach for the next bin; what lies outside counts to the outermost.

    The last edge is moved up by 1, or a day, to include itself. Where that is below the precision of the edge, it
    stays, and the largest values count as missing (`is_beyond`): odd, but it is what mostlyai-qa does.
    """
    inner = list(edges[1:-1])  # comparing with these alone clips to the outermost bins
    return [*inner, edges[-1]] if is_beyond and len(edges) > 1 else inner


def _is_last_beyond(edges: tuple[float, ...]) -> bool:
    return edges[-1] + 1.0 <= edges[-1]


def _in_unit(edge: int, unit: str, of_values: str) -> int:
    """The first tick in the unit `of_values` that is not before `edge`, which is in `unit`; within int64's limits."""
    finer, coarser = TICKS_PER_DAY[unit], TICKS_PER_DAY[of_values]
    return max(-MAX_TICKS, min(MAX_TICKS, -(-edge * coarser // finer)))


def _a_day_later(ticks: int, unit: str) -> int:
    later = ticks + TICKS_PER_DAY[unit]
    return later if later <= MAX_TICKS else ticks
