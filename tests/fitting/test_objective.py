"""The objective is mostlyai-qa's accuracy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from issodask.fitting.objective import Objective
from issodask.report.accuracy import measure
from issodask.table.blocks import SequenceCodes
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from issodask.table.sequences import SequenceCliques, coherence_only
from tests import naive
from tests.strategies import cases, group_problems, problems, sequence_bins_of


def objective_of(sizes, n_original, n_units):
    layout = Cliques.of(sizes)
    marginals = count_marginals([np.zeros((n_original, len(sizes)), np.uint8)], layout)
    return Objective.of(marginals, layout, n_original, n_units)


def names_of(problem):
    return tuple(map(str, range(problem.layout.n_columns)))


def value_of(objective, codes):
    return objective.value(objective.residual(count_marginals([codes], objective.cliques)))


def most_rounding(objective):
    """All targets half a part off."""
    return objective.cliques.sum_by_family(np.ones(objective.cliques.n_cells)) @ objective.weights / 2


def n_cliques_of(layout):
    """By family."""
    n_rows = [
        len((layout.rows if isinstance(layout, SequenceCliques) else layout).by_arity.get(k, ())) for k in (1, 2, 3)
    ]
    return np.array(n_rows + [layout.n_columns] * (len(layout.families) - 3))


# values


@given(problems())
def test_value__is_one_minus_the_accuracy(problem):
    subset, objective = problem.pool[: problem.n_units], problem.objective
    accuracy = measure(problem.original, subset, problem.layout.index.sizes, names_of(problem)).overall
    tolerance = 1e-12 if objective.unit == 1 else most_rounding(objective)
    assert value_of(objective, subset) == pytest.approx(1 - accuracy, abs=tolerance)


@given(group_problems())
def test_value__is_one_minus_the_accuracy_of_groups(problem):
    """Up to the rounding of targets, and of what a category weighs (one of 2,520 parts at most)."""
    tolerance = most_rounding(problem.objective) + 1e-3
    accuracy = naive.overall_accuracy(*problem.twins, problem.unit)
    assert value_of(problem.objective, problem.subset) == pytest.approx(1 - accuracy, abs=tolerance)


@given(problems())
def test_value__whole_targets_make_it_exact(problem):
    assume(problem.n_units % len(problem.original) == 0)
    subset = np.repeat(problem.original, problem.n_units // len(problem.original), axis=0)
    assert problem.objective.unit == 1
    assert value_of(problem.objective, subset) == 0


@given(group_problems(most_rows=30), st.integers(1, 3))
def test_value__of_the_original_groups_is_nothing(problem, times):
    rows, starts = problem.original
    again = SequenceCodes(np.tile(rows, (times, 1)), np.concatenate([[0], np.cumsum(np.tile(np.diff(starts), times))]))
    n_original = len(starts) - 1
    layout = replace(problem.layout, unit=2_520)
    objective = Objective.of(count_marginals([problem.original], layout), layout, n_original, times * n_original)
    assert value_of(objective, again) == 0


@given(cases())
def test_value__equals_twin(case):
    objective = Objective(case.layout, 1, np.zeros_like(case.residual), case.scale, case.weights)
    case.residual[np.setdiff1d(np.arange(case.layout.n_cells), case.positions)] = 0
    assert objective.value(case.residual) == pytest.approx(case.value(), abs=1e-12 * case.scale)


@given(st.one_of(problems(), group_problems()))
def test_residual__of_nothing_is_the_target(problem):
    nothing = np.zeros(problem.layout.n_cells, np.int64)
    assert np.array_equal(problem.objective.residual(nothing), problem.objective.target)


@given(group_problems())
def test_residual__of_groups_counts_their_parts_once(problem):
    layout, objective = problem.layout, problem.objective
    counts = count_marginals([problem.subset], layout)
    assert objective.unit == layout.unit
    assert np.array_equal(objective.target - objective.residual(counts), counts)


# weights


@given(st.one_of(problems(), group_problems()))
def test_weights__of_a_table_all_wrong_sum_to_one(problem):
    """Two tables without a cell in common have a distance of 1 in each clique."""
    worst = 2 * problem.objective.n_units * problem.objective.unit * n_cliques_of(problem.layout)
    assert worst @ problem.objective.weights == pytest.approx(1)


@pytest.mark.parametrize("n_units", [3, 5])
def test_value__of_groups_without_anything_in_common_is_one(n_units):
    """Groups of 1 row of zeros, and of 3 rows of other values."""
    bins = sequence_bins_of([4, 4], 2, np.random.default_rng(1))
    bins = replace(bins, categories=((0, 1, 1, 1, 1),) * 2, mean_categories=(1.0, 1.0))
    layout = SequenceCliques.of(bins, n_units)
    original = SequenceCodes(np.zeros((4, 7), np.uint8), np.arange(5))
    values = np.tile([[1, 2], [2, 3], [3, 1]], (n_units, 1))
    other = np.hstack([values, np.ones((3 * n_units, 1)), values, values]).astype(np.uint8)
    objective = Objective.of(count_marginals([original], layout), layout, 4, n_units)
    assert value_of(objective, SequenceCodes(other, np.arange(0, 3 * n_units + 1, 3))) == pytest.approx(1, abs=1e-12)


@given(group_problems())
def test_coherence_only__looks_at_nothing_else(problem):
    weights, layout = problem.objective.weights, problem.layout
    alone = replace(problem.objective, weights=coherence_only(weights))
    random = np.random.default_rng(1)
    residual = random.integers(-9, 9, layout.n_cells).astype(np.int32)
    assert alone.value(residual) == pytest.approx(layout.sum_by_family(abs(residual))[3:] @ weights[3:])
    residual[layout.family_starts[3] :] = 0
    assert alone.value(residual) == 0


@pytest.mark.parametrize(
    ("sizes", "shares"), [([4], [1, 0, 0]), ([4, 1], [0.5, 0.5, 0]), ([1, 1, 1], [1 / 3, 1 / 3, 1 / 3])]
)
def test_weights__narrow_tables(sizes, shares):
    objective = objective_of(sizes, 3, 3)
    assert (objective.weights * n_cliques_of(objective.cliques) * 2 * 3).tolist() == pytest.approx(shares)


@pytest.mark.parametrize(
    ("sizes", "shares"), [([2], [1 / 3, 1 / 3, 0, *[1 / 9] * 3]), ([2, 2], [1 / 4, 1 / 4, 1 / 4, *[1 / 12] * 3])]
)
def test_weights__narrow_tables_of_groups(sizes, shares):
    """Coherence is a fourth (or with a single column a third) of the whole, in three equal parts."""
    layout = SequenceCliques.of(sequence_bins_of(sizes, 2, np.random.default_rng(1)), 3)
    objective = Objective.of(np.zeros(layout.n_cells, np.int64), layout, 3, 3)
    assert (objective.weights * n_cliques_of(layout) * 2 * 3 * 2_520).tolist() == pytest.approx(shares)


# units and targets


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


@pytest.mark.parametrize("n_units", [1, 100, 2**16, 2**20 + 1, 2**26, 2**27])
def test_unit__of_groups_shrinks_so_that_large_targets_fit(n_units):
    layout = SequenceCliques.of(sequence_bins_of([1], 1, np.random.default_rng(1)), n_units)
    objective = Objective.of(np.full(layout.n_cells, 7 * layout.unit), layout, 7, n_units)
    assert objective.unit == layout.unit == max(1, min(2_520, 2**27 // n_units))
    assert objective.target.max() == objective.unit * n_units <= 2**27


# noise


@pytest.mark.parametrize("n_units", [100, 10_000, 2**26])
def test_noise__of_groups_is_the_deviation_of_random_samples(n_units):
    """Also where n_units * unit * target is beyond 2**31, and that squared beyond 2**63."""
    random = np.random.default_rng(1)
    layout = SequenceCliques.of(sequence_bins_of([2], 2, random), n_units)
    shares = random.random(layout.n_cells) ** 2
    target = np.rint(shares * n_units * layout.unit).astype(np.int32)
    counts = random.binomial(n_units, shares, (4_000, layout.n_cells))
    noise = Objective(layout, n_units, target, layout.unit, layout.family_shares).noise
    assert noise == pytest.approx(counts.std(axis=0) * layout.unit, rel=0.06)


@given(problems())
def test_noise__rows_are_all_counted(problem):
    assert not problem.objective.noise.any()


@given(st.one_of(problems(), group_problems()), st.sampled_from([1, 2**10, 2**16]))
def test_noise__is_never_negative_nor_undefined(problem, times):
    objective = replace(problem.objective, n_units=times * problem.objective.n_units)
    objective = replace(
        objective, target=np.minimum(objective.target.astype(np.int64) * times, 2**31 - 1).astype(np.int32)
    )
    assert objective.noise.dtype == np.float32
    assert np.isfinite(objective.noise).all()
    assert (objective.noise >= 0).all()


def test_noise__cells_that_hold_all_or_nothing_have_none():
    layout = SequenceCliques.of(sequence_bins_of([1], 1, np.random.default_rng(1)), 20)
    codes = SequenceCodes(np.zeros((10, 4), np.uint8), np.arange(11))
    objective = Objective.of(count_marginals([codes], layout), layout, 10, 20)
    is_category = np.arange(layout.n_cells) >= layout.family_starts[5]
    assert set(objective.target[~is_category].tolist()) == {0, 20 * layout.unit}
    assert not objective.noise[~is_category].any()
