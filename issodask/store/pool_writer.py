"""Writing a pool: the parts of each generator, whole or absent, and the manifest once all are there.

Parts have one Arrow schema, and each says in its footer who made it: a writer that is opened again goes on after the
last whole one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from issodask.errors import InputError
from issodask.store.casts import cast_table, stored_schema
from issodask.store.dialects import Dialect
from issodask.store.files import file_hash, whole_file, write_json
from issodask.store.frames import key_codes
from issodask.store.partitions import partitions, whole_groups
from issodask.store.places import found_in, is_path, make_folder, place, remove
from issodask.store.pool import MANIFEST, Part, Pool, open_pool, part_name, part_prefix
from issodask.store.tables import open_parquet, to_arrow
from issodask.store.types import take
from issodask.table.groups import Groups
from issodask.table.schema import Schema, check_columns

ROW_GROUP_ROWS = 32_768
KEYS_PER_GENERATOR = 2**40
_NOTE = b"issodask"


class PoolWriter:
    """Writes the parts of one generator: `append` tables of any size, then `close`.

        with PoolWriter(folder, schema, generator=0, seed=7, part_rows=100_000) as writer:
            while writer.n_rows < wanted:                  # > 0 at once when an earlier run got that far
                writer.append(model.sample(...))
        pool = seal_pool(folder)                           # once, after the writers of all generators

    `schema` is the original's; tables of any kind are brought to its types, other columns are dropped. A part is
    written as soon as `part_rows` rows are there; the remainder when the writer is closed (not when the `with` block
    fails). The bytes depend on the rows, `part_rows`, generator and seed alone, not on the sizes of the tables.

    With a `group_key`, tables hold whole groups, whose rows need not be adjacent; equal keys in two tables are two
    groups. A part ends with the first group at or after `part_rows` rows. Keys are numbered anew, unique over all
    generators: generator * 2**40 + 0, 1, 2, ... `n_units` counts groups (rows of a flat table).

    `n_rows` counts whole parts and what waits in memory; `finished_parts` are the names of whole parts; `removed_parts`
    the names of those found damaged on opening, and all after them, which are to be made again.

    Raises InputError on opening when the folder holds parts of this generator with another seed or schema; `append`
    raises it for missing columns and for values of another type than the original's; writing, for a full disk.
    """

    def __init__(
        self,
        folder: str | Path,
        schema: Schema,
        generator: int,
        seed: int,
        part_rows: int = 100_000,
        group_key: str | None = None,
    ) -> None:
        self.folder = place(folder)
        self.schema = schema
        self.part_rows = part_rows
        self.group_key = group_key
        self._arrow_schema = _noted_schema(schema, generator, seed, group_key)
        self._generator = generator
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._waiting_ends = np.zeros(0, np.int64)  # of groups, in rows that wait
        make_folder(self.folder)
        self.finished_parts, self._n_finished, self._n_groups, self.removed_parts = self._take_up()

    @property
    def n_rows(self) -> int:
        return self._n_finished + self._n_waiting

    @property
    def n_units(self) -> int:
        return self.n_rows if self.group_key is None else self._n_groups

    def append(self, table: Any) -> None:
        """Add rows, or whole groups, after those that are there."""
        table = to_arrow(table)
        if not table.num_rows:
            return
        rows = cast_table(table, self.schema) if self.group_key is None else self._keyed_anew(table, self.group_key)
        self._waiting.append(rows.cast(self._arrow_schema))
        self._n_waiting += table.num_rows
        while (n_rows := self._n_of_part()) is not None:
            self._write(n_rows)

    def _keyed_anew(self, table: pa.Table, group_key: str) -> pa.Table:
        """The table's groups, one after the other, with the next keys; where they end is remembered."""
        rows, groups = _with_keys(table, self.schema, group_key, self._generator, self._n_groups)
        self._waiting_ends = np.append(self._waiting_ends, self._n_waiting + groups.starts[1:])
        self._n_groups += groups.n_groups
        return rows

    def _n_of_part(self) -> int | None:
        """Rows of the next part, if all of them wait."""
        if self._n_waiting < self.part_rows:
            return None
        if self.group_key is None:
            return self.part_rows
        return int(self._waiting_ends[np.searchsorted(self._waiting_ends, self.part_rows)])

    def close(self) -> None:
        """Write the remaining rows as a last, smaller part."""
        if self._n_waiting:
            self._write(self._n_waiting)

    def __enter__(self) -> "PoolWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def _write(self, n_rows: int) -> None:
        table = pa.concat_tables(self._waiting).combine_chunks()
        path = self.folder / part_name(self._generator, len(self.finished_parts))
        with whole_file(path) as work:
            _write_rows(table.slice(0, n_rows), work)
        rest = table.slice(n_rows)
        self._waiting = [rest] if rest.num_rows else []
        self._n_waiting = rest.num_rows
        self._waiting_ends = self._waiting_ends[np.searchsorted(self._waiting_ends, n_rows, side="right") :] - n_rows
        self._n_finished += n_rows
        self.finished_parts = (*self.finished_parts, path.name)

    def _take_up(self) -> tuple[tuple[str, ...], int, int, tuple[str, ...]]:
        """Whole parts from the first to the first that is missing or damaged; what follows is removed."""
        present = found_in(self.folder, f"{part_prefix(self._generator)}*.parquet")
        expected = _note_of(self._arrow_schema)
        finished: list[str] = []
        n_rows = n_groups = 0
        for i_part, path in enumerate(present):
            found = _read_note(path)
            if path.name != part_name(self._generator, i_part) or found is None:
                break
            note, metadata = found
            if note != expected:
                raise InputError(_other_job(path, note, expected))
            finished.append(path.name)
            n_rows += metadata.num_rows
            n_groups += _count_groups(metadata, self.group_key) or 0
        removed = present[len(finished) :]
        for path in removed:
            remove(path)
        return tuple(finished), n_rows, n_groups, tuple(path.name for path in removed)


