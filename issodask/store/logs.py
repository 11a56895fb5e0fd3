"""A file that grows, wherever it is to lie: stores can't add to a file, so it grows here and is copied there.

In: a path. Out: within a context, a path of this machine to append to.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from issodask.errors import AwayError
from issodask.host import process_folder
from issodask.store.places import exists, is_remote, read_bytes, upload

_EVERY_S = 2.0


@contextmanager
def growing_file(path: Path, every_s: float = _EVERY_S) -> Iterator[Path]:
    """The file itself, or one here that begins with what is in the store, and is copied there while it grows.

    A store that is away misses nothing: the next copy is whole again.
    """
    if not is_remote(path):
        yield path
        return
    here = process_folder() / f"{uuid4().hex}{path.suffix}"
    before = read_bytes(path) if exists(path) else None  # a store that never answered is not waited for
    if before is not None:
        here.write_bytes(before)
    copier = _Copier(here, path)
    ends = threading.Event()
    thread = threading.Thread(target=copier.follow, args=(ends, every_s), name="issodask-log", daemon=True)
    thread.start()
    try:
        yield here
    finally:
        ends.set()
        thread.join()
        copier.copy()
        here.unlink(missing_ok=True)


class _Copier:
    """Copies a file to a store whenever it has grown."""

    def __init__(self, here: Path, path: Path) -> None:
        self._here = here
        self._path = path
        self._n_copied = self._size()

    def follow(self, ends: threading.Event, every_s: float) -> None:
        while not ends.wait(every_s):
            self.copy()

    def copy(self) -> None:
        n_bytes = self._size()
        if n_bytes == self._n_copied:
            return
        with suppress(AwayError):
            upload(self._here, self._path)
            self._n_copied = n_bytes

    def _size(self) -> int:
        return self._here.stat().st_size if self._here.exists() else 0
