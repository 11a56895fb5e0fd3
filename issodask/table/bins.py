"""Turn the values of a column into at most a dozen bins, exactly as mostlyai-qa does, and a frame into codes.

In: the original (`Bins.fit`), then any frame of the same columns (`Bins.encode`). Out: uint8 codes.
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

from issodask.errors import InputError
from issodask.table.coerce import check_columns, coerce, unit_of, zone_of
from issodask.table.labels import category_labels, number_labels, time_labels
from issodask.table.schema import Column, Kind, Schema, column_from_dict

EMPTY, OTHER, RARE, MISSING, UNSEEN = "(empty)", "(other)", "_RARE_", "(n/a)", "(unseen)"
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

    column: Column
    edges: tuple[float, ...] = ()
    unit: str | None = None
    categories: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def kind(self) -> Kind:
        return self.column.kind

    @property
    def n_bins(self) -> int:
        return len(self.labels)

    def encode(self, values: pd.Series) -> np.ndarray:
        """The code of each value: uint8, (n_rows,). Raises InputError for values of another type than its own."""
        lookup = np.array(self.codes, dtype=np.uint8)
        return lookup[_bin_of_values(coerce(values, self.column), self)]


@dataclass(frozen=True)
class Bins:
    """The bins of all columns, in the original's order."""

    columns: tuple[ColumnBins, ...]

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        schema: Schema | None = None,
        n_bins: int = 10,
        min_count: int = MIN_CATEGORY_COUNT,
    ) -> "Bins":
        """Find the bins of `frame`, the original; a category of fewer than `min_count` rows is none of its own.

        Raises InputError for an empty frame and for what `coerce` can't read (infinite numbers among it).
        """
        schema = schema or Schema.from_frame(frame)
        if not len(frame) or not schema.columns:
            raise InputError(
                f"the original has {len(frame):,} rows and {len(schema.columns)} columns: give a table with both"
            )
        return cls(tuple(_fit_column(frame[column.name], column, n_bins, min_count) for column in schema.columns))

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

    @property
    def schema(self) -> Schema:
        return Schema(tuple(column.column for column in self.columns))

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Code a frame that has (at least) these columns.

        Returns uint8, C-contiguous, (n_rows, n_columns), code < sizes[column].
        Raises InputError when a column is missing or of another type.
        """
        check_columns(frame.columns, self.schema, where="the table")
        codes = np.empty((len(frame), len(self.columns)), dtype=np.uint8)
        for i_column, column in enumerate(self.columns):
            codes[:, i_column] = column.encode(frame[column.name])
        return codes

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for JSON."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Bins":
        return cls(tuple(_column_bins_from_dict(column) for column in values["columns"]))

    def hash(self) -> str:
        """Names these bins: equal bins, equal text."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:32]


def _column_bins_from_dict(values: Mapping[str, Any]) -> ColumnBins:
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return ColumnBins(**{**values, **tuples, "column": column_from_dict(values["column"])})


def _fit_column(values: pd.Series, column: Column, n_bins: int, min_count: int) -> ColumnBins:
    values = coerce(values, column)
    if column.kind == "categorical":
        every_bin, labels = _categorical_bins(values, column, n_bins, min_count)
    else:
        find = {"numeric": _numeric_bins, "datetime": _datetime_bins}[column.kind]
        every_bin, labels = find(values, column, n_bins)
    occurs = np.bincount(_bin_of_values(values, every_bin), minlength=len(labels)) > 0
    seen = [label for label, is_seen in zip(labels, occurs, strict=True) if is_seen]
    codes = np.where(occurs, np.cumsum(occurs) - 1, len(seen))
    if len(seen) > np.iinfo(np.uint8).max:
        raise InputError(f"column {column.name!r} has {len(seen)} bins, but at most 255 are possible: lower n_bins")
    return replace(every_bin, codes=tuple(codes.tolist()), labels=(*seen, UNSEEN))


# finding bins: each returns the bins without codes, and the labels of all of them, "(n/a)" last


def _numeric_bins(values: pd.Series, column: Column, n_bins: int) -> tuple[ColumnBins, list[str]]:
    numbers = np.sort(values.dropna().to_numpy("float64"))
    distinct = np.unique(numbers)
    if len(distinct) <= n_bins:
        edges = sorted({*distinct.tolist(), distinct[-1].item() + 1}) if len(distinct) else list(NO_NUMBERS)
    else:
        edges = search_edges(numbers, n_bins).tolist()
    edges = _floored(edges)
    bins = ColumnBins(column, edges=tuple(edges))
    return bins, [*number_labels(edges[:-1]), MISSING]


def _datetime_bins(values: pd.Series, column: Column, n_bins: int) -> tuple[ColumnBins, list[str]]:
    unit = _unit_of_bins(values, column)
    ticks = np.sort(_to_ticks(values.dropna(), unit))
    if len(ticks) == 0:
        edges = np.array(NO_TIMES, dtype=f"datetime64[{unit}]").astype("int64").tolist()
    elif ticks[0] == ticks[-1]:
        edges = sorted({int(ticks[0]), _a_day_later(int(ticks[0]), unit)})
    else:
        edges = search_edges(ticks, n_bins).tolist()
    bins = ColumnBins(column, edges=tuple(edges), unit=unit)
    return bins, [*time_labels(edges, unit, zone_of(column.dtype)), MISSING]


