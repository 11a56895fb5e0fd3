"""Encode: every part of the pool becomes a file of codes, one task per part, a record batch at a time.

In: a pool and the bins of the original. Out: codes on disk. Parts whose codes are intact and were made from the same
bytes with the same bins are skipped; damaged ones are named and made again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from issodask.errors import InputError
from issodask.runtime import Runtime
from issodask.store.codes import Codes, PartCodes, is_intact, read_note, seal_codes, write_codes, write_note
from issodask.store.files import file_hash
from issodask.store.parts import iter_part
from issodask.store.pool import Part, Pool, check_pool
from issodask.table.bins import Bins
from issodask.table.schema import Schema

State = Literal["new", "intact", "outdated", "damaged"]


@dataclass(frozen=True)
class EncodedPart:
    """What happened to one part: `intact` codes were kept, all others made (again)."""

    name: str
    n_rows: int
    state: State


def encode_pool(
    pool: Pool,
    bins: Bins,
    schema: Schema,
    folder: Path,
    runtime: Runtime,
    on_part: Callable[[EncodedPart], None] | None = None,
) -> Codes:
    """Make the codes of `pool` in `folder`; tell `on_part` about each part, in the pool's order.

    Raises InputError for missing columns, and (naming the part) for damaged parts, values of another type than the
    original's and infinite numbers.
    """
    check_pool(pool, schema)
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [_Task(part, str(pool.path(part)), str(folder)) for part in pool.parts]
    notes = []
    shared = runtime.share(bins), runtime.share(schema)
    for note, state in runtime.map(_encode_part, tasks, *shared, label="encode"):
        notes.append(note)
        if on_part is not None:
            on_part(EncodedPart(note.part, note.n_rows, state))
    codes = seal_codes(folder, notes)
    if codes.n_units == 0:
        raise InputError(f"pool {pool.folder} is empty: its {len(pool.parts)} parts have no rows: generate some")
    return codes


@dataclass(frozen=True)
class _Task:
    part: Part
    path: str
    folder: str


def _encode_part(task: _Task, bins: Bins, schema: Schema) -> tuple[PartCodes, State]:
    folder, name = Path(task.folder), task.part.name
    part_xxh3 = _checked_hash(task)
    note = read_note(folder, name)
    state = _state(folder, note, part_xxh3, bins)
    if note is not None and state == "intact":
        return note, state
    counts = [np.zeros(size, dtype=np.int64) for size in bins.sizes]
    n_rows, codes_xxh3 = write_codes(folder, name, _encode_batches(task, bins, schema, counts), len(bins.columns))
    listed = tuple(tuple(column.tolist()) for column in counts)
    note = PartCodes(name, part_xxh3, bins.hash(), n_rows, codes_xxh3, listed)
    write_note(folder, note)
    return note, state


def _checked_hash(task: _Task) -> str:
    found = file_hash(Path(task.path))
    if task.part.xxh3 is not None and found != task.part.xxh3:
        raise InputError(
            f"part {task.part.name} is damaged: its bytes hash to {found}, but the pool's manifest says "
            f"{task.part.xxh3}: restore it, or remove it and generate again"
        )
    return found


def _state(folder: Path, note: PartCodes | None, part_xxh3: str, bins: Bins) -> State:
    if note is None:
        return "new"
    if (note.part_xxh3, note.bins_hash) != (part_xxh3, bins.hash()):
        return "outdated"
    return "intact" if is_intact(folder, note) else "damaged"


def _encode_batches(task: _Task, bins: Bins, schema: Schema, counts: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the codes of each batch, and add them to `counts`."""
    try:
        for frame in iter_part(Path(task.path), schema):
            codes = bins.encode(frame)
            for i_column, column_counts in enumerate(counts):
                column_counts += np.bincount(codes[:, i_column], minlength=len(column_counts))
            yield codes
    except InputError as error:
        raise InputError(str(error) if task.part.name in str(error) else f"part {task.part.name}: {error}") from error
