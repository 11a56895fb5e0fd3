"""Opening what a user names as the place where work runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from issodask.errors import InputError
from issodask.host import check_installed, n_processors
from issodask.protocols import Runtime
from issodask.runtime.local import Serial, Threads

if TYPE_CHECKING:
    from distributed import Client


@contextmanager
def open_runtime(workers: int | None = None, scheduler: "str | Client | Runtime | None" = None) -> Iterator[Runtime]:
    """Open the runtime that `scheduler` names, and close it at the end.

    scheduler: `serial`, `threads` (default), `processes` (a Dask LocalCluster with one thread per worker), `cluster`
    (the one that `issodask cluster up` started), the address of a Dask scheduler (`tcp://...`, `tls://...`), the path
    of a scheduler file, or a Dask Client or a Runtime, which stay open. `workers` defaults to the number of processors;
    one worker in threads is serial. Raises InputError when the scheduler can't be reached.
    """
    if isinstance(scheduler, Runtime):
        yield scheduler
        return
    runtime = _make(workers, scheduler or "threads")
    try:
        yield runtime
    finally:
        runtime.close()


def _make(workers: int | None, scheduler: "str | Client") -> Runtime:
    if scheduler not in ("serial", "threads"):
        check_installed("distributed", "a Dask cluster")
    if not isinstance(scheduler, str):
        from issodask.runtime.cluster import Cluster

        return Cluster(scheduler)
    n_workers = workers or n_processors()
    if scheduler == "serial" or (scheduler == "threads" and n_workers == 1):
        return Serial()
    if scheduler == "threads":
        return Threads(n_workers)
    if scheduler in ("processes", "cluster") or "://" in scheduler or scheduler.endswith(".json"):
        from issodask.runtime.cluster import Cluster

        return Cluster.local(n_workers) if scheduler == "processes" else Cluster.connect(scheduler)
    raise InputError(
        f"scheduler {scheduler!r} is not known: give serial, threads, processes, cluster (the one that `issodask "
        "cluster up` started), an address such as tcp://host:8786, or a scheduler file (.json)"
    )
