"""Plan: what a job will need (memory, disk, time), before anything starts.

In: a job. Out: `Estimate`s, from the original itself, the settings, and a short measurement of this machine's speed.
"""

from dataclasses import dataclass

import numpy as np

from issodask.config import JobConfig
from issodask.fitting.objective import Objective
from issodask.fitting.schedule import Cooling, TrimPlan, read_rounds, rounds_for_effort
from issodask.fitting.workbench import Workbench, time_gains
from issodask.stages.generate import makes_pool
from issodask.stages.run import POOL_UNITS_PER_UNIT, read_original
from issodask.store.pool import open_pool
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques

_BASE_BYTES = 350e6  # Python with NumPy, pandas, Arrow, numba and Dask loaded
_TRAINING_BYTES = 1.2e9  # PyTorch and the engine, per training process
_IPF_SECONDS_PER_PAIR = 3e-9  # per unit of the pool, pair and pass; scale and sum
_SWAP_SECONDS = 3.5  # a gain outside of a batch, in gains of a batch


@dataclass(frozen=True)
class Estimate:
    """What a stage will need; None where nothing can be said."""

    stage: str
    what: str
    seconds: float | None
    memory_bytes: float
    disk_bytes: float


def plan(job: JobConfig) -> list[Estimate]:
    """Estimate each stage of `job`. Raises InputError for a job or an original that can't be used."""
    original, _ = read_original(job)
    bins = Bins.fit(original)
    cliques = Cliques.of(bins.sizes)
    n_units = job.select.units or len(original)
    frame_bytes = float(original.memory_usage(deep=True).sum())
    n_pool = _pool_units(job, n_units)
    estimates = [_generating(job, n_pool, frame_bytes / len(original))]
    codes_bytes = float(n_pool * len(bins.columns))
    estimates.append(Estimate("encode", f"{n_pool:,} x {len(bins.columns)} codes", n_pool * 2e-6, 120e6, codes_bytes))
    estimates.append(_searching(job, bins.encode(original), cliques, n_units, n_pool))
    write_bytes = frame_bytes / len(original) * n_units
    estimates.append(Estimate("write", f"{n_units:,} units", n_units * 3e-5, 2 * write_bytes, write_bytes / 4))
    return estimates


def _pool_units(job: JobConfig, n_units: int) -> int:
    if makes_pool(job.generate):
        return job.generate.units or POOL_UNITS_PER_UNIT * n_units
    return open_pool(job.generate.source).n_rows or 0


def _generating(job: JobConfig, n_pool: int, row_bytes: float) -> Estimate:
    config = job.generate
    if not makes_pool(config):
        return Estimate("generate", f"the pool is there: {config.source}", 0.0, 0.0, 0.0)
    workers = min(config.generators, job.runtime.workers or config.generators)
    waves = -(-config.generators // workers)
    what = f"{config.generators} generators, {workers} at a time; at most {config.max_training_time_min:g} min each"
    seconds = waves * config.max_training_time_min * 60
    return Estimate("generate", what, seconds, workers * _TRAINING_BYTES, n_pool * row_bytes / 10)


def _searching(job: JobConfig, codes: np.ndarray, cliques: Cliques, n_units: int, n_pool: int) -> Estimate:
    config = job.select
    objective = Objective.of(np.zeros(cliques.n_cells, np.int64), cliques, len(codes), n_units)
    bench = Workbench(objective, lambda block: codes, lambda block: np.ones(len(codes)))
    seconds_per_gain = time_gains(codes, bench)
    n_pairs = min(config.max_pairs, len(cliques.by_arity.get(2, ())))
    ipf_s = n_pool * n_pairs * config.ipf_passes * _IPF_SECONDS_PER_PAIR
    n_start = min(int(n_units * config.oversize), max(n_pool, n_units))
    n_rounds = max(read_rounds(config.rounds)[1]) if config.rounds else rounds_for_effort(config.effort)
    cooling = Cooling.of(n_rounds)
    trials = sum(cooling.trials_per_unit(i) for i in range(cooling.n_rounds)) * n_units
    gains = n_rounds * TrimPlan(n_start, n_units).gains_left(0) + 3 * _SWAP_SECONDS * trials
    search_s = gains * seconds_per_gain
    seconds = config.time_limit_s if config.time_limit_s is not None else ipf_s + search_s
    residuals = 4.0 * cliques.n_cells * 6
    memory = _BASE_BYTES + residuals + 3.0 * n_start * codes.shape[1] + 20.0 * n_pool
    what = f"{cliques.n_cliques:,} cliques, {cliques.n_cells:,} cells; {n_units:,} of {n_pool:,} units"
    return Estimate("select", what, seconds, memory, 8.0 * n_pool)
