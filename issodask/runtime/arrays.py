"""The pool's codes and weights as Dask arrays, chunked by block; the same graph runs on every runtime.

Codes come from files whenever a task needs them; weights stay with the workers between steps. What travels is small:
a table of factors goes out, weighted sums come back.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import uuid4

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

    scale(codes, weights, table), which changes the weights, and add_up(codes, weights, table) -> (1, n_sums) are a
    block's share of a step; `table` is whatever small thing the algorithm sends out.

    A step writes its own graph, two tasks per run of neighbouring blocks, each of which opens the codes itself. There
    is a run for each worker: a task is a quarter of a millisecond of Dask's time, a step on a million units 30 ms.
    (The same by `map_blocks` is shorter to write, but building and optimising it took as long as the step.)
    """

    def __init__(
        self,
        runtime: Runtime,
        codes: da.Array,
        scale: Callable[..., None],
        add_up: Callable[..., NDArray[np.float64]],
        load_first: Callable[[Any], NDArray[np.float64]] | None = None,
    ) -> None:
        """Begin with `load_first(block)` of each block, of a mean of about 1; with 1 where it is None."""
        self._runtime = runtime
        graph = dict(codes.dask)
        loads = [graph[key] for (key,) in codes.__dask_keys__()]
        n_runs = max(1, min(len(loads), runtime.n_workers))
        bounds = [len(loads) * i // n_runs for i in range(n_runs + 1)]
        self._runs = [loads[first:last] for first, last in pairwise(bounds)]
        rows = tuple(sum(codes.chunks[0][first:last]) for first, last in pairwise(bounds))
        self._scale = scale
        self._add_up = add_up
        self._n_steps = 0
        self._name = f"weights-{tokenize(codes.name, uuid4().hex)}"
        self.weights = da.ones(codes.shape[0], chunks=(rows,), dtype=np.float64)
        if load_first is not None:
            tasks = {
                (self._name, i): (partial(_first_weights, loads, load_first),) for i, loads in enumerate(self._runs)
            }
            graph = HighLevelGraph.from_collections(self._name, tasks)
            self.weights = da.Array(graph, self._name, chunks=(rows,), dtype=np.float64)

    def step(self, scale_by: Any, sum_by: Any, n_sums: int) -> NDArray[np.float64]:
        """Scale all weights by `scale_by` (None: leave them), then return their sums by `sum_by`: (n_sums,).

        Blocks' sums are added in block order, so the result does not depend on who computed them.
        """
        self._n_steps += 1
        weights = self.weights if scale_by is None else self._scaled(scale_by)
        sums = self._sums(weights, sum_by, n_sums)
        self.weights, sums = self._runtime.persist(weights, sums)
        held = [sums.dask[key] for (key,) in sums.__dask_keys__()]
        if not all(isinstance(own, np.ndarray) for own in held):  # on a cluster they are futures
            with self._runtime.dask_scheduler():
                held = [np.asarray(sums.compute())]
        return np.asarray(np.concatenate(held).sum(axis=0))

    def largest(self) -> float:
        """The largest weight."""
        with self._runtime.dask_scheduler():
            return float(self.weights.max().compute())

    def compute(self) -> NDArray[np.float64]:
        """All weights, in the order of the blocks."""
        with self._runtime.dask_scheduler():
            return np.asarray(self.weights.compute())

    def _scaled(self, scale_by: Any) -> da.Array:
        name = f"{self._name}-scaled-{self._n_steps}"
        tasks = {
            (name, i): (partial(_scale_run, loads, self._scale, scale_by), key)
            for i, (loads, key) in enumerate(zip(self._runs, self.weights.__dask_keys__(), strict=True))
        }
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=[self.weights])
        return da.Array(graph, name, chunks=self.weights.chunks, dtype=np.float64)

    def _sums(self, weights: da.Array, sum_by: Any, n_sums: int) -> da.Array:
        """Each block's sums: (blocks, n_sums)."""
        name = f"{self._name}-sums-{self._n_steps}"
        tasks = {
            (name, i, 0): (partial(_sum_run, loads, self._add_up, sum_by), key)
            for i, (loads, key) in enumerate(zip(self._runs, weights.__dask_keys__(), strict=True))
        }
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=[weights])
        blocks = tuple(len(loads) for loads in self._runs)
        return da.Array(graph, name, chunks=(blocks, (n_sums,)), dtype=np.float64)


_Load = tuple[Callable[[Any], NDArray[np.uint8]], Any]


def _first_weights(loads: Sequence[_Load], load: Callable[[Any], NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([load(block) for _, block in loads])


def _scale_run(
    loads: Sequence[_Load], scale: Callable[..., None], table: Any, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    scaled = weights.copy()  # a task that is repeated finds its input as it was
    for codes, own in _blocks(loads, scaled):
        scale(codes, own, table)
    return scaled


def _sum_run(
    loads: Sequence[_Load], add_up: Callable[..., NDArray[Any]], table: Any, weights: NDArray[np.float64]
) -> NDArray[Any]:
    return np.concatenate([add_up(codes, own, table) for codes, own in _blocks(loads, weights)])


def _blocks(
    loads: Sequence[_Load], weights: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """The codes of each block of a run, and its own part of the weights."""
    first = 0
    for load, block in loads:
        codes = load(block)
        yield codes, weights[first : first + len(codes)]
        first += len(codes)
