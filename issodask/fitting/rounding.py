"""From fractional weights to whole units: a sample whose expected marginals are the weighted ones.

In: the weights, block by block. Out: how often each unit is taken, with an exact total. Systematic sampling with
probabilities proportional to size (Madow 1949); without repeats, weights that would exceed one are held at one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GRAINS = 2**32
"""Grains of one expected use, which are counted in whole numbers: rounded sums would now and then take a unit twice."""
_WEIGHTLESS = 1e-12
"""Share of the mean weight below which a unit counts as weightless."""


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
    grains = [np.rint(np.minimum((block + floor) * scale, limit) * _GRAINS).astype(np.int64) for block in weights]
    return _systematic(grains, n_units, offset)


def _inclusion_scale(weights: Sequence[NDArray[np.float64]], n_units: int) -> tuple[float, float]:
    """Find the scale with sum(min(1, scale * (weight + floor))) = n_units.

    The floor is 0 unless too few units have weight.
    """
    mean = _total(weights) / sum(len(block) for block in weights)
    n_weighty = sum(int(np.count_nonzero(block > _WEIGHTLESS * mean)) for block in weights)
    floor = 0.0 if n_weighty > n_units else 1e-6 * mean or 1.0
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


def _systematic(grains: list[NDArray[np.int64]], n_units: int, offset: float) -> list[NDArray[np.uint16]]:
    """Lay the units end to end, each as long as its expected uses; it is taken once per whole number it reaches."""
    surplus = sum(int(block.sum()) for block in grains) - n_units * _GRAINS
    reached = int(np.clip(int(offset * _GRAINS), max(0, -surplus), _GRAINS - 1 - max(0, surplus)))
    uses = []
    for block in grains:
        marks = (reached + np.cumsum(block)) // _GRAINS
        uses.append(np.diff(marks, prepend=reached // _GRAINS).astype(np.uint16))
        reached += int(block.sum())
    return uses


def _total(weights: Sequence[NDArray[np.float64]]) -> float:
    return float(sum(float(block.sum()) for block in weights))
