"""From weights to whole units."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from issodask.fitting.rounding import integerise
from tests import naive
from tests.strategies import cuts

weights_of_units = st.lists(
    st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1.0, 5.0]), st.floats(0, 1e6)), min_size=1, max_size=30
).map(np.array)
offsets = st.one_of(st.sampled_from([0.0, 0.5, 1 - 2**-53]), st.floats(0, 1, exclude_max=True))


def uses_of(blocks, n_units, offset, may_repeat=False):
    """How often each unit is taken, by block of weights."""

    def map_weights(function, arguments):
        return map(function, blocks, arguments)

    rows = integerise(map_weights, [len(block) for block in blocks], n_units, offset, may_repeat)
    return [np.bincount(own, minlength=len(block)) for own, block in zip(rows, blocks, strict=True)]


def taken(weights, n_units, offset, may_repeat=False):
    (uses,) = uses_of([weights], n_units, offset, may_repeat)
    return uses


@given(st.data(), weights_of_units, offsets)
def test_integerise__exact_total_and_no_unit_twice(data, weights, offset):
    n_units = data.draw(st.integers(1, len(weights)))
    uses = taken(weights, n_units, offset)
    assert uses.sum() == n_units
    assert uses.max() <= 1


@given(weights_of_units, st.integers(1, 100), offsets)
def test_integerise__exact_total_with_repeats(weights, n_units, offset):
    assert taken(weights, n_units, offset, may_repeat=True).sum() == n_units


@given(st.data(), weights_of_units, offsets, st.booleans())
def test_integerise__any_cut_into_blocks(data, weights, offset, may_repeat):
    n_units = data.draw(st.integers(1, len(weights)))
    blocks = [weights[rows] for rows in data.draw(cuts(len(weights)))]
    uses = uses_of(blocks, n_units, offset, may_repeat)
    assert [len(own) for own in uses] == [len(block) for block in blocks]
    assert np.array_equal(np.concatenate(uses), taken(weights, n_units, offset, may_repeat))


@given(st.data(), weights_of_units, offsets, st.booleans())
def test_integerise__equals_the_same_in_one_piece(data, weights, offset, may_repeat):
    n_units = data.draw(st.integers(1, len(weights)))
    blocks = [weights[rows] for rows in data.draw(cuts(len(weights)))]
    uses = np.concatenate(uses_of(blocks, n_units, offset, may_repeat))
    assert uses.tolist() == naive.integerise(weights.tolist(), n_units, offset, may_repeat)


@given(st.data(), weights_of_units, offsets)
def test_integerise__weightless_units_stay_out_unless_needed(data, weights, offset):
    n_units = data.draw(st.integers(1, len(weights)))
    weights[weights < 1e-3] = 0
    uses = taken(weights, n_units, offset)
    if np.count_nonzero(weights) >= n_units:
        assert not uses[weights == 0].any()
    else:
        assert uses[weights == 0].any()


@given(weights_of_units, st.integers(1, 100), offsets)
def test_integerise__repeats_are_the_expected_uses_up_or_down(weights, n_units, offset):
    weights += 0.01
    expected = weights * n_units / weights.sum()
    uses = taken(weights, n_units, offset, may_repeat=True)
    assert (uses >= np.floor(expected - 1e-6)).all()
    assert (uses <= np.ceil(expected + 1e-6)).all()


@pytest.mark.slow
@given(st.data(), st.lists(st.floats(0.1, 10), min_size=1, max_size=12).map(np.array))
@example(None, np.array([1.0, 1.0, 100.0]))
def test_integerise__units_are_taken_in_proportion(data, weights):
    """Over all offsets, a unit is taken as often as its weight says, capped at always."""
    n_units = data.draw(st.integers(1, len(weights))) if data else 2
    offsets = (np.arange(400) + 0.5) / 400
    shares = np.mean([taken(weights, n_units, offset) for offset in offsets], axis=0)
    expected = np.minimum(weights * capped_scale(weights, n_units), 1)
    assert shares == pytest.approx(expected, abs=6e-3)


def capped_scale(weights, n_units):
    """By bisection: the scale at which the capped weights sum to `n_units`."""
    low, high = 0.0, n_units / weights.min()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(weights * middle, 1).sum() < n_units else (low, middle)
    return high


def test_integerise__regression_of_rounded_sums():
    """Cumulated floats took the last unit twice and another not at all."""
    weights = np.array([0.2, 0.1, 0.2, 0.3, 5.0, 0.3, 0.1, 0.3, 1.0, 5.0])
    assert taken(weights, 8, 0.0).max() == 1


def test_integerise__all_units_weightless():
    assert taken(np.zeros(10), 4, 0.2).sum() == 4
    assert taken(np.zeros(3), 7, 0.2, may_repeat=True).sum() == 7


def test_integerise__single_unit():
    assert taken(np.array([0.3]), 1, 0.9).tolist() == [1]


def test_integerise__whole_pool():
    assert taken(np.array([1e-9, 1e9, 0.0]), 3, 0.4).tolist() == [1, 1, 1]


def test_integerise__empty_blocks():
    uses = uses_of([np.empty(0), np.ones(3), np.empty(0)], 2, 0.9)
    assert [len(own) for own in uses] == [0, 3, 0]
    assert np.concatenate(uses).sum() == 2


def test_integerise__weights_of_any_scale():
    weights = np.array([1e-280, 3e-280, 2e-280, 4e-280])
    assert np.array_equal(taken(weights, 2, 0.3), taken(weights * 1e290, 2, 0.3))


def test_integerise__subnormal_weights():
    assert taken(np.array([5e-324, 2e-309, 0.0]), 2, 0.5).sum() == 2


def test_integerise__large_pool_is_exact():
    weights = np.random.default_rng(1).lognormal(0, 3, 200_000)
    uses = taken(weights, 50_000, 0.123)
    assert (uses.sum(), uses.max()) == (50_000, 1)


def test_integerise__too_few_units():
    with pytest.raises(ValueError, match="3 units can't fill 4 places without repeats"):
        uses_of([np.ones(2), np.ones(1)], 4, 0.0)
