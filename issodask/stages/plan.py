"""Plan: what a job will need (memory, disk, time), before anything starts.

In: a job. Out: `Estimate`s, from the original itself, the settings, and a short measurement of this machine's speed.

Workers beyond this machine's processors are taken to be on other hosts as fast as this one, an answer of which takes a
few milliseconds through Dask, and a task of Dask's scheduler a quarter of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from issodask.config import GenerateConfig, JobConfig
from issodask.fitting.budget import budget_of
from issodask.fitting.ipf import n_fitted
from issodask.fitting.problem import Problem
from issodask.fitting.schedule import Cooling, TrimPlan, units_to_start_from
from issodask.fitting.trim import GAINS_OF_LEAVING, WORTH_THREADS, time_picks
from issodask.host import n_processors
from issodask.models import external
from issodask.runtime.local import ThreadTeam
from issodask.stages.asked import Asked, asked_of
from issodask.stages.generate import found_pool
from issodask.stages.original import KnownOriginal
from issodask.stages.place import PROCESS_BYTES, PoolSize, makes_pool, n_processes
from issodask.stages.roles import KnownColumns
from issodask.stages.run import pool_units, read_original, with_roles
from issodask.store.codes import BLOCK_UNITS
from issodask.store.places import storage
from issodask.store.reader import MAPPED_BLOCKS
from issodask.table.blocks import Strip
from issodask.table.cliques import Cliques

_ENCODE_S = 2.5e-8  # a value of the pool
_WRITE_S, _REREAD_S = 3e-6, 5.5e-7  # a unit of the subset, and a row of the pool
_BASE_BYTES = 350e6  # Python with NumPy, pandas, Arrow, numba and Dask loaded
_TRAINING_BYTES = 1.2e9  # PyTorch and the engine, per training process
_IPF_SECONDS_PER_PAIR = 3e-9  # per unit of the pool, pair and pass; scale and sum
_BYTES_PER_POOL_UNIT = 8.0  # at the driver: how often each is used, as counted now and then anew
_ODDS_SECONDS_PER_VALUE = 6e-7  # of the pool's units, each by its columns; training takes about as long again
_SWAP_SECONDS = 3.5  # a gain outside of a batch, in gains of a batch
_DRAW_S = 2e-7  # for each unit of the pool: choosing which trimming starts from
_CROWDED = 1.15  # a pick among all units that trimming starts from, in picks among those that are timed
_COUNT_S = 1.6e-9  # a cell of a unit: those that trimming starts from, random ones and the subset are counted once each
_ALONE = 0.07  # of trimming's time what each host does by itself: removals, and the target of each step
_ANSWER_S, _TASK_S = 4e-3, 2.5e-4
_BATCHES = 8_192  # of removals from an endless pool
_IPF_STEPS = 40  # of a pass


@dataclass(frozen=True)
class Estimate:
    """What a stage will need; None where nothing can be said."""

    stage: str
    what: str
    seconds: float | None
    memory_bytes: float
    disk_bytes: float


def plan(job: JobConfig, columns: Mapping[str, str] | None = None, pool_units: int | None = None) -> list[Estimate]:
    """Estimate each stage of `job`; `columns`: roles of columns beside those that the job names.

    pool_units  what if the pool had so many

    Raises InputError for a job or an original that can't be used.
    """
    with storage(job.storage):
        return _planned(with_roles(job, columns), pool_units)


def _planned(job: JobConfig, pool_units: int | None) -> list[Estimate]:
    if external.is_callable_source(job.generate.source):
        external.load(job.generate.source, job.original.group_key)
    original, _ = read_original(job)
    known = KnownOriginal.of(original, job.original.group_key, job.columns)
    asked = asked_of(job.target, job.rules, original, known, job.select.units)
    n_units = job.select.units or known.n_units if asked is None else asked.n_units
    unit_bytes = float(original.nbytes) / known.n_units
    rows_per_unit = original.num_rows / known.n_units
    n_pool = pool_units or _pool_units(job, original, n_units, asked)
    n_asked = 1 if job.runtime.scheduler == "serial" else job.runtime.workers
    workers = n_asked or n_processors()
    n_rows, width = round(n_pool * rows_per_unit), len(known.bins.sizes)
    estimates = [_generating(job.generate, PoolSize(n_rows, original.num_columns), n_pool * unit_bytes, n_asked)]
    codes = float(n_rows * width)
    estimates.append(Estimate("encode", f"{n_rows:,} x {width} codes", codes * _ENCODE_S / workers, 120e6, codes))
    estimates.append(_searching(job, known, n_units, n_pool, workers))
    write_bytes, write_s = unit_bytes * n_units, n_units * _WRITE_S + n_rows * _REREAD_S / workers
    estimates.append(Estimate("write", f"{n_units:,} units", write_s, 2 * write_bytes, write_bytes / 4))
    return estimates


def known_columns(job: JobConfig, columns: Mapping[str, str] | None = None) -> KnownColumns:
    """The roles of the original's columns, and why; `columns`: roles of columns beside those that the job names."""
    job = with_roles(job, columns)
    with storage(job.storage):
        original, _ = read_original(job)
    return KnownColumns.of(original, job.original.group_key, job.columns)


def _pool_units(job: JobConfig, original: Any, n_units: int, asked: Asked | None) -> int:
    if makes_pool(job.generate):
        return pool_units(original, job.original.group_key, job.generate, n_units, asked)
    pool = found_pool(job.generate)
    return (pool.n_units if pool.n_units is not None else pool.n_rows) or 0


