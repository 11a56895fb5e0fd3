"""The subset on disk: chosen rows of a pool as one Parquet file in the original's types, and where each came from.

The bytes depend on the pool and the chosen rows alone. Both files appear together when they are whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.store.casts import cast_column, cast_table, stored_schema, written_table
from issodask.store.files import whole_file
from issodask.store.folders import PartFile, is_parquet
from issodask.store.frames import from_frame
from issodask.store.parts import hash_keys, iter_chosen
from issodask.store.places import is_remote
from issodask.store.pool import Part
from issodask.store.types import noted_as
from issodask.table.groups import Groups
from issodask.table.schema import Column, Schema

ROW_GROUP_ROWS = 131_072


@dataclass(frozen=True)
class ChosenGroups:
    """Rows of groups, how many rows each has (int64, n), and its first row within the part (int64, n)."""

    table: pa.Table
    lengths: np.ndarray
    first_rows: np.ndarray


def read_rows(part: PartFile, schema: Schema, rows: np.ndarray) -> pa.Table:
    """The chosen rows of one part in `stored_schema`; memory grows with the rows, not with the part.

    `rows`: int64, positions within the part, ascending, may repeat. Raises InputError when the part is damaged.
    """
    tables = list(iter_chosen(part, schema, rows))
    return pa.concat_tables(tables) if tables else stored_schema(schema).empty_table()


def read_groups(part: PartFile, schema: Schema, group_key: str, units: np.ndarray) -> ChosenGroups:
    """The rows of the chosen groups of one part, group after group, without their keys.

    `units`: int64, positions among the part's groups, ascending, may repeat. Raises InputError as `read_rows`.
    """
    groups = Groups.of(hash_keys(part, group_key), where=f"part {part.name}")
    rows = groups.rows_of(units)
    order = np.argsort(rows, kind="stable")
    table = read_rows(part, schema.without(group_key), rows[order])
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


def work_folder(out: Path) -> Path:
    """Where what can be resumed is kept, if nobody says where: beside the subset or, of a store's file, here."""
    return Path(out.with_suffix(".work").name) if is_remote(out) else out.with_suffix(".work")


def write_table(table: pa.Table, lineage: pa.Table, schema: Schema, out: Path) -> None:
    """Write the subset, in the original's types, and its lineage beside it; on failure leave both as they were.

    Raises InputError for a full disk.
    """
    table = noted_as(table, schema)
    with whole_file(lineage_path(out)) as lineage_work, whole_file(out) as work:
        pq.write_table(table, work, row_group_size=ROW_GROUP_ROWS)
        pq.write_table(lineage, lineage_work, row_group_size=ROW_GROUP_ROWS)


def joined(chosen: Sequence[ChosenGroups]) -> tuple[pa.Table, np.ndarray]:
    """The rows of all parts, and how many rows each unit has (int64)."""
    rows = pa.concat_tables([read.table for read in chosen]).combine_chunks()
    return rows, np.concatenate([read.lengths for read in chosen])


def having(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    """The rows with another column of that name, or one more."""
    if name in rows.column_names:
        rows = rows.drop_columns([name])
    return rows.append_column(name, values)


def missing_in(table: pa.Table, name: str) -> NDArray[np.bool_]:
    """Which rows lack a value of the column."""
    return np.asarray(pc.is_null(table[name], nan_is_null=True).to_numpy())


def with_values_where(
    table: pa.Table, name: str, where: NDArray[np.bool_], values: pd.Series, column: Column
) -> pa.Table:
    """The table with these values of the column in those rows; all others, and the order of columns, stay."""
    new = as_column(values, column)
    own = cast_column(table[name], column)
    places = pa.array(np.where(where, np.cumsum(where) - 1, -1))
    filled = pc.if_else(pa.array(where), new.take(pc.if_else(pa.array(where), places, None)), own)
    return having(table, name, filled).select(table.column_names)


def first_row(table: pa.Table, schema: Schema) -> pa.Table:
    """The first row's values in the columns of `schema`, in `stored_schema`."""
    return cast_table(table.slice(0, 1), schema)


def with_constants(rows: pa.Table, constants: pa.Table) -> pa.Table:
    """The rows, all of which have the values of the only row of `constants`."""
    for name in constants.column_names:
        rows = having(rows, name, of_rows(constants[name], np.array([rows.num_rows])))
    return rows


def of_rows(values: pa.ChunkedArray, lengths: np.ndarray) -> pa.ChunkedArray:
    """The value of each unit, for each of its rows."""
    return values.take(pa.array(np.repeat(np.arange(len(values)), lengths)))


def where_texts(values: pa.ChunkedArray, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows hold one of those texts."""
    return pc.is_in(values, value_set=pa.array(texts, values.type)).to_numpy()


def with_texts(values: pa.ChunkedArray, where: NDArray[np.bool_], texts: NDArray[np.object_]) -> pa.ChunkedArray:
    """The values, but the texts in those rows: one per row."""
    return pc.if_else(pa.array(where), pa.array(texts, values.type), values)


def distinct_texts(values: pa.ChunkedArray) -> set[str]:
    return set(pc.unique(values).drop_null().cast(pa.string()).to_pylist())


def in_types(rows: pa.Table, schema: Schema) -> pa.Table:
    """The rows in the original's columns and types."""
    return written_table(rows.select(list(schema.names)), schema)


def as_column(values: pd.Series, column: Column) -> pa.ChunkedArray:
    """Values in the `stored_type` of a column."""
    return cast_column(from_frame(values.to_frame(column.name))[column.name], column)


def lineage_table(
    parts: Sequence[Part],
    rows: Sequence[np.ndarray],
    keys: pa.ChunkedArray | None = None,
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
        columns |= {"key": keys, "n_rows": pa.array(lengths, type=pa.int64())}
    return pa.table(columns)
