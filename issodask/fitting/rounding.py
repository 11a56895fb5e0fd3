"""From fractional weights to whole units: a sample whose expected marginals are the weighted ones.

In: the weights, block by block. Out: how often each unit is taken, with an exact total. Systematic sampling with
probabilities proportional to size (Madow 1949); without repeats, weights that would exceed one are held at one.

All sums are of whole numbers. Sums of floats depend on how the units are cut into blocks, and their rounding errors
would now and then take a unit twice or miss the total.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from issodask.errors import InputError

_GRAINS = 2**32
"""Expected uses are counted in grains, so many to one use."""
_LARGEST_TOTAL = 2**62
_MOST_USES = int(np.iinfo(np.uint16).max)


def integerise(
    weights: Sequence[NDArray[np.float64]], n_units: int, offset: float, may_repeat: bool = False
) -> list[NDArray[np.uint16]]:
    """Take `n_units` units in all: per block, how often each unit is taken (uint16, u).

    weights  per block, float64 >= 0; where fewer than `n_units` are above 0, the others count as very light
    offset   in [0, 1): the random start of the systematic sample

    Raises ValueError when there are fewer units than `n_units` and none may repeat, InputError when one would be taken
    more than 65,535 times.
    """
    n_pool = sum(len(block) for block in weights)
    if n_pool < n_units and not may_repeat:
        raise ValueError(f"{n_pool} units can't fill {n_units} places without repeats")
    whole = _whole_weights(weights, n_pool, n_weighty=1 if may_repeat else n_units)
    scale = n_units / _total(whole) if may_repeat else _inclusion_scale(whole, n_units)
    limit = np.inf if may_repeat else 1.0
    grains = [np.rint(np.minimum(block * scale, limit) * _GRAINS).astype(np.int64) for block in whole]
    return _systematic(grains, n_units, offset)


def _whole_weights(weights: Sequence[NDArray[np.float64]], n_pool: int, n_weighty: int) -> list[NDArray[np.int64]]:
    """Weights in whole numbers, as fine as their total allows; lifted by 1 if fewer than `n_weighty` are above 0."""
    heaviest = max((float(block.max(initial=0.0)) for block in weights), default=0.0) or 1.0
    whole = [np.rint(block / heaviest * (_LARGEST_TOTAL / n_pool)).astype(np.int64) for block in weights]
    n_positive = sum(int(np.count_nonzero(block)) for block in whole)
    return whole if n_positive >= n_weighty else [block + 1 for block in whole]


def _inclusion_scale(whole: Sequence[NDArray[np.int64]], n_units: int) -> float:
    """Find the scale with sum(min(1, scale * weight)) = n_units."""
    scale = 0.0
    n_full, rest = 0, _total(whole)
    while rest > 0:
        new_scale = (n_units - n_full) / rest
        if new_scale <= scale:
            break
        scale = new_scale
        full = [block * scale >= 1 for block in whole]
        n_full = sum(int(mask.sum()) for mask in full)
        rest = _total([block[~mask] for block, mask in zip(whole, full, strict=True)])
    return scale


def _systematic(grains: list[NDArray[np.int64]], n_units: int, offset: float) -> list[NDArray[np.uint16]]:
    """Lay the units end to end, each as long as its expected uses; it is taken once per whole number it reaches."""
    surplus = _total(grains) - n_units * _GRAINS
    reached = int(np.clip(int(offset * _GRAINS), max(0, -surplus), _GRAINS - 1 - max(0, surplus)))
    uses = []
    for block in grains:
        marks = (reached + np.cumsum(block)) // _GRAINS
        own = np.diff(marks, prepend=reached // _GRAINS)
        if own.max(initial=0) > _MOST_USES:
            raise InputError(
                f"a unit of the pool would be used {own.max():,} times, at most {_MOST_USES:,} are possible: "
                "generate more, or lower units or oversize"
            )
        uses.append(own.astype(np.uint16))
        reached += int(block.sum())
    return uses


def _total(blocks: Sequence[NDArray[np.int64]]) -> int:
    return sum(int(block.sum()) for block in blocks)
