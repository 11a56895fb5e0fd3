"""Runtimes within this process: one thread, or several (kernels release the GIL).

Dask's schedulers are given as functions: at the sight of a name Dask imports distributed, which takes a second.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import dask
import dask.threaded
from dask.core import flatten

from issodask.host import n_processors
from issodask.runtime.base import Runtime, attempt

if TYPE_CHECKING:
    import dask.array as da


class Serial(Runtime):
    """One task after the other, in the caller's thread: the definition of what every runtime computes."""

    name = "serial"
    n_workers = 1

    def map(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *shared: Any,
        label: str,
        exclusive: bool = False,
        retries: int = 0,
    ) -> Iterator[Any]:
        for item in items:
            yield attempt(function, item, shared, retries)

    @contextmanager
    def dask_scheduler(self) -> Iterator[None]:
        with dask.config.set(scheduler=dask.get):
            yield

    def persist(self, *arrays: "da.Array") -> tuple["da.Array", ...]:
        return _persisted(dask.get, arrays)


class Threads(Runtime):
    """Several threads of this process; a bounded number of results waits at a time."""

    name = "threads"

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self._pool = ThreadPoolExecutor(n_workers, thread_name_prefix="issodask")
        self._exclusive = Lock()

    def map(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *shared: Any,
        label: str,
        exclusive: bool = False,
        retries: int = 0,
    ) -> Iterator[Any]:
        run = self._attempt_alone if exclusive else attempt
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(run, function, item, shared, retries))
                if len(waiting) > 4 * self.n_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _attempt_alone(self, function: Callable[..., Any], item: Any, shared: tuple[Any, ...], retries: int) -> Any:
        with self._exclusive:  # all threads are one process, which is one worker as far as training is concerned
            return attempt(function, item, shared, retries)

    @contextmanager
    def dask_scheduler(self) -> Iterator[None]:
        with dask.config.set(scheduler=dask.threaded.get, pool=self._pool):
            yield

    def persist(self, *arrays: "da.Array") -> tuple["da.Array", ...]:
        return _persisted(partial(dask.threaded.get, pool=self._pool), arrays)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _persisted(get: Callable[..., Any], arrays: Sequence["da.Array"]) -> tuple["da.Array", ...]:
    """What `dask.persist` does, but for its search for collections and better graphs: 2 ms however small they are."""
    keys = [list(flatten(array.__dask_keys__())) for array in arrays]
    graph = {key: task for array in arrays for key, task in array.dask.items()}
    chunks = get(graph, keys)
    return tuple(
        type(array)(dict(zip(own, computed, strict=True)), array.name, array.chunks, array.dtype)
        for array, own, computed in zip(arrays, keys, chunks, strict=True)
    )


class ThreadTeam:
    """Threads of this process for work that is too fine to travel; the caller's thread takes the first part."""

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._pool = ThreadPoolExecutor(max(1, self.n_threads - 1), thread_name_prefix="issodask-team")

    @classmethod
    def beside(cls, runtime: Runtime) -> "ThreadTeam":
        """As many as the runtime has workers and this process, here, processors."""
        return cls(min(n_processors(), runtime.n_workers))

    def run(self, function: Callable[[slice], None], parts: Sequence[slice]) -> None:
        """Run `function` on each part, side by side, and wait for all."""
        futures = [self._pool.submit(function, part) for part in parts[1:]]
        function(parts[0])
        for future in futures:
            future.result()

    def __enter__(self) -> "ThreadTeam":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
