"""Search: from the pool's codes to the units of the subset: weights (IPF), rounding, trimming, refinement.

In: codes on disk and the objective. Out: `Found`. What is done is kept in the search's folder: weights after IPF, and
then every few seconds the units that trimming or refinement has come to; the same search, begun again, goes on from
there and ends in the same bytes. Another search (other codes, another seed ...) starts anew.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issodask.events import RandomScored, RandomTaken, SearchBegun
from issodask.fitting.budget import write_rounds
from issodask.fitting.ipf import IpfResult
from issodask.report.facts import Start
from issodask.stages.checkpoint import Checkpoints, SearchState
from issodask.stages.context import SearchContext
from issodask.stages.refine import planned_swaps, preselect, refine
from issodask.stages.trim import trim
from issodask.stages.weigh import weigh

_NO_BETTER = "no better than random units"


@dataclass(frozen=True)
class Found:
    """The subset that was found; its objective is never above that of the random units.

    unit_ids   int64, units of the pool, ascending, once per use
    original_error, random_original_error  1 - accuracy against the original, whatever the search aimed at
    rounds     what to pass as `--rounds` to repeat it
    start      what trimming started from; None where nothing was trimmed
    """

    unit_ids: NDArray[np.int64]
    objective: float
    random_objective: float
    original_error: float
    random_original_error: float
    stop_reason: str
    rounds: str
    ipf: IpfResult
    start: Start | None
    timings: dict[str, float]


def search(context: SearchContext) -> Found:
    """Find the subset, or go on from where an interrupted run of the same search stopped."""
    checkpoints = Checkpoints(context.folder.state, context.config.checkpoint_s, context.events)
    ipf, timings = weigh(context)
    state = checkpoints.load(context.key)
    if state is None:
        state = _begin(context)
        checkpoints.clock.begin_stage()
    if state.stage == "trim":
        residual = trim(context, state, checkpoints)
    elif state.stage == "preselect":
        residual = preselect(context, state, checkpoints)
    else:
        residual = context.residual_of(state.units)
    if state.stage == "refine":
        refine(context, state, residual, checkpoints)
    return _found(context, state, residual, ipf, {**timings, **state.timings})


def _begin(context: SearchContext) -> SearchState:
    """The state of a search that has fitted its weights."""
    config, events = context.config, context.events
    events.emit(SearchBegun(n_units=context.n_units, start=config.start))
    random_units = context.random_units
    random_objective = context.objective.value(context.residual_of(random_units))
    events.emit(RandomScored(objective=random_objective))
    if config.start == "coherence":
        planned = planned_swaps(context)
        return SearchState("preselect", random_units, context.key, random_objective, planned=planned)
    return SearchState("trim", np.zeros(0, np.int64), context.key, random_objective)


def _found(
    context: SearchContext, state: SearchState, residual: NDArray[np.int32], ipf: IpfResult, timings: dict[str, float]
) -> Found:
    """What the search came to or, where that is worse for what was aimed at or for the original, the random units."""
    units, reason, rounds = state.units, state.stop_reason, write_rounds(state.next_round, state.planned)
    objective, random_residual = context.objective.value(residual), context.residual_of(context.random_units)
    error, random_error = (_error_against_original(context, each) for each in (residual, random_residual))
    if objective > state.random_objective or error > random_error:
        units, reason = context.random_units, _NO_BETTER
        objective, error = state.random_objective, random_error
        context.events.emit(RandomTaken(objective=objective))
    return Found(
        np.sort(units),
        objective,
        state.random_objective,
        error,
        random_error,
        reason,
        rounds,
        ipf,
        None if state.start is None else Start(**state.start),
        timings,
    )


def _error_against_original(context: SearchContext, residual: NDArray[np.int32]) -> float:
    marginals = context.objective.marginals(residual)
    return context.original.value(context.original.residual(marginals))
