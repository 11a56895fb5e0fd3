"""Generate: K generators learn the original and fill a pool, chunk by chunk, on all workers.

In: the original and how to make the pool. Out: the pool in `pool/`; what the generators leave is in `generators/NN/`.
Each chunk of units is a task, whose seed and part are its own: any worker may make it. The first one of each generator
trains it; since these come first, all generators are trained side by side, and who has none to train samples those that
are ready. A training that fails is tried again and goes on from its last leg, a chunk from its beginning; what an
earlier run finished from the same original with the same settings is kept when it is intact.

A generator of the user's own is one task, since what it learns lives in one process.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from issodask import seeds
from issodask.config import GenerateConfig
from issodask.event_log import Events
from issodask.events import ColumnsKnown, Damaged, GeneratorTold
from issodask.host import check_installed
from issodask.models import external, mostly
from issodask.models.progress_log import watched
from issodask.runtime import Runtime
from issodask.stages.chunk_work import make_chunk
from issodask.stages.generator_task import (
    SAMPLED,
    SETTINGS,
    Balance,
    ChunkTask,
    GeneratorTask,
    alone,
    has_chunks,
    n_rows_if_finished,
    names_of_parts,
    remove_generator,
    remove_originals,
    remove_parts,
    settings_of,
    store_original,
    unfinished_chunks,
)
from issodask.stages.generator_work import make_share
from issodask.stages.place import makes_pool
from issodask.stages.roles import KnownColumns
from issodask.store.files import write_json
from issodask.store.frames import key_codes
from issodask.store.places import exists, folder_of_run, found_in, is_file, is_remote, read_bytes
from issodask.store.pool import Pool, open_pool
from issodask.store.pool_writer import seal_pool
from issodask.store.run_folder import RunFolder
from issodask.store.tables import as_table
from issodask.table.groups import Groups
from issodask.table.schema import Schema

WAY_OF_SAMPLING = 2
"""Raise it when the same settings lead to other units or parts: what was drawn in another way is not gone on with."""

_READ_EVERY_S, _ASKED_EVERY_S = 0.5, 2.0  # what generators tell, in files and in a store


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
    balance: Balance | None = None,
) -> Pool:
    """Make a pool of `n_units` units like `original` in `run_folder`, or open the folder that `config.source` names.

    Units are rows, or the groups of rows that share a value of the column `group_key`. The pool has all columns but
    ids; `columns` are roles of columns, by name, that are not found right. Generators that are trained here draw a
    column of text in the shares of `balance`; others draw as they do.

    Tasks run one at a time per worker; with several workers these should be processes (`open_runtime(scheduler=
    "processes")`), since the threads of one process have to train one after the other.

    Raises InputError for a callable that can't be used, for an unusable folder or device, for groups that can't be
    learnt, and for a full disk.
    """
    if not makes_pool(config):
        return found_pool(config)
    check_source(config, group_key)
    original = as_table(original)
    if group_key is not None:
        _check_groups(original, config, group_key)
    known = KnownColumns.of(original, group_key, columns)
    if events is not None:
        events.emit(ColumnsKnown(**known.facts(), told=known.told()))
    schema = known.schema
    run_folder = folder_of_run(run_folder.absolute())  # workers may run elsewhere
    tasks = _plan(original, schema, config, n_units, run_folder, seed, group_key, balance)
    _discard_others(run_folder, tasks, events)
    tasks = [replace(task, n_workers=runtime.n_workers) for task in tasks]
    if external.is_callable_source(config.source):
        _run(make_share, [task for task in tasks if not _is_finished(task, events)], tasks, runtime, events)
    else:
        _run(make_chunk, _in_order([_unfinished(task, events) for task in tasks]), tasks, runtime, events)
    remove_originals(run_folder)  # a copy of private rows is kept no longer than it is needed
    return seal_pool(RunFolder(run_folder).pool, [name for task in tasks for name in names_of_parts(task)])


def _run(
    function: Callable[[Any], int],
    items: list[Any],
    tasks: list[GeneratorTask],
    runtime: Runtime,
    events: Events | None,
) -> None:
    """Do what is left to do, if anything is: a process for it may not be running yet."""
    if not items:
        return
    folders = {task.index: task.folder for task in tasks}
    with watched(folders, events, _ASKED_EVERY_S if is_remote(tasks[0].folder) else _READ_EVERY_S, read_bytes):
        for _ in runtime.map(function, items, label="generate", exclusive=True, retries=tasks[0].config.retries):
            pass


def check_source(config: GenerateConfig, group_key: str | None) -> None:
    """Raise InputError unless what is to make the pool is there, and can make its units."""
    if external.is_callable_source(config.source):
        external.load(config.source, group_key)  # say what is wrong with it before anything starts
    elif makes_pool(config):
        check_installed("mostlyai.engine", "training generators")


def found_pool(config: GenerateConfig) -> Pool:
    """The pool in the folder that `source` names. Raises InputError as `open_pool` does, and for a misspelt name."""
    if not exists(config.source_name):
        external.check_no_name(config.source_name)
    return open_pool(config.source_name, config.csv.model_dump())


def _in_order(chunks: list[list[ChunkTask]]) -> list[ChunkTask]:
    """The first chunk of each generator, which trains it, before all others."""
    first = [replace(own[0], trains=True) for own in chunks if own]
    return first + [chunk for own in chunks for chunk in own[1:]]


# what is to be made, and from what


def _plan(
    original: Any,
    schema: Schema,
    config: GenerateConfig,
    n_units: int,
    run_folder: Path,
    seed: int,
    group_key: str | None,
    balance: Balance | None = None,
) -> list[GeneratorTask]:
    """Write the original where tasks find it, and share the units out among the generators."""
    original_key = store_original(original, schema, run_folder)
    training_settings = config.model_dump(include={"model", "max_epochs", "max_training_time_min", "batch_size"}) | {
        "source": external.identity_of(config.source)
    }
    sampling_settings = config.model_dump(include={"temperature", "top_p", "part_rows"}) | {"way": WAY_OF_SAMPLING}
    n_generators = min(config.generators, n_units)
    per_chunk = _units_per_chunk(original, config.part_rows, group_key)
    if balance is not None:
        training_settings["first"] = balance.column
        sampling_settings["shares"] = dict(balance.shares)
    if group_key is not None:
        training_settings["group_key"] = group_key
    tasks = []
    for index in range(n_generators):
        n_own = n_units // n_generators + (index < n_units % n_generators)
        own_seed = seeds.integer(seed, "generate", index)
        training_key = _key(original_key, schema.to_dict(), training_settings, own_seed)
        sampling_key = _key(training_key, sampling_settings, n_own)
        keys = original_key, training_key, sampling_key
        task = GeneratorTask(index, own_seed, n_own, config, run_folder, *keys, per_chunk, group_key)
        tasks.append(replace(task, balance=balance))
    return tasks


def _units_per_chunk(original: Any, part_rows: int, group_key: str | None) -> int:
    """As many as have the rows of a part in the original."""
    if group_key is None:
        return part_rows
    groups = Groups.of(key_codes(original, group_key))
    return max(1, part_rows * groups.n_groups // original.num_rows)


def _check_groups(original: Any, config: GenerateConfig, group_key: str) -> None:
    groups = Groups.of(key_codes(original, group_key, "the original"), where="the original")
    if config.source == "mostlyai":
        mostly.check_lengths(groups.lengths)


def _key(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


# what earlier runs left


def _discard_others(run_folder: Path, tasks: list[GeneratorTask], events: Events | None) -> None:
    """Remove what came from another original or other settings, and of generators that are not wanted any more.

    In an order in which a run that is killed in between leaves nothing that is taken for something else.
    """
    wanted = {task.index: task.settings for task in tasks}
    present = {int(folder.name) for folder in found_in(RunFolder(run_folder).generators, "[0-9]*")}
    for index in sorted(present | wanted.keys()):
        settings = wanted.get(index)
        made_with = settings_of(run_folder, index)
        if settings is not None and made_with == settings:
            continue
        with alone(run_folder, index, partial(_tell_waiting, events, index)):
            remove_parts(run_folder, index)
            if settings is None or made_with.get("training") != settings["training"]:
                remove_generator(run_folder, index)
            if settings is not None:
                write_json(RunFolder(run_folder).generator(index) / SETTINGS, settings)


def _is_finished(task: GeneratorTask, events: Events | None) -> bool:
    """Whether this generator of the user's own has nothing left to do."""
    if not is_file(task.folder / SAMPLED):
        return False
    with alone(task.run_folder, task.index, partial(_tell_waiting, events, task.index)):
        return n_rows_if_finished(task, partial(_tell_damaged, events, task.index)) is not None


def _unfinished(task: GeneratorTask, events: Events | None) -> list[ChunkTask]:
    """What this generator has left to do."""
    if not has_chunks(task):
        return [ChunkTask(task, i_chunk) for i_chunk in range(task.n_chunks)]
    with alone(task.run_folder, task.index, partial(_tell_waiting, events, task.index)):
        return unfinished_chunks(task, partial(_tell_damaged, events, task.index))


def _tell_damaged(events: Events | None, index: int, path: Path) -> None:
    if events is not None:
        events.emit(Damaged(file=str(path), generator=index))


def _tell_waiting(events: Events | None, index: int) -> None:
    if events is not None:
        events.emit(GeneratorTold(index=index, phase="wait"))
