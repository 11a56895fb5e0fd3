"""What the population's marginals are, as far as a sample of it (the original) and a model of it (the pool) tell.

In: marginals of both, as shares of units. Out: shares in between. A cell's share in the original is right but for
chance, in the pool it is smooth but wrong by what the model didn't learn. How much of their squared difference is more
than chance is estimated for all cells of a family that about as many people are expected in (empirical Bayes, after
James and Stein 1961), and that part of the original's deviation is kept.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_EDGES = 2.0 ** np.arange(-1, 13)
"""Of expected units in a cell: cells from one to the next are looked at together."""


def between(
    original: NDArray[np.float64],
    pool: NDArray[np.float64],
    n_original: float,
    family_starts: NDArray[np.int64],
    least: float = 0.0,
) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """Shares between the pool's and those of the original, of `n_original` units; both float64, (n_cells,).

    At least so much of the original's deviations is kept. Returns the shares, and how much was kept by family, of all
    that the two differ.
    """
    target, kept = pool.copy(), []
    for first, last in pairwise(family_starts.tolist()):
        own = slice(first, last)
        weights = np.maximum(least, beyond_chance(original[own], pool[own], n_original))
        difference = original[own] - pool[own]
        target[own] += weights * difference
        total = np.abs(difference).sum()
        kept.append(float((weights * np.abs(difference)).sum() / total) if total > 0 else 1.0)
    return target, tuple(kept)


def beyond_chance(original: NDArray[np.float64], pool: NDArray[np.float64], n_original: float) -> NDArray[np.float64]:
    """How much of the difference of both is more than chance, for each cell of a family: from 0 to 1."""
    expected = n_original * (original + pool) / 2
    bucket = np.searchsorted(_EDGES, expected, side="right")
    share = np.clip(np.where(pool > 0, pool, original), 0.0, 1.0)
    n_buckets = len(_EDGES) + 1
    by_chance = np.bincount(bucket, share * (1 - share) / n_original, n_buckets)
    squared = np.bincount(bucket, (original - pool) ** 2, n_buckets)
    beyond = 1 - np.divide(by_chance, squared, out=np.ones(n_buckets), where=squared > 0)
    return np.maximum(0.0, beyond)[bucket]
