"""What a callable makes of an original: asked for, brought in through the door, and checked.

In: the original as a pandas frame, and how many units are wanted. Out: an Arrow table of just as many.
"""

from typing import Any

import numpy as np
import pandas as pd

from issodask.errors import InputError
from issodask.models import external
from issodask.store.frames import key_codes
from issodask.store.tables import to_arrow
from issodask.store.types import take
from issodask.table.groups import Groups
from issodask.table.schema import Schema, check_columns, check_names


def call(
    source: str, original: pd.DataFrame, schema: Schema, n_units: int, seed: int, group_key: str | None = None
) -> Any:
    """The first `n_units` units that the callable makes, with the original's columns; each group's rows together.

    Raises InputError when it returns no table, another table's columns, fewer units, or rows without a group key.
    """
    where = f"the table from {source}"
    table = _as_table(external.load(source)(original, n_units, seed), source)
    check_names(table.column_names, where)
    check_columns(table.column_names, schema.names, where)
    groups = None if group_key is None else Groups.of(key_codes(table, group_key, where), where)
    what, n_found = ("rows", table.num_rows) if groups is None else ("groups", groups.n_groups)
    if n_found < n_units:
        raise InputError(
            f"{source} returned {n_found:,} {what}, but {n_units:,} are needed: let it return n {what}, or lower units"
        )
    table = table.select(list(schema.names))
    return table.slice(0, n_units) if groups is None else take(table, groups.rows_of(np.arange(n_units)))


def _as_table(returned: Any, source: str) -> Any:
    try:
        return to_arrow(returned)
    except InputError as error:
        raise InputError(f"{source} returned what can't be used: {error}") from error
