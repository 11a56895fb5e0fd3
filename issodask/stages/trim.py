"""Trim: from an oversized subset to the exact size, step by step, on the driver's own threads.

In: a search that has fitted its weights, or one that was interrupted on the way. Out: the subset's units, in the state,
and their residual.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from issodask.events import Trimmed
from issodask.fitting.budget import Pace, Speed
from issodask.fitting.quotas import Quotas
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.trim import Trimming, TrimStart, time_picks
from issodask.runtime.local import ThreadTeam
from issodask.stages.checkpoint import Checkpoints, SearchState
from issodask.stages.context import SearchContext
from issodask.stages.start import choose_start


def trim(context: SearchContext, state: SearchState, checkpoints: Checkpoints) -> NDArray[np.int32]:
    """Trim to the subset's size, from where the state has come to; returns the residual of what is left."""
    with ThreadTeam.beside(context.runtime) as team:
        if state.n_start == 0:
            state.units, chosen = choose_start(context, state.random_objective, team)
            state.start = asdict(chosen)
            state.n_start = len(state.units)
            checkpoints.save(state)
        sizes = None if context.quotas is None else _by_class(context.quotas, state)
        plan = TrimPlan.of(state.n_start, context.n_units, None if sizes is None else (sizes.starts, sizes.ends))
        pace = _pace(context, plan, state, checkpoints)
        residual, n_left = context.residual_of(state.units), None if sizes is None else sizes.n_left
        start = TrimStart(state.units, residual, state.next, state.typical_weight, n_left)
        trimming = Trimming(start, plan, context.problem, team, context.seed)
        state.typical_weight = trimming.typical_weight
        while state.next < plan.n_steps:
            if plan.segment(state.next) == len(state.planned):
                state.planned.append(pace.n_rounds(state.next))
                state.segment_began = pace.began
            step = trimming.run_step(plan.picks(state.next, state.planned[-1]))
            state.next = trimming.next_step
            n = state.next
            context.events.emit(Trimmed(n=n, of=plan.n_steps, units=step.n_left, objective=step.objective))
            checkpoints.save_when_due(state, lambda: trimming.order)
        checkpoints.finish_stage(state, trimming.order, then="refine")
        return trimming.residual


@dataclass(frozen=True)
class _Sizes:
    """Units of each class that has a quota: when trimming began, in the end, and now: int64, (c,) each."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    n_left: NDArray[np.int64]


def _by_class(quotas: Quotas, state: SearchState) -> _Sizes:
    """The sizes of classes; the state's units are gathered class by class, if they are not already."""
    has_some = np.flatnonzero(quotas.counts)
    classes = quotas.of_units[state.units]
    state.units = state.units[np.argsort(classes, kind="stable")]
    n_left = np.bincount(classes, minlength=len(quotas.counts))[has_some]
    state.starts = state.starts or n_left.tolist()
    return _Sizes(np.array(state.starts), quotas.counts[has_some], n_left)


def _pace(context: SearchContext, plan: TrimPlan, state: SearchState, checkpoints: Checkpoints) -> Pace:
    speed = Speed(checkpoints.clock.elapsed_s, lambda: time_picks(context.some_unit_ids, context.problem))
    return context.budget.pace(plan, speed, state.segment_began)
