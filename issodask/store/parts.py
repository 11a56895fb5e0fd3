"""Stream a part of a pool, Parquet or CSV, as frames of bounded size, so that memory does not grow with the pool."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from issodask.store.arrow import text_columns, to_frame
from issodask.store.csv_files import count_csv_rows, is_csv, iter_csv
from issodask.store.tables import open_parquet
from issodask.table.schema import Column, Schema

MAX_BATCH_CELLS = 1_000_000
MAX_BATCH_ROWS = 65_536


def iter_part(path: Path, schema: Schema) -> Iterator[pd.DataFrame]:
    """Yield the rows of one part in order, with the columns of `schema`, text as categories where that is cheap.

    Raises InputError when the file is damaged.
    """
    if is_csv(path):
        yield from iter_csv(path, schema, batch_rows(schema))
        return
    with _open_for(path, schema) as file:
        for i_group in range(file.num_row_groups):
            yield from _iter_row_group(file, i_group, schema)


def iter_chosen(path: Path, schema: Schema, rows: np.ndarray) -> Iterator[pd.DataFrame]:
    """Yield the chosen rows of one part in order; row groups without any are not read.

    `rows`: int64, positions within the part, ascending, may repeat.
    """
    if is_csv(path):
        yield from _chosen(iter_csv(path, schema, batch_rows(schema)), 0, rows)
        return
    with _open_for(path, schema) as file:
        start = 0
        for i_group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(i_group).num_rows
            if np.searchsorted(rows, start) < np.searchsorted(rows, stop):
                yield from _chosen(_iter_row_group(file, i_group, schema), start, rows)
            start = stop


def read_group_keys(path: Path, group_key: str) -> pd.Series:
    """The group key of each row of one part: text, numbers or dates as the file has them (CSV: text)."""
    only = Schema((Column(group_key, "object", "categorical"),))
    frames = [frame[group_key] for frame in iter_part(path, only)]
    if not frames:
        return pd.Series([], dtype="object", name=group_key)
    if isinstance(frames[0].dtype, pd.CategoricalDtype):
        frames = [frame.astype("object") for frame in frames]
    return pd.concat(frames, ignore_index=True)


def count_rows(path: Path) -> int:
    """The number of rows of a part; a CSV has to be read for it."""
    if is_csv(path):
        return count_csv_rows(path)
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def batch_rows(schema: Schema) -> int:
    """Rows of a batch that stays below MAX_BATCH_CELLS."""
    return max(1, min(MAX_BATCH_ROWS, MAX_BATCH_CELLS // len(schema.columns)))


def _chosen(frames: Iterator[pd.DataFrame], start: int, rows: np.ndarray) -> Iterator[pd.DataFrame]:
    for frame in frames:
        first, last = np.searchsorted(rows, [start, start + len(frame)])
        if first < last:
            yield frame.iloc[rows[first:last] - start]
        start += len(frame)


@contextmanager
def _open_for(path: Path, schema: Schema) -> Iterator[pq.ParquetFile]:
    with open_parquet(path) as file:
        texts = [name for name in text_columns(file.schema_arrow) if name in schema.names]
    with open_parquet(path, read_dictionary=texts) as file:
        yield file


def _iter_row_group(file: pq.ParquetFile, i_group: int, schema: Schema) -> Iterator[pd.DataFrame]:
    names = list(schema.names)
    for batch in file.iter_batches(batch_rows(schema), row_groups=[i_group], columns=names, use_threads=False):
        yield to_frame(pa.Table.from_batches([batch]).select(names), keep_dtypes=False)
