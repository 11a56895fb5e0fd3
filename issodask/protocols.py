"""What others may bring: a generator of rows of their own, and a place of their own where work runs.

`issodask.testing` has a suite for each, which says by name what an implementation does not keep.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd


@runtime_checkable
class Generator(Protocol):
    """Learns a table and draws others like it. `issodask.testing.check_generator` checks what it promises.

    - It travels: it can be pickled before it has learnt anything, so that a worker gets a copy.
    - Equal seeds give equal rows, whatever was drawn before; other seeds give others.
    - It leaves the original as it is.

    It is given as `source`: an object, which each of the `generators` copies, a class that takes no arguments, or the
    name of one, `python:MODULE:NAME`. Where nothing is to be learnt once for many draws, a function
    `(original, n, seed) -> table` will do.
    """

    def fit(self, original: "pd.DataFrame", seed: int) -> Any:
        """Learn the original: all its columns but ids. Of groups, the key's column says which rows belong together."""

    def sample(self, n: int, seed: int) -> Any:
        """Draw at least `n` units: rows, or groups of rows with keys of their own.

        A table of pandas, Arrow or polars, with the original's columns, in values that their types can hold.
        """


def named(generator: Any) -> str:
    """What a function, class or object is called in a job file that could name it.

    One that is known by a name of its own says so as `source_name`.
    """
    own = getattr(generator, "source_name", None)
    if isinstance(own, str):
        return own
    what = generator if hasattr(generator, "__qualname__") else type(generator)
    return f"python:{what.__module__}:{what.__qualname__}"


class Hosts(Protocol):
    """Objects that live where work runs, while a context lasts: see `Runtime.hosts`."""

    n_hosts: int

    def ask(self, method: str, arguments: Sequence[Any]) -> Callable[[], list[Any]]:
        """Call a method of the first hosts side by side, of each with one of the arguments.

        What is returned waits for what they return, and gives it in their order. Both raise HostLostError when a worker
        is gone that kept one.
        """


class _HostsHere:
    """Objects of this process, called one after the other."""

    def __init__(self, objects: Sequence[Any]) -> None:
        self.n_hosts = len(objects)
        self._objects = objects

    def ask(self, method: str, arguments: Sequence[Any]) -> Callable[[], list[Any]]:
        pairs = list(zip(self._objects, arguments, strict=False))
        return lambda: [getattr(each, method)(argument) for each, argument in pairs]


class Runtime(ABC):
    """Where work runs: tasks on `n_workers` workers. `issodask.testing.check_runtime` checks what it promises.

    - Results come in the order of the items, whatever the order in which they become ready.
    - What a task raises reaches whoever asked for its result; InputError and LostError are never tried again.
    - A task that runs twice, or on another worker, does no harm: tasks write files that are whole or absent.
    - All workers see the files that tasks are told of; `check_seen` says if they don't.
    """

    name: str
    n_workers: int
    n_elsewhere: int = 0
    """Of the workers those on other hosts than this process, whose processors they don't share."""
    task_s: float = 0.0
    """About how long a task keeps the driver busy: where that counts, small pieces of work go together in one."""

    @abstractmethod
    def map(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *shared: Any,
        label: str,
        exclusive: bool = False,
        retries: int = 0,
    ) -> Iterator[Any]:
        """Yield `function(item, *shared)` for each item, in the order of the items, as results become ready.

        `function` is a module's function; `shared` are values or what `share` returned. With `exclusive` at most one
        such task runs on a worker at a time; a task that fails is tried `retries` times more. `label` names the tasks
        for whoever watches.
        """

    def hosts(
        self, make: Callable[..., Any], items: Sequence[Any], *shared: Any, label: str
    ) -> AbstractContextManager[Hosts]:
        """Within this context there is an object `make(item, *shared)` for each item, which stays on its worker.

        There are no more items than workers; those elsewhere come first. `make` is a module's function; `shared` and
        `label` are as `map` has them. Where no worker is elsewhere, nobody asks for them: this keeps them here.
        """
        return nullcontext(_HostsHere([make(item, *shared) for item in items]))

    def share(self, value: Any) -> Any:
        """Make `value` reachable for all workers; pass what is returned as one of `map`'s shared arguments."""
        return value

    @contextmanager
    def dask_scheduler(self) -> Iterator[None]:
        """Within this context, Dask collections compute on this runtime."""
        yield

    @abstractmethod
    def persist(self, *arrays: Any) -> tuple[Any, ...]:
        """Compute Dask arrays, whose chunks stay where they are; their graphs are taken as they are."""

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function here, and in each other process where tasks run."""
        function(*arguments)

    def keep_in(self, folder: Path) -> None:  # noqa: B027
        """Let what tasks share lie in `folder`, which all workers see."""

    def check_seen(self, *paths: Path) -> None:  # noqa: B027
        """Raise InputError unless all workers see these files and folders."""

    def tell(self, record: dict[str, Any]) -> None:  # noqa: B027
        """Pass an event of the run on to whoever watches the cluster."""

    @contextmanager
    def performance_report(self, path: Path | None) -> Iterator[None]:
        """Write Dask's report of what runs within this context to `path`, if one is given and Dask runs it."""
        yield

    def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Free what the runtime holds."""
