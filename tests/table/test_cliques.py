"""Where the cells of all cliques lie."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.table.cliques import Cliques, family_shares
from issodask.table.marginals import count_marginals
from tests import naive
from tests.strategies import codes_of, domains, held_cliques, layouts, seeds


def counts_by_bincount(codes, clique, sizes):
    """The marginal of one clique, counted in another way."""
    shape = tuple(int(sizes[column]) for column in clique)
    flat = np.ravel_multi_index(tuple(codes[:, column].astype(int) for column in clique), shape)
    return np.bincount(flat, minlength=np.prod(shape)).reshape(shape)


@given(layouts())
def test_cells_of__every_cell_once(layout):
    positions = np.concatenate([layout.cells_of(clique).ravel() for clique in held_cliques(layout)])
    assert np.array_equal(np.sort(positions), np.arange(layout.n_cells))


@given(layouts())
def test_cells_of__has_the_shape_of_the_clique(layout):
    for clique in held_cliques(layout):
        assert layout.cells_of(clique).shape == tuple(layout.index.sizes[list(clique)])


@given(domains)
def test_by_arity__all_columns_pairs_and_triples(sizes):
    layout, d = Cliques.of(sizes), len(sizes)
    assert held_cliques(layout) == naive.all_cliques(d)
    assert layout.n_columns == d
    assert layout.n_cliques == d + comb(d, 2) + comb(d, 3)
    assert set(layout.by_arity) == set(range(1, min(d, 3) + 1))


@given(layouts(), seeds)
def test_sum_by_clique__equals_the_sum_over_its_cells(layout, seed):
    cells = np.random.default_rng(seed).integers(-9, 9, layout.n_cells)
    sums = layout.sum_by_clique(cells)
    assert set(sums) == set(layout.by_arity)
    for arity, cliques in layout.by_arity.items():
        assert sums[arity].tolist() == [cells[layout.cells_of(tuple(clique))].sum() for clique in cliques.tolist()]


@given(layouts(), seeds)
def test_sum_by_family__equals_the_sum_over_its_cliques(layout, seed):
    cells = np.random.default_rng(seed).integers(-9, 9, layout.n_cells)
    by_clique = layout.sum_by_clique(cells)
    assert layout.sum_by_family(cells).tolist() == [by_clique.get(arity, np.zeros(1)).sum() for arity in (1, 2, 3)]


@given(layouts())
def test_family_starts__cells_of_an_arity_lie_together(layout):
    bounds = layout.family_starts
    assert (bounds[0], bounds[-1]) == (0, layout.n_cells)
    for clique in held_cliques(layout):
        positions = layout.cells_of(clique)
        assert bounds[len(clique) - 1] <= positions.min()
        assert positions.max() < bounds[len(clique)]


@pytest.mark.parametrize(
    ("n_cliques", "shares"),
    [([4, 6, 4], [1 / 12, 1 / 18, 1 / 12]), ([2, 1, 0], [1 / 4, 1 / 2, 0]), ([1, 0, 0], [1, 0, 0])],
)
def test_family_shares__families_count_alike_however_many_cliques_they_have(n_cliques, shares):
    assert family_shares(np.array(n_cliques)).tolist() == pytest.approx(shares)


@given(layouts())
def test_family_shares__of_a_layout_sum_to_one_over_its_cliques(layout):
    n_cliques = [len(layout.by_arity.get(arity, ())) for arity in (1, 2, 3)]
    assert layout.family_shares @ n_cliques == pytest.approx(1)


@given(st.data(), layouts(), seeds)
def test_count__chosen_units_once_per_mention(data, layout, seed):
    codes = data.draw(codes_of(layout.index.sizes, min_units=1))
    chosen = np.random.default_rng(seed).integers(0, len(codes), 7)
    counts = np.zeros(layout.n_cells, np.int64)
    layout.count(codes, counts, chosen)
    assert np.array_equal(counts, count_marginals([codes[chosen]], layout))


@given(st.data(), layouts())
def test_gather__rows_of_all_pieces_in_order(data, layout):
    pieces = [data.draw(codes_of(layout.index.sizes, min_units=2)) for _ in range(2)]
    weights = np.ones(3)
    units = layout.gather([(pieces[0], np.array([1, 1])), (pieces[1], np.array([0]))], 7, weights)
    assert units.codes.tolist() == [*pieces[0][[1, 1]].tolist(), pieces[1][0].tolist()]
    assert (units.unit, units.index, units.weights) == (7, layout.index, weights)


def test_gather__no_pieces():
    assert Cliques.of([3, 2]).gather([], 1, np.ones(3)).codes.shape == (0, 2)


@given(st.integers(3, 12), st.integers(0, 300), seeds)
def test_of__holds_at_least_max_triples_or_all(d, max_triples, seed):
    layout = Cliques.of([2] * d, max_triples=max_triples, seed=seed)
    held = layout.by_arity[3]
    assert len(held) >= min(max_triples, comb(d, 3))
    assert len(held) < max_triples + d or len(held) <= comb(d, 3) <= max_triples
    assert len(np.unique(held, axis=0)) == len(held)


def test_of__each_pair_of_a_wide_table_is_as_likely_to_open_triples():
    d, n_draws = 9, 600
    opened = np.zeros((d, d))
    for seed in range(n_draws):
        opened += Cliques.of([1] * d, max_triples=40, seed=seed).index.triple_rows >= 0
    pairs = [(a, b) for a in range(d - 2) for b in range(a + 1, d - 1)]
    times = np.array([opened[pair] for pair in pairs])
    assert opened.sum() == times.sum()
    shares = times / n_draws
    assert np.abs(shares - shares.mean()).max() < 4.5 * np.sqrt(0.25 / n_draws)


def test_of__draws_depend_on_the_seed_alone():
    first, again, other = (Cliques.of([2] * 9, max_triples=20, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.index.triple_rows, again.index.triple_rows)
    assert not np.array_equal(first.index.triple_rows, other.index.triple_rows)


def test_cells_of__triple_that_is_not_held():
    layout = Cliques.of([2] * 6, max_triples=1)
    held = {tuple(clique) for clique in layout.by_arity[3].tolist()}
    missing = next(clique for clique in naive.all_cliques(6) if len(clique) == 3 and clique not in held)
    with pytest.raises(KeyError, match="not held"):
        layout.cells_of(missing)


def test_of__one_column_only():
    layout = Cliques.of([4])
    assert (layout.n_cells, layout.n_cliques, set(layout.by_arity)) == (4, 1, {1})
    assert layout.sum_by_family(np.ones(4)).tolist() == [4, 0, 0]


def test_of__two_columns_have_no_triples():
    layout = Cliques.of([4, 3])
    assert (layout.n_cells, set(layout.by_arity)) == (4 + 3 + 12, {1, 2})


def test_of__constant_columns_have_one_cell_per_clique():
    layout = Cliques.of([1] * 5)
    assert layout.n_cells == layout.n_cliques


@given(layouts(), seeds)
def test_cells_of__agree_with_bincount_over_codes(layout, seed):
    codes = np.random.default_rng(seed).integers(0, layout.index.sizes, (20, layout.n_columns)).astype(np.uint8)
    counts = count_marginals([codes], layout)
    for clique in held_cliques(layout):
        expected = counts_by_bincount(codes, clique, layout.index.sizes)
        assert np.array_equal(counts[layout.cells_of(clique)], expected)
