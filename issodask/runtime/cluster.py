"""The runtime on a Dask cluster: worker processes on this machine, or any scheduler that can be reached."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dask
from distributed import Client, LocalCluster, performance_report
from distributed.scheduler import KilledWorker

from issodask.errors import HostLostError, InputError, LostError
from issodask.host import host_id
from issodask.runtime.address import find_cluster
from issodask.runtime.base import Runtime, attempt
from issodask.runtime.hosts import ActorHosts, actors
from issodask.runtime.processes import WorkerProcess
from issodask.runtime.shared import clear, lies_in_store, received, share_in

if TYPE_CHECKING:
    import dask.array as da

EXCLUSIVE = "generator"
"""The worker resource of which each worker has one, so that one training runs on it at a time."""

TOPIC = "issodask"
"""Under which Dask's log of events has ours."""

SETTINGS = {
    "distributed.scheduler.worker-ttl": None,  # training holds the GIL for long
    "distributed.scheduler.allowed-failures": 10,  # a job goes on though workers die one after the other
    "distributed.worker.daemon": False,  # daemons may not start the processes that some libraries want
    "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": 65536},  # without its OMP_NUM_THREADS=1
    "distributed.worker.multiprocessing-method": "spawn",  # a fork after torch was imported hangs
}

_CONNECT_TIMEOUT_S = 10
_ALONE = Lock()


class Cluster(Runtime):
    """Tasks go to Dask workers; results come back in order."""

    name = "dask"
    task_s = 0.008

    def __init__(self, client: Client | None = None, owns_client: bool = False) -> None:
        self._client = client
        self._owns_client = owns_client
        self._scratch: Path | None = None
        self._own_scratch: Path | None = None
        self._places: dict[str, str] = {}  # of workers, by their addresses

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
        """Connect to a running scheduler: by address, scheduler file, or "cluster" for the one started here."""
        return cls(connected(scheduler), owns_client=True)

    @property
    def n_workers(self) -> int:  # type: ignore[override]
        return max(1, len(self._workers()))

    @property
    def n_elsewhere(self) -> int:  # type: ignore[override]
        return len(self._elsewhere())

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
        run = _attempt_alone if exclusive else _attempt
        with _losses_told():
            futures = [
                self.client.submit(
                    run, function, item, shared, retries, key=f"{label}-{uuid4().hex}", resources=resources
                )
                for item in items
            ]
        try:
            while futures:
                with _losses_told():
                    result = futures[0].result()
                yield result
                futures.pop(0).release()
        finally:
            if futures:  # a message to all clients, at which one that is just connecting fails
                self.client.cancel(futures)

    @contextmanager
    def hosts(self, make: Callable[..., Any], items: Sequence[Any], *shared: Any, label: str) -> Iterator[ActorHosts]:
        with _losses_told():
            self.client.wait_for_workers(1)  # as tasks would wait
            elsewhere = self._elsewhere()
            addresses = sorted(self._workers(), key=lambda worker: (worker not in elsewhere, worker))[: len(items)]
            if len(addresses) < len(items):
                raise HostLostError(f"{len(items)} workers were there, and {len(addresses)} are: run again to go on")
            with actors(self.client, addresses, make, items, shared, label) as hosts:
                yield hosts

    def share(self, value: Any) -> Any:
        """Small values go along with each task, large ones through a file."""
        if self._scratch is None:
            self._own_scratch = self._scratch = Path(tempfile.mkdtemp(prefix="issodask-shared-"))
        return share_in(self._scratch, value)

    def keep_in(self, folder: Path) -> None:
        scratch = folder.absolute() / ".shared"
        if scratch != self._scratch:
            clear(scratch)  # of a run that was killed
        self._scratch = scratch

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> None:
        function(*arguments)
        if self._client is not None:
            with _losses_told():
                self._client.run(function, *arguments)

    def tell(self, record: dict[str, Any]) -> None:
        if self._client is not None:
            with _losses_told():
                self._client.log_event(TOPIC, record)

    def check_seen(self, *paths: Path) -> None:
        """Raise InputError unless all workers see these files and folders, and what is written to the folders."""
        probes = {path: path / f".seen-{uuid4().hex}" for path in paths if lies_in_store(path) or path.is_dir()}
        wanted = [probes.get(path, path) for path in paths]
        try:
            for probe in probes.values():
                probe.touch()
            with _losses_told():
                seen = self.client.run(_which_exist, wanted)
            for worker, exist in seen.items():
                if isinstance(exist, str):
                    raise InputError(f"worker {worker} can't reach {paths[0]} ({exist}): see to its environment")
        finally:
            for probe in probes.values():
                probe.unlink(missing_ok=True)
        for worker, exist in seen.items():
            for path, does in zip(paths, exist, strict=True):
                if not does:
                    raise InputError(
                        f"worker {worker} does not see {path}: workers need the run's folder and the pool under the "
                        "same path as here, on storage that all hosts share or in a store"
                    )

    @contextmanager
    def dask_scheduler(self) -> Iterator[None]:
        with self.client.as_current(), _losses_told():
            yield

    def persist(self, *arrays: "da.Array") -> tuple["da.Array", ...]:
        with self.dask_scheduler():
            return tuple(dask.persist(*arrays, optimize_graph=False))

    @contextmanager
    def performance_report(self, path: Path | None) -> Iterator[None]:
        if path is None:
            yield
            return
        with self.client.as_current(), performance_report(filename=str(path)):
            yield

    def close(self) -> None:
        for folder in (self._own_scratch, self._scratch):
            if folder is not None:
                clear(folder)
        if self._client is not None and self._owns_client:
            self._client.close()

    def _workers_say_exclusive(self) -> bool:
        return any(EXCLUSIVE in worker.get("resources", {}) for worker in self._workers().values())

    def _elsewhere(self) -> set[str]:
        """The addresses of the workers on other hosts than this process."""
        new = [address for address in self._workers() if address not in self._places]
        if new:
            with _losses_told():
                self._places |= self.client.run(host_id, workers=new, on_error="ignore")
        return {address for address in self._workers() if self._places.get(address, host_id()) != host_id()}

    def _workers(self) -> dict[str, Any]:
        return dict(self.client.scheduler_info(n_workers=-1)["workers"])


