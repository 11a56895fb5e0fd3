"""How far a cell is off, softened: the guide of trimming.

While an oversized subset shrinks, what a cell lacks is not known exactly: units that are yet to go will change it at
random. So its error is taken in expectation over such noise, E|r + noise|, which is flat near 0: a cell that is off by
less than its noise matters little, and others are mended first. Close to it, and cheap, is sqrt(r^2 + noise^2).
"""

import numpy as np

from issodask.kernels.jit import kernel

ONE = 16_384
"""A fall of the error by as much as the residual changes, in a removal table."""


@kernel
def removal_fall(r, noise, step):
    """Return by how much the softened error falls when the residual `r` rises by `step`, per step, in parts of ONE.

    `noise` is a variance.
    """
    higher = np.float64(r + step)
    lower = np.float64(r)
    fall = np.sqrt(lower * lower + noise) - np.sqrt(higher * higher + noise)
    return np.int32(np.rint(fall * (ONE / step)))


@kernel
def removal_table(residual, noise, step, table):
    """Write `removal_fall` of each cell into `table` (int32, m); residual int32, noise float32, both (m,)."""
    for m in range(residual.shape[0]):
        table[m] = removal_fall(residual[m], noise[m], step)
