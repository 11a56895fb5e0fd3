"""Between the original's columns and those that a generator learns.

Out: names that no engine stumbles over, numbers for what it has no type for (old dates, times of day, booleans), and
helper columns that mark where values are missing. Back: the original's names, values missing where the helpers say so.
Of a sequential table also the group of each row, as a number in place of its key, which nobody learns.

A helper column holds a pattern such as "010": which of its columns are missing together. One column per pattern
learns joint missingness better than one flag per column, and trains in two thirds of the time (measured on
openintro::yrbss and stevedata::gss_wages: +0.004 overall accuracy over the engine's own handling, flags -0.001).
Values stay missing in the training data, since anything filled in would count towards rare-category protection.

What is rare is counted in units: a value that a thousand rows of one group share says as much about that group as one
row would. Rare texts are learnt as one value, and redrawn from others when samples are decoded (table/rare.py). Ids and
constants are not learnt at all: who writes the subset gives it new ids.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask import seeds
from issodask.models.missing import missing_patterns, missing_together
from issodask.table.bins import RARE
from issodask.table.groups import Groups
from issodask.table.profiles import count_sharing
from issodask.table.ranks import DIGITS, EXACT, Ranks, as_ordered, from_ordered
from issodask.table.rare import Rare
from issodask.table.schema import Column, Schema

Form = Literal["number", "truth", "moment", "days", "seconds", "clock", "text", "rank", "constant", "absent"]

GROUP = "group"
"""The column of a table to learn, and of its samples, that holds the number of each row's group, from 0."""

_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # nanoseconds since 1970 end within 1677 and 2262


@dataclass(frozen=True)
class Learnt:
    """A column of the original, the name it is learnt under, as what, and whether it never changes within a group.

    `rare` says what becomes of texts that too few units share, `ranks` are those of numbers
    that are learnt by their rank, `constant` is the value of a constant column.
    """

    column: Column
    name: str
    form: Form
    of_group: bool = False
    rare: Rare | None = field(default=None, compare=False)
    ranks: Ranks | None = field(default=None, compare=False)
    constant: Any = None


@dataclass(frozen=True)
class Helper:
    """A column that marks which of `columns` (positions among the learnt ones) are missing."""

    name: str
    columns: tuple[int, ...]
    of_group: bool = False