def write_part(
    table: Any, path: Path, schema: Schema, generator: int, seed: int, group_key: str | None = None, first_unit: int = 0
) -> int:
    """Write rows, or whole groups, as one part, as a PoolWriter would; return how many rows it has.

    `first_unit`: the number of the first of its groups among all of this generator.
    """
    rows = to_arrow(table)
    if group_key is None:
        rows = cast_table(rows, schema)
    else:
        rows, _ = _with_keys(rows, schema, group_key, generator, first_unit)
    _write_rows(rows.cast(_noted_schema(schema, generator, seed, group_key)).combine_chunks(), path)
    return int(rows.num_rows)


def _with_keys(
    table: pa.Table, schema: Schema, group_key: str, generator: int, first_unit: int
) -> tuple[pa.Table, Groups]:
    """The table's groups, one after the other, numbered from `first_unit` of the generator on."""
    groups = Groups.of(key_codes(table, group_key))
    rows = cast_table(take(table, groups.order), schema.without(group_key))
    numbers = generator * KEYS_PER_GENERATOR + first_unit + np.arange(groups.n_groups)
    keys = pa.array(np.repeat(numbers, groups.lengths), pa.int64())
    return rows.append_column(group_key, keys).select(list(schema.names)), groups


def _write_rows(rows: pa.Table, path: Path) -> None:
    pq.write_table(rows, path, row_group_size=ROW_GROUP_ROWS)


def seal_pool(folder: str | Path, names: Sequence[str] | None = None) -> Pool:
    """List all parts that writers left in `folder` in manifest.json, by generator and number, and open the pool.

    `names` are the parts' where that is known: a store may not list at once what was written.

    Raises InputError when there are none, or a part is damaged or of another schema than the first.
    """
    folder = place(folder)
    paths = found_in(folder, "g[0-9]*-part-*.parquet") if names is None else [folder / name for name in names]
    entries = [_listed(path) for path in paths]
    if not entries:
        raise InputError(f"pool {folder} has no parts yet: generate some")
    first, columns, group_key = entries[0]
    for part, names, key in entries:
        if (names, key) != (columns, group_key):
            raise InputError(
                f"parts {first.name} and {part.name} of pool {folder} differ in columns, or in their group key: "
                "remove one of them"
            )
    pool = Pool(folder, tuple(part for part, _, _ in entries), columns, group_key)
    manifest = {
        "columns": list(columns),
        "group_key": group_key,
        "n_rows": pool.n_rows,
        "n_units": pool.n_units,
        "parts": [asdict(part) for part in pool.parts],
    }
    write_json(folder / MANIFEST, manifest)
    return open_pool(folder)


