"""Accuracy, clique by clique."""

import numpy as np
import pytest
from hypothesis import given

from issodask.report.accuracy import agreement, compare, measure
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from tests import naive
from tests.strategies import problems


def names(n_columns):
    return tuple(f"column {a}" for a in range(n_columns))


def of_problem(problem):
    return measure(problem.original, problem.pool, problem.layout.index.sizes, names(problem.layout.n_columns))


@given(problems())
def test_measure__equals_twin(problem):
    accuracy = of_problem(problem)
    means = []
    for arity, cliques in problem.layout.by_arity.items():
        expected = [naive.accuracy(problem.original, problem.pool, tuple(clique)) for clique in cliques.tolist()]
        assert accuracy.by_clique[arity] == pytest.approx(expected)
        assert np.array_equal(accuracy.cliques[arity], cliques)
        means.append(np.mean(expected))
    found = [accuracy.univariate, accuracy.bivariate, accuracy.trivariate][: len(means)]
    assert found == pytest.approx(means)
    assert accuracy.overall == pytest.approx(np.mean(means))


@given(problems())
def test_measure__a_table_matches_itself(problem):
    accuracy = measure(
        problem.original, problem.original[::-1], problem.layout.index.sizes, names(problem.layout.n_columns)
    )
    assert accuracy.overall == pytest.approx(1)


@given(problems())
def test_measure__lies_between_nothing_and_all(problem):
    accuracy = of_problem(problem)
    for values in [*accuracy.by_clique.values(), *accuracy.by_clique_max.values()]:
        assert (values <= 1 + 1e-12).all()
        assert (values >= -1e-12).all()


def test_measure__tables_without_a_common_bin():
    accuracy = measure(np.zeros((3, 2), np.uint8), np.ones((5, 2), np.uint8), [2, 2], names(2))
    assert (accuracy.overall, accuracy.univariate, accuracy.bivariate) == pytest.approx((0, 0, 0))


def test_measure__one_column_only():
    accuracy = measure(np.array([[0], [1]], np.uint8), np.array([[0], [0]], np.uint8), [2], ("a",))
    assert (accuracy.overall, accuracy.univariate) == (0.5, 0.5)
    assert (accuracy.bivariate, accuracy.trivariate, accuracy.trivariate_max) == (None, None, None)
    assert set(accuracy.cliques) == {1}


def test_measure__two_columns_have_no_trivariate():
    accuracy = measure(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), [1, 1], names(2))
    assert (accuracy.bivariate, accuracy.trivariate) == (1, None)


def test_measure__expected_maximum_is_what_two_samples_show():
    random = np.random.default_rng(1)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    found = []
    for _ in range(300):
        first, second = (random.choice(4, (n, 1), p=shares).astype(np.uint8) for n in (500, 800))
        found.append(measure(first, second, [4], ("a",)).overall)
    reference = np.repeat(np.arange(4), (shares * 500).astype(int)).astype(np.uint8)[:, None]
    expected = measure(reference, second, [4], ("a",)).overall_max
    assert np.mean(found) == pytest.approx(expected, abs=0.002)


def test_compare__counts_are_all_it_needs():
    random = np.random.default_rng(2)
    reference, table = (random.integers(0, 3, (n, 4)).astype(np.uint8) for n in (40, 70))
    layout = Cliques.of([3] * 4)
    counts = [count_marginals([codes], layout) for codes in (reference, table)]
    assert compare(*counts, layout, names(4)).overall == measure(reference, table, [3] * 4, names(4)).overall


def test_measure__expected_maximum_of_few_rows_in_many_cells():
    """Taken as normal, the shares of 1,000 cells would be 1.8 apart in sum between samples of 1,000 and of 50."""
    reference, table = np.arange(1_000, dtype=np.int64), np.arange(50, dtype=np.int64)
    counts = [np.bincount(cells, minlength=1_000) for cells in (reference, table)]
    accuracy, expected = agreement(*counts)
    assert accuracy == pytest.approx(0.05)
    assert expected == pytest.approx(0.001)  # 1 - (1 - sum of squared shares)


@given(problems())
def test_measure__expected_maximum_is_mostlyai_qas_where_that_can_be(problem):
    accuracy = of_problem(problem)
    n_reference, n_table = len(problem.original), len(problem.pool)
    for arity, cliques in problem.layout.by_arity.items():
        for found, clique in zip(accuracy.by_clique_max[arity], cliques.tolist(), strict=True):
            shares = np.unique(problem.original[:, clique], axis=0, return_counts=True)[1] / n_reference
            theirs = 1 - np.sqrt(shares * (1 - shares) * (1 / n_reference + 1 / n_table) * 2 / np.pi).sum() / 2
            assert found == pytest.approx(max(theirs, (shares**2).sum()))
