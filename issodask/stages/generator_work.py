"""What a generator does before it samples: it learns the original. One of the user's own makes its share at once.

In: a GeneratorTask, and the original as a file. Out: a trained generator in its folder, or parts in the pool's folder.
A training that was interrupted goes on from its last leg. Runs on a worker.
"""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from issodask.models import mostly
from issodask.models.codec import Codec
from issodask.models.device import Device, choose_device, look_around, pinned
from issodask.models.draws import knows_engine
from issodask.models.progress_log import ProgressLog
from issodask.stages.called import call
from issodask.stages.generator_home import (
    forget_damaged_training,
    home_of,
    is_trained,
    keep_training,
    log_of,
    note_trained,
    take_up_training,
    tell_waiting,
)
from issodask.stages.generator_task import (
    GeneratorTask,
    alone,
    n_rows_if_finished,
    note_sampled,
    original_folder,
    remove_parts,
    rows_of_chunks,
    stop_if_abandoned,
    stop_unless_wanted,
    stored_original,
)
from issodask.store.pool_writer import PoolWriter
from issodask.table.schema import Schema


@dataclass(frozen=True)
class Known:
    """What all chunks need to know of an original."""

    codec: Codec
    schema: Schema
    n_values: int


def known_original(task: GeneratorTask) -> Known:
    return _known(original_folder(task.run_folder, task.original_key), task.group_key)


@lru_cache(maxsize=1)
def _known(folder: Path, group_key: str | None) -> Known:
    """Looked at once in each process; the folder is named by what is in it."""
    original, schema = stored_original(folder)
    return Known(Codec.fit(original, schema, group_key), schema, original.size)


# training


def make_trained(task: GeneratorTask, is_expected: bool) -> None:
    """See to it that the generator is trained: by whoever holds its lock first; all others wait.

    Whoever trains may die, and need not start again: so no task but waits for a lock, which goes with its holder.
    Of waiting only the task tells that was to train; others make themselves ready to sample.
    Raises AbandonedError as `stop_unless_wanted`.
    """
    if is_trained(task):
        return
    ready = partial(mostly.preload, home_of(task), device_of(task, known_original(task)))
    with alone(task.run_folder, task.index, partial(tell_waiting, task) if is_expected else ready):
        stop_unless_wanted(task)
        if not is_trained(task):
            log = log_of(task)
            log.write("start", n_units=task.n_units, seed=task.seed, host=platform.node(), pid=os.getpid())
            forget_damaged_training(task, log)
            _train(task, log)


def _train(task: GeneratorTask, log: ProgressLog) -> None:
    original, _ = stored_original(original_folder(task.run_folder, task.original_key))
    known = known_original(task)
    device = device_of(task, known)
    table = known.codec.encode(original, first=None if task.balance is None else task.balance.column)
    take_up_training(task)
    home, kept = home_of(task), partial(keep_training, task)
    with pinned(device, task.index):
        mostly.train(table, home, _training(task), device, _reporting(log), known.codec.names_of_groups, kept)
    mostly.tidy(home)
    note_trained(task)
    if task.index == 0 and not knows_engine():
        log.write("own draws")
    tell_sampled(task, log)


def tell_sampled(task: GeneratorTask, log: ProgressLog) -> None:
    """Tell how far a trained generator is; only while its lock is held, so that lines don't mix."""
    rows = rows_of_chunks(task)
    if len(rows) == task.n_chunks:
        log.write("done", n_rows=sum(rows))
        return
    of_rows = round(task.n_units * task.config.part_rows / task.units_per_chunk)
    log.write("sample", n_rows=sum(rows), of_rows=of_rows, host=platform.node(), pid=os.getpid())


def _reporting(log: ProgressLog) -> mostly.Report:
    """Writes to the log as long as anybody waits for this task."""

    def report(phase: str, **fields: Any) -> None:
        stop_if_abandoned()
        log.write(phase, **fields)

    return report


def device_of(task: GeneratorTask, known: Known) -> Device:
    """A GPU, or one thread: another number of threads gives other last digits, and it would follow from the workers.

    Nor do more of them pay off: 40,000 x 32 values in batches of 2,048 took 7.5 s per epoch with one thread, 40 and 9 s
    with two and three, on two cores that others used as well.
    """
    device = choose_device(task.config.device, look_around(task.n_workers), known.n_values)
    return replace(device, n_threads=1) if device.kind == "cpu" else device


def _training(task: GeneratorTask) -> mostly.Training:
    config = task.config
    return mostly.Training(config.model, config.max_epochs, config.max_training_time_min, config.batch_size, task.seed)


# generators of the user's own


def make_share(task: GeneratorTask) -> int:
    """Let a generator of the user's own make its share of the pool; return its index. Runs on a worker.

    It is called once: what it learns lives in the process that calls it.
    Raises AbandonedError once nobody waits for it, or when the run has gone on with other settings.
    """
    stop_unless_wanted(task)
    with alone(task.run_folder, task.index, partial(tell_waiting, task)):
        stop_unless_wanted(task)
        log = log_of(task)
        log.write("start", n_units=task.n_units, seed=task.seed, host=platform.node(), pid=os.getpid())
        n_rows = n_rows_if_finished(task, lambda path: log.write("damaged", file=str(path)))
        if n_rows is None:
            n_rows = _call(task)
        log.write("done", n_rows=n_rows)
    return task.index


def _call(task: GeneratorTask) -> int:
    original, schema = stored_original(original_folder(task.run_folder, task.original_key))
    needed = schema.learnt(task.group_key)
    learnt = original[list(needed.names)]
    tables = call(task.config.source, learnt, needed, task.n_units, task.seed, task.group_key, task.units_per_chunk)
    return _write_parts(task, needed, tables)


def _write_parts(task: GeneratorTask, schema: Schema, tables: Iterable[Any]) -> int:
    remove_parts(task.run_folder, task.index)  # there is nothing that a callable could go on from
    part_rows = task.config.part_rows
    with PoolWriter(task.pool_folder, schema, task.index, task.seed, part_rows, task.group_key) as writer:
        for table in tables:
            stop_if_abandoned()
            writer.append(table)
    note_sampled(task, writer)
    return writer.n_rows
