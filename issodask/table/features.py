"""What trees see of a table: one row of numbers per unit.

In: plain columns, and of groups which rows belong together. Out: `Features.of(original)`, which brings any table of the
same columns to float64 (units, f). Numbers and times stay what they are, a category is its rank among the original's,
by frequency; missing values are NaN. A group has its length, and of each column its first and last value, and the mean
of its numbers or how many categories it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from issodask.kernels.bins import NO_TIME
from issodask.table.columns import Columns, Numbers, Plain, Texts, Times
from issodask.table.groups import SEQUENCE_LENGTH, Groups

MOST_CATEGORIES = 254
"""The rarer ones count as one."""


@dataclass(frozen=True)
class Feature:
    """A column of what trees see: of which column of the table, and what of it (empty: its value)."""

    column: str
    what: str
    is_category: bool

    @property
    def name(self) -> str:
        return f"{self.column} ({self.what})" if self.what else self.column


@dataclass(frozen=True)
class Features:
    """How a table becomes features: `ranks` of the categories of each column of texts; none for other columns."""

    ranks: Mapping[str, Mapping[str, int] | None]
    is_grouped: bool

    @classmethod
    def of(cls, original: Columns, is_grouped: bool = False) -> "Features":
        """Learn the original's categories."""
        return cls({name: _ranks(column) for name, column in original.columns.items()}, is_grouped)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        found = []
        for name, ranks in self.ranks.items():
            is_category = ranks is not None
            if not self.is_grouped:
                found.append(Feature(name, "", is_category))
                continue
            found += [Feature(name, "first", is_category), Feature(name, "last", is_category)]
            found.append(Feature(name, "categories" if is_category else "mean", False))
        if self.is_grouped:
            found.append(Feature(SEQUENCE_LENGTH, "", False))
        return tuple(found)

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's own."""
        return tuple(self.ranks)

    @property
    def categories(self) -> tuple[int, ...]:
        """Which features are categories."""
        return tuple(i for i, feature in enumerate(self.features) if feature.is_category)

    def matrix(self, table: Columns, groups: Groups | None = None) -> NDArray[np.float64]:
        """The features of each unit: float64, (units, f); `groups` where units are groups."""
        values = self.values(table)
        return values if groups is None else self.by_group(values, groups)

    def values(self, table: Columns) -> NDArray[np.float64]:
        """A number for each value of each row: float64, (rows, columns)."""
        return np.column_stack([_values(table[name], ranks) for name, ranks in self.ranks.items()])

    def by_group(self, values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
        """The features of groups from the values of their rows."""
        first, last = groups.order[groups.starts[:-1]], groups.order[groups.starts[1:] - 1]
        found = []
        for column, ranks in zip(values.T, self.ranks.values(), strict=True):
            gathered = column[groups.order]
            within = _n_categories(gathered, groups) if ranks is not None else _means(gathered, groups)
            found += [column[first], column[last], within]
        return np.column_stack([*found, groups.lengths.astype(np.float64)])


def _ranks(column: Plain) -> dict[str, int] | None:
    if not isinstance(column, Texts):
        return None
    counts = np.bincount(column.places + 1, minlength=len(column.texts) + 1)[1:]
    by_text: dict[str, int] = {}
    for text, count in zip(column.texts, counts.tolist(), strict=True):
        by_text[text] = by_text.get(text, 0) + count
    frequent = sorted((text for text, count in by_text.items() if count), key=lambda text: (-by_text[text], text))
    return {text: rank for rank, text in enumerate(frequent[:MOST_CATEGORIES])}


def _values(column: Plain, ranks: Mapping[str, int] | None) -> NDArray[np.float64]:
    """The values of each row."""
    if ranks is not None:
        texts = column.texts if isinstance(column, Texts) else ()
        places = column.places if isinstance(column, Texts) else np.zeros(0, np.int32)
        known = [float(ranks.get(text, MOST_CATEGORIES)) for text in texts]
        return np.array([*known, np.nan])[places]
    if isinstance(column, Times):
        return np.where(column.ticks == NO_TIME, np.nan, column.ticks.astype(np.float64))
    return column.values if isinstance(column, Numbers) else column.places.astype(np.float64)


def _means(values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    sums = np.add.reduceat(np.where(known, values, 0.0), groups.starts[:-1])
    counts = np.add.reduceat(known.astype(np.float64), groups.starts[:-1])
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)


def _n_categories(values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    of_group = np.repeat(np.arange(groups.n_groups), groups.lengths)
    ranks = np.where(np.isnan(values), MOST_CATEGORIES + 1, values).astype(np.int64)
    pairs = np.unique(of_group * (MOST_CATEGORIES + 2) + ranks)
    return np.bincount(pairs // (MOST_CATEGORIES + 2), minlength=groups.n_groups).astype(np.float64)
