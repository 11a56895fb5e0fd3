"""Runtimes within this process: one thread, or several (kernels release the GIL)."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

import dask

from issodask.runtime.base import Runtime


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
            yield _attempt(function, item, shared, retries)

    @contextmanager
    def dask_scheduler(self) -> Iterator[None]:
        with dask.config.set(scheduler="synchronous"):
            yield


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
        run = self._attempt_alone if exclusive else _attempt
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
            return _attempt(function, item, shared, retries)

    @contextmanager
    def dask_scheduler(self) -> Iterator[None]:
        with dask.config.set(scheduler="threads", pool=self._pool):
            yield

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _attempt(function: Callable[..., Any], item: Any, shared: tuple[Any, ...], retries: int) -> Any:
    for _ in range(retries):
        try:
            return function(item, *shared)
        except ValueError:  # bad input stays bad
            raise
        except Exception:
            continue
    return function(item, *shared)