def _unit_of_bins(values: pd.Series, column: Column) -> str:
    """Nanoseconds, as mostlyai-qa has it, where the dates allow; it fails on others, which keep the original's unit."""
    unit = unit_of(column.dtype)
    ticks = _to_ticks(values.dropna(), unit)
    furthest = max((abs(int(ticks.min())), abs(int(ticks.max())))) if len(ticks) else 0
    limit = MAX_TICKS // (TICKS_PER_DAY["ns"] // TICKS_PER_DAY[unit])
    return "ns" if furthest < limit else unit


def _categorical_bins(values: pd.Series, column: Column, n_bins: int, min_count: int) -> tuple[ColumnBins, list[str]]:
    texts, codes = _special_texts(values)
    counts = np.bincount(codes, minlength=len(texts))
    # Equally frequent categories: the one that occurs first goes first, as in pandas' value_counts.
    first_rows = np.full(len(texts), len(codes))
    np.minimum.at(first_rows, codes, np.arange(len(codes)))
    top = np.lexsort((first_rows, -counts))[:n_bins]
    frequent = sorted(texts[i] for i in top if counts[i] >= min_count)
    categories = [text for text in frequent if text not in SPECIAL] + list(SPECIAL)
    return ColumnBins(column, categories=tuple(categories)), category_labels(categories)


def search_edges(ordered: np.ndarray, n_bins: int) -> np.ndarray:
    """Distinct quantiles that cut `ordered` (ascending, not empty) into n_bins or more, or as many as can be found.

    Source: mostlyai-qa, search_bin_boundaries: ever more equally spaced positions, until n_bins + 1 values differ.
    """
    edges = ordered[:0]
    for n_positions in range(n_bins, max(n_bins + 1, min(MAX_QUANTILES, len(ordered) + 1))):
        found = ordered[np.linspace(0, len(ordered) - 1, n_positions).astype(int)]
        is_new = np.append(True, found[1:] != found[:-1])
        edges = found[is_new]
        if len(edges) >= n_bins + 1:
            break
    return edges


def _floored(edges: list[float]) -> list[float]:
    """Round all edges but the last down to the fewest decimals that keep them apart."""
    for precision in range(20):
        floors = [(np.floor(edge * 10**precision) / 10**precision).item() for edge in edges]
        if len(set(floors)) == len(edges):
            return [*floors[:-1], edges[-1]]
    return edges


# from values to bins


def _bin_of_values(values: pd.Series, bins: ColumnBins) -> np.ndarray:
    """Position of each value's bin, intp; `values` as `coerce` returns them."""
    if bins.kind == "categorical":
        texts, codes = _special_texts(values)
        positions = {text: i for i, text in enumerate(bins.categories)}
        other = positions[OTHER]
        lookup = np.array([positions.get(text, other) for text in texts], dtype=np.intp)
        return lookup[codes]
    if bins.kind == "numeric":
        numbers = values.to_numpy("float64", na_value=np.nan)
        return _between_edges(numbers, np.isnan(numbers), np.array(bins.edges, dtype=np.float64), 1.0)
    unit = bins.unit or "ns"
    edges = np.array(bins.edges, dtype=np.int64)
    return _between_edges(_to_ticks(values, unit), values.isna().to_numpy(), edges, TICKS_PER_DAY[unit])


def _between_edges(values: np.ndarray, is_missing: np.ndarray, edges: np.ndarray, widening: float) -> np.ndarray:
    """Position of the half-open interval of each value; what lies outside counts to the outermost one.

    The last edge is moved up by `widening` to include itself. Where that is below the precision of the edge, it
    stays, and the largest values count as missing: odd, but it is what mostlyai-qa does.
    """
    if edges.dtype == np.int64 and edges[-1] > MAX_TICKS - widening:
        upper = edges[-1:]
    else:
        upper = edges[-1:] + edges.dtype.type(widening)
    # Comparing with the inner edges alone clips to the outermost bins.
    positions = np.searchsorted(edges[1:-1], values, side="right")
    if len(edges) == 1:
        positions = np.zeros(len(values), dtype=np.intp)
    is_beyond = np.minimum(values, edges[-1]) >= upper[0]
    positions[is_missing | is_beyond] = len(edges) - 1
    return positions


def _a_day_later(ticks: int, unit: str) -> int:
    later = ticks + TICKS_PER_DAY[unit]
    return later if later <= MAX_TICKS else ticks


def _to_ticks(values: pd.Series, unit: str) -> np.ndarray:
    """Times as int64 in `unit` since 1970 UTC; what that can't hold ends at its limits. Missing values: any number."""
    if values.dt.tz is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    ticks = values.to_numpy().astype("int64")
    finer = TICKS_PER_DAY[unit] // TICKS_PER_DAY[values.dt.unit]
    if finer >= 1:
        limit = MAX_TICKS // finer
        return np.clip(ticks, -limit, limit) * finer
    return ticks // (TICKS_PER_DAY[values.dt.unit] // TICKS_PER_DAY[unit])


def _special_texts(values: pd.Series) -> tuple[list[str], np.ndarray]:
    """Distinct texts, with names for empty and missing ones, and the position of each row's text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, uniques = values.cat.codes.to_numpy(), list(values.cat.categories)
    else:
        codes, found = pd.factorize(values)
        uniques = list(found)
    texts = [EMPTY if text == "" else text for text in uniques] + [MISSING]
    codes = np.where(codes < 0, len(uniques), codes)
    merged = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    if len(merged) < len(texts):
        codes = np.array([merged[text] for text in texts], dtype=np.intp)[codes]
    return list(merged), codes
