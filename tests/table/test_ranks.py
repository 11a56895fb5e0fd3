"""Large whole numbers by rank: there and back within the original's range, those that many share unchanged."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from issodask.table.ranks import Ranks, as_ordered, from_ordered
from tests.strategies import randoms

LIMITS = {"int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}


@given(st.sampled_from(["int64", "uint64"]), st.data(), randoms)
def test_ranks__stay_between_neighbours(dtype, data, random):
    numbers = data.draw(st.lists(st.integers(*LIMITS[dtype]), min_size=1, max_size=20, unique=True))
    values = np.sort(np.array(numbers, dtype=dtype))
    shared = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    ranks = Ranks.learn(values, np.where(shared, 8, 7))
    assert ranks.encode(values).tolist() == list(range(len(values)))
    for _ in range(5):
        decoded = ranks.decode(np.arange(len(values)), random)
        assert decoded.dtype == values.dtype
        known = values.tolist()
        for i, (new, is_shared) in enumerate(zip(decoded.tolist(), shared, strict=True)):
            below, above = known[max(i - 1, 0)], known[min(i + 1, len(known) - 1)]
            assert below <= new <= above
            has_room = max(known[i] - below, above - known[i]) > 1
            assert (new == known[i]) if is_shared or not has_room else (new not in known)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_ordered__floats_as_whole_numbers(floats):
    numbers = np.array(floats)
    ordered = as_ordered(numbers)
    assert np.array_equal(from_ordered(ordered), numbers)
    assert np.array_equal(np.argsort(ordered, kind="stable"), np.argsort(numbers, kind="stable"))


def test_ordered__what_lies_between_lies_between():
    values = np.array([-1e300, -1e20, 0.0, 1e-5, 3e49])
    ranks = Ranks.learn(as_ordered(values), np.zeros(5, np.int64))
    found = from_ordered(ranks.decode(np.arange(5), np.random.default_rng(0)))
    assert (np.append(-np.inf, values[:-1]) < found).all()
    assert (found < np.append(values[1:], np.inf)).all()
    assert np.isfinite(found).all()


def test_ranks__beyond_the_ends():
    ranks = Ranks.learn(np.array([2**60, 2**61]), np.array([9, 9]))
    assert ranks.decode(np.array([-3, 7]), np.random.default_rng(0)).tolist() == [2**60, 2**61]
