"""What one generator is to do, what it leaves in its folder, and who may touch that.

A cluster can't stop a task: one whose driver died, or whose worker was believed dead, may still run when its successor
starts elsewhere. So all that a generator leaves, and its parts, are put in place and removed only by who holds its
lock, after a look whether it is still wanted; a task that nobody waits for any more ends at its next report, and its
successor goes on from what it finished.

A chunk is sampled without the lock, since many workers sample at once: it is held while its part gets its name, and a
note that says which units the part has and what its bytes are.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from issodask.config import GenerateConfig
from issodask.errors import LostError
from issodask.host import temporary_folder
from issodask.runtime import is_abandoned
from issodask.store.files import copy_whole, file_hash, read_json, write_json
from issodask.store.frames import to_frame
from issodask.store.locks import lock_of
from issodask.store.places import found_in, is_file, is_folder, make_folder, remove, remove_tree
from issodask.store.pool import part_name, part_prefix
from issodask.store.pool_writer import PoolWriter
from issodask.store.run_folder import RunFolder
from issodask.store.tables import read_table
from issodask.table.schema import Schema

SAMPLED = "sampled.json"
SETTINGS = "settings.json"
SCHEMA = "schema.json"

_ORIGINAL = "original.parquet"
_CHUNKS = "chunks"


class AbandonedError(LostError):
    """Nobody waits for this task any more; what it finished stays for its successor."""


@dataclass(frozen=True)
class Balance:
    """Which shares of a column's values to draw; what is not named keeps its proportions."""

    column: str
    shares: Mapping[str, float]


