"""Marginals: the cell counts of all cliques, of whole tables or block by block."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.kernels.units import add_shares
from issodask.table.sequences import Layout

_STRIP_UNITS = 8_192


def count_marginals(blocks: Iterable[Any], cliques: Layout) -> NDArray[np.int64]:
    """Count every cell of every clique over blocks of codes, as the layout has them: int64, (n_cells,).

    Flat: uint8, u x d, each row counts 1. Sequential: `SequenceCodes`, each group counts `cliques.unit`.
    Raises IndexError when a code has no bin.
    """
    counts = np.zeros(cliques.n_cells, np.int64)
    for codes in blocks:
        cliques.count(codes, counts)
    return counts


def weigh_marginals(codes: Any, cliques: Layout, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same of units that count by their `weights` (u,): float64, (n_cells,)."""
    counts, ones = np.zeros(cliques.n_cells), np.ones(len(cliques.families))
    for start in range(0, len(weights), _STRIP_UNITS):
        own = np.arange(start, min(start + _STRIP_UNITS, len(weights)))
        add_shares(cliques.gather([(codes, own)], cliques.unit, ones), np.ascontiguousarray(weights[own]), counts)
    return counts
