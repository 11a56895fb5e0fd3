"""The bound: no subset is better than it says, and it says something."""

from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.fitting.bound import Relaxation, bound_of_cells, count_block, pass_block
from issodask.fitting.objective import Objective
from issodask.fitting.problem import Problem
from issodask.fitting.team import total
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from issodask.table.sequences import SequenceCliques
from tests.fitting.boards import GROUPS, ROWS, PoolBlock, both_boards, pool_of, residual_of
from tests.strategies import codes_of, groups_of, sequence_bins, small_domains, take_groups

OF_UNITS = st.integers(1, 4)


def bounds_of(problem, n_passes=32):
    """Both bounds: of cells, and of the relaxation."""
    objective = problem.objective
    full = total((count_block(block, problem) for block in problem.blocks), objective.cliques.n_cells)
    relaxation = Relaxation(problem, full)
    bound = relaxation.run(lambda prices: (pass_block(block, prices, problem) for block in problem.blocks), n_passes)
    return bound_of_cells(objective, full, problem.may_repeat), bound


def best_of_all(problem, n_pool):
    """The objective of the best subset, by trying all."""
    choose = combinations_with_replacement if problem.may_repeat else combinations
    tried = (
        np.bincount(units, minlength=n_pool).astype(np.uint16)
        for units in choose(range(n_pool), problem.objective.n_units)
    )
    return min(problem.objective.value(residual_of(uses, problem)) for uses in tried)


@st.composite
def tiny_rows(draw):
    """A pool of up to 8 rows, and an original of another size as often as not."""
    layout = Cliques.of(draw(small_domains))
    sizes = layout.index.sizes.tolist()
    n_original, n_units = draw(OF_UNITS), draw(OF_UNITS)
    original, pool = draw(codes_of(sizes, n_original, n_original)), draw(codes_of(sizes, max(n_units, 4), 8))
    objective = Objective.of(count_marginals([original], layout), layout, n_original, n_units)
    return bench_of(draw, objective, len(pool), lambda block: pool[block.first_unit :][: block.n_units])


@st.composite
def tiny_groups(draw):
    """The same of groups."""
    bins, n_units = draw(sequence_bins()), draw(OF_UNITS)
    layout = SequenceCliques.of(bins, n_units)
    original = draw(groups_of(layout.sizes, 1, 4, 5, now_and_then=5))
    pool = draw(groups_of(layout.sizes, max(n_units, 4), 7, 5, now_and_then=5))
    marginals = count_marginals([original], layout)
    objective = Objective.of(marginals, layout, len(original.starts) - 1, n_units)
    return bench_of(
        draw,
        objective,
        len(pool.starts) - 1,
        lambda block: take_groups(pool, np.arange(block.first_unit, block.first_unit + block.n_units)),
    )


def bench_of(draw, objective, n_pool, load):
    n_first = draw(st.integers(1, n_pool - 1))
    blocks = [PoolBlock(n_first, 0), PoolBlock(n_pool - n_first, n_first)]
    return Problem(objective, blocks, load, may_repeat=draw(st.booleans())), n_pool


@pytest.mark.slow
@given(st.one_of(tiny_rows(), tiny_groups()))
def test_bound__no_subset_is_better(problem):
    problem, n_pool = problem
    best = best_of_all(problem, n_pool)
    of_cells, of_relaxation = bounds_of(problem, n_passes=12)
    assert 0 <= of_cells <= best + 1e-12
    assert 0 <= of_relaxation <= best + 1e-12


def lacking_pool(n_each=30, n_units=40):
    """Two columns of 0 and 1; no row of the pool has 1 in both, as a quarter of the original has."""
    layout = Cliques.of([2, 2])
    original = np.repeat(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.uint8), n_units // 4, axis=0)
    pool = np.repeat(np.array([[0, 0], [0, 1], [1, 0]], np.uint8), n_each, axis=0)
    objective = Objective.of(count_marginals([original], layout), layout, n_units, n_units)
    return Problem(objective, pool_of(len(pool)), lambda block: pool)


def test_bound_of_cells__what_the_pool_lacks_counts_twice():
    problem = lacking_pool()
    of_cells, _ = bounds_of(problem, n_passes=3)
    weight = problem.objective.weights[1]
    assert of_cells == pytest.approx(2 * 10 * weight)  # ten rows too few there, ten too many elsewhere


@pytest.mark.slow
def test_relaxation__sees_what_single_cells_do_not():
    """Whatever is taken instead of the rows that lack, single columns or pairs are further off."""
    problem = lacking_pool()
    of_cells, of_relaxation = bounds_of(problem, n_passes=200)
    counts = [(a, b, 40 - a - b) for a in range(31) for b in range(31) if 0 <= 40 - a - b <= 30]
    best = min(
        problem.objective.value(
            residual_of(np.concatenate([np.arange(30) < n for n in row]).astype(np.uint16), problem)
        )
        for row in counts
    )
    assert of_cells < of_relaxation <= best + 1e-12
    assert of_relaxation > 0.98 * best


@pytest.mark.parametrize("n_units", [9, 10, 11])
def test_bound_of_cells__targets_between_whole_numbers(n_units):
    """Of ten original rows with ten values, nine or eleven rows are off wherever they lie."""
    layout = Cliques.of([10])
    original = np.arange(10, dtype=np.uint8)[:, None]
    objective = Objective.of(count_marginals([original], layout), layout, 10, n_units)
    pool = np.repeat(original, 5, axis=0)
    problem = Problem(objective, pool_of(50), lambda block: pool)
    of_cells, _ = bounds_of(problem, n_passes=3)
    assert of_cells == pytest.approx(abs(n_units - 10) / (2 * n_units), rel=0.02)


@pytest.mark.slow
@both_boards
def test_relaxation__more_passes_say_no_less_of_it(board):
    problem = board.problem(600, pool_of(400, 600))
    few, many = (bounds_of(problem, n_passes)[1] for n_passes in (4, 120))
    assert few <= many
    assert many > 0


@pytest.mark.slow
@pytest.mark.parametrize("board", [ROWS, GROUPS])
def test_relaxation__all_of_the_pool_is_the_only_subset(board):
    problem = board.problem(50, pool_of(20, 30))
    uses = np.ones(50, np.uint16)
    only = problem.objective.value(residual_of(uses, problem))
    _, bound = bounds_of(problem, n_passes=200)
    assert 0.5 * only < bound <= only + 1e-12
