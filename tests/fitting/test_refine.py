"""Refinement of rows or groups: lanes side by side, one driver that checks."""

from dataclasses import replace

import numpy as np
import pytest

from issodask.fitting.refine import HEAT_OF_RANDOM, Refinement
from issodask.fitting.schedule import Cooling
from issodask.runtime import open_runtime
from issodask.table.sequences import coherence_only
from tests.fitting.boards import GROUPS, both_boards, pool_of, random_uses, residual_of, value_of

BLOCKS = pool_of(500, 0, 300, 200)


def one_by_one(problem):
    return lambda function, lanes, residual: [function(lane, residual, problem) for lane in lanes]


def side_by_side(runtime, problem):
    shared = runtime.share(problem)
    return lambda function, lanes, residual: runtime.map(
        function, lanes, runtime.share(residual), shared, label="refine"
    )


def begin(problem, uses, map_lanes=None, seed=1, n_lanes=4):
    return Refinement(uses.copy(), residual_of(uses, problem), problem, map_lanes or one_by_one(problem), seed, n_lanes)


def refined(search, n_rounds=6):
    plan, hottest = Cooling(n_rounds), search.hottest(HEAT_OF_RANDOM)
    return [search.run_round(i, plan, hottest) for i in range(n_rounds)]


@both_boards
@pytest.mark.parametrize(
    ("n_units", "n_original"), [(200, 200), (200, 130)], ids=["whole targets", "targets in fractions"]
)
@pytest.mark.parametrize("may_repeat", [False, True])
def test_run_round__keeps_books(board, n_units, n_original, may_repeat):
    problem = board.problem(n_units, BLOCKS, n_original, may_repeat)
    search = begin(problem, random_uses(1000, n_units))
    plan, hottest = Cooling(6), search.hottest(HEAT_OF_RANDOM)
    for i_round in range(6):
        before = search.objective
        done = search.run_round(i_round, plan, hottest)
        assert search.uses.sum() == n_units
        assert may_repeat or search.uses.max() == 1
        assert np.array_equal(search.residual, residual_of(search.uses, problem))
        assert search.objective == pytest.approx(value_of(search.uses, problem), abs=1e-12)
        assert done.objective == search.objective != before
        assert 0 < done.n_kept <= done.n_proposed <= done.n_trials
        assert (done.i_round, done.n_rounds) == (i_round, 6)


@both_boards
def test_run_round__lowers_the_objective(board):
    search = begin(board.problem(200, BLOCKS), random_uses(1000, 200))
    before = search.objective
    refined(search, 20)
    assert search.objective < 0.5 * before


@both_boards
def test_run_round__without_heat_never_raises_the_objective(board):
    search = begin(board.problem(200, BLOCKS), random_uses(1000, 200))
    plan = Cooling(5)
    for i_round in range(5, 15):
        before = search.objective
        done = search.run_round(i_round, plan, search.hottest(HEAT_OF_RANDOM))
        assert done.temperature == 0
        assert search.objective <= before + 1e-12


def test_run_round__on_coherence_alone_improves_it():
    """What the start that is called "coherence" does."""
    problem, uses = GROUPS.problem(200, BLOCKS), random_uses(1000, 200)
    objective = replace(problem.objective, weights=coherence_only(problem.objective.weights))
    search = begin(replace(problem, objective=objective), uses)
    before = search.objective
    refined(search, 20)
    assert search.objective < 0.5 * before
    errors = [problem.objective.cliques.sum_by_family(abs(residual_of(own, problem))) for own in (uses, search.uses)]
    assert (errors[1][3:] < errors[0][3:]).all()


@both_boards
def test_run_round__same_subset_on_every_runtime(board, runtime):
    problem, uses = board.problem(200, BLOCKS), random_uses(1000, 200)
    expected = begin(problem, uses)
    told = refined(expected)
    search = begin(problem, uses, side_by_side(runtime, problem))
    assert refined(search) == told
    assert search.uses.tobytes() == expected.uses.tobytes()


@both_boards
def test_run_round__same_subset_with_any_number_of_threads(board):
    problem, found = board.problem(200, BLOCKS), []
    for n_workers in (2, 3, 5):
        with open_runtime(n_workers, "threads") as runtime:
            search = begin(problem, random_uses(1000, 200), side_by_side(runtime, problem), n_lanes=6)
            refined(search)
        found.append(search.uses.tobytes())
    assert len(set(found)) == 1


@both_boards
def test_run_round__resumed_goes_on_as_if_never_stopped(board):
    problem, uses = board.problem(200, BLOCKS), random_uses(1000, 200)
    whole = begin(problem, uses)
    plan, hottest = Cooling(8), whole.hottest(HEAT_OF_RANDOM)
    for i_round in range(8):
        whole.run_round(i_round, plan, hottest)
    first = begin(problem, uses)
    for i_round in range(3):
        first.run_round(i_round, plan, hottest)
    second = begin(problem, first.uses)
    for i_round in range(3, 8):
        second.run_round(i_round, plan, hottest)
    assert np.array_equal(second.uses, whole.uses)


@both_boards
def test_run_round__seed_and_lanes_decide(board):
    problem, uses = board.problem(200, BLOCKS), random_uses(1000, 200)
    searches = [begin(problem, uses, seed=1), begin(problem, uses, seed=2), begin(problem, uses, n_lanes=2)]
    for search in searches:
        refined(search, 3)
    assert len({search.uses.tobytes() for search in searches}) == 3


@both_boards
def test_run_round__whole_pool_in_the_subset_leaves_nothing_to_swap(board):
    search = begin(board.problem(1000, BLOCKS), np.ones(1000, np.uint16))
    assert search.hottest(HEAT_OF_RANDOM) == 0
    assert [(done.n_trials, done.n_kept) for done in refined(search, 2)] == [(0, 0), (0, 0)]
    assert (search.uses == 1).all()


@both_boards
def test_run_round__single_unit_finds_the_best_one(board):
    problem = board.problem(1, pool_of(40))
    search = begin(problem, random_uses(40, 1))
    plan = Cooling(1)
    for i_round in range(1, 200):
        search.run_round(i_round, plan, 0.0)
    assert search.uses.sum() == 1
    each = [value_of(np.eye(40, dtype=np.uint16)[i], problem) for i in range(40)]
    assert search.objective == pytest.approx(min(each))


@both_boards
def test_run_round__equal_units_are_not_swapped(board):
    problem = board.problem(32, pool_of(64))
    same = replace(
        problem, load_codes=lambda block: board.take(problem.load_codes(block), np.zeros(block.n_units, int))
    )
    search = Refinement(random_uses(64, 32), problem.objective.target.copy(), same, one_by_one(same), 1, 4)
    assert [done.n_proposed for done in refined(search, 3)] == [0, 0, 0]


@both_boards
def test_is_perfect__when_every_cell_holds_what_it_should(board):
    problem, uses = board.problem(100, BLOCKS), random_uses(1000, 100)
    search = begin(problem, uses)
    assert not search.is_perfect
    target = problem.objective.target - residual_of(uses, problem)
    perfect = begin(replace(problem, objective=replace(problem.objective, target=target)), uses)
    assert perfect.is_perfect
    assert perfect.objective == 0
