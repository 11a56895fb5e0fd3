"""The kernels that count cells and weigh changes, against their naive twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.cells import (
    addition_gain,
    change_cells,
    count_units,
    leave,
    locate,
    removal_gain,
    removal_gains,
    removal_table,
)
from issodask.table.cliques import Cliques
from tests import naive
from tests.strategies import as_dict, cases


def located(x, index):
    positions = np.empty(len(x), np.int64)
    locate(x, index.first, positions)
    return positions


def changed(case, x, step):
    residual = case.residual.copy()
    change_cells(residual, case.index, x, located(x, case.index), step)
    return residual


def gain_of_leaving(case, y):
    return removal_gain(case.residual, *case.scale, y, located(y, case.index))


def gain_of_joining(case, x, y):
    return addition_gain(case.residual, *case.scale, x, located(x, case.index), y, located(y, case.index))


@given(cases())
def test_count_units__equals_twin(case):
    counts = np.zeros(case.layout.n_cells, np.int64)
    count_units(case.codes, case.index, counts, 1)
    expected = naive.count(case.codes, case.cliques)
    assert as_dict(counts, case.layout) == {cell: expected[cell] for cell in case.naive_residual}
    assert counts.sum() == len(case.codes) * len(case.cliques)


@given(cases())
def test_count_units__minus_one_undoes(case):
    counts = np.zeros(case.layout.n_cells, np.int64)
    count_units(case.codes, case.index, counts, 1)
    count_units(case.codes[::-1].copy(), case.index, counts, -1)
    assert not counts.any()


@given(cases(min_units=1))
def test_change_cells__equals_twin(case):
    x = case.codes[0]
    expected = naive.with_step(case.naive_residual, x, case.cliques, case.unit)
    assert as_dict(changed(case, x, case.unit), case.layout) == expected


@given(cases(min_units=1))
def test_removal_gain__is_the_recounted_change(case):
    for y in case.codes:
        expected = naive.removal_gain(case.naive_residual, y, *case.naive_scale)
        assert gain_of_leaving(case, y) == expected


@given(cases(min_units=2, max_units=6))
def test_addition_gain__is_the_recounted_change(case):
    y = case.codes[0]
    for x in case.codes:
        expected = naive.addition_gain(case.naive_residual, x, y, *case.naive_scale)
        assert gain_of_joining(case, x, y) == expected


@given(cases(min_units=1))
def test_gain__removed_unit_returns(case):
    y = case.codes[0]
    assert gain_of_leaving(case, y) + gain_of_joining(case, y, y) == pytest.approx(0, abs=1e-9)


@given(cases(min_units=2, max_units=2))
def test_swap__and_back_is_nothing(case):
    y, x = case.codes
    residual = case.residual.copy()
    for leaving, joining in ((y, x), (x, y)):
        change_cells(residual, case.index, leaving, located(leaving, case.index), case.unit)
        change_cells(residual, case.index, joining, located(joining, case.index), -case.unit)
    assert np.array_equal(residual, case.residual)


@given(cases(min_units=2, max_units=2))
def test_swap__back_gains_what_it_cost(case):
    y, x = case.codes
    there = gain_of_leaving(case, y) + gain_of_joining(case, x, y)
    change_cells(case.residual, case.index, y, located(y, case.index), case.unit)
    change_cells(case.residual, case.index, x, located(x, case.index), -case.unit)
    back = gain_of_leaving(case, x) + gain_of_joining(case, y, x)
    assert there + back == pytest.approx(0, abs=1e-9)


@given(cases())
def test_removal_table__holds_each_cells_fall(case):
    table = np.empty_like(case.residual)
    removal_table(case.residual, case.unit, table)
    assert table.tolist() == [abs(r) - abs(r + case.unit) for r in case.residual.tolist()]


@given(cases(min_units=1), st.sampled_from([0, 1, 255, 256, 257, 600]))
def test_removal_gains__equal_the_gains_one_by_one(case, n_rows):
    rows = case.random.integers(0, len(case.codes), n_rows)
    table = np.empty_like(case.residual)
    removal_table(case.residual, case.unit, table)
    gains = np.full(n_rows, np.nan)
    removal_gains(table, case.index, case.arity_weights, case.codes, rows, gains)
    alone = np.array([gain_of_leaving(case, y) for y in case.codes])
    assert np.array_equal(gains, alone[rows])


@given(cases(min_units=1))
def test_leave__keeps_the_table_in_step(case):
    y = case.codes[0]
    residual, table = case.residual.copy(), np.empty_like(case.residual)
    removal_table(residual, case.unit, table)
    leave(residual, table, case.index, case.unit, y, located(y, case.index))
    expected = np.empty_like(table)
    removal_table(residual, case.unit, expected)
    assert np.array_equal(residual, changed(case, y, case.unit))
    assert np.array_equal(table, expected)


def test_count_units__empty_block():
    layout = Cliques.of([2, 3, 2])
    counts = np.zeros(layout.n_cells, np.int64)
    count_units(np.empty((0, 3), np.uint8), layout.index, counts, 1)
    assert not counts.any()


def test_count_units__single_unit_fills_one_cell_per_clique():
    layout = Cliques.of([2, 3, 2, 4])
    counts = np.zeros(layout.n_cells, np.int64)
    count_units(np.array([[1, 2, 0, 3]], np.uint8), layout.index, counts, 1)
    assert counts.max() == 1
    assert counts.sum() == layout.n_cliques == 4 + 6 + 4


def test_removal_gain__of_a_constant_column_is_the_same_for_all():
    layout = Cliques.of([1])
    residual = np.array([-2], np.int32)
    x = np.zeros(1, np.uint8)
    weights = np.array([0.5, 0, 0])
    assert removal_gain(residual, layout.index, 1, weights, x, located(x, layout.index)) == 0.5


@pytest.mark.parametrize("sizes", [[4], [3, 2]], ids=["one column only", "two columns"])
def test_gains__need_no_pairs_nor_triples(sizes):
    layout = Cliques.of(sizes)
    codes = np.array(list(np.ndindex(*sizes)), np.uint8)
    residual = np.arange(layout.n_cells, dtype=np.int32) - 3
    named, cliques, weights = as_dict(residual, layout), naive.all_cliques(len(sizes)), np.array([1.0, 0.5, 0.25])
    for x in codes:
        gain = removal_gain(residual, layout.index, 1, weights, x, located(x, layout.index))
        assert gain == naive.removal_gain(named, x, cliques, 1, weights)


def test_removal_gain__largest_codes_do_not_wrap():
    layout = Cliques.of([256, 256])
    x = np.array([255, 255], np.uint8)
    counts = np.zeros(layout.n_cells, np.int64)
    count_units(x[None], layout.index, counts, 1)
    assert counts[layout.cells_of((0, 1))[255, 255]] == 1
    residual = -counts.astype(np.int32)
    assert removal_gain(residual, layout.index, 1, np.ones(3), x, located(x, layout.index)) == 3
