"""Weights that match the original's pairs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.fitting.ipf import Repeated, fit_weights
from issodask.fitting.pairs import rank_pairs, scale_block, sum_block, sum_cells, weigh_block
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from tests import naive
from tests.strategies import cuts, domains, problems, seeds


class BlockByBlock:
    """Weights in this process, cut into blocks; remembers the tables that it was sent."""

    def __init__(self, blocks):
        self.blocks = blocks
        self.weights = [np.ones(len(codes)) for codes in blocks]
        self.summed = []

    def step(self, scale_by, sum_by, n_sums):
        self.summed.append(sum_by)
        if scale_by is not None:
            for codes, weights in zip(self.blocks, self.weights, strict=True):
                scale_block(codes, weights, scale_by)
        return sum(sum_block(c, w, sum_by)[0] for c, w in zip(self.blocks, self.weights, strict=True))

    def largest(self):
        return max(own.max(initial=0) for own in self.weights)

    def weigh(self, found):
        """The weights that the factors stand for."""
        self.weights = [weigh_block(codes, found.factors, found.largest) for codes in self.blocks]

    def sums(self, tables):
        return sum(sum_cells(codes, own, tables) for codes, own in zip(self.blocks, self.weights, strict=True))

    @property
    def all(self):
        return np.concatenate(self.weights)


def fit(original, blocks, sizes, n_passes=8, limit=5_000, **options):
    """The fitted weights, and how the fit ended."""
    layout = Cliques.of(sizes)
    marginals = count_marginals([original], layout)
    weights = BlockByBlock(blocks)
    pairs = rank_pairs(marginals, layout, limit)
    found = fit_weights(weights, marginals, layout, pairs, n_passes, **options)
    weights.weigh(found)
    return weights, found.result(weights.sums(found.targets))


def distance(original, pool, weights, pair):
    """Total variation distance of the weighted pool from the original over one pair."""
    target = naive.count(original, [pair])
    sums = naive.sum_weights(pool, weights.tolist(), [pair])
    cells = set(target) | set(sums)
    return sum(abs(target[cell] / len(original) - sums[cell] / weights.sum()) for cell in cells) / 2


def mean_distance(original, pool, weights):
    pairs = combinations(range(original.shape[1]), 2)
    return np.mean([distance(original, pool, weights, pair) for pair in pairs])


def two_tables(seed, sizes, n_original=60, n_pool=600):
    """An original with dependent columns, and a pool that has all its combinations but other shares of them."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, sizes, (8, len(sizes))).astype(np.uint8)
    shares = random.dirichlet(np.ones(8), 2)
    original, pool = (kinds[random.choice(8, n, p=p)] for n, p in zip((n_original, n_pool), shares, strict=True))
    return original, np.concatenate([pool, kinds])


def nasty_tables(seed):
    """Columns that repeat or determine each other, cells without support, targets of 0, one row that fits alone."""
    random = np.random.default_rng(seed)
    n_columns, n_bins = int(random.integers(2, 13)), int(random.integers(2, 8))
    levels = random.random((n_columns, 1)) < 0.7  # of these columns the other ones follow

    def draw(n_rows, drift):
        level = np.clip(random.normal(n_bins / 2 + drift, 2, n_rows), 0, n_bins - 1)
        noise = random.normal(0, random.choice([0.0, 0.3, 3.0]), (n_columns, n_rows))
        own = random.integers(0, n_bins, (n_columns, n_rows))
        return np.clip(np.where(levels, level + noise, own), 0, n_bins - 1).astype(np.uint8).T

    original, pool = draw(random.integers(1, 80), 0.0), draw(random.integers(2, 400), random.choice([0.0, 1.5]))
    if random.random() < 0.5:
        pool = pool[pool[:, 0] != original[0, 0]]
    if random.random() < 0.5 or not len(pool):
        pool = np.concatenate([pool, original[:1]])
    return original, np.ascontiguousarray(pool), [n_bins] * n_columns