def _generating(config: GenerateConfig, size: PoolSize, pool_bytes: float, n_asked: int | None) -> Estimate:
    """All trainings, which may take all the time that they are given, and then the chunks on all processes.

    `n_asked` workers were asked for.
    """
    if not makes_pool(config):
        return Estimate("generate", f"the pool is there: {config.source_name}", 0.0, 0.0, 0.0)
    if external.is_callable_source(config.source):
        workers = min(config.generators, n_asked or config.generators)
        told = f"{config.generators} x {config.source_name}, {workers} at a time; as long as they take"
        return Estimate("generate", told, None, workers * _BASE_BYTES, pool_bytes / 10)
    processes = n_processes(config, n_asked or n_processors(), size)
    trainers = min(config.generators, processes)
    waves = -(-config.generators // trainers)
    what = (
        f"{config.generators} generators, {trainers} at a time; at most {config.max_training_time_min:g} min each; "
        f"{size.n_rows:,.0f} rows sampled by {processes}"
    )
    seconds = waves * config.max_training_time_min * 60 + size.sampling_s / processes
    memory = max(trainers * _TRAINING_BYTES, processes * PROCESS_BYTES)
    return Estimate("generate", what, seconds, memory, pool_bytes / 10)


def _searching(job: JobConfig, known: KnownOriginal, n_units: int, n_pool: int, workers: int) -> Estimate:
    config = job.select
    cliques = known.cliques(n_units)
    with ThreadTeam(n_processors()) as team:
        objective, _ = known.target(cliques, n_units, team)
    whole = Strip(0, 0, known.n_units, 0)
    problem = Problem(objective, [whole], lambda block: known.codes)
    unit_ids = np.arange(min(known.n_units, 4_096))
    seconds_per_pick = time_picks(unit_ids, problem)
    n_pairs = min(config.max_pairs, len(cliques.by_arity.get(2, ()))) if isinstance(cliques, Cliques) else 0
    ipf_s = (n_fitted(n_pool, n_units) * config.ipf_passes + n_pool) * n_pairs * _IPF_SECONDS_PER_PAIR / workers
    elsewhere = max(0, workers - n_processors())
    ipf_s += config.ipf_passes * _IPF_STEPS * elsewhere * _TASK_S if n_pairs else 0.0
    units = problem.gather(unit_ids)
    bytes_per_unit = units.bytes_per_unit
    fitting = int(config.memory_gb * 1e9 / bytes_per_unit)
    wanted = units_to_start_from(n_pool, n_units, config.oversize, n_pairs > 0 and config.fits_weights)
    n_start = min(wanted, max(n_pool, n_units), max(fitting, n_units))
    plan = TrimPlan.of(n_start, n_units)
    budget = budget_of(config.rounds, config.effort, config.time_limit_s, units.cells_per_unit)
    odds_s = (1 + 1 / workers) * n_pool * len(known.columns.matched.columns) * _ODDS_SECONDS_PER_VALUE
    before_s = ipf_s + (odds_s if config.aim == "population" else 0.0)

    def seconds_of(n_rounds: int) -> float:
        n_gone = plan.n_start - n_units
        n_picks = n_rounds * plan.gains_left(0)
        look_ups = n_picks / max(1, n_gone) * max(1, n_units // _BATCHES) * units.cells_per_unit
        threads = min(workers, n_processors()) if look_ups >= WORTH_THREADS else 1
        seconds = (n_picks + GAINS_OF_LEAVING * n_gone) * seconds_per_pick * _CROWDED
        trim_s = _trimming_s(plan, seconds, threads, max(threads, workers))
        return (
            before_s
            + _DRAW_S * n_pool
            + _COUNT_S * units.cells_per_unit * (plan.n_start + 2 * n_units) / min(workers, n_processors())
            + trim_s
            + _swaps(plan, n_rounds) * seconds_per_pick / min(workers, config.lanes)
        )

    seconds = budget.seconds(seconds_of)
    residuals = 4.0 * cliques.n_cells * 6
    mapped = min(n_pool, MAPPED_BLOCKS * BLOCK_UNITS) * (bytes_per_unit + 8.0)
    memory = _BASE_BYTES + residuals + 1.5 * n_start * bytes_per_unit + mapped + _BYTES_PER_POOL_UNIT * n_pool
    what = f"{cliques.n_cliques:,} cliques, {cliques.n_cells:,} cells; {n_units:,} of {n_pool:,} units"
    return Estimate("select", what, seconds, memory, 8.0 * n_pool)


def _trimming_s(plan: TrimPlan, seconds: float, threads: int, workers: int) -> float:
    """What takes one thread so many seconds: by this machine's threads, and by workers elsewhere where these help."""
    by_threads = seconds * (_ALONE + (1 - _ALONE) / threads)
    answers = _BATCHES * (1 - plan.n_end / plan.n_start) * _ANSWER_S
    return min(by_threads, seconds * (_ALONE + (1 - _ALONE) / workers) + answers)


def _swaps(plan: TrimPlan, n_rounds: int) -> float:
    """What refinement to a plan of so many rounds takes, in picks of a removal."""
    cooling = Cooling.of(n_rounds)
    trials = sum(cooling.trials_per_unit(i) for i in range(cooling.n_rounds)) * plan.n_end
    return 3 * _SWAP_SECONDS * trials
