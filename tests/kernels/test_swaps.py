"""The kernels that swap and trim, against their naive twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.cells import removal_gains, removal_table
from issodask.kernels.swaps import burst, draw_rows, remove_best, same_codes, settle_swaps, swap_gains, trim_groups
from issodask.table.cliques import Cliques
from tests import naive
from tests.strategies import Case, as_dict, cases, held_cliques, small_domains

swap_cases = cases(small_domains, min_units=2, max_units=8)


def drawn_uses(case, may_repeat):
    """How often each unit is in the subset: at least one is, and the members once per use."""
    uses = case.random.integers(0, 3 if may_repeat else 2, len(case.codes))
    uses[0] = max(uses[0], 1)
    return uses, np.repeat(np.arange(len(uses)), uses)


def recount(case, residual):
    return naive.objective(as_dict(residual, case.layout), case.arity_weights)


@given(swap_cases)
def test_same_codes__equals_twin(case):
    for x in case.codes:
        assert same_codes(x, case.codes[0]) == (x.tolist() == case.codes[0].tolist())


@given(swap_cases)
def test_swap_gains__are_the_recounted_changes(case):
    leaving, joining = (case.random.integers(0, len(case.codes), 6) for _ in range(2))
    gains = np.empty(6)
    swap_gains(case.residual, *case.scale, case.codes, leaving, joining, gains)
    residual = case.naive_residual
    for y, x, gain in zip(leaving, joining, gains, strict=True):
        after = naive.swapped(residual, case.codes[y], case.codes[x], case.cliques, case.unit)
        assert gain == pytest.approx(naive.gain(residual, after, case.arity_weights), abs=1e-9)


@given(swap_cases)
def test_swap_gains__unit_for_itself_is_nothing(case):
    units = np.arange(len(case.codes))
    gains = np.empty(len(units))
    swap_gains(case.residual, *case.scale, case.codes, units, units, gains)
    assert gains == pytest.approx(0, abs=1e-9)


@given(swap_cases, st.booleans(), st.integers(1, 2), st.integers(1, 3), st.integers(1, 6))
def test_burst__equals_twin(case, may_repeat, n_picks, n_candidates, most):
    uses, members = drawn_uses(case, may_repeat)
    picks = case.random.integers(0, len(members), (6, n_picks))
    candidates = case.random.integers(0, len(case.codes), (6, n_candidates))
    thresholds = case.random.exponential(3.0 * case.unit, 6) * case.random.integers(0, 2, 6)
    trials = (may_repeat, picks, candidates, thresholds)
    expected, residual, members_left, uses_left = naive.burst(
        case.naive_residual, *case.naive_scale, case.codes, members, uses, *trials, most
    )
    swaps = np.full((most, 3), -1)
    n_swaps = burst(case.residual, *case.scale, case.codes, members, uses, *trials, swaps)
    assert [tuple(swap) for swap in swaps[:n_swaps].tolist()] == expected
    assert as_dict(case.residual, case.layout) == residual
    assert (members.tolist(), uses.tolist()) == (members_left, uses_left)


@given(swap_cases, st.booleans())
def test_burst__without_heat_never_raises_the_objective(case, may_repeat):
    uses, members = drawn_uses(case, may_repeat)
    n_members = len(members)
    before = recount(case, case.residual)
    picks = case.random.integers(0, n_members, (20, 1))
    candidates = case.random.integers(0, len(case.codes), (20, 2))
    swaps = np.empty((20, 3), np.int64)
    burst(case.residual, *case.scale, case.codes, members, uses, may_repeat, picks, candidates, np.zeros(20), swaps)
    assert recount(case, case.residual) <= before * (1 + 1e-12)
    assert np.array_equal(np.bincount(members, minlength=len(uses)), uses)
    assert uses.sum() == n_members
    assert may_repeat or uses.max() <= 1


def drawn_proposals(case):
    """Proposals as lanes might make them, impossible ones among them: leaving units that are out, joining ones in."""
    units = case.random.integers(0, len(case.codes), (8, 2))
    thresholds = case.random.exponential(3.0 * case.unit, 8)
    return units, case.codes[units], thresholds


@given(swap_cases, st.booleans())
def test_settle_swaps__equals_twin(case, may_repeat):
    uses = drawn_uses(case, may_repeat)[0].astype(np.uint16)
    units, codes, thresholds = drawn_proposals(case)
    expected, total, residual, uses_left = naive.settle_swaps(
        case.naive_residual, *case.naive_scale, uses.tolist(), may_repeat, units, codes, thresholds
    )
    kept = np.empty(len(units), np.bool_)
    gained = settle_swaps(case.residual, *case.scale, uses, may_repeat, units, codes, thresholds, kept)
    assert np.flatnonzero(kept).tolist() == expected
    assert gained == pytest.approx(total, abs=1e-9)
    assert as_dict(case.residual, case.layout) == residual
    assert uses.tolist() == uses_left


@given(swap_cases, st.booleans())
def test_settle_swaps__returns_the_recounted_fall(case, may_repeat):
    uses = drawn_uses(case, may_repeat)[0].astype(np.uint16)
    n_uses, before = uses.sum(), recount(case, case.residual)
    units, codes, thresholds = drawn_proposals(case)
    kept = np.empty(len(units), np.bool_)
    gained = settle_swaps(case.residual, *case.scale, uses, may_repeat, units, codes, thresholds, kept)
    assert gained == pytest.approx(before - recount(case, case.residual), abs=1e-9)
    assert uses.sum() == n_uses
    assert may_repeat or uses.max() <= 1


@given(swap_cases)
def test_settle_swaps__of_a_burst_on_the_same_residual_keeps_all(case):
    uses, members = drawn_uses(case, may_repeat=False)
    residual, uses_before = case.residual.copy(), uses.astype(np.uint16)
    picks = case.random.integers(0, len(members), (10, 1))
    candidates = case.random.integers(0, len(case.codes), (10, 2))
    thresholds, swaps = case.random.exponential(case.unit, 10), np.empty((10, 3), np.int64)
    n = burst(case.residual, *case.scale, case.codes, members, uses, False, picks, candidates, thresholds, swaps)
    units = swaps[:n, :2].copy()
    kept = np.empty(n, np.bool_)
    bars = thresholds[swaps[:n, 2]] + 1e-9
    settle_swaps(residual, *case.scale, uses_before, False, units, case.codes[units], bars, kept)
    assert kept.all()
    assert np.array_equal(residual, case.residual)
    assert np.array_equal(uses_before, uses)


def removed_best(case: Case, left, rows, gains):
    """The rows that went, in order, and how many are left; changes the case's residual."""
    table = np.empty_like(case.residual)
    removal_table(case.residual, case.unit, table)
    places = np.argsort(left)
    args = (case.index, case.unit, case.codes, left, places, len(left), rows, gains)
    n_left = remove_best(case.residual, table, *args)
    expected = np.empty_like(table)
    removal_table(case.residual, case.unit, expected)
    assert np.array_equal(table, expected)
    assert np.array_equal(left[places], np.arange(len(left)))
    return left[n_left:][::-1].tolist(), n_left


