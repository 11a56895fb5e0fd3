"""Marginals: the cell counts of all cliques, of whole tables or block by block."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.table.sequences import Layout


def count_marginals(blocks: Iterable[Any], cliques: Layout) -> NDArray[np.int64]:
    """Count every cell of every clique over blocks of codes, as the layout has them: int64, (n_cells,).

    Flat: uint8, u x d, each row counts 1. Sequential: `SequenceCodes`, each group counts `cliques.unit`.
    Raises IndexError when a code has no bin.
    """
    counts = np.zeros(cliques.n_cells, np.int64)
    for codes in blocks:
        cliques.count(codes, counts)
    return counts