def fit_nasty(seed, n_passes=6):
    """Fit the factors of nasty tables; also their pool, its weights, and how many rows have to stay effective."""
    original, pool, sizes = nasty_tables(seed)
    layout = Cliques.of(sizes)
    marginals = count_marginals([original], layout)
    least = np.random.default_rng(seed).choice([1.0, len(pool) / 3, len(pool)])
    weights = BlockByBlock([pool])
    found = fit_weights(weights, marginals, layout, rank_pairs(marginals, layout, 100), n_passes, least)
    return found, original, pool, weights.all, least


def effective(weights):
    return weights.sum() ** 2 / (weights**2).sum()


@given(seeds)
def test_fit_weights__nasty_tables_the_dual_never_rises(seed):
    duals = np.array(fit_nasty(seed)[0].duals)
    assert (np.diff(duals) <= 1e-9 * np.abs(duals[:-1])).all()


@given(seeds)
def test_fit_weights__nasty_tables_weights_are_finite_and_enough_rows_count(seed):
    found, _, pool, weights, least = fit_nasty(seed)
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert effective(weights) >= min(least, len(pool)) * (1 - 1e-9)
    again = weigh_block(pool, found.factors, found.largest)
    assert np.isfinite(again).all()


def test_fit_weights__tells_when_few_rows_would_carry_the_weight():
    original = np.zeros((50, 4), np.uint8)
    pool = np.concatenate([np.zeros((1, 4), np.uint8), np.ones((99, 4), np.uint8)])
    weights, result = fit(original, [pool], [2] * 4, n_passes=20, least_effective=50.0)
    assert result.status == "few rows left"
    assert effective(weights.all) >= 50.0
    assert result.effective_units == pytest.approx(effective(weights.all))
    assert weights.all[0] > weights.all[1]


wide = domains.filter(lambda sizes: len(sizes) > 1)


@given(problems())
def test_fit_weights__keeps_the_total(problem):
    weights, _ = fit(problem.original, [problem.pool], problem.layout.index.sizes)
    assert weights.all.sum() == pytest.approx(len(problem.pool))
    assert (weights.all > 0).all()


@given(st.data(), problems())
def test_fit_weights__any_cut_into_blocks(data, problem):
    blocks = [problem.pool[rows] for rows in data.draw(cuts(len(problem.pool)))]
    sizes = problem.layout.index.sizes
    whole, result = fit(problem.original, [problem.pool], sizes)
    parts, result_of_parts = fit(problem.original, blocks, sizes)
    assert parts.all == pytest.approx(whole.all, rel=1e-6)
    assert result_of_parts.status == result.status
    assert result_of_parts.residuals == pytest.approx(result.residuals, abs=1e-9)
    assert result_of_parts.unfillable == result.unfillable


@given(seeds, wide)
def test_fit_weights__lowers_the_residual(seed, sizes):
    original, pool = two_tables(seed, sizes)
    weights, result = fit(original, [pool], sizes, n_passes=20)
    before = mean_distance(original, pool, np.ones(len(pool)))
    after = mean_distance(original, pool, weights.all)
    assert after <= before + 1e-9
    assert before < 0.01 or after < 0.6 * before
    assert result.residuals[-1] <= result.residuals[0]


@given(seeds, wide)
def test_fit_weights__the_factors_are_those_that_the_weights_were_scaled_by(seed, sizes):
    original, pool = two_tables(seed, sizes)
    layout = Cliques.of(sizes)
    marginals = count_marginals([original], layout)
    weights = BlockByBlock([pool])
    found = fit_weights(weights, marginals, layout, rank_pairs(marginals, layout, 100), 3)
    scaled = weights.all * len(pool) / weights.all.sum()
    assert weigh_block(pool, found.factors, found.largest) == pytest.approx(scaled)


@given(seeds, wide)
def test_fit_weights__the_dual_is_that_of_the_factors(seed, sizes):
    original, pool = two_tables(seed, sizes)
    layout = Cliques.of(sizes)
    marginals = count_marginals([original], layout)
    found = fit_weights(BlockByBlock([pool]), marginals, layout, rank_pairs(marginals, layout, 100), 3)
    agreed = sum(target.factors @ np.log(own.factors) for target, own in zip(found.targets, found.factors, strict=True))
    free = weigh_block(pool, found.factors, np.inf)
    assert found.duals[-1] == pytest.approx(np.log(free.sum()) - agreed)
    assert found.duals[0] == pytest.approx(np.log(len(pool)))


