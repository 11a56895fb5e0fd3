"""The kernels that scale and sum weights, against their naive twins."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.ipf import scale_weights, sum_weights
from tests import naive
from tests.strategies import codes_of, domains


@st.composite
def tables(draw):
    """Codes, and a table of factors for some of their pairs (any, also overlapping ones)."""
    sizes = draw(domains)
    codes = draw(codes_of(sizes))
    every = [clique for clique in naive.all_cliques(len(sizes)) if len(clique) == 2]
    pairs = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    cells = [naive.cells_of_clique(pair, [sizes[column] for column in pair]) for pair in pairs]
    starts = np.cumsum([0, *map(len, cells)])
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factors = random.choice([0.0, 0.1, 0.7, 1.0, 10.0], starts[-1])
    arrays = (np.array(pairs, np.int64).reshape(-1, 2), starts[:-1].astype(np.int64), np.array(sizes, np.int64))
    return codes, random.random(len(codes)), arrays, factors, pairs, [*chain(*cells)]


@given(tables())
def test_scale_weights__equals_twin(table):
    codes, weights, arrays, factors, pairs, cells = table
    scaled = weights.copy()
    scale_weights(codes, *arrays, factors, scaled)
    named = dict(zip(cells, factors.tolist(), strict=True))
    assert scaled.tolist() == naive.scale_weights(codes, weights.tolist(), named, pairs)


@given(tables())
def test_sum_weights__equals_twin(table):
    codes, weights, arrays, factors, pairs, cells = table
    sums = np.zeros_like(factors)
    sum_weights(codes, *arrays, weights, sums)
    expected = naive.sum_weights(codes, weights.tolist(), pairs)
    assert sums.tolist() == [expected[cell] for cell in cells]
    assert sums.sum() == pytest.approx(weights.sum() * len(pairs))


@given(tables())
def test_scale_weights__by_one_changes_nothing(table):
    codes, weights, arrays, factors, _, _ = table
    scaled = weights.copy()
    scale_weights(codes, *arrays, np.ones_like(factors), scaled)
    assert np.array_equal(scaled, weights)


def test_sum_weights__empty_block():
    sums = np.zeros(6)
    pairs, starts, sizes = np.array([[0, 1]]), np.zeros(1, np.int64), np.array([2, 3])
    sum_weights(np.empty((0, 2), np.uint8), pairs, starts, sizes, np.empty(0), sums)
    assert not sums.any()


def test_sum_weights__largest_codes_do_not_wrap():
    sums = np.zeros(256 * 256)
    pairs, starts, sizes = np.array([[0, 1]]), np.zeros(1, np.int64), np.array([256, 256])
    sum_weights(np.full((1, 2), 255, np.uint8), pairs, starts, sizes, np.ones(1), sums)
    assert sums[-1] == 1
