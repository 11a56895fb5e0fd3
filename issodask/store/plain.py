"""From Arrow to the plain columns that bins see (`table/columns.py`).

Columns of text are read by their dictionary: each distinct text once.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from issodask.kernels.bins import NO_TIME
from issodask.store.casts import cast_column
from issodask.store.types import is_text, value_type
from issodask.table.columns import Columns, Numbers, Plain, Texts, Times
from issodask.table.schema import Column, Schema, check_columns


def plain(table: pa.Table, schema: Schema, where: str = "the table") -> Columns:
    """The columns of `schema` as bins see them, with the meaning that they have in the original.

    Raises InputError when a column is missing, and for values that the original's types can't hold.
    """
    check_columns(table.column_names, schema.names, where)
    columns = {column.name: _plain(table[column.name], column) for column in schema.columns}
    return Columns(columns, table.num_rows)


def _plain(values: pa.ChunkedArray, column: Column) -> Plain:
    is_text_already = column.values == "text" and is_text(value_type(values.type))
    if not (column.kind == "categorical" and is_text_already):
        values = cast_column(values, column)
    if column.kind == "numeric":
        return Numbers(_as_numbers(values))
    return _as_times(values) if column.kind == "datetime" else _as_texts(values)


def _as_numbers(values: pa.ChunkedArray) -> NDArray[np.float64]:
    numbers = _one_chunk(pc.cast(values, pa.float64(), safe=False))
    return np.asarray(numbers.to_numpy(zero_copy_only=False))


def _as_times(values: pa.ChunkedArray) -> Times:
    if pa.types.is_date(values.type):
        values = pc.cast(values, pa.timestamp("s" if pa.types.is_date32(values.type) else "ms"))
    ticks = _one_chunk(values).view(pa.int64())
    if ticks.null_count:
        ticks = ticks.fill_null(NO_TIME)
    return Times(ticks.to_numpy(), values.type.unit, values.type.tz)


def _as_texts(values: pa.ChunkedArray) -> Texts:
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    encoded = _one_chunk(values if pa.types.is_dictionary(values.type) else values.dictionary_encode())
    texts = encoded.dictionary.to_pylist()
    indices = encoded.indices.cast(pa.int32())
    places = (indices.fill_null(-1) if indices.null_count else indices).to_numpy()
    if None in texts:
        places = np.where(np.array([text is None for text in texts])[places], np.int32(-1), places)
    return Texts(tuple(map(str, texts)), places)


def _one_chunk(values: pa.ChunkedArray) -> pa.Array:
    if values.num_chunks == 1:
        return values.chunk(0)
    if pa.types.is_dictionary(values.type):
        values = values.unify_dictionaries()
    return values.combine_chunks()