@given(swap_cases, st.integers(0, 8), st.integers(1, 5))
def test_remove_best__equals_twin(case, n_groups, n_picks):
    left = case.random.permutation(len(case.codes))
    rows = case.random.integers(0, len(left), (n_groups, n_picks))
    gains = case.random.integers(-3, 3, (n_groups, n_picks)).astype(float)
    before = left.tolist()
    gone, residual = naive.remove_best(
        case.naive_residual, case.cliques, case.unit, case.codes, before, rows.tolist(), gains.tolist()
    )
    removed, n_left = removed_best(case, left, rows, gains)
    assert removed == gone
    assert sorted([*left[:n_left].tolist(), *gone]) == sorted(before)
    assert as_dict(case.residual, case.layout) == residual


@given(swap_cases, st.integers(1, 5))
def test_remove_best__of_one_group_falls_by_its_highest_gain(case, n_picks):
    table = np.empty_like(case.residual)
    removal_table(case.residual, case.unit, table)
    rows = case.random.integers(0, len(case.codes), (1, n_picks))
    gains = np.empty(n_picks)
    removal_gains(table, case.index, case.arity_weights, case.codes, rows[0], gains)
    before = recount(case, case.residual)
    removed_best(case, np.arange(len(case.codes)), rows, gains[None])
    assert before - recount(case, case.residual) == pytest.approx(gains.max(), abs=1e-9)


@given(swap_cases, st.integers(1, 5), st.integers(1, 3))
def test_trim_groups__equals_twin(case, n_picks, n_side_by_side):
    left = case.random.permutation(len(case.codes))
    draws = case.random.random((len(left) - 1, n_picks))
    gone, residual = naive.trim_groups(
        case.naive_residual, case.cliques, case.unit, case.arity_weights, case.codes, left, draws, n_side_by_side
    )
    table = np.empty_like(case.residual)
    removal_table(case.residual, case.unit, table)
    places = np.argsort(left)
    n_left = trim_groups(case.residual, table, *case.scale, case.codes, left, places, len(left), draws, n_side_by_side)
    assert left[n_left:][::-1].tolist() == gone
    assert as_dict(case.residual, case.layout) == residual


