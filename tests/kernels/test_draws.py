"""The inverse transform: which category a random number falls on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.draws import STRIDE, draw
from tests import naive

# multiples of powers of two, so that all sums are exact
_WEIGHTS = st.lists(st.integers(0, 3).map(lambda n: n / 16), min_size=1, max_size=3 * STRIDE)
_UNIFORMS = st.lists(st.integers(0, 2**10 - 1).map(lambda n: n / 2**10), min_size=1, max_size=5)


def drawn_by(weights, uniforms, is_drawn=None):
    weights = np.asarray(weights, np.float32)
    is_drawn = np.ones(weights.shape[1]) if is_drawn is None else is_drawn
    drawn = np.empty(len(weights), np.int64)
    draw(weights, np.asarray(is_drawn, np.float32), np.asarray(uniforms, np.float64), drawn)
    return drawn.tolist()


@given(_WEIGHTS, _UNIFORMS, st.data())
def test_draw__equals_twin(weights, uniforms, data):
    is_drawn = data.draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights)))
    expected = [naive.category_at(uniform, weights, is_drawn) for uniform in uniforms]
    assert drawn_by([weights] * len(uniforms), uniforms, is_drawn) == expected


NEARLY_ONE = 1 - 2.0**-53


@pytest.mark.parametrize("uniform", [0.0, 0.5, NEARLY_ONE])
@pytest.mark.parametrize("n_categories", [1, STRIDE, STRIDE + 1, 1_000])
def test_draw__all_mass_in_the_last(n_categories, uniform):
    weights = np.zeros((1, n_categories))
    weights[0, -1] = 1
    assert drawn_by(weights, [uniform]) == [n_categories - 1]


@pytest.mark.parametrize("total", [0.9999999, 1.0, 1.0000001])
def test_draw__the_last_number_below_one_falls_on_the_last_that_has_mass(total):
    weights = np.zeros(400)
    weights[:300] = total / 300
    assert drawn_by([weights, weights], [0.0, NEARLY_ONE]) == [0, 299]


def test_draw__small_weights_behind_large_ones_are_not_lost():
    """In sums of float32 a thousand weights of 1e-9 after a 1 would be a few steps, each on one of them."""
    weights = np.full(1_001, 1e-9)
    weights[0] = 1
    uniforms = np.linspace(1, 1 + 1e-6, 100, endpoint=False) / (1 + 1e-6)
    drawn = np.array(drawn_by(np.tile(weights, (100, 1)), uniforms))
    assert np.abs(drawn - np.arange(100) * 10).max() <= 2


@pytest.mark.parametrize("weights", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_draw__nothing_to_draw_is_said(weights):
    assert drawn_by([[0.5, 0.5], weights], [0.7, 0.7]) == [1, -1]
