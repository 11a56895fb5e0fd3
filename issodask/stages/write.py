"""Write: the chosen units become a table in the original's column names, order and dtypes, with their lineage.

In: a pool and unit ids. Out: subset.parquet and subset.lineage.parquet; one task per part that has chosen units.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from issodask.errors import InputError
from issodask.runtime import Runtime
from issodask.store.parts import count_rows
from issodask.store.pool import Part, Pool, check_pool
from issodask.store.subset import check_out, lineage_table, read_rows, write_tables
from issodask.table.coerce import restore_frame
from issodask.table.schema import Schema


def write_subset(pool: Pool, unit_ids: np.ndarray, schema: Schema, out: Path, runtime: Runtime) -> None:
    """Write the rows `unit_ids` of `pool`, in ascending order, to `out` (Parquet), and their lineage beside it.

    `unit_ids`: whole numbers in any order, may repeat. The same ids give the same bytes on any runtime. The lineage has
    a row per unit: generator, part, row within the part.
    Raises InputError when `out` is not named as Parquet, for missing columns, for damaged parts and for a full disk; an
    earlier subset stays untouched then.
    """
    check_out(out)
    tables, chosen = _read_chosen(pool, unit_ids, schema, runtime)
    lineage = lineage_table([part for part, _ in chosen], [rows for _, rows in chosen])
    write_tables(tables, lineage, schema, out)


def read_units(pool: Pool, unit_ids: np.ndarray, schema: Schema, runtime: Runtime) -> pd.DataFrame:
    """The rows `unit_ids` of `pool`, in ascending order, in the original's dtypes."""
    tables, _ = _read_chosen(pool, unit_ids, schema, runtime)
    return restore_frame(pd.concat([table.to_pandas() for table in tables], ignore_index=True), schema)


def _read_chosen(
    pool: Pool, unit_ids: np.ndarray, schema: Schema, runtime: Runtime
) -> tuple[list[Any], list[tuple[Part, np.ndarray]]]:
    check_pool(pool, schema)
    pool = counted(pool, runtime)
    chosen = _by_part(pool, np.sort(np.asarray(unit_ids, dtype=np.int64)))
    tasks = [_Task(part.name, str(pool.path(part)), rows) for part, rows in chosen]
    return list(runtime.map(_read_part, tasks, runtime.share(schema), label="write")), chosen


def counted(pool: Pool, runtime: Runtime) -> Pool:
    """The pool with the rows of all its parts known; CSV parts are read for it."""
    paths = [str(pool.path(part)) for part in pool.parts if part.n_rows is None]
    if not paths:
        return pool
    counts = dict(zip(paths, runtime.map(_count_rows, paths, label="count"), strict=True))
    parts = [replace(part, n_rows=counts.get(str(pool.path(part)), part.n_rows)) for part in pool.parts]
    return replace(pool, parts=tuple(parts))


@dataclass(frozen=True)
class _Task:
    name: str
    path: str
    rows: np.ndarray


def _by_part(pool: Pool, unit_ids: np.ndarray) -> list[tuple[Part, np.ndarray]]:
    """Each part that has chosen units, with their rows within it, ascending."""
    stops = np.cumsum([part.n_rows or 0 for part in pool.parts], dtype=np.int64)
    if len(unit_ids) == 0 or unit_ids[0] < 0 or unit_ids[-1] >= stops[-1]:
        found = f"{unit_ids[0]:,} to {unit_ids[-1]:,}" if len(unit_ids) else "none"
        raise InputError(f"unit ids are {found}, but the pool has units 0 to {stops[-1] - 1:,}: choose some of those")
    chosen = []
    for part, stop in zip(pool.parts, stops, strict=True):
        start = stop - (part.n_rows or 0)
        first, last = np.searchsorted(unit_ids, [start, stop])
        if first < last:
            chosen.append((part, unit_ids[first:last] - start))
    return chosen


def _read_part(task: _Task, schema: Schema) -> Any:
    try:
        return read_rows(Path(task.path), schema, task.rows)
    except InputError as error:
        raise InputError(str(error) if task.name in str(error) else f"part {task.name}: {error}") from error


def _count_rows(path: str) -> int:
    return count_rows(Path(path))