@dataclass(frozen=True)
class GeneratorTask:
    """One generator: small enough to send; the original travels as a file."""

    index: int
    seed: int
    n_units: int
    config: GenerateConfig
    run_folder: Path
    original_key: str
    training_key: str
    sampling_key: str
    units_per_chunk: int
    group_key: str | None = None
    n_workers: int = 1
    balance: Balance | None = None

    @property
    def n_chunks(self) -> int:
        return -(-self.n_units // self.units_per_chunk)

    @property
    def folder(self) -> Path:
        return RunFolder(self.run_folder).generator(self.index)

    @property
    def pool_folder(self) -> Path:
        return RunFolder(self.run_folder).pool

    @property
    def settings(self) -> dict[str, str]:
        """What all that this generator leaves is made with."""
        return {"training": self.training_key, "sampling": self.sampling_key}


@dataclass(frozen=True)
class ChunkTask:
    """One chunk of a generator's units, which becomes the part of the same number."""

    generator: GeneratorTask
    i_chunk: int
    trains: bool = False
    """Whether this is the one that is expected to train the generator; any other does so only if that one dies."""

    @property
    def first_unit(self) -> int:
        return self.i_chunk * self.generator.units_per_chunk

    @property
    def n_units(self) -> int:
        return min(self.generator.units_per_chunk, self.generator.n_units - self.first_unit)

    @property
    def path(self) -> Path:
        return self.generator.pool_folder / part_name(self.generator.index, self.i_chunk)

    @property
    def note(self) -> Path:
        return self.generator.folder / _CHUNKS / f"{self.i_chunk:04d}.json"


# one at a time, and only as long as it is wanted


@contextmanager
def alone(run_folder: Path, index: int, about_to_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a generator within this context; who else holds it is waited for.

    The lock goes with its holder's process, however that ends. It lies beside the folder, which may be removed.
    """
    folder = RunFolder(run_folder).generators
    make_folder(folder)
    lock = lock_of(folder / f".{index:02d}.lock")
    if not lock.take():
        about_to_wait()
        while not lock.take():
            stop_if_abandoned()
            time.sleep(lock.poll_s)
    try:
        yield
    finally:
        lock.release()
    if lock.is_lost:
        raise AbandonedError(f"another took generator {index}, as this process gave no sign of life for so long")


def stop_unless_wanted(task: GeneratorTask) -> None:
    stop_if_abandoned()
    if settings_of(task.run_folder, task.index) != task.settings:
        raise AbandonedError(f"generator {task.index} is not wanted any more, or with other settings")


def stop_if_abandoned() -> None:
    if is_abandoned():
        raise AbandonedError("nobody waits for this task any more: its driver ended, or it was given to another worker")


# the original, where tasks find it


def store_original(original: Any, schema: Schema, run_folder: Path) -> str:
    """Write it as one Parquet file, in place of all earlier ones; return its hash.

    The folder is named by the hash: a task of an earlier driver finds what it is to learn, or nothing.
    """
    remove_originals(run_folder)
    with temporary_folder("issodask-original-") as work:
        with PoolWriter(work, schema, generator=0, seed=0, part_rows=len(original)) as writer:
            writer.append(original)
        part = work / writer.finished_parts[0]
        original_key = file_hash(part)
        folder = original_folder(run_folder, original_key)
        make_folder(folder)
        copy_whole(part, folder / _ORIGINAL)
    write_json(folder / SCHEMA, schema.to_dict())
    return original_key


def remove_originals(run_folder: Path) -> None:
    for folder in found_in(RunFolder(run_folder).generators, "original*"):
        remove_tree(folder)


def stored_original(folder: Path) -> tuple[pd.DataFrame, Schema]:
    schema = Schema.from_dict(read_json(folder / SCHEMA))
    return to_frame(read_table(folder / _ORIGINAL), schema), schema  # by name: a store's lists may be late


def original_folder(run_folder: Path, original_key: str) -> Path:
    return RunFolder(run_folder).generators / f"original-{original_key}"


# what a generator leaves, and what earlier runs left


def settings_of(run_folder: Path, index: int) -> dict[str, str]:
    """What the generator's folder is known to be made with."""
    made_with = read_json(RunFolder(run_folder).generator(index) / SETTINGS)
    return made_with if isinstance(made_with, dict) else {}


def n_rows_if_finished(task: GeneratorTask, tell_damaged: Callable[[Path], None]) -> int | None:
    """Rows of this generator if all its parts are there and intact; those that are damaged are told and removed."""
    noted = _noted(task.folder / SAMPLED, task.sampling_key)
    if noted is None:
        return None
    damaged = damaged_files(task.pool_folder, noted["files"])
    if not damaged:
        return int(noted["n_rows"])
    remove(task.folder / SAMPLED)
    for name in damaged:
        tell_damaged(task.pool_folder / name)
        remove(task.pool_folder / name)
    return None


def is_chunk_finished(chunk: ChunkTask) -> bool:
    """Whether the chunk's part is there and intact."""
    noted = _noted(chunk.note, chunk.generator.sampling_key)
    return noted is not None and not damaged_files(chunk.generator.pool_folder, noted["files"])


def note_chunk(chunk: ChunkTask, n_rows: int) -> None:
    files = {chunk.path.name: file_hash(chunk.path)}
    write_json(chunk.note, {"key": chunk.generator.sampling_key, "files": files, "n_rows": n_rows})


def rows_of_chunks(task: GeneratorTask) -> list[int]:
    """Rows of each chunk that is noted."""
    counts = []
    for path in found_in(task.folder / _CHUNKS, "*.json"):
        with suppress(LookupError):
            counts.append(_rows_noted(path, task.sampling_key))
    return counts


@lru_cache(maxsize=10_000)
def _rows_noted(path: Path, key: str) -> int:
    """Each process reads a note but once: the rows of a chunk follow from its key. Raises LookupError for another's."""
    noted = _noted(path, key)
    if noted is None:
        raise LookupError(path)
    return int(noted["n_rows"])


def names_of_parts(task: GeneratorTask) -> list[str]:
    """The parts of a generator that is done: of one of the user's own as it noted them."""
    files = noted_files(task.folder / SAMPLED, task.sampling_key)
    return list(files) if files is not None else [ChunkTask(task, i).path.name for i in range(task.n_chunks)]


def has_chunks(task: GeneratorTask) -> bool:
    """Whether anything was sampled yet."""
    return is_folder(task.folder / _CHUNKS)


def unfinished_chunks(task: GeneratorTask, tell_damaged: Callable[[Path], None]) -> list[ChunkTask]:
    """The chunks that are to be made; of those that were made, damaged ones are told and removed."""
    unfinished = []
    for chunk in (ChunkTask(task, i_chunk) for i_chunk in range(task.n_chunks)):
        if is_chunk_finished(chunk):
            continue
        if is_file(chunk.note):
            tell_damaged(chunk.path)
            remove(chunk.note)
            remove(chunk.path)
        unfinished.append(chunk)
    return unfinished


def note_sampled(task: GeneratorTask, writer: PoolWriter) -> None:
    files = {name: file_hash(task.pool_folder / name) for name in writer.finished_parts}
    write_json(task.folder / SAMPLED, {"key": task.sampling_key, "files": files, "n_rows": writer.n_rows})


def noted_files(path: Path, key: str) -> dict[str, str] | None:
    """The hashes of files that a note lists, if it is whole and about what has this key."""
    noted = _noted(path, key)
    return None if noted is None else noted["files"]


def _noted(path: Path, key: str) -> dict[str, Any] | None:
    """The note at `path`, if it is whole and about what has this key."""
    noted = read_json(path)
    is_whole = isinstance(noted, dict) and isinstance(noted.get("files"), dict)
    return noted if is_whole and noted.get("key") == key else None


def damaged_files(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Names of the files that are not there, or are not what they were."""
    return [name for name, xxh3 in files.items() if not is_file(folder / name) or file_hash(folder / name) != xxh3]


def remove_parts(run_folder: Path, index: int) -> None:
    folder = RunFolder(run_folder).generator(index)
    remove(folder / SAMPLED)
    remove_tree(folder / _CHUNKS)
    for path in found_in(RunFolder(run_folder).pool, f"{part_prefix(index)}*.parquet"):
        remove(path)


def remove_generator(run_folder: Path, index: int) -> None:
    folder = RunFolder(run_folder).generator(index)
    remove(folder / SETTINGS)
    remove_tree(folder)
