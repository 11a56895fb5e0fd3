"""The pool's codes and weights as Dask arrays, chunked by block; the same graph runs on every runtime.

Codes come from files whenever a task needs them; weights stay with the workers between steps. What travels is small:
a table of factors goes out, weighted sums come back.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

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
    """One weight per unit, as a Dask array by block, scaled and summed by the workers.

    scale(codes, weights, table) -> weights and add_up(codes, weights, table) -> (1, n_sums) are a block's share of a
    step; `table` is whatever small thing the algorithm sends out.

    A step writes its own graph, two tasks per block, each of which opens the block's codes itself. (The same by
    `map_blocks` is shorter to write, but building and optimising it took 30 ms a step: as long as the step itself on
    a million units.)
    """

    def __init__(
        self,
        runtime: Runtime,
        codes: da.Array,
        scale: Callable[..., NDArray[np.float64]],
        add_up: Callable[..., NDArray[np.float64]],
    ) -> None:
        self._runtime = runtime
        graph = dict(codes.dask)
        self._loads = [graph[key] for (key,) in codes.__dask_keys__()]
        self._scale = scale
        self._add_up = add_up
        self._n_steps = 0
        self._name = f"weights-{tokenize(codes.name, uuid4().hex)}"
        self.weights = da.ones(codes.shape[0], chunks=(codes.chunks[0],), dtype=np.float64)

    def step(self, scale_by: Any, sum_by: Any, n_sums: int) -> NDArray[np.float64]:
        """Scale all weights by `scale_by` (None: leave them), then return their sums by `sum_by`: (n_sums,).

        Blocks' sums are added in block order, so the result does not depend on who computed them.
        """
        self._n_steps += 1
        weights = self.weights if scale_by is None else self._scaled(scale_by)
        total = self._total(weights, sum_by, n_sums)
        with self._runtime.dask_scheduler():
            self.weights, total = dask.persist(weights, total, optimize_graph=False)
            held = total.dask[total.name, 0]  # on a cluster a future, here the sums
            return held if isinstance(held, np.ndarray) else np.asarray(total.compute())

    def blocks(self) -> list[NDArray[np.float64]]:
        """The weights of each block, in block order."""
        with self._runtime.dask_scheduler():
            return [np.asarray(block) for block in dask.compute(*self.weights.to_delayed())]

    def _scaled(self, scale_by: Any) -> da.Array:
        name = f"{self._name}-scaled-{self._n_steps}"
        scale = partial(_by_table, self._scale, scale_by)
        tasks = {
            (name, i): (scale, load, key)
            for i, (load, key) in enumerate(zip(self._loads, self.weights.__dask_keys__(), strict=True))
        }
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=[self.weights])
        return da.Array(graph, name, chunks=self.weights.chunks, dtype=np.float64)

    def _total(self, weights: da.Array, sum_by: Any, n_sums: int) -> da.Array:
        name = f"{self._name}-sums-{self._n_steps}"
        add_up = partial(_by_table, self._add_up, sum_by)
        tasks: dict[Any, Any] = {
            (name, "block", i): (add_up, load, key)
            for i, (load, key) in enumerate(zip(self._loads, weights.__dask_keys__(), strict=True))
        }
        tasks[name, 0] = (_add_blocks, list(tasks))
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=[weights])
        return da.Array(graph, name, chunks=((n_sums,),), dtype=np.float64)


def _by_table(
    function: Callable[..., NDArray[Any]], table: Any, codes: NDArray[np.uint8], weights: NDArray[np.float64]
) -> NDArray[Any]:
    return function(codes, weights, table)


def _add_blocks(sums: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(sums).sum(axis=0)
