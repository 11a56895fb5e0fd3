"""What the columns of a table are: names, dtypes, and how each one is binned.

In: a frame. Out: a `Schema`, the memory of the original to which pools and subsets are brought back (table/coerce.py).
`kind` is the way mostlyai-qa bins a column: booleans count as numbers there, everything that is neither a number nor a
point in time is a category.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from issodask.errors import InputError
from issodask.table.roles import Found, Role

Kind = Literal["numeric", "datetime", "categorical"]
Values = Literal["text", "boolean", "integer", "floating", "time"]

# A frame's attrs carry what pandas has no dtype for: {column: "date" or "decimal(10, 2)"}, set at the doors of store/.
STORED_TYPES = "stored_types"

_VALUES_OF_OBJECTS: dict[str, Values] = {
    "string": "text",
    "empty": "text",
    "mixed": "text",
    "mixed-integer": "text",
    "boolean": "boolean",
    "integer": "integer",
    "floating": "floating",
    "mixed-integer-float": "floating",
    "time": "time",
}


@dataclass(frozen=True)
class Column:
    """One column of the original.

    `dtype` is pandas' name of it, or "date", or "decimal(P, S)", which frames hold as datetime64 and float64.
    `values` says what the single values of an object or category column are; `categories` are a category's, as text.
    `role` is what it is to the original's statistics (table/roles.py), None where nobody looked.
    """

    name: str
    dtype: str
    kind: Kind
    values: Values = "text"
    categories: tuple[str, ...] | None = None
    ordered: bool = False
    role: Role | None = None


@dataclass(frozen=True)
class Schema:
    """The columns of the original, in its order."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        return self.columns[self.names.index(name)]

    def without(self, name: str | None) -> "Schema":
        """All columns but the one called `name` (all of them for None)."""
        return Schema(tuple(column for column in self.columns if column.name != name))

    def learnt(self, group_key: str | None = None) -> "Schema":
        """All columns but ids: what a pool has to have. Where nothing is left beside the group key, ids after all."""
        others = tuple(column for column in self.columns if column.role != "id")
        return Schema(others) if any(column.name != group_key for column in others) else self

    def having_roles(self, roles: Mapping[str, Found]) -> "Schema":
        """The same columns with their roles."""
        return Schema(
            tuple(
                replace(column, role=roles[column.name].role) if column.name in roles else column
                for column in self.columns
            )
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> "Schema":
        """Describe `frame`.

        Raises InputError for column names that occur twice and for columns of a type that can't be binned.
        """
        check_names(frame.columns, where="the table")
        stored = frame.attrs.get(STORED_TYPES, {})
        return cls(tuple(_describe(frame[name], str(name), stored.get(name)) for name in frame.columns))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings, for JSON."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Schema":
        return cls(tuple(column_from_dict(column) for column in values["columns"]))


def column_from_dict(values: Mapping[str, Any]) -> Column:
    """The inverse of `dataclasses.asdict` after a round trip through JSON, which knows no tuples."""
    categories = values.get("categories")
    return Column(**{**values, "categories": None if categories is None else tuple(categories)})


def check_names(names: Any, where: str) -> None:
    """Raise InputError when a column name occurs twice (as text, the way Parquet stores it)."""
    texts = [str(name) for name in names]
    twice = sorted({name for name in texts if texts.count(name) > 1}) if len(set(texts)) < len(texts) else []
    if twice:
        raise InputError(f"{where} has duplicate column names {quoted(twice)}: rename them so that each occurs once")


def quoted(names: Any, at_most: int = 5) -> str:
    """Names for an error message: a few in quotes, the rest as a number."""
    shown = ", ".join(repr(str(name)) for name in list(names)[:at_most])
    n_more = len(names) - at_most
    return f"{shown} and {n_more} more" if n_more > 0 else shown


def _describe(values: pd.Series, name: str, stored: str | None) -> Column:
    dtype = values.dtype
    if stored is not None:
        return Column(name, stored, "datetime" if stored == "date" else "numeric")
    if isinstance(dtype, pd.CategoricalDtype):
        return _describe_category(dtype, name)
    if pd.api.types.is_object_dtype(dtype):
        return _describe_objects(values, name)
    if isinstance(dtype, pd.StringDtype):
        return Column(name, "string" if dtype.na_value is pd.NA else "object", "categorical")
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return Column(name, str(dtype), "datetime")
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return Column(name, str(dtype), "numeric")
    raise _unsupported(name, str(dtype))


def _describe_category(dtype: pd.CategoricalDtype, name: str) -> Column:
    inferred = pd.api.types.infer_dtype(dtype.categories, skipna=True)
    values = _VALUES_OF_OBJECTS.get(inferred)
    if values is None or values == "time":
        raise _unsupported(name, f"category of {inferred}")
    categories = tuple(str(category) for category in dtype.categories)
    return Column(name, "category", "categorical", values, categories, bool(dtype.ordered))


def _describe_objects(values: pd.Series, name: str) -> Column:
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred == "date":
        return Column(name, "date", "datetime")
    if inferred == "datetime":
        return Column(name, "datetime64[us]", "datetime")
    if inferred == "decimal":
        return Column(name, "float64", "numeric")
    if inferred == "mixed" and any(
        isinstance(value, list | dict | set | tuple | np.ndarray) for value in values.dropna().head(100)
    ):
        raise _unsupported(name, "nested")
    if inferred not in _VALUES_OF_OBJECTS:
        raise _unsupported(name, inferred)
    return Column(name, "object", "categorical", _VALUES_OF_OBJECTS[inferred])


def _unsupported(name: str, found: str) -> InputError:
    return InputError(
        f"column {name!r} holds {found} values, but numbers, booleans, dates, times and text are needed: "
        "convert it (durations to seconds, nested values to columns of their own) or leave it out"
    )
