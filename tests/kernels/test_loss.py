"""The softened error that guides trimming."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.kernels.loss import ONE, removal_fall, retarget
from tests import naive

residuals = st.integers(-(2**29), 2**29)
near = st.integers(-3_000, 3_000)
steps = st.sampled_from([1, 2, 7, 90, 256, 2_520])
softnesses = st.floats(1, 1_000)


def slope_of(step, softness):
    """Of an error that is softened over so many steps."""
    return np.float32(ONE / (step * softness))


def fall_of(r, slope, step):
    return int(removal_fall(np.int32(r), slope, step))


@given(st.one_of(residuals, near), softnesses, steps)
def test_removal_fall__equals_twin(r, softness, step):
    slope = slope_of(step, softness)
    assert fall_of(r, slope, step) == naive.removal_fall(r, float(slope), step)


@given(st.one_of(residuals, near), steps)
def test_removal_fall__unsoftened_is_the_fall_of_the_error(r, step):
    assert fall_of(r, slope_of(step, 1), step) == pytest.approx((abs(r) - abs(r + step)) * ONE / step, abs=1.01)


@given(st.lists(st.one_of(residuals, near), min_size=2, max_size=8), softnesses, steps)
def test_removal_fall__the_more_there_is_too_much_of_the_more_it_helps(rs, softness, step):
    falls = [fall_of(r, slope_of(step, softness), step) for r in sorted(rs)]
    assert falls == sorted(falls, reverse=True)


@given(st.one_of(residuals, near), softnesses, steps)
def test_removal_fall__addition_is_the_opposite(r, softness, step):
    slope = slope_of(step, softness)
    assert fall_of(-r - step, slope, step) == -fall_of(r, slope, step)


@given(steps, softnesses, st.floats(-1, 1))
def test_removal_fall__is_flat_where_the_error_is_smaller_than_the_noise(step, softness, steps_off):
    assert abs(fall_of(round(steps_off * step), slope_of(step, softness), step)) <= 3 * ONE / softness + 1


@given(steps, softnesses, st.integers(1, 2**15))
def test_removal_fall__far_off_noise_is_nothing(step, softness, beyond):
    far = int(step * (softness + 1)) + beyond
    assert fall_of(-far, slope_of(step, softness), step) == ONE
    assert fall_of(far, slope_of(step, softness), step) == -ONE


@given(st.lists(st.tuples(near, softnesses, st.integers(0, 2**27)), max_size=8), steps, st.floats(1, 15))
def test_retarget__shifts_the_residual_and_holds_each_cells_fall(cells, step, oversize):
    residual = np.array([r for r, _, _ in cells], np.int32)
    slopes = np.array([slope_of(step, softness) for _, softness, _ in cells], np.float32)
    target = np.array([wanted for _, _, wanted in cells], np.int32)
    table = np.full(len(cells), -1, np.int16)
    shifted = residual.copy()
    retarget(shifted, target, 1.0, oversize, slopes, step, table)
    assert shifted.tolist() == [r + round(oversize * wanted) - wanted for r, _, wanted in cells]
    assert table.tolist() == [fall_of(r, slope, step) for r, slope in zip(shifted, slopes, strict=True)]
    retarget(shifted, target, oversize, 1.0, slopes, step, table)
    assert np.array_equal(shifted, residual)


@given(st.lists(near, max_size=8), softnesses, steps)
def test_retarget__one_slope_for_all_cells(rs, softness, step):
    tables = np.empty((2, len(rs)), np.int16)
    for slopes, table in zip((1, len(rs)), tables, strict=True):
        residual = np.array(rs, np.int32)
        retarget(residual, residual.copy(), 1.0, 1.0, np.full(slopes, slope_of(step, softness)), step, table)
    assert np.array_equal(*tables)
