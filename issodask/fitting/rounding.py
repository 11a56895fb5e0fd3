"""From fractional weights to whole units: a sample whose expected marginals are the weighted ones.

In: the weights, block by block. Out: how often each unit is taken, with an exact total. Systematic sampling with
probabilities proportional to size (Madow 1949); without repeats, weights that would exceed one are held at one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def integerise(
    weights: Sequence[NDArray[np.float64]], n_units: int, offset: float, may_repeat: bool = False
) -> list[NDArray[np.uint16]]:
    """Take `n_units` units in all: per block, how often each unit is taken (uint16, u).

    weights  per block, float64 >= 0
    offset   in [0, 1): the random start of the systematic sample

    Raises ValueError when there are fewer units than `n_units` and none may repeat.
    """
    n_pool = sum(len(block) for block in weights)
    if n_pool < n_units and not may_repeat:
        raise ValueError(f"{n_pool} units can't fill {n_units} places without repeats")
    scale, floor = (n_units / _total(weights), 0.0) if may_repeat else _inclusion_scale(weights, n_units)
    limit = np.inf if may_repeat else 1.0
    expected = [np.minimum((block + floor) * scale, limit) for block in weights]
    return _systematic(expected, n_units, offset)


def _inclusion_scale(weights: Sequence[NDArray[np.float64]], n_units: int) -> tuple[float, float]:
    """Find the scale with sum(min(1, scale * (weight + floor))) = n_units; the floor is 0 unless too few weights are above 0."""
    n_positive = sum(int(np.count_nonzero(block)) for block in weights)
    floor = 0.0
    if n_positive <= n_units:
        floor = max(_total(weights), 1.0) / sum(len(block) for block in weights) * 1e-6
    scale = 0.0
    n_full, rest = 0, _total(weights) + floor * sum(len(block) for block in weights)
    while rest > 0:
        new_scale = (n_units - n_full) / rest
        if new_scale <= scale * (1 + 1e-12):
            break
        scale = new_scale
        full = [(block + floor) * scale >= 1 for block in weights]
        n_full = sum(int(mask.sum()) for mask in full)
        rest = sum(float((block + floor)[~mask].sum()) for block, mask in zip(weights, full, strict=True))
    return scale, floor


def _systematic(expected: list[NDArray[np.float64]], n_units: int, offset: float) -> list[NDArray[np.uint16]]:
    total = _total(expected)
    reached, taken, uses = 0.0, 0, []
    for i, block in enumerate(expected):
        cumulated = (reached + np.cumsum(block)) * (n_units / total)
        marks = np.floor(cumulated + offset).astype(np.int64)
        if i == len(expected) - 1 and len(marks):
            marks[-1] = n_units  # rounding errors must not cost or give a unit
        marks = np.minimum(marks, n_units)
        uses.append(np.diff(marks, prepend=taken).astype(np.uint16))
        reached += float(block.sum())
        taken = int(marks[-1]) if len(marks) else taken
    return uses


def _total(weights: Sequence[NDArray[np.float64]]) -> float:
    return float(sum(float(block.sum()) for block in weights))