@dataclass(frozen=True)
class Codec:
    """How a table of this schema is learnt; the same for the same table."""

    learnt: tuple[Learnt, ...]
    helpers: tuple[Helper, ...]
    group_key: str | None = None

    @classmethod
    def fit(cls, frame: pd.DataFrame, schema: Schema, group_key: str | None = None) -> "Codec":
        """Look at the original: `frame` has the columns of `schema`, one of which may be the `group_key`.

        Columns whose role is "id" are left out.
        """
        schema = schema.learnt(group_key).without(group_key)
        units = _units(frame, group_key)
        of_group = _never_changing(frame[list(schema.names)], units)
        learnt = tuple(
            _learnt(frame[column.name], column, f"c{i_column:04d}", of_group[i_column], units)
            for i_column, column in enumerate(schema.columns)
        )
        missing = frame[list(schema.names)].isna().to_numpy()
        helpers: list[Helper] = []
        for kind in (True, False):
            for columns in missing_together(missing, np.flatnonzero(np.array(of_group) == kind), units):
                helpers.append(Helper(f"m{len(helpers):04d}", columns, kind))
        return cls(learnt, tuple(helpers), group_key)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns to learn: helpers first, since what is missing is decided before the values."""
        return tuple(item.name for item in self._encoded)

    @property
    def names_of_groups(self) -> tuple[str, ...]:
        """Those of them that never change within a group (none in a flat table)."""
        return tuple(item.name for item in self._encoded if item.of_group)

    def encode(self, frame: pd.DataFrame, known: Collection[str] = (), first: str | None = None) -> pd.DataFrame:
        """The table to learn, of plain types; a sequential one has the column GROUP as well.

        Helpers say of the columns `known` (names of the original's) that no value is missing; `first` is learnt before
        all others.
        """
        units = _units(frame, self.group_key)
        missing = frame[[item.column.name for item in self.learnt]].isna().to_numpy()
        missing &= ~np.array([item.column.name in known for item in self.learnt], np.bool_)
        encoded = {} if self.group_key is None else {GROUP: units}
        encoded |= {helper.name: missing_patterns(missing[:, helper.columns], units) for helper in self.helpers}
        for item in self._present:
            encoded[item.name] = _to_form(frame[item.column.name], item).array
        own = self.text_name(first)
        return pd.DataFrame(encoded if own is None else {own: encoded[own], **encoded})

    def text_name(self, column: str | None) -> str | None:
        """Under which name a column of text is learnt; None for other columns, and for none."""
        return next((item.name for item in self._present if item.column.name == column and item.form == "text"), None)

    def decode(self, sample: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
        """The original's columns, but ids, from a sample of what was learnt; rare texts become others by the seed.

        The pool's writer then gives them their types. The group key holds the numbers of the sample's groups.
        """
        index = pd.RangeIndex(len(sample))
        units = sample[GROUP].to_numpy() if self.group_key is not None else None
        random = seeds.generator(seed, "rare texts")
        columns = {}
        for item in self.learnt:
            if item.form in ("absent", "constant"):
                columns[item.column.name] = pd.Series([item.constant] * len(sample), index)
                continue
            values = sample[item.name].set_axis(index)
            if item.ranks is not None:
                columns[item.column.name] = _of_ranks(values, item.ranks, item.column, random)
                continue
            if item.rare is not None:
                values = _redrawn(values, item.rare, units if item.of_group else None, random)
            columns[item.column.name] = _from_form(values, item)
        for helper in self.helpers:
            patterns = sample[helper.name].set_axis(index).astype("string")
            for position, i_column in enumerate(helper.columns):
                name = self.learnt[i_column].column.name
                is_missing = (patterns.str[position] == "1").fillna(False).astype(bool)
                columns[name] = columns[name].mask(is_missing)
        if self.group_key is not None:
            columns[self.group_key] = sample[GROUP].set_axis(index)
        return pd.DataFrame(columns, index=index)

    @property
    def _encoded(self) -> list[Helper | Learnt]:
        return [*self.helpers, *self._present]

    @property
    def _present(self) -> list[Learnt]:
        return [item for item in self.learnt if item.form not in ("absent", "constant")]


# units


def _units(frame: pd.DataFrame, group_key: str | None) -> NDArray[np.int64]:
    """The number of each row's unit: the row itself, or its group."""
    if group_key is None:
        return np.arange(len(frame))
    return pd.factorize(frame[group_key])[0].astype(np.int64)


def _never_changing(frame: pd.DataFrame, units: NDArray[np.int64]) -> list[bool]:
    """Which columns have one value per group; none of them when that holds for all, as nothing were left to learn."""
    groups = Groups.of(pd.Series(units))
    lengths = groups.lengths
    if lengths.max(initial=0) <= 1:
        return [False] * frame.shape[1]
    never_changing = []
    for i_column in range(frame.shape[1]):
        codes = pd.factorize(frame.iloc[:, i_column])[0][groups.order]
        never_changing.append(bool((codes == np.repeat(codes[groups.starts[:-1]], lengths)).all()))
    return [False] * frame.shape[1] if all(never_changing) else never_changing


# values


def _learnt(values: pd.Series, column: Column, name: str, of_group: bool, units: NDArray[np.int64]) -> Learnt:
    form = _form(values, column)
    if form == "constant":
        return Learnt(column, name, form, of_group, constant=values.dropna().iloc[0])
    if form == "rank":
        known = _to_rank(values.dropna())
        distinct, codes = np.unique(known, return_inverse=True)
        n_sharing = count_sharing(codes, len(distinct), units[values.notna().to_numpy()])
        return Learnt(column, name, form, of_group, ranks=Ranks.learn(distinct, n_sharing))
    return Learnt(column, name, form, of_group, _rare(values, column, units) if form == "text" else None)


def _form(values: pd.Series, column: Column) -> Form:
    if values.isna().all():
        return "absent"
    if column.role == "constant":
        return "constant"
    if column.kind == "datetime":
        return _form_of_times(values)
    if column.values == "boolean":
        return "truth"
    if column.kind == "numeric":
        if column.role == "category":
            return "text"
        limit = EXACT if pd.api.types.is_integer_dtype(values.dtype) else DIGITS
        return "rank" if _furthest(values) >= limit else "number"
    return "clock" if column.values == "time" else "text"


def _furthest(values: pd.Series) -> float:
    exact = int if pd.api.types.is_integer_dtype(values.dtype) else float
    return max(abs(exact(values.min())), abs(exact(values.max())))


def _to_rank(known: pd.Series) -> NDArray[Any]:
    """Numbers that can be ranked exactly: whole ones are themselves."""
    if pd.api.types.is_integer_dtype(known.dtype):
        return known.to_numpy()
    return as_ordered(known.to_numpy(np.float64))


def _form_of_times(values: pd.Series) -> Form:
    values = _without_zone(values)
    if values.min().year >= _FIRST_YEAR and values.max().year <= _LAST_YEAR:
        return "moment"
    return "days" if (values.dropna() == values.dropna().dt.normalize()).all() else "seconds"


def _to_form(values: pd.Series, item: Learnt) -> pd.Series:
    if item.form == "number":
        return _plain_numbers(values)
    if item.ranks is not None:
        is_missing = values.isna().to_numpy()
        ranks = np.zeros(len(values), np.int64)
        ranks[~is_missing] = item.ranks.encode(_to_rank(values.dropna()).astype(item.ranks.values.dtype))
        return pd.Series(ranks, values.index).astype("Int64").mask(is_missing)
    if item.form == "truth":
        texts = values.astype("string").str.lower()
        return (texts == "true").astype("Int64").mask(texts.isna())
    if item.form == "moment":
        return _without_zone(values).dt.as_unit("ns")
    if item.form in ("days", "seconds"):
        return _since_1970(_without_zone(values), "D" if item.form == "days" else "s")
    if item.form == "clock":
        moments = pd.to_datetime("1970-01-01T" + values.astype("string"), format="ISO8601")
        return _since_1970(moments, "us")
    return _without_rare(values.astype("string"), item.rare)


def _from_form(values: pd.Series, item: Learnt) -> pd.Series:
    if item.form == "truth":
        return values.astype("Float64") > 0.5
    if item.form in ("days", "seconds"):
        return _moments(values, "D" if item.form == "days" else "s")
    if item.form == "clock":
        return _moments(values, "us").dt.strftime("%H:%M:%S.%f").astype("string")
    return values


def _plain_numbers(values: pd.Series) -> pd.Series:
    """Int64 where whole numbers fit, else float64."""
    if pd.api.types.is_integer_dtype(values.dtype) and not (values > np.iinfo(np.int64).max).any():
        return values.astype("Int64")
    return values.astype("Float64").astype("float64")


def _without_zone(values: pd.Series) -> pd.Series:
    return values.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(values.dtype, "tz", None) else values


def _since_1970(values: pd.Series, unit: Literal["D", "s", "us"]) -> pd.Series:
    counts = values.to_numpy(f"datetime64[{unit}]").astype(np.int64)
    return pd.Series(counts, values.index).astype("Int64").mask(values.isna())


def _moments(values: pd.Series, unit: Literal["D", "s", "us"]) -> pd.Series:
    counts = values.astype("Float64").to_numpy("float64", na_value=np.nan)
    is_known = ~np.isnan(counts)
    moments = np.full(len(counts), "NaT", dtype="datetime64[us]")
    moments[is_known] = np.rint(counts[is_known]).astype(np.int64).astype(f"datetime64[{unit}]")
    return pd.Series(moments, values.index)


def _of_ranks(values: pd.Series, ranks: Ranks, column: Column, random: np.random.Generator) -> pd.Series:
    numbers = values.astype("Float64").to_numpy("float64", na_value=np.nan)
    is_missing = np.isnan(numbers)
    decoded = ranks.decode(np.rint(np.where(is_missing, 0, numbers)).astype(np.int64), random)
    if column.values == "floating":
        return pd.Series(from_ordered(decoded), values.index).mask(is_missing)
    nullable: Literal["UInt64", "Int64"] = "UInt64" if decoded.dtype == np.uint64 else "Int64"
    return pd.Series(decoded, values.index).astype(nullable).mask(is_missing)


# rare texts


def _rare(values: pd.Series, column: Column, units: NDArray[np.int64]) -> Rare | None:
    codes, texts = pd.factorize(values.astype("string"))
    n_rows = np.bincount(codes[codes >= 0], minlength=len(texts))
    return Rare.learn(column.name, texts.tolist(), n_rows, count_sharing(codes, len(texts), units))


def _without_rare(texts: pd.Series, rare: Rare | None) -> pd.Series:
    """Rare texts as one, which the engine learns like any other.

    Its own way, to draw a known value for each, would give everybody the same few names where most are rare, and make
    the most frequent values more frequent.
    """
    if rare is None:
        return texts
    return texts.mask(texts.notna() & ~texts.isin(rare.kept), rare.placeholder())


def _redrawn(values: pd.Series, rare: Rare, groups: NDArray[np.int64] | None, random: np.random.Generator) -> pd.Series:
    """The values, with another text in place of each rare one: one per group where `groups` (from 0) are given."""
    values = values.astype("string")
    is_rare = values.isin([rare.placeholder(), *({RARE} - rare.kept)]).to_numpy(bool)
    if groups is None:
        new = rare.draw(len(values), random)
    else:
        new = rare.draw(int(groups.max(initial=-1)) + 1, random)[groups]
    return values.astype("object").mask(is_rare, pd.Series(new, values.index)).astype("string")
