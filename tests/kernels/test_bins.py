"""Values become codes as their naive twins say, also where they are missing or on an edge."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.bins import NO_TIME, bin_numbers, bin_times, code_texts, count_codes
from tests import naive

ORDERED = st.lists(st.integers(-20, 20), max_size=31, unique=True).map(sorted)
CODES = np.random.default_rng(1).permutation(256).astype(np.uint8)


@given(ORDERED, st.lists(st.integers(-21, 21).map(float) | st.floats(-30, 30) | st.just(np.nan), max_size=50))
def test_bin_numbers__equals_twin(edges, values):
    values, out = np.array(values, np.float64), np.zeros((len(values), 3), np.uint8)
    bin_numbers(values, np.array(edges, np.float64), CODES[: len(edges) + 1], CODES[99], out[:, 1])
    assert out[:, 1].tolist() == naive.codes_of_values(values, edges, CODES, CODES[99], np.isnan(values))
    assert not out[:, ::2].any()


@given(ORDERED, st.lists(st.integers(-21, 21) | st.sampled_from([NO_TIME, 2**63 - 1, 1 - 2**63]), max_size=50))
def test_bin_times__equals_twin(edges, ticks):
    ticks, out = np.array(ticks, np.int64), np.zeros((len(ticks), 3), np.uint8)
    bin_times(ticks, np.array(edges, np.int64), CODES[: len(edges) + 1], CODES[99], out[:, 1])
    assert out[:, 1].tolist() == naive.codes_of_values(ticks, edges, CODES, CODES[99], ticks == NO_TIME)


@given(st.integers(0, 30), st.data())
def test_code_texts__equals_twin(n_texts, data):
    places = np.array(data.draw(st.lists(st.integers(-1, n_texts - 1), max_size=50)), np.int32)
    out = np.zeros(len(places), np.uint8)
    code_texts(places, CODES[: n_texts + 1], out)
    assert out.tolist() == [int(CODES[place if place >= 0 else n_texts]) for place in places]


@given(st.lists(st.lists(st.integers(0, 255), min_size=3, max_size=3), max_size=30))
def test_count_codes__equals_twin(rows):
    codes, counts = np.array(rows, np.uint8).reshape(-1, 3), np.ones((3, 256), np.int64)
    count_codes(codes, counts)
    assert np.array_equal(counts - 1, [np.bincount(codes[:, j], minlength=256) for j in range(3)])
