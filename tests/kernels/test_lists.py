"""The kernels that list and count the cells of groups; what groups share with rows is in test_units."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.lists import count_groups, distinct_values, list_groups
from issodask.table.blocks import SequenceCodes
from tests import naive
from tests.strategies import (
    as_dict,
    cliques_of_unit,
    form_of,
    group_cases,
    groups_of,
    positions_by_clique,
    random_groups,
    randoms,
    rows_of_groups,
    sequence_bins_of,
)


def listed(codes, layout, chosen, most_cells):
    """The cells and amounts of the chosen groups, by family; calls go on where the one before had no more room."""
    cells = np.full(most_cells + layout.n_cells, -1, np.int32)
    amounts = np.zeros(len(cells), np.uint16)
    groups, chosen = [], np.asarray(chosen, np.int64)
    while len(chosen):
        bounds = np.empty((len(chosen), 7), np.int64)
        n = list_groups(codes.rows, codes.starts, chosen, layout.index, layout.unit, most_cells, cells, amounts, bounds)
        assert n == len(chosen) or bounds[n - 1, -1] > most_cells
        for own in bounds[:n]:
            groups.append([(cells[a:b].tolist(), amounts[a:b].tolist()) for a, b in pairwise(own)])
        chosen = chosen[n:]
    return groups


def counted(codes, layout, chosen):
    counts = np.zeros(layout.n_cells, np.int64)
    count_groups(codes.rows, codes.starts, np.asarray(chosen, np.int64), layout.index, layout.unit, counts)
    return counts


def everyone(case):
    return range(case.n_units)


@given(group_cases())
def test_list_groups__equals_twin(case):
    positions = positions_by_clique(case.layout)
    for families, twin in zip(listed(case.codes, case.layout, everyone(case), 10**4), case.twins, strict=True):
        expected = [{} for _ in case.layout.families]
        for (clique, bins), amount in twin.items():
            expected[naive.family(clique)][positions[clique][bins]] = amount
        assert [dict(zip(*family, strict=True)) for family in families] == expected
        assert all(len(set(cells)) == len(cells) for cells, _ in families)


@given(group_cases())
def test_list_groups__amounts_of_a_clique_sum_to_the_unit(case):
    for families in listed(case.codes, case.layout, everyone(case), 10**4):
        amounts = np.zeros(case.layout.n_cells, np.int64)
        for cells, own in families:
            amounts[cells] = own
        sums = {clique: amounts[positions].sum() for clique, positions in positions_by_clique(case.layout).items()}
        assert all(total == case.layout.unit for (name, *_), total in sums.items() if name != "categories")


@given(st.data(), group_cases(min_units=1, max_units=12))
def test_list_groups__any_cut_into_calls(data, case):
    chosen = case.random.integers(0, case.n_units, 10)
    at_once = listed(case.codes, case.layout, chosen, 10**5)
    for most_cells in (0, data.draw(st.integers(1, 300))):
        assert listed(case.codes, case.layout, chosen, most_cells) == at_once


@given(group_cases(min_units=1, max_units=12))
def test_list_groups__any_choice_of_groups(case):
    chosen = case.random.integers(0, case.n_units, 10)
    one_by_one = listed(case.codes, case.layout, everyone(case), 10**5)
    assert listed(case.codes, case.layout, chosen, 10**5) == [one_by_one[u] for u in chosen]


@given(group_cases())
def test_count_groups__equals_twin(case):
    expected = naive.total(case.twins)
    counts = as_dict(counted(case.codes, case.layout, everyone(case)), case.layout)
    assert counts == {cell: expected[cell] for cell in counts}
    held = np.concatenate([positions.ravel() for positions in positions_by_clique(case.layout).values()])
    others = np.delete(counted(case.codes, case.layout, everyone(case)), held)
    assert not others.any()


@given(group_cases(min_units=1))
def test_count_groups__counts_a_group_as_often_as_it_is_chosen(case):
    chosen = case.random.integers(0, case.n_units, 10)
    one_by_one = [counted(case.codes, case.layout, [u]) for u in chosen]
    assert np.array_equal(counted(case.codes, case.layout, chosen), sum(one_by_one))


@given(st.data(), randoms)
def test_distinct_values__equals_twin(data, random):
    sizes = random.integers(1, 256, random.integers(1, 4), endpoint=True)
    codes = data.draw(groups_of(sizes))
    assert distinct_values(codes.rows, codes.starts).tolist() == naive.distinct_values(codes.rows, codes.starts)


# edges


def group_of(n_rows, unit=2_520, seed=1):
    """A table of two columns with one group, and what it needs to be listed: its codes, layout, and form."""
    bins = sequence_bins_of([3, 2], 4, np.random.default_rng(seed))
    layout = cliques_of_unit(bins, unit)
    codes = random_groups(layout.sizes, np.array([n_rows]), np.random.default_rng(seed))
    return codes, layout, form_of(bins, layout.rows, unit)


def named_counts(codes, layout):
    cells = as_dict(counted(codes, layout, range(len(codes.starts) - 1)), layout)
    return {cell: amount for cell, amount in cells.items() if amount}


@pytest.mark.parametrize("n_rows", [1, 2, 3, 100, 101, 250, 5_000])
@pytest.mark.parametrize("unit", [1, 7, 2_520])
def test_count_groups__of_any_length(n_rows, unit):
    codes, layout, form = group_of(n_rows, unit)
    assert named_counts(codes, layout) == naive.group(codes.rows, form)


def test_list_groups__only_row_has_no_successor():
    codes, layout, form = group_of(1)
    successors = {cell: n for cell, n in named_counts(codes, layout).items() if cell[0][0] == "successors"}
    own = codes.rows[0].tolist()
    assert successors == {(("successors", a), (own[a], form.no_successor[a])): 2_520 for a in range(2)}


def test_list_groups__last_row_counts_as_a_successor_only():
    codes, layout, _ = group_of(2)
    before = named_counts(codes, layout)
    rows = codes.rows.copy()
    rows[1, :3] = (rows[1, :3] + 1) % layout.sizes[:3]
    assert named_counts(SequenceCodes(rows, codes.starts), layout) == before
    rows[1, 3] = (rows[1, 3] + 1) % layout.sizes[3]
    assert named_counts(SequenceCodes(rows, codes.starts), layout) != before


def test_list_groups__row_between_two_parts_of_the_unit_has_none():
    """Of 7 parts for 20 rows most rows get none; the 7 others one each, all of them at most that."""
    shares = naive.parts(20, 7)
    assert (sum(shares), max(shares), shares.count(0)) == (7, 1, 13)
    codes, layout, _ = group_of(21, unit=7)
    counts = named_counts(codes, layout)
    assert sum(n for (clique, _), n in counts.items() if clique == (0,)) == 7
    assert min(counts.values()) >= 1


def test_list_groups__rows_of_short_groups_weigh_the_same():
    for n_rows in range(1, 11):
        assert len(set(naive.parts(n_rows, 2_520))) == 1


def test_list_groups__coherence_looks_at_a_hundred_rows():
    """Of 200 rows every second one."""
    codes, layout, _ = group_of(200)
    rows = codes.rows.copy()
    rows[:, 5:] = 0
    before = named_counts(SequenceCodes(rows, codes.starts), layout)
    rows[1::2, 5:] = 1
    assert named_counts(SequenceCodes(rows, codes.starts), layout) == before
    rows[198, 5:] = 1
    assert named_counts(SequenceCodes(rows, codes.starts), layout) != before


def test_list_groups__no_groups():
    codes, layout, _ = group_of(3)
    assert listed(codes, layout, [], 0) == []
    assert not counted(codes, layout, []).any()


def test_list_groups__constant_columns_lie_in_every_cell():
    """The fullest group there can be: buffers have room for all cells of the layout and no more."""
    bins = sequence_bins_of([1, 1], 1, np.random.default_rng(1))
    layout = cliques_of_unit(bins, 2_520)
    codes = random_groups(layout.sizes, np.array([400]), np.random.default_rng(1))
    (families,) = listed(codes, layout, [0], 0)
    assert [len(cells) for cells, _ in families[:3]] == [6, 12, 8]


def test_count_groups__codes_that_may_not_be_written():
    codes, layout, form = group_of(5)
    for array in codes:
        array.flags.writeable = False
    assert named_counts(codes, layout) == naive.group(codes.rows, form)


def test_distinct_values__largest_code():
    values = np.array([[255], [255], [0]], np.uint8)
    assert distinct_values(values, np.array([0, 2, 3])).tolist() == [[1], [1]]


def test_distinct_values__no_groups():
    assert distinct_values(np.empty((0, 2), np.uint8), np.zeros(1, np.int64)).shape == (0, 2)


def test_count_groups__group_within_a_longer_table():
    """Neighbours do not matter, nor does a row beyond the group's end."""
    codes, layout, form = group_of(12)
    cut = SequenceCodes(codes.rows, np.array([0, 5, 6, 12]))
    expected = naive.total([naive.group(rows, form) for rows in rows_of_groups(cut)])
    assert named_counts(cut, layout) == expected
