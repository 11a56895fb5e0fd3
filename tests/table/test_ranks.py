"""Large whole numbers by rank: there and back within the original's range, those that many share unchanged."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from issodask.table.ranks import Ranks
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


def test_ranks__beyond_the_ends():
    ranks = Ranks.learn(np.array([2**60, 2**61]), np.array([9, 9]))
    assert ranks.decode(np.array([-3, 7]), np.random.default_rng(0)).tolist() == [2**60, 2**61]
