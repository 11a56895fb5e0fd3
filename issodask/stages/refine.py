"""Refine: annealed swaps of units in lanes, on all workers; and, before them, swaps of groups for coherence alone.

In: a subset, in the state, and its residual. Out: both, better.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import chain, pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.events import Preselected, Refined
from issodask.fitting.budget import GAINS_PER_SWAP_ROUND
from issodask.fitting.problem import Problem, time_gains
from issodask.fitting.refine import HEAT_OF_RANDOM, HEAT_OF_TRIMMED, Lane, Refinement
from issodask.fitting.schedule import N_SEGMENTS, Cooling
from issodask.stages.checkpoint import Checkpoints, SearchState
from issodask.stages.context import SearchContext, units_of
from issodask.table.sequences import coherence_only

_QUIET_ROUNDS = 3
_COLD = 0.05

_LANE_S, _TRIAL_SECONDS_PER_CELL = 5e-4, 4e-8
"""What a lane takes, about (docs/measurements.md, More processors): only in how many tasks they go follows from it."""


def planned_swaps(context: SearchContext) -> list[int]:
    """Rounds of the plan of a search that swaps from the beginning, instead of trimming; by segment, as of others."""

    def seconds_per_round() -> float:
        seconds_per_gain = time_gains(context.some_unit_ids, context.problem)
        return seconds_per_gain * GAINS_PER_SWAP_ROUND * context.n_units / context.runtime.n_workers

    return [context.budget.swap_rounds(seconds_per_round)] * N_SEGMENTS


def preselect(context: SearchContext, state: SearchState, checkpoints: Checkpoints) -> NDArray[np.int32]:
    """Swap groups of a random subset on coherence alone; a third of the rounds, the rest is for refinement.

    Returns the residual that they leave.
    """
    objective = replace(context.objective, weights=coherence_only(context.objective.weights))
    problem = replace(context.problem, objective=objective)
    seed = seeds.integer(context.seed, "preselect")
    swaps = _refinement(context, state.units, context.residual_of(state.units), problem, seed)
    plan = Cooling(max(1, state.planned[0] // 3))
    if state.next == 0:
        state.hottest = swaps.hottest(HEAT_OF_RANDOM)
    while state.next < plan.n_rounds:
        done = swaps.run_round(state.next, plan, state.hottest)
        state.next += 1
        context.events.emit(Preselected(n=state.next, of=plan.n_rounds, coherence_error=done.objective))
        checkpoints.save_when_due(state, lambda: units_of(swaps.uses))
    checkpoints.finish_stage(state, units_of(swaps.uses), then="refine")
    return swaps.residual


def refine(context: SearchContext, state: SearchState, residual: NDArray[np.int32], checkpoints: Checkpoints) -> None:
    """Swap units until there is a reason to stop; `residual`, that of the state's units, changes in place."""
    is_trimmed = context.config.start == "trim"
    plan = Cooling.of(state.planned[-1]) if is_trimmed else Cooling(state.planned[-1])
    swaps = _refinement(context, state.units, residual, context.problem, context.seed)
    if state.next_round == 0:
        state.hottest = swaps.hottest(HEAT_OF_TRIMMED if is_trimmed else HEAT_OF_RANDOM)

    def reason_to_stop() -> str:
        is_quiet = state.quiet >= _QUIET_ROUNDS and plan.heat(state.next_round) < _COLD
        has_converged = swaps.is_perfect or is_quiet
        return context.budget.reason_to_stop(
            state.next_round, plan.n_rounds, has_converged, checkpoints.clock.elapsed_s()
        )

    while not (reason := reason_to_stop()):
        done = swaps.run_round(state.next_round, plan, state.hottest)
        state.next_round += 1
        state.quiet = state.quiet + 1 if done.n_kept == 0 else 0
        context.events.emit(Refined(**asdict(done)))
        checkpoints.save_when_due(state, lambda: units_of(swaps.uses))
    state.stop_reason = reason
    checkpoints.finish_stage(state, units_of(swaps.uses), then="done")


def _refinement(
    context: SearchContext, units: NDArray[np.int64], residual: NDArray[np.int32], problem: Problem, seed: int
) -> Refinement:
    runtime = context.runtime
    shared, n_workers = runtime.share(problem), runtime.n_workers

    def map_lanes(function: Callable[..., Any], lanes: Sequence[Lane], residual: NDArray[np.int32]) -> Iterable[Any]:
        trial_s = _TRIAL_SECONDS_PER_CELL * context.some_units.cells_per_unit
        work_s = sum(_LANE_S + trial_s * lane.n_trials for lane in lanes)
        bounds = np.linspace(0, len(lanes), n_tasks(work_s, len(lanes), runtime.task_s, n_workers) + 1).astype(int)
        batches = [lanes[start:stop] for start, stop in pairwise(bounds)]
        return chain.from_iterable(
            runtime.map(_each, batches, function, runtime.share(residual), shared, label="refine")
        )

    return Refinement(context.uses_of(units), residual, problem, map_lanes, seed, context.config.lanes)


def n_tasks(work_s: float, at_most: int, task_s: float, n_workers: int) -> int:
    """Among how many tasks to divide work that takes one processor `work_s` seconds, where a task costs `task_s`.

    With k tasks the driver is busy for k * task_s seconds, and the last worker ends up to work_s / k after the first:
    together least for k = sqrt(work_s / task_s). Each worker gets as many as the others.
    """
    wanted = ceil(np.sqrt(work_s / task_s)) if task_s else at_most
    if wanted > n_workers:
        wanted = ceil(wanted / n_workers) * n_workers
    return min(max(1, wanted), at_most)


def _each(
    lanes: Sequence[Lane], function: Callable[..., Any], residual: NDArray[np.int32], problem: Problem
) -> list[Any]:
    return [function(lane, residual, problem) for lane in lanes]
