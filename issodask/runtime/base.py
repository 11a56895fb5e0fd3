"""Opening what a user names as the place where work runs, and what a task there can ask."""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.errors import InputError, LostError
from issodask.event_log import Events
from issodask.events import Running
from issodask.host import check_installed, n_processors, patiently
from issodask.protocols import Runtime

if TYPE_CHECKING:
    from distributed import Client


JOB_VARIABLE = "ISSODASK_JOB"
"""Set in a process that drives a submitted job, to the job's id."""

LEASH_VARIABLE = "ISSODASK_LEASH"
"""Set in a process that is to end when its standard input does."""


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


@contextmanager
def told(runtime: Runtime, events: Events, folder: Path) -> Iterator[None]:
    """Within this context, whoever watches the cluster hears the events of the run in `folder`."""
    with events.also_to(lambda event: runtime.tell({"job": _job_id(folder), **event.record()})):
        events.emit(Running(name=folder.name, out=str(folder.absolute())))
        yield


def _job_id(folder: Path) -> str:
    """The id under which the job was submitted; of a run that nobody submitted, one that follows from its folder."""
    return os.environ.get(JOB_VARIABLE) or f"{folder.name}-{zlib.crc32(str(folder.absolute()).encode()):08x}"


def is_abandoned() -> bool:
    """Whether the task that calls this is one that nobody waits for any more: cancelled, or its client is gone.

    Dask can't stop a task that runs; long ones ask now and then. False anywhere but in a task on a Dask worker.
    """
    from dask.context import thread_state

    key = getattr(thread_state, "key", None)
    if key is None:
        return False
    from distributed import get_worker

    task = get_worker().state.tasks.get(key)
    return task is None or task.state == "cancelled"


def _make(workers: int | None, scheduler: "str | Client") -> Runtime:
    from issodask.runtime import local

    if scheduler not in ("serial", "threads"):
        check_installed("distributed", "a Dask cluster")
    if not isinstance(scheduler, str):
        from issodask.runtime.cluster import Cluster

        return Cluster(scheduler)
    n_workers = workers or n_processors()
    if scheduler == "serial" or (scheduler == "threads" and n_workers == 1):
        return local.Serial()
    if scheduler == "threads":
        return local.Threads(n_workers)
    if scheduler in ("processes", "cluster") or "://" in scheduler or scheduler.endswith(".json"):
        from issodask.runtime.cluster import Cluster

        return Cluster.local(n_workers) if scheduler == "processes" else Cluster.connect(scheduler)
    raise InputError(
        f"scheduler {scheduler!r} is not known: give serial, threads, processes, cluster (the one that `issodask "
        "cluster up` started), an address such as tcp://host:8786, or a scheduler file (.json)"
    )


def attempt(function: Callable[..., Any], item: Any, shared: tuple[Any, ...], retries: int) -> Any:
    """`function(item, *shared)`, tried again when it fails; bad input stays bad, a store that is away is waited for."""

    def call() -> Any:
        return function(item, *shared)

    for _ in range(retries):
        try:
            return patiently(call)
        except (InputError, LostError):
            raise
        except Exception:
            continue
    return patiently(call)
