"""Generate: K generators learn the original and fill a pool, each as one task on a worker of its own.

In: the original and how to make the pool. Out: the pool in `pool/`; what the generators leave is in `generators/NN/`.
A generator that fails is tried again and goes on from its last leg of training or its last whole part; what an earlier
run finished from the same original with the same settings is kept when it is intact.

A cluster can't stop a task: one whose driver died, or whose worker was believed dead, may still run when its successor
starts elsewhere. So all that a generator leaves, and its parts, are written and removed only by who holds its lock; a
task that nobody waits for any more ends at its next report, and its successor goes on from what it finished.
"""

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from issodask import seeds
from issodask.config import GenerateConfig
from issodask.errors import LostError
from issodask.events import ColumnsKnown, Damaged, Events, GeneratorTold
from issodask.host import check_installed, is_installed, lock_at, n_processors, take
from issodask.models import external, mostly
from issodask.models.codec import GROUP, Codec
from issodask.models.device import Device, choose_device, look_around, pinned
from issodask.models.progress import ProgressLog, watched
from issodask.runtime import Runtime, is_abandoned
from issodask.stages.called import call
from issodask.stages.roles import KnownColumns
from issodask.store.files import file_hash, read_json, write_json
from issodask.store.frames import key_codes, to_frame
from issodask.store.pool import Pool, PoolWriter, open_pool, seal_pool
from issodask.store.run_folder import RunFolder
from issodask.store.tables import as_table, read_table
from issodask.table.groups import Groups
from issodask.table.schema import Schema

if TYPE_CHECKING:
    from issodask.runtime.base import Client

TRAINED = "trained.json"
SAMPLED = "sampled.json"
SETTINGS = "settings.json"
SCHEMA = "schema.json"

_LOCK_POLL_S = 0.2


class AbandonedError(LostError):
    """Nobody waits for this task any more; what it finished stays for its successor."""


@dataclass(frozen=True)
class GeneratorTask:
    """One generator: small enough to send; the original travels as a file."""

    index: int
    seed: int
    n_units: int
    config: GenerateConfig
    run_folder: str
    original_key: str
    training_key: str
    sampling_key: str
    group_key: str | None = None
    n_workers: int = 1

    @property
    def folder(self) -> Path:
        return _generator_folder(Path(self.run_folder), self.index)

    @property
    def pool_folder(self) -> Path:
        return RunFolder(Path(self.run_folder)).pool

    @property
    def settings(self) -> dict[str, str]:
        """What all that this generator leaves is made with."""
        return {"training": self.training_key, "sampling": self.sampling_key}


