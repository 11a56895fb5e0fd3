"""What all runtimes share: how a task is tried, what it can ask, and how a run tells of itself."""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.errors import InputError, LostError
from issodask.event_log import Events
from issodask.events import Running
from issodask.host import patiently
from issodask.protocols import Runtime

if TYPE_CHECKING:
    pass


JOB_VARIABLE = "ISSODASK_JOB"
"""Set in a process that drives a submitted job, to the job's id."""

LEASH_VARIABLE = "ISSODASK_LEASH"
"""Set in a process that is to end when its standard input does."""


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
