"""What a subset gets anew before it is written: ids, texts in place of those that nobody may see, and constants.

In: the chosen rows of a pool, and what is known of the original's columns. Out: the rows with all of the original's
columns but the group key, and the schema by which they are written. It depends on the job's seed, not on who works.
"""

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask import seeds
from issodask.stages.roles import KnownColumns
from issodask.store.subset import as_column, distinct_texts, having, of_rows, where_texts, with_constants, with_texts
from issodask.table.ids import NewIds
from issodask.table.roles import ENOUGH
from issodask.table.schema import Column, Schema


def renewed(rows: Any, lengths: NDArray[np.int64], columns: KnownColumns, seed: int) -> tuple[Any, Schema]:
    """`lengths`: how many rows each unit has. Raises InputError when a type has too few ids."""
    schema = columns.schema
    rows = with_constants(rows, columns.constants)
    for ids in columns.ids:
        schema = without_categories(schema, ids.name)
        column = schema[ids.name]
        new = _new_ids(ids, column, len(lengths) if ids.of_group else rows.num_rows, seed)
        rows = having(rows, ids.name, of_rows(new, lengths) if ids.of_group else new)
    for name in columns.texts:
        rows = _without_unshown(rows, lengths, columns, name, seed)
        schema = schema.having(_with_shared_categories(schema[name], columns, rows[name]))
    return rows, schema


def without_categories(schema: Schema, name: str) -> Schema:
    """The schema without the categories of a column of ids, which are the original's."""
    column = schema[name]
    return schema.having(replace(column, categories=None if column.categories is None else ()))


def _new_ids(ids: NewIds, column: Column, n: int, seed: int) -> Any:
    values, is_missing = ids.draw(n, seed)
    new = pd.Series(values)
    if is_missing.any():
        new = new.convert_dtypes().mask(is_missing)
    return as_column(new.rename(column.name), column)


def _without_unshown(rows: Any, lengths: NDArray[np.int64], columns: KnownColumns, name: str, seed: int) -> Any:
    """The rows with another text in place of those that nobody may see; one per group where that is so."""
    is_hidden = where_texts(rows[name], columns.unshown(name))
    if not is_hidden.any():
        return rows
    random = seeds.generator(seed, "hidden texts", zlib.crc32(name.encode()))
    rare = columns.rare(name)
    if columns.texts[name].of_group:
        texts = np.repeat(rare.draw(len(lengths), random), lengths)
    else:
        texts = rare.draw(rows.num_rows, random)
    return having(rows, name, with_texts(rows[name], is_hidden, texts))


def _with_shared_categories(column: Column, columns: KnownColumns, values: Any) -> Column:
    """The column without those categories that nobody in the subset has, and too few in the original to be told."""
    if column.categories is None:
        return column
    texts = columns.texts[column.name]
    rare = set(texts.values[texts.n_sharing < ENOUGH].tolist())
    if not rare:
        return column
    hidden = rare - distinct_texts(values)
    return replace(column, categories=tuple(text for text in column.categories if text not in hidden))
