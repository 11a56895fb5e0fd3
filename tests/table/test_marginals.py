"""Counting marginals of rows and groups, in one piece and in many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.table.blocks import SequenceCodes
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from tests import naive
from tests.strategies import as_dict, cases, cuts, group_cases, positions_by_clique, row_cases, take_groups


def cut(codes, piece):
    if isinstance(codes, SequenceCodes):
        return take_groups(codes, np.arange(len(codes.starts) - 1)[piece])
    return codes[piece]


@given(cases())
def test_count_marginals__equals_twin(case):
    counts = as_dict(count_marginals([case.codes], case.layout), case.layout)
    expected = naive.total(case.twins)
    rows_count_once = case.scale // case.layout.unit
    assert counts == {cell: expected[cell] // rows_count_once for cell in counts}


@given(st.data(), cases(max_units=30))
def test_count_marginals__any_cut_into_blocks(data, case):
    blocks = [cut(case.codes, piece) for piece in data.draw(cuts(case.n_units))]
    assert np.array_equal(count_marginals(blocks, case.layout), count_marginals([case.codes], case.layout))


@given(row_cases())
def test_count_marginals__every_clique_counts_every_unit(case):
    sums = case.layout.sum_by_clique(count_marginals([case.codes], case.layout))
    assert all((values == len(case.codes)).all() for values in sums.values())


@given(group_cases())
def test_count_marginals__every_clique_counts_every_group(case):
    """By `unit`; but the categories of a group are as many as they are."""
    counts, layout = count_marginals([case.codes], case.layout), case.layout
    sums = {clique: counts[positions].sum() for clique, positions in positions_by_clique(layout).items()}
    assert all(total == case.n_units * layout.unit for (name, *_), total in sums.items() if name != "categories")
    for a, amount in enumerate(layout.index.category_amounts):
        assert sums["categories", a] % amount == 0
        assert case.n_units * amount <= sums["categories", a] <= 10 * case.n_units * amount


def test_count_marginals__memory_order_does_not_matter():
    codes = np.random.default_rng(1).integers(0, 3, (50, 4)).astype(np.uint8)
    layout = Cliques.of([3] * 4)
    expected = count_marginals([codes], layout)
    assert np.array_equal(count_marginals([np.asfortranarray(codes)], layout), expected)
    assert np.array_equal(count_marginals([np.repeat(codes, 2, axis=0)[::2]], layout), expected)


def test_count_marginals__read_only_codes():
    codes = np.zeros((3, 2), np.uint8)
    codes.flags.writeable = False
    assert count_marginals([codes], Cliques.of([1, 1])).tolist() == [3, 3, 3]


def test_count_marginals__empty_block():
    assert not count_marginals([np.empty((0, 2), np.uint8)], Cliques.of([2, 2])).any()


def test_count_marginals__no_blocks():
    assert not count_marginals([], Cliques.of([2, 2])).any()


@pytest.mark.parametrize("codes", [[[0, 2]], [[0, 0], [3, 0]]])
def test_count_marginals__code_without_a_bin(codes):
    with pytest.raises(IndexError, match="not below the number of bins"):
        count_marginals([np.array(codes, np.uint8)], Cliques.of([3, 2]))


def test_count_marginals__other_number_of_columns():
    with pytest.raises(IndexError, match="codes have 3 columns, the cliques 2"):
        count_marginals([np.zeros((1, 3), np.uint8)], Cliques.of([3, 2]))