@given(seeds, wide)
def test_weigh_block__no_unit_outweighs_those_that_the_factors_were_fitted_on(seed, sizes):
    original, pool = two_tables(seed, sizes)
    layout = Cliques.of(sizes)
    marginals = count_marginals([original], layout)
    weights = BlockByBlock([pool[:30]])
    found = fit_weights(weights, marginals, layout, rank_pairs(marginals, layout, 100), 3)
    others = weigh_block(pool[30:], found.factors, found.largest)
    assert others.max() <= found.largest == pytest.approx(weights.all.max() * 30 / weights.all.sum())
    free = weigh_block(pool[30:], found.factors, np.inf)
    assert np.array_equal(others, np.minimum(free, found.largest))


@given(seeds, wide)
def test_result__tells_the_distance_of_the_weighted_pool(seed, sizes):
    original, pool = two_tables(seed, sizes)
    weights, result = fit(original, [pool[:100], pool[100:]], sizes)
    assert result.pool_residual == pytest.approx(mean_distance(original, pool, weights.all), abs=1e-9)


@pytest.mark.parametrize("n_known", [0, 1, 4, 9])
def test_repeated__goes_on_from_any_step_to_the_same_bytes(n_known):
    sizes = [3, 4, 2, 5]
    original, pool = two_tables(7, sizes)
    layout = Cliques.of(sizes)
    marginals = count_marginals([original], layout)
    pairs = rank_pairs(marginals, layout, 100)
    whole = Repeated(BlockByBlock([pool]))
    expected = fit_weights(whole, marginals, layout, pairs, 3)
    blocks = BlockByBlock([pool])
    again = fit_weights(Repeated(blocks, whole.sums[:n_known]), marginals, layout, pairs, 3)
    assert len(whole.sums) == 10
    assert sum(len(table.pairs) > 0 for table in blocks.summed) == 10 - n_known
    assert again.residuals == expected.residuals
    for ours, theirs in zip(again.factors, expected.factors, strict=True):
        assert ours.factors.tobytes() == theirs.factors.tobytes()


def test_fit_weights__ends_at_the_original_when_the_pool_holds_it():
    original, pool = two_tables(3, [3, 4, 2, 5])
    weights, result = fit(original, [pool], [3, 4, 2, 5], n_passes=200)
    assert mean_distance(original, pool, weights.all) < 2e-3
    assert result.residuals[-1] < 0.1 * result.residuals[0]


@given(seeds, wide)
def test_fit_weights__a_pass_meets_each_pair_once_and_no_column_twice_at_a_time(seed, sizes):
    original, pool = two_tables(seed, sizes, n_pool=20)
    weights, _ = fit(original, [pool], sizes, n_passes=1)
    groups = [table.pairs.tolist() for table in weights.summed[:-1]]
    met = [tuple(pair) for group in groups for pair in group]
    assert sorted(met) == list(combinations(range(len(sizes)), 2))
    assert all(len(set(np.ravel(group))) == 2 * len(group) for group in groups)
    assert len(groups) <= len(sizes)


@given(problems())
def test_fit_weights__reports_the_cells_that_no_unit_fills(problem):
    _, result = fit(problem.original, [problem.pool], problem.layout.index.sizes)
    pairs = list(combinations(range(problem.layout.n_columns), 2))
    target, support = naive.count(problem.original, pairs), naive.count(problem.pool, pairs)
    expected = {(*pair, *bins, n / len(problem.original)) for (pair, bins), n in target.items()}
    expected = {cell for cell in expected if not support[(cell[:2], cell[2:4])]}
    assert sorted(result.unfillable) == sorted(expected)
    shares = [cell[4] for cell in result.unfillable]
    assert shares == sorted(shares, reverse=True)


def test_fit_weights__pool_of_which_every_unit_is_impossible():
    """Factors of 0 for what the original lacks would leave no weight at all, and then divide by it."""
    original = np.array([[0, 0, 0]], np.uint8)
    pool = np.array([[0, 1, 0], [1, 0, 0], [1, 1, 1]], np.uint8)
    weights, result = fit(original, [pool], [2, 2, 2])
    assert np.isfinite(weights.all).all()
    assert weights.all.sum() == pytest.approx(3)
    assert np.isfinite(result.residuals).all()
    assert weights.all[2] < weights.all[:2].min()


