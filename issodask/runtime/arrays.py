"""The pool's codes and weights as Dask arrays, chunked by block; the same graph runs on every runtime.

Codes come from files whenever a task needs them; weights stay with the workers between steps. What travels is small:
a table of factors goes out, weighted sums come back.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from issodask.runtime.base import Runtime


def block_array(load: Callable[[Any], NDArray[Any]], blocks: Sequence[Any], n_columns: int) -> da.Array:
    """A Dask array (units x columns, uint8), a chunk per block; `load(block)` reads a chunk where it is needed."""
    name = f"codes-{tokenize(blocks)}"
    tasks = {(name, i, 0): (load, block) for i, block in enumerate(blocks)}
    graph = HighLevelGraph.from_collections(name, tasks)
    rows = tuple(block.n_units for block in blocks)
    return da.Array(graph, name, chunks=(rows, (n_columns,)), dtype=np.uint8)


class BlockWeights:
    """One weight per unit, as a Dask array by block, scaled and summed in place.

    scale(codes, weights, table) -> weights and add_up(codes, weights, table) -> (1, n_sums) are a block's share of a
    step; `table` is whatever small thing the algorithm sends out.
    """

    def __init__(
        self,
        runtime: Runtime,
        codes: da.Array,
        scale: Callable[..., NDArray[np.float64]],
        add_up: Callable[..., NDArray[np.float64]],
    ) -> None:
        self._runtime = runtime
        self._codes = codes
        self._scale = scale
        self._add_up = add_up
        self.weights = da.ones(codes.shape[0], chunks=(codes.chunks[0],), dtype=np.float64)

    def step(self, scale_by: Any, sum_by: Any, n_sums: int) -> NDArray[np.float64]:
        """Scale all weights by `scale_by` (None: leave them), then return their sums by `sum_by`: (n_sums,).

        Blocks' sums are added in block order, so the result does not depend on who computed them.
        """
        weights = self.weights
        if scale_by is not None:
            weights = da.map_blocks(_by_rows, self._codes, weights[:, None], self._scale, scale_by, dtype=np.float64)[
                :, 0
            ]
        sums = da.map_blocks(
            _by_rows,
            self._codes,
            weights[:, None],
            self._add_up,
            sum_by,
            chunks=((1,) * self._codes.numblocks[0], (n_sums,)),
            dtype=np.float64,
        )
        with self._runtime.dask_scheduler():
            self.weights, sums = dask.persist(weights, sums)
            return np.asarray(sums.compute()).sum(axis=0)

    def blocks(self) -> list[NDArray[np.float64]]:
        """The weights of each block, in block order."""
        with self._runtime.dask_scheduler():
            return [np.asarray(block) for block in dask.compute(*self.weights.to_delayed())]


def _by_rows(
    codes: NDArray[np.uint8], weights: NDArray[np.float64], function: Callable[..., NDArray[Any]], table: Any
) -> NDArray[Any]:
    result = function(codes, np.ascontiguousarray(weights[:, 0]), table)
    return result[:, None] if result.ndim == 1 else result
