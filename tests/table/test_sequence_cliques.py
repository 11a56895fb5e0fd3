"""Where the cells of groups lie."""

import numpy as np
import pytest
from hypothesis import given

from issodask.table.blocks import SequenceCodes
from issodask.table.cliques import MAX_TRIPLES
from issodask.table.marginals import count_marginals
from issodask.table.sequences import SequenceCliques
from tests import naive
from tests.strategies import (
    as_dict,
    form_of,
    group_cases,
    positions_by_clique,
    random_groups,
    randoms,
    rows_of_groups,
    sequence_bins,
    sequence_bins_of,
    take_groups,
)


def counts_of(codes, bins):
    """How often each code of each column of codes occurs."""
    return [np.bincount(codes.rows[:, j], minlength=n).tolist() for j, n in enumerate(bins.sizes)]


def groups_of_lengths(lengths, sizes, seed=1):
    return random_groups(np.array(sizes), np.array(lengths), np.random.default_rng(seed))


@given(sequence_bins())
def test_of__every_cell_once(bins):
    layout = SequenceCliques.of(bins, 10)
    positions = np.concatenate([own.ravel() for own in positions_by_clique(layout).values()])
    assert np.array_equal(np.sort(positions), np.arange(layout.n_cells))
    assert len(positions_by_clique(layout)) == layout.n_cliques


@given(sequence_bins())
def test_family_starts__cells_of_a_family_lie_together(bins):
    layout = SequenceCliques.of(bins, 10)
    bounds = layout.family_starts
    assert (bounds[0], bounds[-1], len(bounds)) == (0, layout.n_cells, len(layout.families) + 1)
    for clique, positions in positions_by_clique(layout).items():
        number = naive.family(clique)
        assert bounds[number] <= positions.min()
        assert positions.max() < bounds[number + 1]


@given(sequence_bins(), randoms)
def test_sum_by_family__equals_the_sum_over_its_cliques(bins, random):
    layout = SequenceCliques.of(bins, 10)
    cells, sums = random.integers(-9, 9, layout.n_cells), np.zeros(6, int)
    for clique, positions in positions_by_clique(layout).items():
        sums[naive.family(clique)] += cells[positions].sum()
    assert layout.sum_by_family(cells).tolist() == sums.tolist()


@given(sequence_bins())
def test_of__has_a_cell_for_each_code(bins):
    layout, d = SequenceCliques.of(bins, 10), bins.n_columns
    positions = positions_by_clique(layout)
    assert layout.sizes.tolist() == bins.sizes.tolist()
    assert layout.n_columns == d
    assert [len(positions[a,]) for a in range(d + 1)] == bins.rows.sizes.tolist()
    assert [positions["successors", a].shape for a in range(d)] == list(
        zip(bins.rows.sizes[:d], bins.successors.sizes, strict=True)
    )
    assert [len(positions["distinct", a]) for a in range(d)] == bins.distinct.sizes.tolist()
    assert [len(positions["categories", a]) for a in range(d)] == [max(table) + 1 for table in bins.categories]


@given(sequence_bins())
def test_family_shares__coherence_counts_like_each_other_level(bins):
    layout, d = SequenceCliques.of(bins, 10), bins.n_columns
    n_cliques = np.array([len(layout.rows.by_arity.get(arity, ())) for arity in (1, 2, 3)] + [d] * 3)
    levels = layout.family_shares * n_cliques
    assert levels.sum() == pytest.approx(1)
    assert levels[0] == pytest.approx(levels[1]) == pytest.approx(levels[3:].sum())
    assert levels[3:] == pytest.approx(levels[3])


@pytest.mark.parametrize(("n_units", "unit"), [(1, 2_520), (50_000, 2_520), (2**20, 128), (2**27, 1), (2**28, 1)])
def test_of__unit_leaves_room_for_large_targets(n_units, unit):
    assert SequenceCliques.of(sequence_bins_of([2], 1, np.random.default_rng(1)), n_units).unit == unit


@pytest.mark.slow
def test_of__wide_table_holds_some_triples_only():
    bins = sequence_bins_of([1] * 41, 1, np.random.default_rng(1))
    layout = SequenceCliques.of(bins, 10)
    assert MAX_TRIPLES <= len(layout.rows.by_arity[3]) < 42 * 41 * 40 / 6
    codes = groups_of_lengths([1, 4], layout.sizes)
    form = form_of(bins, layout.rows, layout.unit)
    expected = naive.total([naive.group(rows, form) for rows in rows_of_groups(codes)])
    counts = as_dict(count_marginals([codes], layout), layout)
    assert counts == {cell: expected[cell] for cell in counts}


# bins that nothing fills


@given(sequence_bins())
def test_pool_counts__bins_that_the_pool_fills_stay(bins):
    filled = SequenceCliques.of(bins, 10, [[1] * n for n in bins.sizes])
    assert filled.sizes.tolist() == bins.sizes.tolist()
    assert filled.n_cells == SequenceCliques.of(bins, 10).n_cells