class _Local(Cluster):
    """A cluster of this process's own, which ends with it.

    It starts when it is first needed: a run whose work is done already starts no processes.
    """

    def __init__(self, n_workers: int) -> None:
        super().__init__(owns_client=True)
        self._n_workers = n_workers
        self._cluster: LocalCluster | None = None

    @property
    def client(self) -> Client:
        if self._client is None:
            self._cluster = self._start()
            self._client = Client(self._cluster)
        return self._client

    def _start(self) -> LocalCluster:
        with dask.config.set(SETTINGS):
            return LocalCluster(
                n_workers=self._n_workers,
                worker_class=WorkerProcess,
                resources={EXCLUSIVE: 1},
                protocol="tcp",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # a second cluster would warn of a fixed port
                silence_logs=logging.CRITICAL,
            )

    @property
    def n_workers(self) -> int:  # type: ignore[override]
        return self._n_workers

    @property
    def n_elsewhere(self) -> int:  # type: ignore[override]
        return 0

    def check_seen(self, *paths: Path) -> None:
        """Workers of this host see what this process sees."""

    def close(self) -> None:
        super().close()
        if self._cluster is not None:
            self._cluster.close()


def connected(scheduler: str | None) -> Client:
    """A client of the cluster that `scheduler` names (see `find_cluster`). Raises InputError if it does not answer."""
    found = find_cluster(scheduler)
    try:
        return Client(found.scheduler, security=found.security, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {found.scheduler} ({error}): check the address, or start one"
        ) from error


@contextmanager
def _losses_told() -> Iterator[None]:
    """Say in plain words that the cluster, or too many of its workers, were lost."""
    try:
        yield
    except KilledWorker as error:
        raise LostError(
            f"workers died again and again at one task ({error}): look at their logs, and give them more memory"
        ) from error
    except (CancelledError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of a file
        raise LostError(f"the connection to the Dask scheduler was lost ({error}): run again to go on") from error


def _attempt(function: Callable[..., Any], item: Any, shared: tuple[Any, ...], retries: int) -> Any:
    return attempt(function, item, received(shared), retries)


def _attempt_alone(function: Callable[..., Any], item: Any, shared: tuple[Any, ...], retries: int) -> Any:
    """Run in a worker: workers that somebody else started may not have the resource, but several threads."""
    with _ALONE:
        return _attempt(function, item, shared, retries)


def _which_exist(paths: list[Path]) -> list[bool] | str:
    """Which of them this process sees; what keeps it from looking, if it can't."""
    try:
        return [path.exists() for path in paths]
    except Exception as error:  # each store has its own
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
