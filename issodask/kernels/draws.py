"""One category for each row, by the inverse transform: a number below the row's total, and where the weights reach it.

In: weights of all categories, and a random number for each row. Out: the number of a category for each row.
"""

import numpy as np

from issodask.kernels.jit import kernel

STRIDE = 16


# n = rows, k = categories, s = strides of categories


@kernel
def draw(weights, is_drawn, uniforms, drawn):
    """Draw one category for each row, in proportion to its weights; -1 where a row has nothing to draw.

    weights: float32 (n, k), at least 0; is_drawn: float32 (k), 1, or 0 for a category that is never drawn; uniforms:
    float64 (n), in [0, 1). Fills drawn: int64 (n). Sums are in float64, and a weight of 0 is never drawn.
    """
    n, k = weights.shape
    n_strides = -(-k // STRIDE)
    sums = np.empty(n_strides)
    for i in range(n):
        total = 0.0
        for s in range(n_strides):
            of_stride = 0.0
            for j in range(s * STRIDE, min(k, (s + 1) * STRIDE)):
                of_stride += np.float64(weights[i, j] * is_drawn[j])
            sums[s] = total
            total += of_stride
        drawn[i] = -1
        if not 0.0 < total < np.inf:
            continue
        wanted = uniforms[i] * total
        s = np.searchsorted(sums, wanted, side="right") - 1
        reached = sums[s]
        for j in range(s * STRIDE, k):
            weight = weights[i, j] * is_drawn[j]
            if weight > 0.0:
                drawn[i] = j
                reached += weight
                if reached > wanted:
                    break
