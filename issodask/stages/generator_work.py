"""One generator's part of a pool: it learns the original, or asks a callable, and writes its share. Runs on a worker.

In: a GeneratorTask, and the original as a file. Out: parts in the pool's folder. One that was interrupted goes on from
its last leg of training, or from its last whole part.
"""

import os
import platform
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from issodask import seeds
from issodask.models import external, mostly
from issodask.models.codec import GROUP, Codec
from issodask.models.device import Device, choose_device, look_around, pinned
from issodask.models.progress_log import ProgressLog
from issodask.stages.called import call
from issodask.stages.generator_task import (
    GeneratorTask,
    alone,
    is_trained,
    n_rows_if_finished,
    note_sampled,
    note_trained,
    original_folder,
    remove_parts,
    stop_if_abandoned,
    stop_unless_wanted,
    stored_original,
)
from issodask.store.pool_writer import PoolWriter
from issodask.table.schema import Schema


def make_part_of_pool(task: GeneratorTask) -> int:
    """Train one generator and let it write its share of the pool; return its index. Runs on a worker.

    Raises AbandonedError once nobody waits for it, or when the run has gone on with other settings.
    """
    stop_unless_wanted(task)
    log = ProgressLog(task.folder)
    with alone(Path(task.run_folder), task.index, partial(log.write, "wait")):
        stop_unless_wanted(task)
        log.write("start", n_units=task.n_units, seed=task.seed, host=platform.node(), pid=os.getpid())
        n_rows = n_rows_if_finished(task, lambda path: log.write("damaged", file=str(path)))
        if n_rows is None:
            n_rows = _make(task, log)
        log.write("done", n_rows=n_rows)
    return task.index


def _make(task: GeneratorTask, log: ProgressLog) -> int:
    original, schema = stored_original(original_folder(Path(task.run_folder), task.original_key))
    if external.is_callable_source(task.config.source):
        needed = schema.learnt(task.group_key)
        per_chunk = _units_per_chunk(task, original)
        learnt = original[list(needed.names)]
        tables = call(task.config.source, learnt, needed, task.n_units, task.seed, task.group_key, per_chunk)
        return _write_parts(task, schema, tables)
    return _train_and_sample(task, original, schema, log)


def _train_and_sample(task: GeneratorTask, original: pd.DataFrame, schema: Schema, log: ProgressLog) -> int:
    codec = Codec.fit(original, schema, task.group_key)
    if not codec.names:  # every column is missing throughout, or constant: there is nothing to learn
        return _write_parts(task, schema, [codec.decode(pd.DataFrame({GROUP: range(task.n_units)}))])
    device = _device(task, original)
    report = _reporting(log)
    with pinned(device, task.index):
        if not is_trained(task, log):
            table = codec.encode(original, first=None if task.balance is None else task.balance.column)
            mostly.train(table, task.folder, _training(task), device, report, codec.names_of_groups)
            note_trained(task)
        mostly.tidy(task.folder)
        return _sample(task, schema, codec, device, report, _units_per_chunk(task, original))


def _reporting(log: ProgressLog) -> mostly.Report:
    """Writes to the log as long as anybody waits for this task."""

    def report(phase: str, **fields: Any) -> None:
        stop_if_abandoned()
        log.write(phase, **fields)

    return report


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
    sampling = mostly.Sampling(task.config.temperature, task.config.top_p, task.seed, _rebalancing(task, codec))
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
    note_sampled(task, writer)
    return writer.n_rows


def _rebalancing(task: GeneratorTask, codec: Codec) -> dict[str, Any] | None:
    """What the engine is told of the shares to draw; values that it hides as rare it can't be asked for."""
    name = codec.text_name(task.balance.column) if task.balance is not None and task.group_key is None else None
    return (
        None if name is None or task.balance is None else {"column": name, "probabilities": dict(task.balance.shares)}
    )


def _units_per_chunk(task: GeneratorTask, original: pd.DataFrame) -> int:
    """As many as have the rows of a part in the original."""
    if task.group_key is None:
        return task.config.part_rows
    return max(1, task.config.part_rows * original[task.group_key].nunique() // len(original))


def _write_parts(task: GeneratorTask, schema: Schema, tables: Iterable[Any]) -> int:
    remove_parts(Path(task.run_folder), task.index)  # there is nothing that a callable could go on from
    with _writer(task, schema) as writer:
        for table in tables:
            stop_if_abandoned()
            writer.append(table)
    note_sampled(task, writer)
    return writer.n_rows


def _writer(task: GeneratorTask, schema: Schema) -> PoolWriter:
    needed = schema.learnt(task.group_key)
    return PoolWriter(task.pool_folder, needed, task.index, task.seed, task.config.part_rows, task.group_key)


def _training(task: GeneratorTask) -> mostly.Training:
    config = task.config
    return mostly.Training(config.model, config.max_epochs, config.max_training_time_min, config.batch_size, task.seed)
