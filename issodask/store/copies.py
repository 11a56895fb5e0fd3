"""Files of a store as files of this machine: copied when they are first needed, and again when they have changed.

In: a path. Out: the path itself or, of a store, a copy that is as new as the question. Copies are one process's own:
they go with it, or when a run is over.
"""

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from uuid import uuid4

from issodask.errors import LostError
from issodask.host import temporary_folder
from issodask.store.files import write_faults_of
from issodask.store.places import download, is_remote, state_of

_PREFIX = "issodask-copies-"


class _Copies:
    """What this process has copied."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._known: dict[str, tuple[str, Path]] = {}
        self._held = ExitStack()
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = self._held.enter_context(temporary_folder(_PREFIX))
                atexit.register(self._held.close)
            return self._folder

    def local(self, path: Path) -> Path:
        folder, name = self.folder, str(path)
        with self._lock:
            own = self._locks.setdefault(name, Lock())
        with own:
            state = state_of(path)
            if name in self._known and self._known[name][0] == state:
                return self._known[name][1]
            here = folder / f"{uuid4().hex}{path.suffix}"
            with write_faults_of(here):
                download(path, here)
            self._known[name] = state, here
            return here

    def forget(self) -> None:
        with self._lock:
            self._known.clear()
            self._held.close()
            self._folder = None


_copies = _Copies()


def local(path: Path) -> Path:
    """The file itself, if it is of this machine; else a copy. Raises InputError when there is none."""
    return _copies.local(path) if is_remote(path) else path


def own_folder(name: str) -> Path:
    """A folder of this process's own, for as long as it keeps copies."""
    folder = _copies.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def copies_of(folder: Path, everywhere: Callable[[Callable[[], None]], None]) -> Iterator[None]:
    """Within this context, processes copy what they need of a run's folder in a store; at its end they forget that.

    `everywhere` calls a function in each of them.
    """
    try:
        yield
    finally:
        if is_remote(folder):
            with suppress(LostError):
                everywhere(_forget)


def _forget() -> None:
    _copies.forget()
