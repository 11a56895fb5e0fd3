"""Files of a store as files of this machine: copied when they are first needed, and again when they have changed.

In: a path. Out: the path itself or, of a store, a copy that is as new as the question. Copies are one process's own:
they go with it, or when the run is over whose folder they are of.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from uuid import uuid4

from issodask.errors import LostError
from issodask.host import process_folder
from issodask.store.files import write_faults_of
from issodask.store.places import download, is_remote, state_of


class _Copies:
    """What this process has copied, and the folders that stand for some of a store, by their addresses."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._known: dict[str, tuple[str, Path]] = {}
        self._stands: dict[str, Path] = {}

    def local(self, path: Path) -> Path:
        name = str(path)
        with self._lock:
            own = self._locks.setdefault(name, Lock())
        with own:
            state = state_of(path)
            if name in self._known and self._known[name][0] == state:
                return self._known[name][1]
            here = process_folder() / f"{uuid4().hex}{path.suffix}"
            with write_faults_of(here):
                download(path, here)
            self._known[name] = state, here
            return here

    def stand_in(self, path: Path) -> Path:
        with self._lock:
            folder = self._stands.setdefault(str(path), process_folder() / uuid4().hex)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def forget(self, root: str) -> None:
        below = f"{root.rstrip('/')}/"
        with self._lock:
            for name in [name for name in self._known if name.startswith(below)]:
                self._known.pop(name)[1].unlink(missing_ok=True)
            for name in [name for name in self._stands if name.startswith(below)]:
                shutil.rmtree(self._stands.pop(name), ignore_errors=True)


_copies = _Copies()


def local(path: Path) -> Path:
    """The file itself, if it is of this machine; else a copy. Raises InputError when there is none."""
    return _copies.local(path) if is_remote(path) else path


def stand_in(path: Path) -> Path:
    """The folder itself, if it is of this machine; else an empty one of this process's own, to work in instead."""
    return _copies.stand_in(path) if is_remote(path) else path


@contextmanager
def copies_of(folder: Path, everywhere: Callable[..., None]) -> Iterator[None]:
    """Within this context, processes copy what they need of a run's folder in a store; at its end they forget that.

    `everywhere` calls a function in each of them.
    """
    try:
        yield
    finally:
        if is_remote(folder):
            with suppress(LostError):
                everywhere(_forget, str(folder))


def _forget(root: str) -> None:
    _copies.forget(root)
