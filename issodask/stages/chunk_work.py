"""One chunk of a generator's samples: drawn on any worker, as soon as the generator is trained.

In: a ChunkTask, the trained generator's files, and the original as a file. Out: one part in the pool's folder, with the
same bytes whoever made it, and the note that it is done. A worker that dies costs its chunk.
"""

from contextlib import ExitStack
from typing import Any

import pandas as pd

from issodask import seeds
from issodask.models import mostly
from issodask.models.codec import GROUP, Codec
from issodask.models.device import pinned
from issodask.stages.generator_home import log_of, trained_home
from issodask.stages.generator_task import (
    ChunkTask,
    GeneratorTask,
    alone,
    is_chunk_finished,
    note_chunk,
    stop_unless_wanted,
)
from issodask.stages.generator_work import Known, device_of, known_original, make_trained, tell_sampled
from issodask.store.files import whole_file
from issodask.store.pool_writer import write_part


def make_chunk(chunk: ChunkTask) -> int:
    """Draw a chunk and write it as a part; train its generator first where nobody has. Return the generator's index.

    Raises AbandonedError once nobody waits for it, or when the run has gone on with other settings.
    """
    task = chunk.generator
    stop_unless_wanted(task)
    if is_chunk_finished(chunk):  # by a task of an earlier driver
        return task.index
    known = known_original(task)
    if known.codec.names:
        make_trained(task, chunk.trains)
        frame = _drawn(chunk, known)
    else:  # every column is missing throughout, or constant: there is nothing to learn
        frame = known.codec.decode(pd.DataFrame({GROUP: range(chunk.n_units)}))
    _write(chunk, known, frame)
    return task.index


def _drawn(chunk: ChunkTask, known: Known) -> pd.DataFrame:
    task = chunk.generator
    stop_unless_wanted(task)
    config, device = task.config, device_of(task, known)
    sampling = mostly.Sampling(config.temperature, config.top_p, task.seed, _rebalancing(task, known.codec))
    with pinned(device, task.index):
        sample = mostly.sample(trained_home(task), chunk.n_units, chunk.i_chunk, sampling, device)
    return known.codec.decode(sample, seeds.integer(task.seed, "decode", chunk.i_chunk))


def _rebalancing(task: GeneratorTask, codec: Codec) -> dict[str, Any] | None:
    """What the engine is told of the shares to draw; values that it hides as rare it can't be asked for."""
    if task.balance is None or task.group_key is not None:
        return None
    name = codec.text_name(task.balance.column)
    return None if name is None else {"column": name, "probabilities": dict(task.balance.shares)}


def _write(chunk: ChunkTask, known: Known, frame: pd.DataFrame) -> None:
    """Give the part its name, and note it, in one go under the generator's lock."""
    task = chunk.generator
    schema = known.schema.learnt(task.group_key)
    with ExitStack() as held:
        with whole_file(chunk.path) as work:
            n_rows = write_part(frame, work, schema, task.index, task.seed, task.group_key, chunk.first_unit)
            held.enter_context(alone(task.run_folder, task.index, lambda: None))
            stop_unless_wanted(task)
        note_chunk(chunk, n_rows)
        tell_sampled(task, log_of(task))
