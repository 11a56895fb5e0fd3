"""The kernels that count rows and weigh them; what they share with groups is in test_units."""

import numpy as np
import pytest
from hypothesis import given

from issodask.kernels.cells import locate
from issodask.kernels.counting import count_units
from issodask.kernels.units import RowUnits, gain
from issodask.table.cliques import Cliques
from tests import naive
from tests.kernels.test_without_jit import PLAIN
from tests.strategies import as_dict, row_cases


def counted(codes, layout):
    counts = np.zeros(layout.n_cells, np.int64)
    count_units(codes, layout.index, counts)
    return counts


@given(row_cases(min_units=1))
def test_locate__finds_the_cell_of_each_column(case):
    positions, x = np.empty(case.codes.shape[1], np.int64), case.codes[0]
    locate(x, case.layout.index.first, positions)
    assert positions.tolist() == [case.layout.cells_of((a,))[code] for a, code in enumerate(x)]


@given(row_cases())
def test_count_units__equals_twin(case):
    expected = naive.total([dict.fromkeys(twin, 1) for twin in case.twins])
    counts = counted(case.codes, case.layout)
    assert as_dict(counts, case.layout) == {cell: expected[cell] for cell in case.naive_residual}
    assert counts.sum() == len(case.codes) * case.layout.n_cliques


@given(row_cases())
def test_count_units__adds_to_what_is_there(case):
    counts = counted(case.codes, case.layout)
    count_units(case.codes[::-1].copy(), case.layout.index, counts)
    assert np.array_equal(counts, 2 * counted(case.codes, case.layout))


@pytest.mark.parametrize("n_units", [255, 256, 4_096, 4_100])
@pytest.mark.parametrize("max_triples", [4, 1])
def test_count_units__many_at_once_or_few_by_few(n_units, max_triples):
    layout = Cliques.of([2, 1, 3, 2], max_triples=max_triples)
    codes = np.random.default_rng(n_units).integers(0, [2, 1, 3, 2], (n_units, 4)).astype(np.uint8)
    few_by_few = sum(counted(codes[first : first + 200], layout) for first in range(0, n_units, 200))
    assert np.array_equal(counted(codes, layout), few_by_few)
    assert few_by_few.sum() == n_units * layout.n_cliques


def test_count_units__more_of_one_kind_than_two_bytes_hold():
    n_units = 1_000 if PLAIN else 70_000
    counts = counted(np.ones((n_units, 3), np.uint8), Cliques.of([2, 2, 2]))
    assert set(counts.tolist()) == {0, n_units}


def test_count_units__empty_block():
    assert not counted(np.empty((0, 3), np.uint8), Cliques.of([2, 3, 2])).any()


def test_count_units__single_unit_fills_one_cell_per_clique():
    layout = Cliques.of([2, 3, 2, 4])
    counts = counted(np.array([[1, 2, 0, 3]], np.uint8), layout)
    assert counts.max() == 1
    assert counts.sum() == layout.n_cliques == 4 + 6 + 4


def test_gain__of_a_constant_column_is_the_same_for_all():
    units = RowUnits(np.zeros((2, 1), np.uint8), Cliques.of([1]).index, 1, np.array([0.5, 0, 0]))
    assert [gain(units, np.array([-2], np.int32), u, 1) for u in range(2)] == [0.5, 0.5]


@pytest.mark.parametrize("sizes", [[4], [3, 2]], ids=["one column only", "two columns"])
def test_gain__needs_no_pairs_nor_triples(sizes):
    layout = Cliques.of(sizes)
    codes = np.array(list(np.ndindex(*sizes)), np.uint8)
    residual = np.arange(layout.n_cells, dtype=np.int32) - 3
    units = RowUnits(codes, layout.index, 1, np.array([1.0, 0.5, 0.25]))
    for u, x in enumerate(codes):
        twin = naive.row(x, naive.all_cliques(len(sizes)), 1)
        assert gain(units, residual, u, 1) == naive.removal_gain(as_dict(residual, layout), twin, units.weights)


def test_gain__largest_codes_do_not_wrap():
    layout = Cliques.of([256, 256])
    units = RowUnits(np.array([[255, 255]], np.uint8), layout.index, 1, np.ones(3))
    counts = counted(units.codes, layout)
    assert counts[layout.cells_of((0, 1))[255, 255]] == 1
    assert gain(units, -counts.astype(np.int32), 0, 1) == 3
