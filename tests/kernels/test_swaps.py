"""The kernels that swap and trim rows or groups, against their naive twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.loss import ONE
from issodask.kernels.swaps import burst, draw_units, remove_best, settle_swaps, swap_gains, trim_groups
from issodask.kernels.units import RowUnits, removal_gains
from issodask.table.cliques import Cliques
from tests import naive
from tests.strategies import Case, as_dict, cases, held_cliques, small_domains

swap_cases = cases(small_domains, min_units=2, max_units=8)


def drawn_uses(case, may_repeat):
    """How often each unit is in the subset: at least one is, and the members once per use."""
    uses = case.random.integers(0, 3 if may_repeat else 2, case.n_units)
    uses[0] = max(uses[0], 1)
    return uses, np.repeat(np.arange(len(uses)), uses)


@given(swap_cases)
def test_swap_gains__are_the_recounted_changes(case):
    leaving, joining = (case.random.integers(0, case.n_units, 6) for _ in range(2))
    gains, before = np.empty(6), case.residual.copy()
    swap_gains(case.residual, case.units, leaving, joining, gains)
    for y, x, fall in zip(leaving, joining, gains, strict=True):
        after = naive.swapped(case.naive_residual, case.twins[y], case.twins[x])
        assert fall == pytest.approx(naive.gain(case.naive_residual, after, case.weights), abs=1e-9 * case.scale)
    assert np.array_equal(case.residual, before)


@given(swap_cases)
def test_swap_gains__unit_for_itself_is_nothing(case):
    units = np.arange(case.n_units)
    gains = np.empty(len(units))
    swap_gains(case.residual, case.units, units, units, gains)
    assert gains == pytest.approx(0, abs=1e-9 * case.scale)


@given(swap_cases, st.booleans(), st.integers(1, 2), st.integers(1, 3), st.integers(1, 6))
def test_burst__equals_twin(case, may_repeat, n_picks, n_candidates, most):
    uses, members = drawn_uses(case, may_repeat)
    picks = case.random.integers(0, len(members), (6, n_picks))
    candidates = case.random.integers(0, case.n_units, (6, n_candidates))
    thresholds = case.random.exponential(3.0 * case.scale, 6) * case.random.integers(0, 2, 6)
    trials = (may_repeat, picks, candidates, thresholds)
    expected, residual, members_left, uses_left = naive.burst(
        case.naive_residual, case.twins, case.weights, case.alike, members, uses, *trials, most
    )
    swaps = np.full((most, 3), -1)
    n_swaps = burst(case.residual, case.units, members, uses, *trials, swaps)
    assert [tuple(swap) for swap in swaps[:n_swaps].tolist()] == expected
    assert as_dict(case.residual, case.layout) == residual
    assert (members.tolist(), uses.tolist()) == (members_left, uses_left)


@given(swap_cases, st.booleans())
def test_burst__without_heat_never_raises_the_objective(case, may_repeat):
    uses, members = drawn_uses(case, may_repeat)
    n_members, before = len(members), case.value()
    picks = case.random.integers(0, n_members, (20, 1))
    candidates = case.random.integers(0, case.n_units, (20, 2))
    swaps = np.empty((20, 3), np.int64)
    burst(case.residual, case.units, members, uses, may_repeat, picks, candidates, np.zeros(20), swaps)
    assert case.value() <= before * (1 + 1e-12)
    assert np.array_equal(np.bincount(members, minlength=len(uses)), uses)
    assert uses.sum() == n_members
    assert may_repeat or uses.max() <= 1


def drawn_proposals(case):
    """Proposals as lanes might make them, impossible ones among them: leaving units that are out, joining ones in.

    The pool has more units than those at hand: unit 10 + 3 u of it is the case's unit u.
    """
    places = case.random.integers(0, case.n_units, (8, 2))
    return places, 10 + 3 * places, case.random.exponential(3.0 * case.scale, 8)


def uses_of_pool(case, may_repeat):
    uses = np.zeros(10 + 3 * case.n_units, np.uint16)
    uses[10::3] = drawn_uses(case, may_repeat)[0]
    return uses


@given(swap_cases, st.booleans())
def test_settle_swaps__equals_twin(case, may_repeat):
    uses = uses_of_pool(case, may_repeat)
    places, swaps, thresholds = drawn_proposals(case)
    expected, total, residual, uses_left = naive.settle_swaps(
        case.naive_residual, case.twins, case.weights, places, uses.tolist(), may_repeat, swaps, thresholds
    )
    kept = np.empty(len(swaps), np.bool_)
    gained = settle_swaps(case.residual, case.units, places, uses, may_repeat, swaps, thresholds, kept)
    assert np.flatnonzero(kept).tolist() == expected
    assert gained == pytest.approx(total, abs=1e-9 * case.scale)
    assert as_dict(case.residual, case.layout) == residual
    assert uses.tolist() == uses_left


@given(swap_cases, st.booleans())
def test_settle_swaps__returns_the_recounted_fall(case, may_repeat):
    uses = uses_of_pool(case, may_repeat)
    n_uses, before = uses.sum(), case.value()
    places, swaps, thresholds = drawn_proposals(case)
    kept = np.empty(len(swaps), np.bool_)
    gained = settle_swaps(case.residual, case.units, places, uses, may_repeat, swaps, thresholds, kept)
    assert gained == pytest.approx(before - case.value(), abs=1e-9 * case.scale)
    assert uses.sum() == n_uses
    assert may_repeat or uses.max() <= 1


@given(swap_cases)
def test_settle_swaps__of_a_burst_on_the_same_residual_keeps_all(case):
    uses, members = drawn_uses(case, may_repeat=False)
    residual, uses_before = case.residual.copy(), uses.astype(np.uint16)
    picks = case.random.integers(0, len(members), (10, 1))
    candidates = case.random.integers(0, case.n_units, (10, 2))
    thresholds, taken = case.random.exponential(case.scale, 10), np.empty((10, 3), np.int64)
    n = burst(case.residual, case.units, members, uses, False, picks, candidates, thresholds, taken)
    swaps, kept = taken[:n, :2].copy(), np.empty(n, np.bool_)
    bars = thresholds[taken[:n, 2]] + 1e-9 * case.scale
    settle_swaps(residual, case.units, swaps, uses_before, False, swaps, bars, kept)
    assert kept.all()
    assert np.array_equal(residual, case.residual)
    assert np.array_equal(uses_before, uses)


def removed_best(case: Case, left, picks, gains):
    """The units that went, in order, and how many are left; changes the case's residual."""
    table, places = case.removal_table(), np.argsort(left)
    firsts, n_left, classes = one_class(left, len(picks))
    board = (case.residual, table, case.slopes, case.step, case.units, left, places, firsts, n_left, classes)
    gone = np.empty(len(picks), np.int64)
    n_gone = remove_best(*board, picks, gains, gone)
    assert np.array_equal(table, case.removal_table())
    assert np.array_equal(left[places], np.arange(len(left)))
    assert left[n_left[0] :][::-1].tolist() == gone[:n_gone].tolist()
    return gone[:n_gone].tolist(), int(n_left[0])


