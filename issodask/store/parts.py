"""Stream a part of a pool, Parquet or CSV, in batches of bounded size, so that memory does not grow with the pool.

Each comes in the original's types: as plain columns for bins, as Arrow for what is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from issodask.errors import InputError
from issodask.store.casts import cast_table
from issodask.store.csv_files import count_csv_rows, csv_columns, is_csv, iter_csv, read_csvs
from issodask.store.csv_values import Reading
from issodask.store.folders import PartFile, with_values
from issodask.store.frames import to_frame
from issodask.store.plain import plain
from issodask.store.tables import open_parquet, parquet_columns
from issodask.store.types import is_text, take, unusable_keys
from issodask.table.columns import Columns
from issodask.table.schema import Column, Schema, check_columns

MAX_BATCH_CELLS = 1_000_000
MAX_BATCH_ROWS = 65_536


def iter_part(part: PartFile, schema: Schema) -> Iterator[Columns]:
    """Yield the rows of one part in order, as bins see the columns of `schema`.

    Raises InputError when the file is damaged, and for values that the original's types can't hold.
    """
    for table in _iter_batches(part, schema):
        yield plain(table, schema, where=part.name)


def iter_rows(part: PartFile, schema: Schema) -> Iterator[pa.Table]:
    """Yield the rows of one part in order, in `stored_schema`. Raises InputError as `iter_part`."""
    for table in _iter_batches(part, schema):
        yield cast_table(table, schema, part.name)


def iter_chosen(part: PartFile, schema: Schema, rows: np.ndarray) -> Iterator[pa.Table]:
    """Yield the chosen rows of one part in order, in `stored_schema`; row groups without any are not read.

    `rows`: int64, positions within the part, ascending, may repeat. Raises InputError as `iter_part`.
    """
    if is_csv(part.path):
        yield from _chosen(_iter_batches(part, schema), rows, schema)
        return
    chosen: list[pa.Table] = []
    with _open_for(part, schema) as file:
        for table, start in _iter_tables(file, schema, rows, part):
            first, last = np.searchsorted(rows, [start, start + len(table)])
            chosen.append(cast_table(take(table, rows[first:last] - start), schema, part.name))
            if sum(map(len, chosen)) >= batch_rows(schema):
                yield pa.concat_tables(chosen)
                chosen = []
    if chosen:
        yield pa.concat_tables(chosen)


def hash_keys(part: PartFile, group_key: str) -> pd.Series:
    """A number for the group key of each row of one part: UInt64, missing where the key is.

    It is a hash of the key's text, so that keys take little memory, and those of two parts are comparable whatever
    their types: 7, 7.0 and "7" have the same, a date has that of its midnight.
    """
    hashed = [hash_values(keys, str(part.path)) for keys in _iter_keys(part, group_key)]
    numbers = np.concatenate([np.zeros(0, np.uint64), *(numbers for numbers, _ in hashed)])
    is_missing = np.concatenate([np.zeros(0, bool), *(is_missing for _, is_missing in hashed)])
    return pd.Series(pd.arrays.IntegerArray(numbers, is_missing), name=group_key)


def key_at(part: PartFile, group_key: str, row: int) -> str:
    """The group key of one row, as text."""
    start = 0
    for keys in _iter_keys(part, group_key):
        if row < start + len(keys):
            return str(keys[row - start].as_py()).removesuffix(" 00:00:00")
        start += len(keys)
    raise IndexError(f"{part.path} has no row {row:,}")


def part_frame(part: PartFile) -> pd.DataFrame:
    """All of one part as pandas."""
    if is_csv(part.path):
        (table,) = read_csvs([part.path], part.dialect)
    else:
        with open_parquet(part.path) as file:
            table = file.read(columns=parquet_columns(file))
    return to_frame(with_values(table, part.values))


def count_rows(part: PartFile) -> int:
    """The number of rows of a part; a CSV has to be read for it."""
    if is_csv(part.path):
        return count_csv_rows(part.path, part.dialect)
    with open_parquet(part.path) as file:
        return int(file.metadata.num_rows)


def batch_rows(schema: Schema) -> int:
    """Rows of a batch that stays below MAX_BATCH_CELLS."""
    return max(1, min(MAX_BATCH_ROWS, MAX_BATCH_CELLS // len(schema.columns)))


def _only(group_key: str) -> Schema:
    return Schema((Column(group_key, "string", "categorical"),))


def _iter_keys(part: PartFile, group_key: str) -> Iterator[pa.Array]:
    if is_csv(part.path):
        for table in _iter_csv(part, _only(group_key), MAX_BATCH_ROWS):
            yield table[group_key].combine_chunks()
        return
    with _open_for(part, _only(group_key)) as file:
        for i_group in range(file.num_row_groups):
            for table in _iter_row_group(file, i_group, _only(group_key), part):
                yield table[group_key].combine_chunks()


def hash_values(keys: pa.Array, where: str) -> tuple[np.ndarray, np.ndarray]:
    """A hash of the text of each key (uint64, 0 where it is missing), and which of them are missing."""
    return _hash_texts(_as_texts(keys, where))


def _as_texts(keys: pa.Array, where: str) -> pa.DictionaryArray:
    """The keys' texts, each once, and which one each key is."""
    if pa.types.is_nested(keys.type) or isinstance(keys.type, pa.BaseExtensionType):
        raise InputError(unusable_keys(keys.type, where))
    if pa.types.is_dictionary(keys.type):
        keys = keys.dictionary_decode()
    if pa.types.is_floating(keys.type):
        keys = pc.if_else(pc.is_nan(keys), None, keys)
    if pa.types.is_timestamp(keys.type):
        keys = keys.view(pa.timestamp(keys.type.unit))  # with a zone, Arrow would look for a list of all zones
    encoded = keys.dictionary_encode()
    if not (pa.types.is_primitive(keys.type) or pa.types.is_decimal(keys.type)):
        return encoded
    return pa.DictionaryArray.from_arrays(encoded.indices, _as_text(encoded.dictionary))


