"""Write: the chosen units become a table in the original's column names, order and types, with their lineage.

In: a pool and unit ids. Out: subset.parquet and subset.lineage.parquet; one task per part that has chosen units.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from issodask.errors import InputError
from issodask.runtime import Runtime
from issodask.stages.renew import renewed, without_categories
from issodask.stages.roles import KnownColumns
from issodask.store.casts import written
from issodask.store.folders import PartFile
from issodask.store.parts import count_rows, hash_keys
from issodask.store.pool import Part, Pool, check_pool
from issodask.store.subset import (
    ChosenGroups,
    as_column,
    check_out,
    having,
    in_types,
    joined,
    lineage_table,
    of_rows,
    read_groups,
    read_rows,
    with_constants,
    write_table,
)
from issodask.table.groups import Groups
from issodask.table.keys import new_keys
from issodask.table.schema import Column, Schema


def write_subset(
    pool: Pool,
    unit_ids: np.ndarray,
    schema: Schema,
    out: Path,
    runtime: Runtime,
    group_key: str | None = None,
    original_keys: pd.Series | None = None,
    columns: KnownColumns | None = None,
    seed: int = 1,
    instead: tuple[str, np.ndarray] | None = None,
) -> None:
    """Write the units `unit_ids` of `pool`, in ascending order, to `out` (Parquet), and their lineage beside it.

    unit_ids       whole numbers in any order, may repeat
    group_key      units are groups then: their rows keep their order, and get new keys of the original's type, none of
                   which is among `original_keys`
    columns, seed  what is known of the original's columns, whose ids are made anew by the seed, and whose constants no
                   pool has to have
    instead        a column, and its value (text) for each unit in the order of `unit_ids`, whatever the pool says

    The same ids give the same bytes on any runtime. The lineage has a row per unit: generator, part, (first) row within
    the part; of groups also the new key and the number of rows.
    Raises InputError when `out` is not named as Parquet, for missing columns, for damaged parts and for a full disk; an
    earlier subset stays untouched then.
    """
    check_out(out)
    needed = schema.learnt(group_key) if columns is None else columns.needed
    chosen = _read_chosen(pool, unit_ids, needed, runtime, group_key)
    parts = [part for part, _ in chosen]
    first_rows = [read.first_rows for _, read in chosen]
    rows, lengths = joined([read for _, read in chosen])
    if instead is not None:
        name, values = instead
        texts = pd.Series(values[np.argsort(unit_ids, kind="stable")], dtype=object)
        rows = having(rows, name, as_column(texts.mask(texts == ""), schema[name]))
    if columns is not None:
        rows, schema = renewed(rows, lengths, columns, seed)
    lineage = lineage_table(parts, first_rows)
    if group_key is not None:
        schema = without_categories(schema, group_key)
        taken = original_keys if original_keys is not None else pd.Series([], dtype="object")
        keys = as_column(new_keys(schema[group_key], taken, len(unit_ids)), schema[group_key])
        rows = having(rows, group_key, of_rows(keys, lengths))
        lineage = lineage_table(parts, first_rows, written(keys, schema[group_key]), lengths)
    write_table(in_types(rows, schema), lineage, schema, out)


def read_units(pool: Pool, unit_ids: np.ndarray, columns: KnownColumns, runtime: Runtime) -> Any:
    """The units `unit_ids` of `pool`, in ascending order, in the original's types; groups are numbered from 0."""
    schema, group_key = columns.learnt, columns.group_key
    rows, lengths = joined([read for _, read in _read_chosen(pool, unit_ids, columns.needed, runtime, group_key)])
    rows = with_constants(rows, columns.constants)
    if group_key is not None:
        numbered = Column(group_key, "int64", "numeric", "integer")
        schema = schema.having(numbered)
        keys = as_column(pd.Series(np.arange(len(unit_ids))), numbered)
        rows = having(rows, group_key, of_rows(keys, lengths))
    return in_types(rows, schema)


def _read_chosen(
    pool: Pool, unit_ids: np.ndarray, schema: Schema, runtime: Runtime, group_key: str | None
) -> list[tuple[Part, ChosenGroups]]:
    """The chosen units of each part that has some; a row is a group of one here."""
    check_pool(pool, schema, group_key)
    pool = counted(pool, runtime, group_key)
    chosen = _by_part(pool, np.sort(np.asarray(unit_ids, dtype=np.int64)))
    tasks = [_Task(pool.file(part), units, group_key) for part, units in chosen]
    read = runtime.map(_read_part, tasks, runtime.share(schema), label="write")
    return list(zip([part for part, _ in chosen], read, strict=True))


def counted(pool: Pool, runtime: Runtime, group_key: str | None = None) -> Pool:
    """The pool with the units of all its parts known; files are read for it where their footers don't say."""
    tasks = [
        _Task(pool.file(part), np.zeros(0, np.int64), group_key)
        for part in pool.parts
        if (part.n_rows if group_key is None else part.n_units) is None
    ]
    counts = dict(zip([task.file.name for task in tasks], runtime.map(_count_units, tasks, label="count"), strict=True))
    parts = []
    for part in pool.parts:
        n_known = part.n_rows if group_key is None else part.n_units
        parts.append(replace(part, n_units=counts.get(part.name, n_known)))
    return replace(pool, parts=tuple(parts))


@dataclass(frozen=True)
class _Task:
    file: PartFile
    units: np.ndarray
    group_key: str | None


def _by_part(pool: Pool, unit_ids: np.ndarray) -> list[tuple[Part, np.ndarray]]:
    """Each part that has chosen units, with their places within it, ascending."""
    stops = np.cumsum([part.n_units or 0 for part in pool.parts], dtype=np.int64)
    if len(unit_ids) == 0 or unit_ids[0] < 0 or unit_ids[-1] >= stops[-1]:
        found = f"{unit_ids[0]:,} to {unit_ids[-1]:,}" if len(unit_ids) else "none"
        raise InputError(f"unit ids are {found}, but the pool has units 0 to {stops[-1] - 1:,}: choose some of those")
    chosen = []
    for part, stop in zip(pool.parts, stops, strict=True):
        start = stop - (part.n_units or 0)
        first, last = np.searchsorted(unit_ids, [start, stop])
        if first < last:
            chosen.append((part, unit_ids[first:last] - start))
    return chosen


def _read_part(task: _Task, schema: Schema) -> ChosenGroups:
    try:
        if task.group_key is None:
            table = read_rows(task.file, schema, task.units)
            return ChosenGroups(table, np.ones(len(task.units), np.int64), task.units)
        return read_groups(task.file, schema, task.group_key, task.units)
    except InputError as error:
        raise InputError(str(error) if task.file.name in str(error) else f"part {task.file.name}: {error}") from error


def _count_units(task: _Task) -> int:
    if task.group_key is None:
        return count_rows(task.file)
    return Groups.of(hash_keys(task.file, task.group_key), where=f"part {task.file.name}").n_groups