def one_class(left, n_groups):
    """Where it begins, how many are left of it, and that all groups are of it."""
    return np.zeros(1, np.int64), np.array([len(left)]), np.zeros(n_groups, np.int64)


@given(swap_cases, st.integers(0, 8), st.integers(1, 5))
def test_remove_best__equals_twin(case, n_groups, n_picks):
    left = case.random.permutation(case.n_units)
    picks = case.random.integers(0, len(left), (n_groups, n_picks))
    gains = case.random.integers(-3, 3, (n_groups, n_picks)).astype(float)
    before = left.tolist()
    gone, residual = naive.remove_best(case.naive_residual, case.twins, before, picks.tolist(), gains.tolist())
    removed, n_left = removed_best(case, left, picks, gains)
    assert removed == gone
    assert sorted([*left[:n_left].tolist(), *gone]) == sorted(before)
    assert as_dict(case.residual, case.layout) == residual


@given(swap_cases, st.integers(1, 5), st.integers(1, 3))
def test_trim_groups__equals_twin(case, n_picks, n_side_by_side):
    left = case.random.permutation(case.n_units)
    draws = case.random.random((len(left) - 1, n_picks))
    gone, residual = naive.trim_groups(
        case.naive_residual, case.twins, case.weights, case.guide, left, draws, n_side_by_side
    )
    board = (case.residual, case.removal_table(), case.slopes, case.step, case.units, left, np.argsort(left))
    firsts, n_left, classes = one_class(left, len(draws))
    trim_groups(*board, firsts, n_left, classes, draws, n_side_by_side)
    assert left[n_left[0] :][::-1].tolist() == gone
    assert as_dict(case.residual, case.layout) == residual