@given(st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_draw_rows__are_among_those_left(n_left, n_groups, n_picks):
    left = np.arange(10)[::-1].copy()
    draws = np.linspace(0, 1, n_groups * n_picks, endpoint=False).reshape(n_groups, n_picks)
    rows = np.empty(draws.shape, np.int64)
    draw_rows(left, n_left, draws, rows)
    assert rows.tolist() == [[int(left[int(draw * n_left)]) for draw in group] for group in draws]
    assert set(rows.ravel()) <= set(left[:n_left])


@given(st.integers(1, 1_000_000))
def test_draw_rows__largest_draw_is_the_last_one_left(n_left):
    rows = np.empty((1, 1), np.int64)
    draw_rows(np.arange(n_left + 1), n_left, np.full((1, 1), np.nextafter(1, 0)), rows)
    assert rows == n_left - 1


@given(swap_cases)
def test_trim_groups__one_at_a_time_ends_at_the_exact_size(case):
    left, before = np.arange(len(case.codes)), recount(case, case.residual)
    table = np.empty_like(case.residual)
    removal_table(case.residual, case.unit, table)
    lists = (case.codes, left, left.copy())
    n_left = trim_groups(case.residual, table, *case.scale, *lists, len(left), case.random.random((len(left), 3)), 1)
    assert n_left == 0
    assert sorted(left.tolist()) == list(range(len(case.codes)))
    counted = naive.count(case.codes, case.cliques)
    back = {cell: r - case.unit * counted[cell] for cell, r in as_dict(case.residual, case.layout).items()}
    assert naive.objective(back, case.arity_weights) == pytest.approx(before)


def one_column(residual):
    """A table of one column of three bins, with one unit in each."""
    layout = Cliques.of([3])
    residual = np.array(residual, np.int32)
    weights = np.array([1.0, 0, 0])
    return Case(layout, np.array([[0], [1], [2]], np.uint8), residual, 1, weights, np.random.default_rng(1))


def test_burst__swaps_what_is_too_many_for_what_is_missing():
    case = one_column([-1, 1, 0])
    uses, members, swaps = np.array([1, 0, 1]), np.array([0, 2]), np.empty((1, 3), np.int64)
    picks, candidates = np.array([[0]]), np.array([[1]])
    n = burst(case.residual, *case.scale, case.codes, members, uses, False, picks, candidates, np.zeros(1), swaps)
    assert (n, swaps.tolist()) == (1, [[0, 1, 0]])
    assert not case.residual.any()
    assert (members.tolist(), uses.tolist()) == ([1, 2], [0, 1, 1])


def test_burst__takes_no_unit_twice_unless_asked():
    case = one_column([-1, 2, -1])
    picks, candidates, swaps = np.array([[0]]), np.array([[1]]), np.empty((1, 3), np.int64)
    for may_repeat in (False, True):
        uses, members = np.array([1, 1, 0]), np.array([0, 1])
        n = burst(
            case.residual, *case.scale, case.codes, members, uses, may_repeat, picks, candidates, np.zeros(1), swaps
        )
        assert n == may_repeat
        assert uses.max() == 1 + may_repeat


def test_settle_swaps__second_swap_of_one_unit_is_refused():
    case = one_column([-1, 1, 1])
    units, kept = np.array([[0, 1], [0, 2]]), np.empty(2, np.bool_)
    uses = np.array([1, 0, 0], np.uint16)
    gained = settle_swaps(case.residual, *case.scale, uses, False, units, case.codes[units], np.full(2, np.inf), kept)
    assert kept.tolist() == [True, False]
    assert (gained, uses.tolist()) == (2.0, [0, 1, 0])


def test_settle_swaps__no_proposals():
    case = one_column([1, 0, -1])
    units, kept = np.empty((0, 2), np.int64), np.empty(0, np.bool_)
    uses = np.ones(3, np.uint16)
    assert settle_swaps(case.residual, *case.scale, uses, False, units, case.codes[units], np.empty(0), kept) == 0


def test_remove_best__single_unit_goes_once():
    case = one_column([0, 0, -1])
    left, rows = np.arange(3), np.array([[2, 2], [2, 2]])
    assert removed_best(case, left, rows, np.ones((2, 2))) == ([2], 2)
    assert not case.residual.any()


def test_remove_best__no_groups():
    case = one_column([0, 0, -1])
    assert removed_best(case, np.arange(3), np.empty((0, 4), np.int64), np.empty((0, 4))) == ([], 3)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [4], [2, 3]], ids=["constant columns", "one column only", "two columns"])
def test_swap_gains__edges(sizes):
    layout = Cliques.of(sizes)
    codes = np.array(list(np.ndindex(*sizes)), np.uint8)
    residual = np.arange(layout.n_cells, dtype=np.int32) - 2
    units = np.array(list(np.ndindex(len(codes), len(codes))))
    gains, weights = np.empty(len(units)), np.array([1.0, 0.5, 0.25])
    swap_gains(residual, layout.index, 1, weights, codes, *units.T.copy(), gains)
    before, cliques = as_dict(residual, layout), held_cliques(layout)
    expected = [naive.gain(before, naive.swapped(before, codes[y], codes[x], cliques, 1), weights) for y, x in units]
    assert gains.tolist() == pytest.approx(expected)