def test_fit_weights__wide_table_of_few_rows():
    random = np.random.default_rng(1)
    original, pool = (random.integers(0, 10, (n, 30)).astype(np.uint8) for n in (30, 500))
    weights, _ = fit(original, [pool], [10] * 30)
    assert np.isfinite(weights.all).all()
    assert weights.all.sum() == pytest.approx(500)


def test_fit_weights__wide_table_without_a_common_bin():
    """A thousand factors of 0.1 in a pass must not multiply to nothing."""
    weights, _ = fit(np.zeros((1, 50), np.uint8), [np.ones((3, 50), np.uint8)], [2] * 50)
    assert weights.all == pytest.approx([1, 1, 1])


def test_fit_weights__one_column_only():
    weights, result = fit(np.zeros((3, 1), np.uint8), [np.ones((4, 1), np.uint8)], [2])
    assert (result.n_pairs, result.residuals, result.unfillable) == (0, (), ())
    assert weights.all.tolist() == [1, 1, 1, 1]


def test_fit_weights__constant_columns_converge_at_once():
    weights, result = fit(np.zeros((3, 2), np.uint8), [np.zeros((4, 2), np.uint8)], [1, 1])
    assert (result.status, len(result.residuals)) == ("converged", 1)
    assert weights.all.tolist() == pytest.approx([1, 1, 1, 1])


def test_fit_weights__two_columns_are_fitted_exactly():
    original = np.array([[0, 0]] * 3 + [[1, 1]], np.uint8)
    pool = np.array([[0, 0], [1, 1], [1, 1], [0, 1]], np.uint8)
    weights, result = fit(original, [pool], [2, 2], n_passes=60)
    assert result.status == "converged"
    assert weights.all == pytest.approx([3, 0.5, 0.5, 0], abs=1e-3)


def test_fit_weights__single_unit():
    weights, _ = fit(np.array([[0, 1], [1, 1]], np.uint8), [np.array([[1, 1]], np.uint8)], [2, 2])
    assert weights.all == pytest.approx([1])


def test_fit_weights__no_passes():
    weights, result = fit(np.zeros((3, 2), np.uint8), [np.ones((4, 2), np.uint8)], [2, 2], n_passes=0)
    assert (result.status, result.residuals) == ("pass limit", ())
    assert weights.all.tolist() == [1, 1, 1, 1]


def test_fit_weights__stalls_when_the_pool_can_not_match():
    original = np.array([[0, 0], [1, 1]], np.uint8)
    pool = np.array([[0, 1], [0, 1]], np.uint8)
    _, result = fit(original, [pool], [2, 2])
    assert result.status == "stalled"
    assert result.residuals[-1] == pytest.approx(1)


def test_fit_weights__tells_each_pass():
    original, pool = two_tables(5, [3, 3, 3])
    told = []
    _, result = fit(original, [pool], [3, 3, 3], n_passes=4, on_pass=lambda n, residual: told.append((n, residual)))
    assert told == list(enumerate(result.residuals, start=1))


@given(seeds, wide)
def test_rank_pairs__highest_mutual_information_first_to_stay(seed, sizes):
    original, _ = two_tables(seed, sizes)
    layout = Cliques.of(sizes)
    pairs = list(combinations(range(len(sizes)), 2))
    limit = max(1, len(pairs) // 2)
    ranked = rank_pairs(count_marginals([original], layout), layout, limit)
    assert len(ranked) == limit
    assert ranked.tolist() == sorted(ranked.tolist())
    information = {pair: naive.mutual_information(original, pair) for pair in pairs}
    kept = [information[tuple(pair)] for pair in ranked.tolist()]
    assert sorted(kept) == pytest.approx(sorted(information.values())[-limit:], abs=1e-12)


def test_rank_pairs__none_of_one_column():
    layout = Cliques.of([3])
    assert rank_pairs(np.ones(3, np.int64), layout, 10).shape == (0, 2)