@given(swap_cases)
def test_trim_groups__one_at_a_time_ends_at_the_exact_size(case):
    left, before = np.arange(case.n_units), case.naive_residual
    board = (case.residual, case.removal_table(), case.slopes, case.step, case.units, left, left.copy())
    firsts, n_left, classes = one_class(left, len(left))
    trim_groups(*board, firsts, n_left, classes, case.random.random((len(left), 3)), 1)
    assert n_left == 0
    assert sorted(left.tolist()) == list(range(case.n_units))
    assert case.naive_residual == naive.with_step(before, naive.total(case.twins), 1)


@given(st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_draw_units__are_among_those_left(n_left, n_groups, n_picks):
    left = np.arange(10)[::-1].copy()
    draws = np.linspace(0, 1, n_groups * n_picks, endpoint=False).reshape(n_groups, n_picks)
    picks = np.empty(draws.shape, np.int64)
    classes = np.zeros(n_groups, np.int64)
    draw_units(left, np.zeros(1, np.int64), np.array([n_left]), classes, draws, picks)
    assert picks.tolist() == [[int(left[int(draw * n_left)]) for draw in group] for group in draws]
    assert set(picks.ravel()) <= set(left[:n_left])


@given(st.integers(1, 1_000_000))
def test_draw_units__largest_draw_is_the_last_one_left(n_left):
    picks = np.empty((1, 1), np.int64)
    left, last = np.arange(n_left + 1), np.full((1, 1), np.nextafter(1, 0))
    draw_units(left, *one_class(left[:n_left], 1), last, picks)
    assert picks == n_left - 1


@given(swap_cases, st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_trim_groups__each_class_loses_its_own_units(case, n_classes, n_rounds, n_picks, n_side_by_side):
    of_units = np.sort(case.random.integers(0, n_classes, case.n_units))
    sizes = np.bincount(of_units, minlength=n_classes)
    left, firsts, n_left = np.arange(case.n_units), np.cumsum(sizes) - sizes, sizes.copy()
    board = (case.residual, case.removal_table(), case.slopes, case.step, case.units, left, left.copy())
    before = case.naive_residual
    for _ in range(n_rounds):
        classes = np.repeat(np.arange(n_classes), case.random.integers(0, n_left + 1))
        case.random.shuffle(classes)
        n_before = n_left.copy()
        draws = case.random.random((len(classes), n_picks))
        trim_groups(*board, firsts, n_left, classes, draws, n_side_by_side)
        n_asked = np.bincount(classes, minlength=n_classes)
        assert (n_left >= n_before - n_asked).all()
        assert n_side_by_side > 1 or np.array_equal(n_left, n_before - n_asked)
    for number, (first, size) in enumerate(zip(firsts.tolist(), sizes.tolist(), strict=True)):
        assert sorted(left[first : first + size].tolist()) == np.flatnonzero(of_units == number).tolist()
    gone = [u for first, n, size in zip(firsts, n_left, sizes, strict=True) for u in left[first + n : first + size]]
    assert case.naive_residual == naive.with_step(before, naive.total([case.twins[u] for u in gone]), 1)


def one_column(residual):
    """A table of one column of three bins, with one unit in each."""
    layout, codes = Cliques.of([3]), np.array([[0], [1], [2]], np.uint8)
    units = RowUnits(codes, layout.index, 1, np.array([1.0, 0, 0]))
    twins = [naive.row(x, held_cliques(layout), 1) for x in codes]
    slopes = np.full(3, ONE, np.float32)
    return Case(layout, codes, units, twins, np.array(residual, np.int32), slopes, np.random.default_rng(1))


def test_burst__swaps_what_is_too_many_for_what_is_missing():
    case = one_column([-1, 1, 0])
    uses, members, swaps = np.array([1, 0, 1]), np.array([0, 2]), np.empty((1, 3), np.int64)
    picks, candidates = np.array([[0]]), np.array([[1]])
    n = burst(case.residual, case.units, members, uses, False, picks, candidates, np.zeros(1), swaps)
    assert (n, swaps.tolist()) == (1, [[0, 1, 0]])
    assert not case.residual.any()
    assert (members.tolist(), uses.tolist()) == ([1, 2], [0, 1, 1])


def test_burst__takes_no_unit_twice_unless_asked():
    case = one_column([-1, 2, -1])
    picks, candidates, swaps = np.array([[0]]), np.array([[1]]), np.empty((1, 3), np.int64)
    for may_repeat in (False, True):
        uses, members = np.array([1, 1, 0]), np.array([0, 1])
        n = burst(case.residual, case.units, members, uses, may_repeat, picks, candidates, np.zeros(1), swaps)
        assert n == may_repeat
        assert uses.max() == 1 + may_repeat


def test_settle_swaps__second_swap_of_one_unit_is_refused():
    case = one_column([-1, 1, 1])
    swaps, kept = np.array([[0, 1], [0, 2]]), np.empty(2, np.bool_)
    uses = np.array([1, 0, 0], np.uint16)
    gained = settle_swaps(case.residual, case.units, swaps, uses, False, swaps, np.full(2, np.inf), kept)
    assert kept.tolist() == [True, False]
    assert (gained, uses.tolist()) == (2.0, [0, 1, 0])


def test_settle_swaps__no_proposals():
    case = one_column([1, 0, -1])
    swaps, kept = np.empty((0, 2), np.int64), np.empty(0, np.bool_)
    assert settle_swaps(case.residual, case.units, swaps, np.ones(3, np.uint16), False, swaps, np.empty(0), kept) == 0


def test_remove_best__of_one_group_falls_by_its_highest_gain():
    case = one_column([-2, 1, 0])
    picks, gains = np.array([[0, 1, 2]]), np.empty(3)
    removal_gains(case.units, case.removal_table(), picks[0], gains)
    assert (gains / ONE).tolist() == [1, -1, -1]
    before = case.value()
    assert removed_best(case, np.arange(3), picks, gains[None]) == ([0], 2)
    assert before - case.value() == 1


def test_remove_best__single_unit_goes_once():
    case = one_column([0, 0, -1])
    left, picks = np.arange(3), np.array([[2, 2], [2, 2]])
    assert removed_best(case, left, picks, np.ones((2, 2))) == ([2], 2)
    assert not case.residual.any()


def test_remove_best__no_groups():
    case = one_column([0, 0, -1])
    assert removed_best(case, np.arange(3), np.empty((0, 4), np.int64), np.empty((0, 4))) == ([], 3)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [4], [2, 3]], ids=["constant columns", "one column only", "two columns"])
def test_swap_gains__edges(sizes):
    layout = Cliques.of(sizes)
    codes = np.array(list(np.ndindex(*sizes)), np.uint8)
    residual = np.arange(layout.n_cells, dtype=np.int32) - 2
    pairs = np.array(list(np.ndindex(len(codes), len(codes))))
    units = RowUnits(codes, layout.index, 1, np.array([1.0, 0.5, 0.25]))
    gains = np.empty(len(pairs))
    swap_gains(residual, units, *pairs.T.copy(), gains)
    before, twins = as_dict(residual, layout), [naive.row(x, held_cliques(layout), 1) for x in codes]
    expected = [naive.gain(before, naive.swapped(before, twins[y], twins[x]), units.weights) for y, x in pairs]
    assert gains.tolist() == pytest.approx(expected)
