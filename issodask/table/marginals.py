"""Marginals: the cell counts of all cliques, of whole tables or block by block."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from issodask.kernels.cells import count_units
from issodask.table.cliques import Cliques


def count_marginals(blocks: Iterable[NDArray[np.uint8]], cliques: Cliques) -> NDArray[np.int64]:
    """Count every cell of every clique over blocks of codes (uint8, u x d): int64, (n_cells,).

    Raises IndexError when a code has no bin.
    """
    counts = np.zeros(cliques.n_cells, np.int64)
    for codes in blocks:
        check_codes(codes, cliques)
        count_units(np.ascontiguousarray(codes), cliques.index, counts, 1)
    return counts


def check_codes(codes: NDArray[np.uint8], cliques: Cliques) -> None:
    """Kernels do not check bounds, so the doors to them do."""
    if codes.shape[1] != cliques.n_columns:
        raise IndexError(f"codes have {codes.shape[1]} columns, the cliques {cliques.n_columns}")
    if len(codes) and (codes.max(axis=0) >= cliques.index.sizes).any():
        raise IndexError("a code is not below the number of bins of its column")
