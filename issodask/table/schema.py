"""What the columns of a table are: names, Arrow types, and how each one is binned.

`store/types.py` describes a table so. A `Schema` is the memory of the original: pools are brought to its types when
they are read (`store/casts.py`), and subsets are written in them. It knows types by Arrow's names alone, so that it can
go to workers, into hashes and into JSON.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from issodask.errors import InputError
from issodask.table.roles import Found, Role

Kind = Literal["numeric", "datetime", "categorical"]
Values = Literal["text", "boolean", "integer", "floating", "time"]


@dataclass(frozen=True)
class Column:
    """One column of the original.

    dtype       Arrow's name of its type: "int64", "timestamp[us, tz=UTC]", "dictionary<values=string, ...>"
    kind        how mostlyai-qa bins it: booleans without missing values count as numbers there, and what is neither a
                number nor a point in time is a category
    values      what the single values of a categorical column are
    categories  of a dictionary: its values, as text; `ordered` says whether their order means something
    pandas      the dtype that pandas noted for the column, "" if it did not
    role        what it is to the original's statistics (table/roles.py), None where nobody looked
    """

    name: str
    dtype: str
    kind: Kind
    values: Values = "text"
    categories: tuple[str, ...] | None = None
    ordered: bool = False
    pandas: str = ""
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

    def only(self, names: Iterable[str]) -> "Schema":
        """The columns called so, in the order of `names`."""
        return Schema(tuple(self[name] for name in names))

    def leaving_out(self, names: Iterable[str]) -> "Schema":
        """All columns but those called so."""
        others = frozenset(names)
        return Schema(tuple(column for column in self.columns if column.name not in others))

    def learnt(self, group_key: str | None = None) -> "Schema":
        """All columns but ids: what a generator makes. Where nothing is left beside the group key, ids after all."""
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

    def having(self, column: Column) -> "Schema":
        """The same, with `column` in place of the one of its name."""
        return Schema(tuple(column if own.name == column.name else own for own in self.columns))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings, for JSON."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Schema":
        return cls(tuple(_column_from_dict(column) for column in values["columns"]))


def _column_from_dict(values: Mapping[str, Any]) -> Column:
    """The inverse of `dataclasses.asdict` after a round trip through JSON, which knows no tuples."""
    categories = values.get("categories")
    return Column(**{**values, "categories": None if categories is None else tuple(categories)})


def check_names(names: Iterable[Any], where: str) -> None:
    """Raise InputError when a column name occurs twice (as text, the way Parquet stores it)."""
    texts = [str(name) for name in names]
    twice = sorted({name for name in texts if texts.count(name) > 1}) if len(set(texts)) < len(texts) else []
    if twice:
        raise InputError(f"{where} has duplicate column names {quoted(twice)}: rename them so that each occurs once")


def check_columns(found: Iterable[Any], needed: Iterable[str], where: str) -> None:
    """Raise InputError when `found`, the names of a table's columns, lack one of the original's, `needed`."""
    present, names = [str(name) for name in found], list(needed)
    missing = [name for name in names if name not in frozenset(present)]
    if missing and len(missing) == len(names):
        raise InputError(
            f"{where} has no columns in common with the original: found {quoted(present) or 'none'}, "
            f"needed {quoted(names)}: check that both belong to the same table"
        )
    if missing:
        raise InputError(
            f"{where} lacks {len(missing)} of the original's {len(names)} columns: {quoted(missing)}: found "
            f"{quoted(present)}: add them, or leave them out of the original"
        )


def quoted(names: Iterable[Any], at_most: int = 5) -> str:
    """Names for an error message: a few in quotes, the rest as a number."""
    known = [str(name) for name in names]
    shown = ", ".join(map(repr, known[:at_most]))
    n_more = len(known) - at_most
    return f"{shown} and {n_more} more" if n_more > 0 else shown
