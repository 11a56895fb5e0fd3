"""The objective is mostlyai-qa's accuracy."""

import numpy as np
import pytest
from hypothesis import assume, given

from issodask.fitting.objective import Objective
from issodask.report.accuracy import measure
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from tests import naive
from tests.strategies import as_dict, cases, problems


def objective_of(sizes, n_original, n_units):
    layout = Cliques.of(sizes)
    marginals = count_marginals([np.zeros((n_original, len(sizes)), np.uint8)], layout)
    return Objective.of(marginals, layout, n_original, n_units)


def names_of(problem):
    return tuple(map(str, range(problem.layout.n_columns)))


@given(problems())
def test_value__is_one_minus_the_accuracy(problem):
    subset = problem.pool[: problem.n_units]
    value = problem.objective.value(problem.objective.residual(count_marginals([subset], problem.layout)))
    accuracy = measure(problem.original, subset, problem.layout.index.sizes, names_of(problem)).overall
    most_rounding = problem.layout.sum_by_arity(np.ones(problem.layout.n_cells)) @ problem.objective.arity_weights / 2
    exact = problem.objective.unit == 1
    assert value == pytest.approx(1 - accuracy, abs=1e-12 if exact else most_rounding)


@given(problems())
def test_value__whole_targets_make_it_exact(problem):
    assume(problem.n_units % len(problem.original) == 0)
    subset = np.repeat(problem.original, problem.n_units // len(problem.original), axis=0)
    residual = problem.objective.residual(count_marginals([subset], problem.layout))
    assert problem.objective.unit == 1
    assert problem.objective.value(residual) == 0


@given(cases())
def test_value__equals_twin(case):
    objective = Objective(case.layout, 1, np.zeros_like(case.residual), case.unit, case.arity_weights)
    expected = naive.objective(as_dict(case.residual, case.layout), case.arity_weights)
    assert objective.value(case.residual) == pytest.approx(expected, abs=1e-12)


@given(problems())
def test_residual__of_nothing_is_the_target(problem):
    nothing = np.zeros(problem.layout.n_cells, np.int64)
    assert np.array_equal(problem.objective.residual(nothing), problem.objective.target)


@given(problems())
def test_arity_weights__of_a_table_all_wrong_sum_to_one(problem):
    """Two tables without a cell in common have a distance of 1 in each clique."""
    sums = np.array([len(problem.layout.by_arity.get(arity, ())) for arity in (1, 2, 3)])
    worst = 2 * problem.n_units * problem.objective.unit * sums
    assert worst @ problem.objective.arity_weights == pytest.approx(1)


@pytest.mark.parametrize(("n_original", "n_units", "unit"), [(10, 10, 1), (10, 30, 1), (10, 5, 256), (10, 15, 256)])
def test_unit__is_one_where_targets_are_whole(n_original, n_units, unit):
    objective = objective_of([1, 2], n_original, n_units)
    assert objective.unit == unit
    assert objective.target.max() == n_units * unit


def test_unit__shrinks_so_that_large_targets_fit():
    objective = objective_of([1], 7, 2**24)
    assert objective.unit == 8
    assert objective.target.tolist() == [2**27]


@pytest.mark.parametrize("n_units", [100, 2**19, 2**20 + 1, 2**24])
def test_residual__of_an_oversized_subset_fits(n_units):
    """A constant column has all units in one cell; trimming starts from many times as many."""
    objective = objective_of([1], 7, n_units)
    assert objective.residual(np.array([8 * n_units])).tolist() == [-7 * n_units * objective.unit]
    assert 8 * int(objective.target[0]) < 2**31


@pytest.mark.parametrize(
    ("sizes", "shares"), [([4], [1, 0, 0]), ([4, 1], [0.5, 0.5, 0]), ([1, 1, 1], [1 / 3, 1 / 3, 1 / 3])]
)
def test_arity_weights__narrow_tables(sizes, shares):
    objective = objective_of(sizes, 3, 3)
    n_cliques = np.array([len(objective.cliques.by_arity.get(arity, ())) for arity in (1, 2, 3)])
    assert (objective.arity_weights * n_cliques * 2 * 3).tolist() == pytest.approx(shares)
