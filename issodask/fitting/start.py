"""Where trimming starts: from units in proportion to their weights or, where these mislead, from units as they come.

In: two sets of units, each in the order that trimming would take it up. Out: the error that each would lead to.

Weights are fitted to pairs, and may favour rows that are wrong in triples; where few rows carry all of it, there is
little left to trim. The error before trimming does not tell which start is better: now and then weighted rows look
worse than random ones and end better. A short trimming to a small subset tells (docs/measurements.md).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.problem import Problem
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.team import ThreadTeam
from issodask.fitting.trim import Trimming, TrimStart

_TRIED_STEPS = 50
_TRIED_ROUNDS = 1


def error_of_first(order: NDArray[np.int64], problem: Problem, team: ThreadTeam) -> float:
    """The objective of as many of the first units as the subset has, in an order that is random."""
    units = np.sort(order[: problem.objective.n_units])
    return problem.objective.value(problem.residual_by(team, units))


def error_after_trial(
    order: NDArray[np.int64], problem: Problem, team: ThreadTeam, seed: int, most_tried: int = 4_096
) -> float:
    """The objective after a short trimming to a subset of so many units at most, from as large a share of `order`."""
    n_units = problem.objective.n_units
    n_tried = min(n_units, most_tried)
    tried = order[: max(n_tried, len(order) * n_tried // n_units)]
    small = replace(problem, objective=problem.objective.scaled_to(n_tried))
    plan = TrimPlan(len(tried), n_tried, _TRIED_STEPS)
    start = TrimStart(tried, small.residual_by(team, np.sort(tried)))
    trimming = Trimming(start, plan, small, team, seed)
    for i_step in range(plan.n_steps):
        trimming.run_step(plan.picks(i_step, _TRIED_ROUNDS))
    return small.objective.value(trimming.residual)
