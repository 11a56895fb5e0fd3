"""What a generator of the user's own makes of an original: asked for, brought in through the door, and checked.

In: the original as a pandas frame, and how many units are wanted. Out: Arrow tables of just as many.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from issodask import seeds
from issodask.errors import InputError
from issodask.models import external
from issodask.protocols import Generator, named
from issodask.store.frames import key_codes
from issodask.store.subset import with_constants
from issodask.store.tables import to_arrow
from issodask.store.types import take
from issodask.table.groups import Groups
from issodask.table.schema import Schema, check_columns, check_names


def call(
    source: external.Source,
    original: pd.DataFrame,
    schema: Schema,
    n_units: int,
    seed: int,
    group_key: str | None = None,
    units_per_chunk: int | None = None,
) -> Iterator[Any]:
    """Yield the first `n_units` units that the source makes, with the original's columns; each group's rows together.

    A generator that learns is asked for `units_per_chunk` at a time, a function for all at once. A constant that it
    leaves out is the original's.

    Raises InputError when it returns no table, another table's columns, fewer units, or rows without a group key.
    """
    name = source if isinstance(source, str) else named(source)
    made = external.load(source, group_key)
    if not isinstance(made, Generator):
        yield _checked(made(original, n_units, seed), original, schema, n_units, group_key, name)
        return
    made.fit(original, seeds.integer(seed, "fit"))
    step = units_per_chunk or n_units
    for i_chunk, start in enumerate(range(0, n_units, step)):
        n_chunk = min(step, n_units - start)
        drawn = made.sample(n_chunk, seeds.integer(seed, "sample", i_chunk))
        yield _checked(drawn, original, schema, n_chunk, group_key, name)


def _checked(
    drawn: Any, original: pd.DataFrame, schema: Schema, n_units: int, group_key: str | None, source: str
) -> Any:
    where = f"the table from {source}"
    table = _as_table(drawn, source)
    check_names(table.column_names, where)
    table = _with_constants(table, original, schema)
    check_columns(table.column_names, schema.names, where)
    groups = None if group_key is None else Groups.of(key_codes(table, group_key, where), where)
    what, n_found = ("rows", table.num_rows) if groups is None else ("groups", groups.n_groups)
    if n_found < n_units:
        raise InputError(
            f"{source} returned {n_found:,} {what}, but {n_units:,} are needed: let it return n {what}, or lower units"
        )
    table = table.select(list(schema.names))
    return table.slice(0, n_units) if groups is None else take(table, groups.rows_of(np.arange(n_units)))


def _with_constants(table: Any, original: pd.DataFrame, schema: Schema) -> Any:
    missing = [column.name for column in schema.columns if column.name not in table.column_names]
    same = [name for name in missing if schema[name].role == "constant" and len(original[name].drop_duplicates()) == 1]
    return with_constants(table, to_arrow(original[same].head(1)))


def _as_table(returned: Any, source: str) -> Any:
    try:
        return to_arrow(returned)
    except InputError as error:
        raise InputError(f"{source} returned what can't be used: {error}") from error
