"""Between original and pool: as near the original as chance can't explain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.fitting.population import between, beyond_chance

STARTS = np.array([0, 40, 100])


def shares(random, n):
    values = random.random(n) * (random.random(n) < 0.8)
    return values / values.sum()


@given(st.integers(0, 2**32 - 1), st.integers(1, 10**7), st.floats(0, 1))
def test_between__lies_between(seed, n_original, least):
    random = np.random.default_rng(seed)
    original, pool = shares(random, 100), shares(random, 100)
    found, kept = between(original, pool, n_original, STARTS, least)
    low, high = np.minimum(original, pool), np.maximum(original, pool)
    assert ((low - 1e-12 <= found) & (found <= high + 1e-12)).all()
    assert all(least - 1e-9 <= share <= 1 + 1e-9 for share in kept)


@given(st.integers(0, 2**32 - 1))
def test_between__keeping_all_is_the_original(seed):
    random = np.random.default_rng(seed)
    original, pool = shares(random, 100), shares(random, 100)
    found, kept = between(original, pool, 1_000, STARTS, least=1.0)
    assert np.allclose(found, original)
    assert kept == pytest.approx((1.0, 1.0))


def test_between__equal_shares_stay():
    same = np.full(100, 0.01)
    found, _ = between(same, same, 1_000, STARTS)
    assert np.array_equal(found, same)


def test_beyond_chance__of_a_sample_is_little():
    """The original is a sample of what the pool shows: its deviations are chance."""
    random = np.random.default_rng(1)
    pool = shares(random, 2_000)
    original = random.multinomial(5_000, pool) / 5_000
    found, _ = between(original, pool, 5_000, np.array([0, 2_000]))
    assert np.abs(found - pool).sum() < 0.15 * np.abs(original - pool).sum()


def test_beyond_chance__of_a_biased_pool_is_much():
    random = np.random.default_rng(1)
    truth, pool = shares(random, 200), shares(random, 200)
    original = random.multinomial(20_000, truth) / 20_000
    found, _ = between(original, pool, 20_000, np.array([0, 200]))
    assert np.abs(found - truth).sum() < 0.1 * np.abs(pool - truth).sum()


def test_beyond_chance__is_nearer_the_truth_than_either():
    """A pool that is off by about what chance moves the original by."""
    random = np.random.default_rng(1)
    truth = shares(random, 3_000)
    distances = np.zeros(3)
    for _ in range(20):
        original = random.multinomial(30_000, truth) / 30_000
        noise = np.sqrt(truth / 30_000) * random.normal(size=3_000)
        pool = np.maximum(truth + noise, 0)
        pool /= pool.sum()
        found, _ = between(original, pool, 30_000, np.array([0, 3_000]))
        distances += [np.square(share - truth).sum() for share in (found, original, pool)]
    assert distances[0] < 0.7 * distances[1:].min()


def test_beyond_chance__of_nothing():
    nothing = np.zeros(5)
    assert np.array_equal(beyond_chance(nothing, nothing, 100), np.zeros(5))