def as_pool(
    source: Any,
    folder: str | Path,
    schema: Schema,
    group_key: str | None = None,
    csv: Dialect | Mapping[str, Any] | None = None,
) -> Pool:
    """The pool at a path; a table of pandas, Arrow or Dask is written to `folder` first, in place of what was there.

    Dask tables go partition by partition; rows of a group that lies in several wait for its last one. Raises InputError
    as `open_pool` and `to_arrow` do.
    """
    if is_path(source):
        return open_pool(source, csv)
    for path in found_in(place(folder), f"{part_prefix(0)}*.parquet"):
        remove(path)
    with PoolWriter(folder, schema, generator=0, seed=0, group_key=group_key) as writer:
        for table in partitions(source) if group_key is None else whole_groups(source, group_key, schema):
            check_columns(table.column_names, schema.names, where="the pool")
            writer.append(table)
    return seal_pool(folder)


@dataclass(frozen=True)
class _Note:
    """What a part's footer says about its origin."""

    generator: int
    seed: int
    schema: str
    group_key: str | None = None


def _listed(path: Path) -> tuple[Part, tuple[str, ...], str | None]:
    """A part of ours, its columns and its group key."""
    with open_parquet(path) as file:
        note = _note_of(file.schema_arrow)
        metadata, names = file.metadata, tuple(file.schema_arrow.names)
    if note is None:
        raise InputError(f"part {path} was not written as part of a pool: remove it from the folder")
    n_bytes, n_units = path.stat().st_size, _count_groups(metadata, note.group_key)
    part = Part(path.name, metadata.num_rows, n_bytes, file_hash(path), note.generator, note.seed, n_units)
    return part, names, note.group_key


def _count_groups(metadata: pq.FileMetaData, group_key: str | None) -> int | None:
    """Groups of a part of ours: its keys count on from the first row to the last."""
    if group_key is None:
        return None
    column = metadata.schema.names.index(group_key)
    first, last = (metadata.row_group(i).column(column).statistics for i in (0, metadata.num_row_groups - 1))
    return int(last.max - first.min + 1)


def _noted_schema(schema: Schema, generator: int, seed: int, group_key: str | None) -> pa.Schema:
    arrow = stored_schema(schema)
    if group_key is not None:
        arrow = arrow.set(arrow.names.index(group_key), pa.field(group_key, pa.int64()))
    schema_hash = hashlib.sha256(json.dumps(schema.to_dict(), sort_keys=True).encode()).hexdigest()[:16]
    note = {
        name: value
        for name, value in asdict(_Note(generator, seed, schema_hash, group_key)).items()
        if value is not None
    }
    return arrow.with_metadata({_NOTE: json.dumps(note, sort_keys=True).encode()})


def _note_of(schema: pa.Schema) -> _Note | None:
    metadata: Mapping[bytes, bytes] = schema.metadata or {}
    return _Note(**json.loads(metadata[_NOTE])) if _NOTE in metadata else None


def _read_note(path: Path) -> tuple[_Note | None, pq.FileMetaData] | None:
    """The note and the footer of a part; None when its footer is damaged."""
    try:
        with open_parquet(path) as file:
            return _note_of(file.schema_arrow), file.metadata
    except InputError:
        return None


def _other_job(path: Path, found: _Note | None, expected: _Note | None) -> str:
    return f"{path} belongs to another job (found {found}, needed {expected}): remove it, or choose another folder"
