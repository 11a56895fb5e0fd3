"""Encode: every part of the pool becomes a file of codes, one task per part, a record batch at a time.

In: a pool and the bins of the original. Out: codes on disk. Parts whose codes are intact and were made from the same
bytes, read as the same types, with the same bins are skipped; damaged ones are named and made again. Groups are
gathered on the way; one that lies in two parts is an error.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from issodask.errors import InputError
from issodask.kernels.bins import count_codes
from issodask.runtime import Runtime
from issodask.store.arrays import mapped_array
from issodask.store.codes import (
    Codes,
    PartCodes,
    codes_path,
    is_intact,
    pack_codes,
    packs_of,
    read_keys,
    read_note,
    seal_codes,
    sizes_of_packs,
    write_codes,
    write_groups,
    write_note,
)
from issodask.store.dialects import Dialect
from issodask.store.files import file_hash
from issodask.store.folders import PartFile
from issodask.store.parts import MAX_BATCH_ROWS, hash_keys, iter_part, key_at
from issodask.store.places import is_remote, make_folder
from issodask.store.pool import Part, Pool, check_pool
from issodask.table.bins import Bins
from issodask.table.columns import Columns
from issodask.table.groups import Groups
from issodask.table.schema import Schema
from issodask.table.sequences import SequenceBins

State = Literal["new", "intact", "outdated", "damaged"]

READING = 1
"""How values are read from parts and brought to types: raised whenever the same bytes may come in as other values."""


@dataclass(frozen=True)
class EncodedPart:
    """What happened to one part: `intact` codes were kept, all others made (again)."""

    name: str
    n_rows: int
    state: State


def encode_pool(
    pool: Pool,
    bins: Bins | SequenceBins,
    schema: Schema,
    folder: Path,
    runtime: Runtime,
    on_part: Callable[[EncodedPart], None] | None = None,
    group_key: str | None = None,
    constants: Columns | None = None,
) -> Codes:
    """Make the codes of `pool` in `folder`; tell `on_part` about each part, in the pool's order.

    `constants` are columns of `bins` that the pool has not to have: the values of all rows, in one row.
    With a `group_key` (one of the columns of `schema`) units are groups, and `bins` are SequenceBins.
    Raises InputError for missing columns, for groups in two parts, and (naming the part) for damaged parts, values of
    another type than the original's and infinite numbers.
    """
    check_pool(pool, schema, group_key)
    make_folder(folder)
    coded_by = _coded_by(bins, schema.without(group_key))
    tasks = [_Task(part, pool.file(part), folder, coded_by, group_key) for part in pool.parts]
    notes = []
    shared = runtime.share(bins), runtime.share(schema), runtime.share(constants or Columns({}, 1))
    for note, state in runtime.map(_encode_part, tasks, *shared, label="encode"):
        notes.append(note)
        if on_part is not None:
            on_part(EncodedPart(note.part, note.n_rows, state))
    if group_key is not None:
        _check_whole(pool, folder, group_key)
    _pack(folder, notes, runtime)
    codes = seal_codes(folder, notes)
    if codes.n_units == 0:
        raise InputError(f"pool {pool.place} is empty: its {len(pool.parts)} parts have no rows: generate some")
    return codes


def _pack(folder: Path, notes: Sequence[PartCodes], runtime: Runtime) -> None:
    """Join the codes of many small parts."""
    sizes = sizes_of_packs([note.n_rows for note in notes])
    packs = packs_of(folder, [note.part for note in notes], sizes)
    items = [(pack, notes[pack.parts]) for pack, n in zip(packs, sizes, strict=True) if n > 1]
    for _ in runtime.map(pack_codes, items, folder, label="pack"):
        pass


@dataclass(frozen=True)
class _Task:
    part: Part
    file: PartFile
    folder: Path
    coded_by: str
    group_key: str | None = None


def _coded_by(bins: Bins | SequenceBins, schema: Schema) -> str:
    """Names all but a part's bytes that its codes depend on: equal text, equal codes."""
    known = [READING, schema.to_dict(), bins.hash()]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]


def _check_whole(pool: Pool, folder: Path, group_key: str) -> None:
    """Raise InputError when a key occurs in two parts."""
    keys = [read_keys(folder, part.name) for part in pool.parts]
    found, counts = np.unique(np.concatenate(keys), return_counts=True)
    split = found[counts > 1]
    if not len(split):
        return
    first, second = [part for part, own in zip(pool.parts, keys, strict=True) if split[0] in own][:2]
    file = pool.file(first)
    key = key_at(file, group_key, int(np.argmax(hash_keys(file, group_key) == split[0])))
    raise InputError(
        f"group {key!r} lies in parts {first.name} and {second.name} of pool {pool.place} (groups in several parts: "
        f"{len(split):,}): write all rows of a group to one part, or give groups of different parts different keys"
    )


