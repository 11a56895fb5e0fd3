"""The runtime on a Dask cluster: worker processes on this machine, or any scheduler that can be reached."""

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any
from uuid import uuid4

import dask
from distributed import Client, LocalCluster

from issodask.errors import InputError
from issodask.runtime.base import Runtime, attempt

EXCLUSIVE = "generator"
"""The worker resource of which each worker has one, so that one training runs on it at a time."""

_CONNECT_TIMEOUT_S = 10
_SMALL_BYTES = 100_000
_ALONE = Lock()
_SETTINGS = {
    "distributed.scheduler.worker-ttl": None,  # training holds the GIL for long
    "distributed.worker.daemon": False,  # daemons may not start the processes that some libraries want
    "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 65536},  # without its OMP_NUM_THREADS=1
    "distributed.worker.multiprocessing-method": "spawn",  # a fork after torch was imported hangs
}


class Cluster(Runtime):
    """Tasks go to Dask workers; results come back in order."""

    name = "dask"

    def __init__(self, client: Client | None = None) -> None:
        self._client = client

    @property
    def client(self) -> Client:
        """The connection to the cluster."""
        assert self._client is not None
        return self._client

    @classmethod
    def local(cls, n_workers: int) -> "Cluster":
        """Worker processes with one thread each on this machine, on loopback."""
        return _Local(n_workers)

    @classmethod
    def connect(cls, scheduler: str) -> "Cluster":
        """Connect to a running scheduler by address or scheduler file."""
        where = {"scheduler_file": scheduler} if scheduler.endswith(".json") else {"address": scheduler}
        try:
            client = Client(**where, timeout=_CONNECT_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {scheduler} ({error}): check the address, or start one"
            ) from error
        return cls(client)

    @property
    def n_workers(self) -> int:  # type: ignore[override]
        return max(1, len(self._workers()))

    def map(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *shared: Any,
        label: str,
        exclusive: bool = False,
        retries: int = 0,
    ) -> Iterator[Any]:
        resources = {EXCLUSIVE: 1} if exclusive and self._workers_say_exclusive() else None
        run = _attempt_alone if exclusive else attempt
        futures = [
            self.client.submit(run, function, item, shared, retries, key=f"{label}-{uuid4().hex}", resources=resources)
            for item in items
        ]
        try:
            while futures:
                yield futures[0].result()
                futures.pop(0).release()
        finally:
            if futures:  # a message to all clients, at which one that is just connecting fails
                self.client.cancel(futures)

    def share(self, value: Any) -> Any:
        """Small values go along with each task: what is scattered is lost when its worker dies."""
        if len(pickle.dumps(value)) < _SMALL_BYTES:
            return value
        return self.client.scatter(value, broadcast=True, hash=False)

    @contextmanager
    def dask_scheduler(self) -> Iterator[None]:
        with self.client.as_current():
            yield

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _workers_say_exclusive(self) -> bool:
        return any(EXCLUSIVE in worker.get("resources", {}) for worker in self._workers().values())

    def _workers(self) -> dict[str, Any]:
        return dict(self.client.scheduler_info(n_workers=-1)["workers"])


class _Local(Cluster):
    """A cluster of this process's own, which ends with it.

    It starts when it is first needed: a run whose work is done already starts no processes.
    """

    def __init__(self, n_workers: int) -> None:
        super().__init__()
        self._n_workers = n_workers
        self._cluster: LocalCluster | None = None

    @property
    def client(self) -> Client:
        if self._client is None:
            self._cluster = self._start()
            self._client = Client(self._cluster)
        return self._client

    def _start(self) -> LocalCluster:
        with dask.config.set(_SETTINGS):
            return LocalCluster(
                n_workers=self._n_workers,
                threads_per_worker=1,
                resources={EXCLUSIVE: 1},
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # a second cluster would warn of a fixed port
                silence_logs=logging.CRITICAL,
                memory_limit=0,
            )

    @property
    def n_workers(self) -> int:  # type: ignore[override]
        return self._n_workers

    def close(self) -> None:
        super().close()
        if self._cluster is not None:
            self._cluster.close()


def _attempt_alone(function: Callable[..., Any], item: Any, shared: tuple[Any, ...], retries: int) -> Any:
    """Run in a worker: workers that somebody else started may not have the resource, but several threads."""
    with _ALONE:
        return attempt(function, item, shared, retries)
