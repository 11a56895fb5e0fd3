"""The subset on disk: chosen rows of a pool as one Parquet file in the original's dtypes, and where each came from.

The bytes depend on the pool and the chosen rows alone. Both files appear together when they are whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from issodask.errors import InputError
from issodask.store.arrow import arrow_schema, file_schema, to_arrow, to_frame
from issodask.store.files import whole_file
from issodask.store.folders import is_parquet
from issodask.store.parts import hash_keys, iter_chosen
from issodask.store.pool import Part
from issodask.table.coerce import restore_frame
from issodask.table.groups import Groups
from issodask.table.schema import Schema

ROW_GROUP_ROWS = 131_072


@dataclass(frozen=True)
class ChosenGroups:
    """Rows of groups, how many rows each has (int64, n), and its first row within the part (int64, n)."""

    table: pa.Table
    lengths: np.ndarray
    first_rows: np.ndarray


def read_rows(path: Path, schema: Schema, rows: np.ndarray) -> pa.Table:
    """The chosen rows of one part in the pool's Arrow schema; memory grows with the rows, not with the part.

    `rows`: int64, positions within the part, ascending, may repeat. Raises InputError when the part is damaged.
    """
    wanted = arrow_schema(schema)
    tables = [to_arrow(restore_frame(frame, schema), wanted) for frame in iter_chosen(path, schema, rows)]
    return pa.concat_tables(tables) if tables else wanted.empty_table()


def read_groups(path: Path, schema: Schema, group_key: str, units: np.ndarray) -> ChosenGroups:
    """The rows of the chosen groups of one part, group after group, without their keys.

    `units`: int64, positions among the part's groups, ascending, may repeat. Raises InputError as `read_rows`.
    """
    groups = Groups.of(hash_keys(path, group_key), where=f"part {path.name}")
    rows = groups.rows_of(units)
    order = np.argsort(rows, kind="stable")
    table = read_rows(path, schema.without(group_key), rows[order])
    return ChosenGroups(
        table.take(pa.array(np.argsort(order, kind="stable"))),
        groups.lengths[units],
        groups.order[groups.starts[units]],
    )


def lineage_path(out: Path) -> Path:
    """`subset.lineage.parquet` for `subset.parquet`."""
    return out.with_name(f"{out.stem}.lineage.parquet")


def check_out(out: Path) -> None:
    """Raise InputError unless `out` is the name of a Parquet file."""
    if not is_parquet(out):
        raise InputError(f"the subset is written as Parquet, but {out} is named otherwise: give a name in .parquet")


def write_frame(frame: pd.DataFrame, lineage: pa.Table, schema: Schema, out: Path) -> None:
    """Write the subset to `out` and its lineage beside it; on failure leave both as they were.

    Raises InputError for a full disk.
    """
    table = pa.Table.from_pandas(frame, schema=file_schema(schema, frame), preserve_index=False)
    with whole_file(lineage_path(out)) as lineage_work, whole_file(out) as work:
        pq.write_table(table, work, row_group_size=ROW_GROUP_ROWS)
        pq.write_table(lineage, lineage_work, row_group_size=ROW_GROUP_ROWS)


def one_frame(tables: Sequence[pa.Table], schema: Schema) -> pd.DataFrame:
    """The parts' rows in the original's dtypes."""
    return restore_frame(to_frame(pa.concat_tables(tables), keep_dtypes=False), schema)


def lineage_table(
    parts: Sequence[Part],
    rows: Sequence[np.ndarray],
    keys: pd.Series | None = None,
    lengths: np.ndarray | None = None,
) -> pa.Table:
    """Generator (missing where unknown), part and (first) row within the part of each unit, in the subset's order.

    Of groups also the new key and the number of rows.
    """
    counts = [len(part_rows) for part_rows in rows]
    part_numbers = pa.array(np.repeat(np.arange(len(parts), dtype=np.int32), counts))
    names = pa.array([part.name for part in parts], type=pa.string())
    generators = pa.array([part.generator for part in parts], type=pa.int32())
    columns = {
        "generator": generators.take(part_numbers),
        "part": pa.DictionaryArray.from_arrays(part_numbers, names),
        "row": pa.array(np.concatenate(rows), type=pa.int64()),
    }
    if keys is not None and lengths is not None:
        columns |= {"key": pa.array(keys), "n_rows": pa.array(lengths, type=pa.int64())}
    return pa.table(columns)
