"""What rows and groups have in common: what a unit changes, what that gains, and who they are when taken or stacked."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.loss import ONE
from issodask.kernels.swaps import swap_gains
from issodask.kernels.units import (
    GroupUnits,
    RowUnits,
    add_shares,
    change,
    gain,
    leave,
    removal_gains,
    same,
    total_values,
)
from issodask.table.blocks import SequenceCodes
from tests import naive
from tests.strategies import as_dict, cases, cliques_of_unit, group_cases, row_cases, sequence_bins_of


def changed(case, u, sign):
    residual = case.residual.copy()
    change(case.units, residual, u, sign)
    return residual


def gains_of(case, chosen):
    gains = np.full(len(chosen), np.nan)
    removal_gains(case.units, case.removal_table(), np.asarray(chosen, np.int64), gains)
    return gains


@given(cases(min_units=1), st.sampled_from([1, -1]))
def test_change__equals_twin(case, sign):
    for u, twin in enumerate(case.twins):
        expected = naive.with_step(case.naive_residual, twin, sign)
        assert as_dict(changed(case, u, sign), case.layout) == expected


@given(cases(min_units=1))
def test_change__and_back_is_nothing(case):
    before = case.residual.copy()
    for sign in (1, -1, -1, 1):
        change(case.units, case.residual, 0, sign)
    assert np.array_equal(case.residual, before)


@given(cases(min_units=1))
def test_gain__is_the_recounted_change(case):
    for u, twin in enumerate(case.twins):
        assert gain(case.units, case.residual, u, 1) == naive.removal_gain(case.naive_residual, twin, case.weights)
        assert gain(case.units, case.residual, u, -1) == naive.addition_gain(case.naive_residual, twin, case.weights)


@given(cases(min_units=1))
def test_gain__changes_nothing(case):
    before = case.residual.copy()
    gain(case.units, case.residual, 0, 1)
    assert np.array_equal(case.residual, before)


@given(cases(min_units=1))
def test_gain__removed_unit_returns(case):
    there = gain(case.units, case.residual, 0, 1)
    assert there + gain(case.units, changed(case, 0, 1), 0, -1) == pytest.approx(0, abs=1e-9)


@given(cases(min_units=2))
def test_gain__swap_back_gains_what_it_cost(case):
    units, residual, fall = case.units, case.residual, 0.0
    for u, sign in ((0, 1), (1, -1), (1, 1), (0, -1)):
        fall += gain(units, residual, u, sign)
        change(units, residual, u, sign)
    assert fall == pytest.approx(0, abs=1e-9 * case.scale)


@given(cases(min_units=1), st.sampled_from([0, 1, 255, 256, 257, 600]))
def test_removal_gains__equal_the_guided_gains_one_by_one(case, n_chosen):
    chosen = case.random.integers(0, case.n_units, n_chosen)
    table = as_dict(case.removal_table(), case.layout)
    alone = np.array([naive.guided_gain(table, twin, case.weights, case.guide.grain) for twin in case.twins])
    assert np.array_equal(gains_of(case, chosen), alone[chosen])


@given(row_cases(min_units=1))
def test_removal_gains__unsoftened_are_the_gains_of_rows(case):
    case.slopes[:] = ONE / case.step
    gains = [gain(case.units, case.residual, u, 1) for u in range(case.n_units)]
    assert gains_of(case, range(case.n_units)) * case.scale / ONE == pytest.approx(gains, abs=4e-3 * case.scale)


@given(row_cases(min_units=1))
def test_sketch__where_triples_are_a_sample_it_leaves_them_out(case):
    n_triples = len(case.layout.by_arity.get(3, ()))
    if n_triples == comb(case.codes.shape[1], 3):
        assert case.units.sketch is None
    else:
        in_pairs = case.units._replace(weights=case.units.weights * [1, 1, 0])
        chosen = np.arange(case.n_units)
        sketched, expected = np.empty(case.n_units), np.empty(case.n_units)
        removal_gains(case.units.sketch, case.removal_table(), chosen, sketched)
        removal_gains(in_pairs, case.removal_table(), chosen, expected)
        assert np.array_equal(sketched, expected)


@given(group_cases())
def test_sketch__groups_have_none(case):
    assert case.units.sketch is None


@given(cases(min_units=1), st.integers(0, 3), st.integers(1, 4))
def test_leave__keeps_the_table_in_step(case, n_gone, n_parts):
    table, expected = case.removal_table(), case.residual.copy()
    gone = case.random.integers(0, case.n_units, n_gone)
    for u in gone.tolist():
        change(case.units, expected, u, 1)
    for part in case.random.permutation(n_parts).tolist():
        leave(case.units, case.residual, table, case.slopes, case.step, gone, part, n_parts)
    assert np.array_equal(case.residual, expected)
    assert np.array_equal(table, case.removal_table())


@given(cases(min_units=1), st.sampled_from([0, 1, 255, 256, 257, 600]))
def test_add_shares__is_what_the_units_weigh_so_many_times(case, n_units):
    units = case.units.take(case.random.integers(0, case.n_units, n_units))
    shares = case.random.integers(0, 4, n_units)
    counts = case.residual.astype(np.int64)
    expected = counts.copy()
    for u, share in enumerate(shares.tolist()):
        change(units, expected, u, share)
    add_shares(units, shares, counts)
    assert np.array_equal(counts, expected)


@given(cases())
def test_add_shares__takes_parts_of_units_too(case):
    shares = case.random.normal(size=case.n_units)
    counts, expected = np.zeros(case.layout.n_cells), np.zeros(case.layout.n_cells)
    for u, share in enumerate(shares.tolist()):
        own = np.zeros(case.layout.n_cells, np.int32)
        change(case.units, own, u, 1)
        expected += share * own
    add_shares(case.units, shares, counts)
    assert np.allclose(counts, expected, atol=1e-9)


@given(cases())
def test_total_values__are_those_of_the_cells_that_a_unit_changes(case):
    values, totals = case.random.normal(size=case.layout.n_cells), np.full(case.n_units, np.nan)
    total_values(case.units, values, totals)
    for u, total in enumerate(totals.tolist()):
        own = np.zeros(case.layout.n_cells, np.int32)
        change(case.units, own, u, 1)
        assert np.isclose(total, own @ values, atol=1e-9)


@given(cases(min_units=2))
def test_same__units_weigh_the_same(case):
    assert all(case.alike(u, u) for u in range(case.n_units))
    for u, twin in enumerate(case.twins):
        assert case.alike(u, 0) == case.alike(0, u)
        assert twin == case.twins[0] or not case.alike(u, 0)


@given(row_cases(min_units=2))
def test_same__rows_with_equal_codes_and_no_others(case):
    for u, x in enumerate(case.codes):
        assert case.alike(u, 0) == (x.tolist() == case.codes[0].tolist())


@given(group_cases(min_units=1, max_units=3))
def test_same__group_with_equal_rows(case):
    again = case.layout.gather([(case.codes, np.array([0, 0]))], case.layout.unit, case.weights)
    assert same(again, 0, 1)


def test_same__not_groups_that_weigh_otherwise_in_the_same_cells():
    """Rows 0, 0, 1, 1 and 0, 0, 0, 1, 1, where both lengths are in one bin."""
    layout = cliques_of_unit(sequence_bins_of([2], 1, np.random.default_rng(1)), 2_520)
    values = np.array([0, 0, 1, 1, 0, 0, 0, 1, 1], np.uint8)
    codes = SequenceCodes(np.stack([values, np.zeros_like(values), values, values], axis=1), np.array([0, 4, 9]))
    units = layout.gather([(codes, np.arange(2))], layout.unit, np.ones(6))
    assert np.array_equal(*(units.cells[own[0] : own[-1]] for own in units.bounds))
    assert not same(units, 0, 1)


@given(cases(min_units=2))
def test_compiled_loop__knows_either_kind(case):
    """Called from a kernel, the functions do what they do when called from Python."""
    gains = np.empty(1)
    swap_gains(case.residual.copy(), case.units, np.array([0]), np.array([1]), gains)
    expected = gain(case.units, case.residual, 0, 1)
    assert gains[0] == expected + gain(case.units, changed(case, 0, 1), 1, -1)


@given(cases(min_units=1))
def test_take__has_the_units_in_the_order_asked_for(case):
    rows = case.random.integers(0, case.n_units, 5)
    taken = case.units.take(rows)
    assert taken.n_units == 5
    for i, u in enumerate(rows):
        assert gain(taken, case.residual, i, 1) == gain(case.units, case.residual, u, 1)


@given(cases(min_units=1), st.integers(0, 6))
def test_stack__has_the_units_of_all_parts_in_order(case, cut):
    everyone = np.arange(case.n_units)
    stacked = type(case.units).stack([case.units.take(everyone[:cut]), case.units.take(everyone[cut:])])
    assert stacked.n_units == case.n_units
    for u in everyone:
        assert gain(stacked, case.residual, u, -1) == gain(case.units, case.residual, u, -1)


@given(group_cases())
def test_stack__of_one_part_is_that_part(case):
    assert GroupUnits.stack([case.units]) is case.units


def test_none__is_no_unit():
    none = GroupUnits.none(6, np.ones(6))
    assert (none.n_units, none.cells_per_unit, none.step, none.bounds.shape) == (0, 0, 1, (0, 7))


@given(cases(min_units=1))
def test_units__say_how_large_they_are(case):
    n_cells = [len(twin) for twin in case.twins]
    if isinstance(case.units, GroupUnits):
        amounts = [amount for twin in case.twins for amount in twin.values()]
        assert case.units.cells_per_unit == pytest.approx(np.mean(n_cells))
        assert case.step == pytest.approx(max(1, np.mean(amounts)), abs=0.5)
        size = sum(array.nbytes for array in case.units[:3])
        assert case.units.bytes_per_unit * case.n_units == pytest.approx(size)
    else:
        assert case.units.cells_per_unit == n_cells[0]
        assert (case.step, case.units.bytes_per_unit) == (case.units.unit, case.codes.shape[1])


def test_row_units__stack_of_parts():
    first = RowUnits(np.zeros((1, 2), np.uint8), None, 1, np.ones(3))
    second = first._replace(codes=np.ones((2, 2), np.uint8))
    assert RowUnits.stack([first, second]).codes.tolist() == [[0, 0], [1, 1], [1, 1]]