def _encode_part(task: _Task, bins: Bins | SequenceBins, schema: Schema, constants: Columns) -> tuple[PartCodes, State]:
    folder, name = task.folder, task.part.name
    part_xxh3 = _checked_hash(task)
    note = read_note(folder, name)
    state = _state(task, note, part_xxh3)
    if note is not None and state == "intact":
        return note, state
    counts = np.zeros((len(bins.sizes), 256), np.int64)
    groups, keys = _read_groups(task)
    batches = _named(task, _encode_batches(task, bins, schema, constants, groups))
    n_rows, codes_xxh3 = write_codes(folder, name, _counted(batches, counts), len(counts))
    listed = tuple(tuple(column[:size].tolist()) for column, size in zip(counts, bins.sizes, strict=True))
    n_units, groups_xxh3 = n_rows, None
    if groups is not None:
        if not groups.is_gathered:
            n_rows, codes_xxh3 = write_codes(folder, name, _gathered(folder, name, groups), len(counts))
        n_units, groups_xxh3 = groups.n_groups, write_groups(folder, name, groups.starts, keys)
    note = PartCodes(name, part_xxh3, task.coded_by, n_rows, codes_xxh3, listed, n_units, groups_xxh3)
    write_note(folder, note)
    return note, state


def _checked_hash(task: _Task) -> str:
    """The hash of the part's bytes, and how they are to be read if that was given."""
    found = file_hash(task.file.path)
    if task.part.xxh3 is not None and not is_remote(task.file.path) and found != task.part.xxh3:
        raise InputError(
            f"part {task.part.name} is damaged: its bytes hash to {found}, but the pool's manifest says "
            f"{task.part.xxh3}: restore it, or remove it and generate again"
        )
    return found if task.file.dialect in (None, Dialect()) else f"{found} {task.file.dialect}"


def _state(task: _Task, note: PartCodes | None, part_xxh3: str) -> State:
    if note is None:
        return "new"
    if (note.part_xxh3, note.coded_by) != (part_xxh3, task.coded_by):
        return "outdated"
    return "intact" if is_intact(task.folder, note) else "damaged"


def _read_groups(task: _Task) -> tuple[Groups | None, np.ndarray]:
    """The groups of a part, and the hash of each one's key: uint64, (groups,)."""
    if task.group_key is None:
        return None, np.zeros(0, np.uint64)
    with _naming(task):
        keys = hash_keys(task.file, task.group_key)
        groups = Groups.of(keys, where=f"part {task.part.name}")
    return groups, keys.to_numpy("uint64")[groups.order[groups.starts[:-1]]]


def _encode_batches(
    task: _Task, bins: Bins | SequenceBins, schema: Schema, constants: Columns, groups: Groups | None
) -> Iterator[np.ndarray]:
    """Yield the codes of each batch, in the order of the part."""
    own = iter_part(task.file, schema.without(task.group_key))
    tables = (table.with_constants(constants) for table in own)
    if isinstance(bins, Bins):
        yield from map(bins.encode, tables)
        return
    lengths = groups.length_of_rows() if groups is not None else np.zeros(0, np.int64)
    start = 0
    for table in tables:
        yield bins.encode(table, lengths[start : start + table.n_rows])
        start += table.n_rows


def _gathered(folder: Path, name: str, groups: Groups) -> Iterator[np.ndarray]:
    """The codes just written, in the part's order, group after group; only a batch at a time is in memory."""
    codes = mapped_array(codes_path(folder, name))
    for start in range(0, len(codes), MAX_BATCH_ROWS):
        yield codes[groups.order[start : start + MAX_BATCH_ROWS]]


def _counted(batches: Iterator[np.ndarray], counts: np.ndarray) -> Iterator[np.ndarray]:
    """The same batches; how often each code occurs is added to `counts`, (n_columns, 256)."""
    for codes in batches:
        count_codes(codes, counts)
        yield codes


def _named(task: _Task, batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    with _naming(task):
        yield from batches


@contextmanager
def _naming(task: _Task) -> Iterator[None]:
    """Errors name the part."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error) if task.part.name in str(error) else f"part {task.part.name}: {error}") from error
