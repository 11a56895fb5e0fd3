"""Trim: from an oversized subset to the exact size, step by step, on the driver's own threads.

In: a search that has fitted its weights, or one that was interrupted on the way. Out: the subset's units, in the state,
and their residual.
"""

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from issodask.events import Trimmed
from issodask.fitting.budget import Pace, Speed
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
        plan = TrimPlan.of(state.n_start, context.n_units)
        pace = _pace(context, plan, state, checkpoints)
        start = TrimStart(state.units, context.residual_of(state.units), state.next, state.typical_weight)
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


def _pace(context: SearchContext, plan: TrimPlan, state: SearchState, checkpoints: Checkpoints) -> Pace:
    speed = Speed(checkpoints.clock.elapsed_s, lambda: time_picks(context.some_unit_ids, context.problem))
    return context.budget.pace(plan, speed, state.segment_began)
