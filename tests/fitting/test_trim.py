"""Trimming an oversized subset of rows or groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.fitting.schedule import TrimPlan
from issodask.fitting.trim import Batches, Trimming, TrimStart, shuffled
from issodask.runtime.local import ThreadTeam
from tests.fitting.boards import (
    GROUPS,
    NO_TRIPLES,
    ROWS,
    WIDE,
    all_boards,
    pool_of,
    random_uses,
    residual_of,
    value_of,
)

BATCHES = Batches()


def start(uses, problem, team, n_steps=20, seed=1, batches=BATCHES):
    """A trimming that is about to begin."""
    order = shuffled(np.repeat(np.arange(len(uses)), uses), seed)
    plan = TrimPlan(len(order), problem.objective.n_units, n_steps)
    return Trimming(TrimStart(order, residual_of(uses, problem)), plan, problem, team, seed, batches)


def uses_until_now(search, problem):
    n_pool = sum(block.n_units for block in problem.blocks)
    return np.bincount(search.order, minlength=n_pool).astype(np.uint16)


def uses_of(search, problem):
    """How often each unit is used in the end; the residual must have kept up with that."""
    uses = uses_until_now(search, problem)
    assert np.array_equal(search.residual, residual_of(uses, problem))
    return uses


def trimmed(uses, problem, n_steps=20, n_picks=4, n_threads=1, seed=1, batches=BATCHES):
    """How often each unit is used after trimming, and the sizes on the way."""
    with ThreadTeam(n_threads) as team:
        search = start(uses, problem, team, n_steps, seed, batches)
        steps = [search.run_step(n_picks) for _ in range(n_steps)]
    after = uses_of(search, problem)
    assert steps[-1].objective == pytest.approx(value_of(after, problem))
    return after, [step.n_left for step in steps]


@settings(max_examples=30)
@given(st.data(), st.sampled_from([ROWS, WIDE, GROUPS]), st.integers(1, 60), st.integers(1, 5), st.integers(1, 30))
def test_trim__ends_at_the_exact_size(data, board, n_start, n_picks, n_steps):
    n_units = data.draw(st.integers(1, n_start))
    n_original = data.draw(st.sampled_from([n_units, 17]))
    before = random_uses(60, n_start)
    uses, sizes = trimmed(before, board.problem(n_units, pool_of(25, 0, 35), n_original), n_steps, n_picks)
    assert uses.sum() == sizes[-1] == n_units
    assert (uses <= before).all()
    assert len(sizes) == n_steps
    assert sizes == sorted(sizes, reverse=True)


@all_boards
def test_trim__units_used_twice_may_go_once(board):
    uses, _ = trimmed(np.full(30, 2, np.uint16), board.problem(45, pool_of(20, 10), may_repeat=True))
    assert uses.sum() == 45
    assert set(uses.tolist()) <= {0, 1, 2}


@all_boards
def test_trim__beats_chance(board):
    problem = board.problem(100, pool_of(300, 300))
    uses, _ = trimmed(np.ones(600, np.uint16), problem, n_picks=16)
    by_chance = [value_of(random_uses(600, 100, seed), problem) for seed in range(10)]
    assert value_of(uses, problem) < 0.7 * min(by_chance)


@all_boards
def test_trim__any_number_of_threads(board):
    problem, before = board.problem(30, pool_of(120)), random_uses(120, 90)
    expected, _ = trimmed(before, problem)
    for n_threads in (1, 2, 3):
        uses, _ = trimmed(before, problem, n_threads=n_threads, batches=Batches(worth_threads=0))
        assert np.array_equal(uses, expected)


@all_boards
def test_trim__several_units_side_by_side_by_any_number_of_threads(board):
    problem, before = board.problem(30, pool_of(120)), random_uses(120, 90)
    expected, sizes = trimmed(before, problem, batches=Batches(units_per_batch=20))
    assert sizes[-1] == expected.sum() == 30
    for n_threads in (1, 3):
        shared = Batches(units_per_batch=20, worth_threads=0)
        assert np.array_equal(trimmed(before, problem, n_threads=n_threads, batches=shared)[0], expected)


@pytest.mark.parametrize(("n_picks", "screened"), [(2, True), (4, True), (5, False), (40, False)])
def test_trim__where_triples_are_a_sample_pairs_say_which_quarter_is_looked_at(n_picks, screened):
    before = random_uses(120, 90)
    of_pairs, _ = trimmed(before, NO_TRIPLES.problem(30, pool_of(120)), n_picks=n_picks)
    wide, _ = trimmed(before, WIDE.problem(30, pool_of(120)), n_picks=n_picks)
    assert np.array_equal(of_pairs, wide) == screened


@all_boards
def test_trim__any_cut_into_blocks(board):
    before = random_uses(120, 90)
    expected, _ = trimmed(before, board.problem(30, pool_of(120)))
    for blocks in (pool_of(50, 0, 1, 69), pool_of(*[10] * 12)):
        assert np.array_equal(trimmed(before, board.problem(30, blocks))[0], expected)


@all_boards
def test_trim__seed_decides(board):
    problem, before = board.problem(30, pool_of(120)), random_uses(120, 90)
    first, again, other = (trimmed(before, problem, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@all_boards
@pytest.mark.parametrize("n_units", [1, 60])
def test_trim__nothing_to_do(board, n_units):
    before = random_uses(60, n_units)
    uses, sizes = trimmed(before, board.problem(n_units, pool_of(60)))
    assert np.array_equal(uses, before)
    assert set(sizes) == {n_units}


@all_boards
@pytest.mark.parametrize("i_step", [0, 1, 9, 19, 20])
@pytest.mark.parametrize("may_repeat", [False, True])
def test_trim__goes_on_from_any_step(board, i_step, may_repeat):
    problem = board.problem(45, pool_of(20, 70), may_repeat=may_repeat)
    before = np.full(90, 3, np.uint16) if may_repeat else np.ones(90, np.uint16)
    expected, sizes = trimmed(before, problem)
    with ThreadTeam(1) as team:
        first = start(before, problem, team)
        for _ in range(i_step):
            first.run_step(4)
        plan = TrimPlan(int(before.sum()), 45, 20)
        residual = residual_of(uses_until_now(first, problem), problem)
        second = Trimming(
            TrimStart(first.order, residual, first.next_step, first.typical_weight), plan, problem, team, 1
        )
        went_on = [second.run_step(4).n_left for _ in range(i_step, 20)]
    assert went_on == sizes[i_step:]
    assert np.array_equal(uses_of(second, problem), expected)


@all_boards
def test_trim__units_are_left_in_an_order_that_is_part_of_the_result(board):
    problem, before = board.problem(45, pool_of(90)), np.ones(90, np.uint16)
    expected, _ = trimmed(before, problem)
    with ThreadTeam(1) as team:
        order = np.arange(90)
        other = Trimming(TrimStart(order, residual_of(before, problem)), TrimPlan(90, 45, 20), problem, team, 1)
        for _ in range(20):
            other.run_step(4)
    assert not np.array_equal(uses_of(other, problem), expected)
