"""Scaling unit weights by a table of factors, and summing them into weighted marginals, for several pairs at once."""

import numpy as np

from issodask.kernels.jit import kernel


@kernel
def scale_weights(codes, pairs, starts, sizes, factors, weights):
    """Multiply each unit's weight by the factors of its cells.

    codes (uint8, u x d); pairs (int64, p x 2); starts (int64, p): first cell of each pair in `factors` (float64);
    sizes (int64, d): bins per column; weights (float64, u), changed.
    """
    for u in range(codes.shape[0]):
        scale = 1.0
        for p in range(pairs.shape[0]):
            scale *= factors[_cell(codes, u, pairs, starts, sizes, p)]
        weights[u] *= scale


@kernel
def sum_weights(codes, pairs, starts, sizes, weights, sums):
    """Add each unit's weight to its cell of every pair; arguments as `scale_weights`, `sums` (float64) changed."""
    for u in range(codes.shape[0]):
        weight = weights[u]
        for p in range(pairs.shape[0]):
            sums[_cell(codes, u, pairs, starts, sizes, p)] += weight


@kernel
def _cell(codes, u, pairs, starts, sizes, p):
    """Where a unit's cell of a pair lies. Unsigned, since numba checks whether other numbers count from the end."""
    row = np.uint64(u)
    a = np.uint64(pairs[p, 0])
    b = np.uint64(pairs[p, 1])
    return np.uint64(starts[p]) + np.uint64(codes[row, a]) * np.uint64(sizes[b]) + np.uint64(codes[row, b])
