"""Trim: from an oversized subset to the exact size, step by step, on the driver's own threads.

In: a search that has fitted its weights, or one that was interrupted on the way. Out: the subset's units, in the state,
and their residual. Where the cluster has workers on other hosts, they help.
"""

from contextlib import ExitStack
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from issodask.errors import HostLostError
from issodask.events import Helped, Trimmed
from issodask.fitting.budget import Pace, Speed
from issodask.fitting.gains import Helper, Helpers
from issodask.fitting.quotas import Quotas
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.trim import Trimming, TrimStart, time_picks
from issodask.runtime.local import ThreadTeam
from issodask.stages.checkpoint import Checkpoints, SearchState
from issodask.stages.context import SearchContext
from issodask.stages.start import choose_start

_WORTH_HELP = 50e6
"""Look-ups of a gain of each unit of the subset, in all, from which on helpers on other hosts save time."""


def trim(context: SearchContext, state: SearchState, checkpoints: Checkpoints) -> NDArray[np.int32]:
    """Trim to the subset's size, from where the state has come to; returns the residual of what is left."""
    with ThreadTeam.beside(context.runtime) as team, ExitStack() as help_ends:
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
        helping = _Help(context, trimming, help_ends)
        while state.next < plan.n_steps:
            if plan.segment(state.next) == len(state.planned):
                state.planned.append(pace.n_rounds(state.next))
                state.segment_began = pace.began
            helping.renew(plan.segment(state.next))
            step = trimming.run_step(plan.picks(state.next, state.planned[-1]))
            state.next = trimming.next_step
            n = state.next
            context.events.emit(Trimmed(n=n, of=plan.n_steps, units=step.n_left, objective=step.objective))
            checkpoints.save_when_due(state, lambda: trimming.order)
        checkpoints.finish_stage(state, trimming.order, then="refine")
        return trimming.residual


class _Help:
    """Workers on other hosts that help to trim, as many as there are."""

    def __init__(self, context: SearchContext, trimming: Trimming, ends: ExitStack) -> None:
        self._context = context
        self._trimming = trimming
        self._ends = ends
        self._helpers: Helpers | None = None
        self._n, self._segment = 0, -1
        self._is_worth_it = context.n_units * context.some_units.cells_per_unit >= _WORTH_HELP

    def renew(self, segment: int) -> None:
        """Look, when a segment begins and when a helper was lost, who can help from now on."""
        if not self._is_worth_it:
            return
        is_lost = self._helpers is not None and self._helpers.is_lost
        if segment == self._segment and not is_lost:
            return
        self._segment = segment
        n = self._context.runtime.n_elsewhere
        if n == self._n and not is_lost:
            return
        self._trimming.help_with(None)
        self._ends.close()
        self._helpers = self._joined(n) if n else None
        self._n = 0 if self._helpers is None else n
        self._trimming.help_with(self._helpers)
        self._context.events.emit(Helped(n=self._trimming.next_step + 1, workers=self._n))

    def _joined(self, n: int) -> Helpers | None:
        runtime = self._context.runtime
        shared = runtime.share(self._trimming.begun), runtime.share(self._context.problem)
        try:
            return Helpers(self._ends.enter_context(runtime.hosts(Helper, range(n), *shared, label="trim")))
        except HostLostError:
            return None


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
