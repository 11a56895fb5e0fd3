"""Which units trimming starts from: a short trial tells weights that help from weights that mislead."""

import numpy as np
import pytest

from issodask.fitting.start import error_after_trial, error_of_first
from issodask.fitting.trim import shuffled
from issodask.runtime.local import ThreadTeam
from tests.fitting.boards import ROWS, pool_of

N_POOL, N_UNITS = 1_000, 100


@pytest.fixture
def team():
    with ThreadTeam(2) as team:
        yield team


def orders_of(problem):
    """Units that resemble the original, and units of one kind."""
    codes = np.concatenate([problem.load_codes(block) for block in problem.blocks])
    by_cell = np.lexsort(codes.T)
    return shuffled(np.arange(0, N_POOL, 2), 1), shuffled(by_cell[:500], 1)


def test_error_of_first__is_that_of_as_many_units_as_the_subset_has(team):
    problem = ROWS.problem(N_UNITS, pool_of(400, 600))
    order = shuffled(np.arange(N_POOL), 3)
    expected = problem.objective.value(problem.residual_by(team, np.sort(order[:N_UNITS])))
    assert error_of_first(order, problem, team) == expected


def test_error_after_trial__tells_good_units_from_bad_ones(team):
    problem = ROWS.problem(N_UNITS, pool_of(400, 600))
    good, bad = orders_of(problem)
    assert error_after_trial(good, problem, team, 1) < 0.7 * error_after_trial(bad, problem, team, 1)


def test_error_after_trial__trimming_has_helped(team):
    problem = ROWS.problem(N_UNITS, pool_of(1_000))
    good, _ = orders_of(problem)
    assert error_after_trial(good, problem, team, 1) < error_of_first(good, problem, team)


def test_error_after_trial__any_number_of_threads():
    problem = ROWS.problem(N_UNITS, pool_of(1_000))
    errors = set()
    for n_threads in (1, 3):
        with ThreadTeam(n_threads) as team:
            errors.add(error_after_trial(shuffled(np.arange(N_POOL), 3), problem, team, 1))
    assert len(errors) == 1


def test_error_after_trial__of_a_large_subset_a_small_one_is_tried(team):
    problem = ROWS.problem(N_UNITS, pool_of(1_000))
    good, bad = orders_of(problem)
    assert error_after_trial(good, problem, team, 1, 20) < error_after_trial(bad, problem, team, 1, 20)


def test_scaled_to__the_same_shares():
    objective = ROWS.problem(N_UNITS, pool_of(1_000)).objective
    small = objective.scaled_to(30)
    assert small.target / (small.n_units * small.unit) == pytest.approx(
        objective.target / (objective.n_units * objective.unit), abs=1 / (30 * small.unit)
    )
    assert small.value(small.target) == pytest.approx(objective.value(objective.target), rel=0.01)
    assert objective.scaled_to(N_UNITS) is objective