@given(sequence_bins())
def test_pool_counts__unseen_bins_that_the_pool_does_not_fill_go(bins):
    """But the bin for no successor stays, and so do all values: these have no cells of their own."""
    d, layout = bins.n_columns, SequenceCliques.of(bins, 10, [[1] * (n - 1) + [0] for n in bins.sizes])
    has_missing = np.array([column.codes[-1] < column.n_bins - 1 for column in bins.successors.columns])
    gone = bins.sizes - layout.sizes
    assert gone.tolist() == [1] * (d + 1) + has_missing.astype(int).tolist() + [0] * d
    assert (layout.index.no_successor < layout.index.successor_sizes).all()


@given(sequence_bins(), randoms)
def test_pool_counts__what_remains_is_counted_as_before(bins, random):
    """The pool has groups of one row, whether the original had some or not."""
    seen = np.concatenate([bins.rows.sizes - 1, bins.successors.sizes - 1, bins.values.sizes - 1])
    codes = random_groups(np.maximum(1, seen), np.array([1, 3, 1, 2]), random)
    full, layout = SequenceCliques.of(bins, 10), SequenceCliques.of(bins, 10, counts_of(codes, bins))
    assert layout.n_cells < full.n_cells
    before, after = (as_dict(count_marginals([codes], each), each) for each in (full, layout))
    assert after == {cell: before[cell] for cell in after}
    assert {cell for cell, amount in before.items() if amount} <= set(after)


def test_count__no_successor_where_the_original_always_had_one():
    """Once that cell was the first one of the next family."""
    bins = sequence_bins_of([2], 3, np.random.default_rng(1))
    assert bins.successors.columns[0].codes[-1] == bins.successors.sizes[0] - 1
    codes = SequenceCodes(np.array([[1, 0, 1, 1]], np.uint8), np.array([0, 1]))
    layout = SequenceCliques.of(bins, 10, counts_of(codes, bins))
    sums = layout.sum_by_family(count_marginals([codes], layout))
    assert (sums[:5] / layout.unit).tolist() == [2, 1, 0, 1, 1]


# counting and gathering


@given(group_cases(min_units=1))
def test_count__chosen_groups_once_per_mention(case):
    chosen = case.random.integers(0, case.n_units, 7)
    counts = np.zeros(case.layout.n_cells, np.int64)
    case.layout.count(case.codes, counts, chosen)
    assert np.array_equal(counts, count_marginals([take_groups(case.codes, chosen)], case.layout))


@given(group_cases(min_units=1))
def test_gather__groups_of_all_pieces_in_order(case):
    chosen = case.random.integers(0, case.n_units, 3)
    other = take_groups(case.codes, np.array([0]))
    units = case.layout.gather([(case.codes, chosen), (other, np.array([0, 0]))], case.layout.unit, case.weights)
    at_once = case.layout.gather([(case.codes, np.array([*chosen, 0, 0]))], case.layout.unit, case.weights)
    assert units.n_units == 5
    assert all(np.array_equal(own, expected) for own, expected in zip(units, at_once, strict=True))


@given(group_cases(min_units=1))
def test_gather__any_size_of_buffers(case):
    chosen = case.random.integers(0, case.n_units, 9)
    expected = case.layout.gather([(case.codes, chosen)], case.layout.unit, case.weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("issodask.table.sequences._BUFFER_CELLS", int(case.random.integers(0, 100)))
        units = case.layout.gather([(case.codes, chosen)], case.layout.unit, case.weights)
    assert all(np.array_equal(own, other) for own, other in zip(units, expected, strict=True))


def test_gather__no_pieces():
    layout = SequenceCliques.of(sequence_bins_of([2], 1, np.random.default_rng(1)), 10)
    units = layout.gather([], layout.unit, np.ones(6))
    assert (units.n_units, units.bounds.shape) == (0, (0, 7))


def test_count__no_groups():
    layout = SequenceCliques.of(sequence_bins_of([2], 1, np.random.default_rng(1)), 10)
    assert not count_marginals([SequenceCodes(np.empty((0, 4), np.uint8), np.zeros(1, np.int64))], layout).any()


# doors


@pytest.mark.parametrize("column", range(7), ids=["row"] * 2 + ["length"] + ["successor"] * 2 + ["value"] * 2)
def test_count__code_without_a_bin(column):
    layout = SequenceCliques.of(sequence_bins_of([3, 2], 4, np.random.default_rng(1)), 10)
    codes = groups_of_lengths([2, 3], layout.sizes)
    codes.rows[4, column] = layout.sizes[column]
    with pytest.raises(IndexError, match="not below the number of bins"):
        count_marginals([codes], layout)
    with pytest.raises(IndexError, match="not below the number of bins"):
        layout.gather([(codes, np.array([0]))], layout.unit, np.ones(6))


def test_count__other_number_of_columns():
    layout = SequenceCliques.of(sequence_bins_of([3, 2], 4, np.random.default_rng(1)), 10)
    with pytest.raises(IndexError, match="codes have 6 columns, 2 columns of sequences need 7"):
        count_marginals([SequenceCodes(np.zeros((1, 6), np.uint8), np.array([0, 1]))], layout)