def _as_text(values: pa.Array) -> pa.Array:
    """Numbers and times as text; whole numbers without a point, midnight without a time."""
    texts = pc.replace_substring_regex(values.cast(pa.string()), r"( 00:00:00)?(\.0+)?$", "")
    if not pa.types.is_floating(values.type):
        return texts
    is_whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**53))
    whole = pc.if_else(is_whole, values, 0).cast(pa.int64()).cast(pa.string())
    return pc.if_else(is_whole, whole, texts)  # large ones would have an exponent


def _hash_texts(texts: pa.DictionaryArray) -> tuple[np.ndarray, np.ndarray]:
    distinct = texts.dictionary.to_numpy(zero_copy_only=False).astype(object)
    hashes = pd.util.hash_array(distinct, categorize=False)
    places = texts.indices.fill_null(-1).to_numpy()
    return np.append(hashes, np.uint64(0))[places], places < 0


def _iter_batches(part: PartFile, schema: Schema) -> Iterator[pa.Table]:
    if is_csv(part.path):
        yield from _iter_csv(part, schema, batch_rows(schema))
        return
    with _open_for(part, schema) as file:
        for i_group in range(file.num_row_groups):
            yield from _iter_row_group(file, i_group, schema, part)


def _iter_csv(part: PartFile, schema: Schema, n_rows: int) -> Iterator[pa.Table]:
    own = csv_columns(part.path, part.dialect)
    check_columns([*own, *part.values], schema.names, where=part.name)
    wanted = [column for column in schema.columns if column.name in own or column.name not in part.values]
    readings = {column.name: _reading(column) for column in wanted} or {own[0]: "text"}
    for table in iter_csv(part.path, readings, part.dialect, n_rows):
        yield with_values(table, part.values).select(list(schema.names))


def _reading(column: Column) -> Reading:
    """What a column of a CSV part is to be for a column of the original; decimals are exact as texts only."""
    if column.values in ("integer", "floating") and not column.dtype.startswith("decimal"):
        return "number"
    return "text" if column.kind == "categorical" and column.values == "text" else "value"


def _chosen(tables: Iterator[pa.Table], rows: np.ndarray, schema: Schema) -> Iterator[pa.Table]:
    start = 0
    for table in tables:
        first, last = np.searchsorted(rows, [start, start + len(table)])
        if first < last:
            yield cast_table(take(table, rows[first:last] - start), schema)
        start += len(table)


@contextmanager
def _open_for(part: PartFile, schema: Schema) -> Iterator[pq.ParquetFile]:
    with open_parquet(part.path) as file:
        check_columns([*file.schema_arrow.names, *part.values], schema.names, where=part.name)
        wanted = set(schema.names)
        texts = [field.name for field in file.schema_arrow if field.name in wanted and is_text(field.type)]
        metadata = file.metadata
    with open_parquet(part.path, read_dictionary=texts, metadata=metadata) as file:
        yield file


def _iter_row_group(file: pq.ParquetFile, i_group: int, schema: Schema, part: PartFile) -> Iterator[pa.Table]:
    known = set(file.schema_arrow.names)
    own = [name for name in schema.names if name in known]
    for batch in file.iter_batches(batch_rows(schema), row_groups=[i_group], columns=own, use_threads=False):
        yield with_values(pa.Table.from_batches([batch]), part.values).select(list(schema.names))


def _iter_tables(
    file: pq.ParquetFile, schema: Schema, rows: np.ndarray, part: PartFile
) -> Iterator[tuple[pa.Table, int]]:
    """Yield those of a part's tables that have some of `rows`, and the number of the first row of each."""
    start = 0
    for i_group in range(file.num_row_groups):
        stop = start + file.metadata.row_group(i_group).num_rows
        if np.searchsorted(rows, start) < np.searchsorted(rows, stop):
            for table in _iter_row_group(file, i_group, schema, part):
                if np.searchsorted(rows, start) < np.searchsorted(rows, start + len(table)):
                    yield table, start
                start += len(table)
        start = stop
