"""Stream a part of a pool, Parquet or CSV, as frames of bounded size, so that memory does not grow with the pool."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from issodask.store.arrow import text_columns, to_frame
from issodask.store.csv_files import count_csv_rows, is_csv, iter_csv
from issodask.store.tables import open_parquet
from issodask.table.schema import Schema

MAX_BATCH_CELLS = 1_000_000
MAX_BATCH_ROWS = 65_536


def iter_part(path: Path, schema: Schema) -> Iterator[pd.DataFrame]:
    """Yield the rows of one part in order, with the columns of `schema`, text as categories where that is cheap.

    Raises InputError when the file is damaged.
    """
    if is_csv(path):
        yield from iter_csv(path, schema, batch_rows(schema))
        return
    with open_parquet(path) as file:
        texts = [name for name in text_columns(file.schema_arrow) if name in schema.names]
    with open_parquet(path, read_dictionary=texts) as file:
        yield from _iter_parquet(file, schema)


def count_rows(path: Path) -> int:
    """The number of rows of a part; a CSV has to be read for it."""
    if is_csv(path):
        return count_csv_rows(path)
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def batch_rows(schema: Schema) -> int:
    """Rows of a batch that stays below MAX_BATCH_CELLS."""
    return max(1, min(MAX_BATCH_ROWS, MAX_BATCH_CELLS // len(schema.columns)))


def _iter_parquet(file: pq.ParquetFile, schema: Schema) -> Iterator[pd.DataFrame]:
    for batch in file.iter_batches(batch_rows(schema), columns=list(schema.names), use_threads=False):
        table = pa.Table.from_batches([batch]).select(list(schema.names))
        yield to_frame(table, keep_dtypes=False)
