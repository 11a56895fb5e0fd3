"""What a problem does by all threads of a team."""

import numpy as np
import pytest

from issodask.fitting.team import cut
from issodask.runtime.local import ThreadTeam
from tests.fitting.boards import both_boards, pool_of, random_uses, residual_of


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@both_boards
def test_residual_by__counts_units_as_often_as_they_are_named(board, n_threads):
    problem = board.problem(40, pool_of(25, 0, 35))
    uses = random_uses(60, 40, seed=n_threads)
    uses[3] += 2
    with ThreadTeam(n_threads) as team:
        residual = problem.residual_by(team, np.repeat(np.arange(60), uses), least_counted=10)
    assert np.array_equal(residual, residual_of(uses, problem))


@pytest.mark.parametrize("n_threads", [2, 5])
@both_boards
def test_gather_by__in_the_order_of_the_units(board, n_threads):
    problem = board.problem(40, pool_of(25, 0, 35))
    unit_ids = np.array([0, 3, 3, 24, 25, 50, 59])
    with ThreadTeam(n_threads) as team:
        together = problem.gather_by(team, unit_ids)
    alone = problem.gather(unit_ids)
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True) if isinstance(a, np.ndarray))
    assert together.n_units == 7


@pytest.mark.parametrize(("n", "n_parts", "lengths"), [(7, 3, [2, 2, 3]), (2, 5, [1, 1]), (0, 2, []), (4, 1, [4])])
def test_cut__into_parts_that_are_not_empty(n, n_parts, lengths):
    parts = cut(n, n_parts)
    assert [part.stop - part.start for part in parts] == lengths
    assert np.concatenate([np.zeros(0, int), *(np.arange(n)[part] for part in parts)]).tolist() == list(range(n))
