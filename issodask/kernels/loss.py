"""How far a cell is off, softened: the guide of trimming.

The metric draws one row of each group, so what it will count in a cell varies. Of a cell that is off by less than that,
little is to be gained; others are better mended first. So the error is taken in expectation over such noise, which is
flat near 0. A parabola that goes over into |r| comes close to it (Huber 1964), and its slope is cheap: -2 r / width,
held between -1 and 1.
"""

import numpy as np

from issodask.kernels.jit import kernel

ONE = 16_384
"""A fall of the error by as much as the residual changes, in a removal table."""


@kernel
def removal_fall(r, slope, step):
    """Return by how much the softened error falls when the residual `r` rises by `step`, per step, in parts of ONE.

    `slope` is ONE / width; at ONE / step, its largest value, this is |r| - |r + step| exactly.
    """
    fall = -np.float32(np.int64(2) * r + step) * slope
    return np.int32(max(np.float32(-ONE), min(np.float32(ONE), fall)))


@kernel
def retarget(residual, target, before, now, slopes, step, table):
    """Take up a residual against `now` times the target instead of `before` times; write `removal_fall` of each cell.

    residual   int32, m     changed
    target     int32, m
    slopes     float32, m, or 1 where all cells have the same
    table      int16, m     out: a removal table
    """
    if slopes.shape[0] == 1:  # a loop of its own, which the compiler turns into vector instructions
        slope = slopes[0]
        for m in range(residual.shape[0]):
            residual[m] += _scaled(target[m], now) - _scaled(target[m], before)
            table[m] = removal_fall(residual[m], slope, step)
    else:
        for m in range(residual.shape[0]):
            residual[m] += _scaled(target[m], now) - _scaled(target[m], before)
            table[m] = removal_fall(residual[m], slopes[m], step)


@kernel
def _scaled(target, scale):
    return np.int32(np.rint(np.float64(target) * scale))