def generate(
    original: Any,
    config: GenerateConfig,
    n_units: int,
    run_folder: Path,
    seed: int,
    runtime: Runtime,
    events: Events | None = None,
    group_key: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Pool:
    """Make a pool of `n_units` units like `original` in `run_folder`, or open the folder that `config.source` names.

    Units are rows, or the groups of rows that share a value of the column `group_key`. The pool has all columns but
    ids; `columns` are roles of columns, by name, that are not found right.

    Tasks run one at a time per worker; with several workers these should be processes (`open_runtime(scheduler=
    "processes")`), since the threads of one process have to train one after the other.

    Raises InputError for a callable that can't be used, for an unusable folder or device, for groups that can't be
    learnt, and for a full disk.
    """
    if not makes_pool(config):
        return open_pool(config.source_name, config.csv.model_dump())
    if external.is_callable_source(config.source):
        external.load(config.source)  # say what is wrong with it before anything starts
    else:
        check_installed("mostlyai.engine", "training generators")
    original = as_table(original)
    if group_key is not None:
        _check_groups(original, config, group_key)
    known = KnownColumns.of(original, group_key, columns)
    if events is not None:
        events.emit(ColumnsKnown(**known.facts(), told=known.told()))
    schema = known.schema
    run_folder = run_folder.absolute()  # workers may run elsewhere
    tasks = _plan(original, schema, config, n_units, run_folder, seed, group_key)
    _discard_others(run_folder, tasks, events)
    unfinished = [task for task in tasks if not _is_finished(task, events)]
    if unfinished:
        _run_all(unfinished, runtime, events)
    _remove_originals(run_folder)  # a copy of private rows is kept no longer than it is needed
    return seal_pool(RunFolder(run_folder).pool)


def _run_all(tasks: list[GeneratorTask], runtime: Runtime, events: Events | None) -> None:
    tasks = [replace(task, n_workers=runtime.n_workers) for task in tasks]
    retries = tasks[0].config.retries
    with watched({task.index: task.folder for task in tasks}, events):
        for _ in runtime.map(make_part_of_pool, tasks, label="generate", exclusive=True, retries=retries):
            pass


def makes_pool(config: GenerateConfig) -> bool:
    """Whether the pool is to be made, rather than found in a folder."""
    return config.source == "mostlyai" or external.is_callable_source(config.source)


def place_to_make(
    config: GenerateConfig, workers: int | None, scheduler: "str | Client | None"
) -> "tuple[int | None, str | Client | None]":
    """Workers and scheduler to make a pool with, where None is given: a process for each generator.

    A pool that is there needs nothing. Without `distributed` the trainings are in this process, one after the other.
    """
    if not makes_pool(config):
        return 1, "serial"
    if scheduler is not None:
        return workers, scheduler
    if not is_installed("distributed"):
        return 1, "serial"
    return min(config.generators, workers or n_processors()), "processes"


def make_part_of_pool(task: GeneratorTask) -> int:
    """Train one generator and let it write its share of the pool; return its index. Runs on a worker.

    Raises AbandonedError once nobody waits for it, or when the run has gone on with other settings.
    """
    _stop_unless_wanted(task)
    log = ProgressLog(task.folder)
    with _alone(Path(task.run_folder), task.index, partial(log.write, "wait")):
        _stop_unless_wanted(task)
        log.write("start", n_units=task.n_units, seed=task.seed, host=platform.node(), pid=os.getpid())
        n_rows = _n_rows_if_finished(task, lambda path: log.write("damaged", file=str(path)))
        if n_rows is None:
            n_rows = _make(task, log)
        log.write("done", n_rows=n_rows)
    return task.index


def _make(task: GeneratorTask, log: ProgressLog) -> int:
    original, schema = _stored_original(_original_folder(Path(task.run_folder), task.original_key))
    if external.is_callable_source(task.config.source):
        needed = schema.learnt(task.group_key)
        per_chunk = _units_per_chunk(task, original)
        tables = call(task.config.source, original, needed, task.n_units, task.seed, task.group_key, per_chunk)
        return _write_parts(task, schema, tables)
    return _train_and_sample(task, original, schema, log)


def _train_and_sample(task: GeneratorTask, original: pd.DataFrame, schema: Schema, log: ProgressLog) -> int:
    codec = Codec.fit(original, schema, task.group_key)
    if not codec.names:  # every column is missing throughout, or constant: there is nothing to learn
        return _write_parts(task, schema, [codec.decode(pd.DataFrame({GROUP: range(task.n_units)}))])
    device = _device(task, original)
    report = _reporting(log)
    with pinned(device, task.index):
        if not _is_trained(task, log):
            table = codec.encode(original)
            mostly.train(table, task.folder, _training(task), device, report, codec.names_of_groups)
            _note_trained(task)
        mostly.tidy(task.folder)
        return _sample(task, schema, codec, device, report, _units_per_chunk(task, original))


def _device(task: GeneratorTask, original: pd.DataFrame) -> Device:
    """A GPU, or one thread: another number of threads gives other last digits, and it would follow from the workers.

    Nor do more of them pay off: 40,000 x 32 values in batches of 2,048 took 7.5 s per epoch with one thread, 40 and 9 s
    with two and three, on two cores that others used as well.
    """
    device = choose_device(task.config.device, look_around(task.n_workers), original.size)
    return replace(device, n_threads=1) if device.kind == "cpu" else device


def _sample(
    task: GeneratorTask, schema: Schema, codec: Codec, device: Device, report: mostly.Report, units_per_chunk: int
) -> int:
    """Draw the chunks that are not there yet; each has a seed of its own.

    A chunk of rows is a part. One of groups has about as many rows: the next part begins within it.
    """
    sampling = mostly.Sampling(task.config.temperature, task.config.top_p, task.seed)
    with _writer(task, schema) as writer:
        while writer.n_units < task.n_units:
            i_chunk, n_there = divmod(writer.n_units, units_per_chunk)
            n_rows_left = (task.n_units - writer.n_units) * task.config.part_rows / units_per_chunk
            report("sample", n_rows=writer.n_rows, of_rows=writer.n_rows + round(n_rows_left))
            n_chunk = min(units_per_chunk, task.n_units - i_chunk * units_per_chunk)
            chunk = mostly.sample(task.folder, n_chunk, i_chunk, sampling, device)
            frame = codec.decode(chunk, seeds.integer(task.seed, "decode", i_chunk))
            if n_there:  # an earlier attempt ended within this chunk
                frame = frame[frame[task.group_key] >= n_there]
            writer.append(frame)
    _note_sampled(task, writer)
    return writer.n_rows


def _units_per_chunk(task: GeneratorTask, original: pd.DataFrame) -> int:
    """As many as have the rows of a part in the original."""
    if task.group_key is None:
        return task.config.part_rows
    return max(1, task.config.part_rows * original[task.group_key].nunique() // len(original))


def _write_parts(task: GeneratorTask, schema: Schema, tables: Iterable[Any]) -> int:
    _remove_parts(Path(task.run_folder), task.index)  # there is nothing that a callable could go on from
    with _writer(task, schema) as writer:
        for table in tables:
            _stop_if_abandoned()
            writer.append(table)
    _note_sampled(task, writer)
    return writer.n_rows


def _writer(task: GeneratorTask, schema: Schema) -> PoolWriter:
    needed = schema.learnt(task.group_key)
    return PoolWriter(task.pool_folder, needed, task.index, task.seed, task.config.part_rows, task.group_key)


def _training(task: GeneratorTask) -> mostly.Training:
    config = task.config
    return mostly.Training(config.model, config.max_epochs, config.max_training_time_min, config.batch_size, task.seed)


# what is to be made, and from what


def _plan(
    original: Any,
    schema: Schema,
    config: GenerateConfig,
    n_units: int,
    run_folder: Path,
    seed: int,
    group_key: str | None,
) -> list[GeneratorTask]:
    """Write the original where tasks find it, and share the units out among the generators."""
    original_key = _store_original(original, schema, run_folder)
    training_settings = config.model_dump(include={"model", "max_epochs", "max_training_time_min", "batch_size"}) | {
        "source": external.identity_of(config.source)
    }
    sampling_settings = config.model_dump(include={"temperature", "top_p", "part_rows"})
    n_generators = min(config.generators, n_units)
    if group_key is not None:
        training_settings["group_key"] = group_key
    tasks = []
    for index in range(n_generators):
        n_own = n_units // n_generators + (index < n_units % n_generators)
        own_seed = seeds.integer(seed, "generate", index)
        training_key = _key(original_key, schema.to_dict(), training_settings, own_seed)
        sampling_key = _key(training_key, sampling_settings, n_own)
        keys = original_key, training_key, sampling_key
        tasks.append(GeneratorTask(index, own_seed, n_own, config, str(run_folder), *keys, group_key))
    return tasks


def _check_groups(original: Any, config: GenerateConfig, group_key: str) -> None:
    groups = Groups.of(key_codes(original, group_key, "the original"), where="the original")
    if config.source == "mostlyai":
        mostly.check_lengths(groups.lengths)


def _store_original(original: Any, schema: Schema, run_folder: Path) -> str:
    """Write it as one Parquet file, in place of all earlier ones; return its hash.

    The folder is named by the hash: a task of an earlier driver finds what it is to learn, or nothing.
    """
    _remove_originals(run_folder)
    work = _original_folder(run_folder, "work")
    with PoolWriter(work, schema, generator=0, seed=0, part_rows=len(original)) as writer:
        writer.append(original)
    write_json(work / SCHEMA, schema.to_dict())
    original_key = file_hash(work / writer.finished_parts[0])
    work.rename(_original_folder(run_folder, original_key))
    return original_key


def _remove_originals(run_folder: Path) -> None:
    for folder in RunFolder(run_folder).generators.glob("original*"):
        shutil.rmtree(folder, ignore_errors=True)


def _stored_original(folder: Path) -> tuple[pd.DataFrame, Schema]:
    schema = Schema.from_dict(read_json(folder / SCHEMA))
    return to_frame(read_table(folder), schema), schema


def _key(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _generator_folder(run_folder: Path, index: int) -> Path:
    return RunFolder(run_folder).generator(index)


def _original_folder(run_folder: Path, original_key: str) -> Path:
    return RunFolder(run_folder).generators / f"original-{original_key}"


# one at a time, and only as long as it is wanted


@contextmanager
def _alone(run_folder: Path, index: int, about_to_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a generator within this context; who else holds it is waited for.

    The lock goes with its holder's process, however that ends. It lies beside the folder, which may be removed.
    """
    folder = RunFolder(run_folder).generators
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock_at(folder / f".{index:02d}.lock")
    if not take(lock):
        about_to_wait()
        while not take(lock):
            _stop_if_abandoned()
            time.sleep(_LOCK_POLL_S)
    try:
        yield
    finally:
        lock.release()


def _reporting(log: ProgressLog) -> mostly.Report:
    """Writes to the log as long as anybody waits for this task."""

    def report(phase: str, **fields: Any) -> None:
        _stop_if_abandoned()
        log.write(phase, **fields)

    return report


def _stop_unless_wanted(task: GeneratorTask) -> None:
    _stop_if_abandoned()
    if _settings_of(Path(task.run_folder), task.index) != task.settings:
        raise AbandonedError(f"generator {task.index} is not wanted any more, or with other settings")


def _stop_if_abandoned() -> None:
    if is_abandoned():
        raise AbandonedError("nobody waits for this task any more: its driver ended, or it was given to another worker")


# what earlier runs left


def _discard_others(run_folder: Path, tasks: list[GeneratorTask], events: Events | None) -> None:
    """Remove what came from another original or other settings, and of generators that are not wanted any more.

    In an order in which a run that is killed in between leaves nothing that is taken for something else.
    """
    wanted = {task.index: task.settings for task in tasks}
    present = {int(folder.name) for folder in RunFolder(run_folder).generators.glob("[0-9]*")}
    for index in sorted(present | wanted.keys()):
        settings = wanted.get(index)
        made_with = _settings_of(run_folder, index)
        if settings is not None and made_with == settings:
            continue
        with _alone(run_folder, index, partial(_tell_waiting, events, index)):
            _remove_parts(run_folder, index)
            if settings is None or made_with.get("training") != settings["training"]:
                _remove_generator(run_folder, index)
            if settings is not None:
                write_json(_generator_folder(run_folder, index) / SETTINGS, settings)


def _settings_of(run_folder: Path, index: int) -> dict[str, str]:
    """What the generator's folder is known to be made with."""
    made_with = read_json(_generator_folder(run_folder, index) / SETTINGS)
    return made_with if isinstance(made_with, dict) else {}


def _is_finished(task: GeneratorTask, events: Events | None) -> bool:
    """Whether this generator has nothing left to do."""

    def tell_damaged(path: Path) -> None:
        if events is not None:
            events.emit(Damaged(file=str(path), generator=task.index))

    if not (task.folder / SAMPLED).exists():
        return False
    with _alone(Path(task.run_folder), task.index, partial(_tell_waiting, events, task.index)):
        return _n_rows_if_finished(task, tell_damaged) is not None


def _tell_waiting(events: Events | None, index: int) -> None:
    if events is not None:
        events.emit(GeneratorTold(index=index, phase="wait"))


def _n_rows_if_finished(task: GeneratorTask, tell_damaged: Callable[[Path], None]) -> int | None:
    """Rows of this generator if all its parts are there and intact; those that are damaged are told and removed."""
    noted = _noted(task.folder / SAMPLED, task.sampling_key)
    if noted is None:
        return None
    damaged = _damaged(task.pool_folder, noted["files"])
    if not damaged:
        return int(noted["n_rows"])
    (task.folder / SAMPLED).unlink()
    for name in damaged:
        tell_damaged(task.pool_folder / name)
        (task.pool_folder / name).unlink(missing_ok=True)
    return None


def _is_trained(task: GeneratorTask, log: ProgressLog) -> bool:
    noted = _noted(task.folder / TRAINED, task.training_key)
    if noted is None:
        return False
    damaged = _damaged(task.folder, noted["files"])
    if damaged:
        log.write("damaged", file=str(task.folder / damaged[0]))
        mostly.begin_anew(task.folder)
        (task.folder / TRAINED).unlink()
    return not damaged


def _note_trained(task: GeneratorTask) -> None:
    files = {str(path.relative_to(task.folder)): file_hash(path) for path in mostly.model_files(task.folder)}
    write_json(task.folder / TRAINED, {"key": task.training_key, "files": files})


def _note_sampled(task: GeneratorTask, writer: PoolWriter) -> None:
    files = {name: file_hash(task.pool_folder / name) for name in writer.finished_parts}
    write_json(task.folder / SAMPLED, {"key": task.sampling_key, "files": files, "n_rows": writer.n_rows})


def _noted(path: Path, key: str) -> dict[str, Any] | None:
    """The note at `path`, if it is whole and about what has this key."""
    noted = read_json(path)
    is_whole = isinstance(noted, dict) and isinstance(noted.get("files"), dict)
    return noted if is_whole and noted.get("key") == key else None


def _damaged(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Names of the files that are not there, or are not what they were."""
    return [name for name, xxh3 in files.items() if not (folder / name).is_file() or file_hash(folder / name) != xxh3]


def _remove_parts(run_folder: Path, index: int) -> None:
    (_generator_folder(run_folder, index) / SAMPLED).unlink(missing_ok=True)
    for path in RunFolder(run_folder).pool.glob(f"g{index:02d}-part-*.parquet"):
        path.unlink()


def _remove_generator(run_folder: Path, index: int) -> None:
    folder = _generator_folder(run_folder, index)
    if folder.exists():
        (folder / SETTINGS).unlink(missing_ok=True)
        shutil.rmtree(folder)
