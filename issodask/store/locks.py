"""Locks among processes, wherever the folder lies that they work in.

On this machine the lock of a file, which goes with its holder's process. In a store a *lease*: an object that its
holder renews, and that is free when it was not renewed for a while, as each waiting process has it by its own clock.
"""

import json
import os
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from issodask.errors import AwayError
from issodask.host import lock_at, take
from issodask.store.places import create, is_remote, overwrite, read_bytes, remove

LEASE_S = 30.0
"""A lease that nobody has renewed for so long is free."""

WRITER = ".writer"
"""The file beside the lock of a folder on this machine that says who holds it."""

_RENEWALS = 6
_SETTLE_S = 1.0


class Lock(Protocol):
    """Held by at most one process. `poll_s` is how often to ask for it, `patience_s` when a holder that died is gone.

    `is_lost`: another took it, since this process did not show a sign of life for too long.
    """

    poll_s: float
    patience_s: float
    is_lost: bool

    def take(self) -> bool:
        """Take it unless another holds it, without waiting; return whether it was taken."""

    def release(self) -> None:
        """Let others have it."""

    def holder(self) -> str:
        """Who holds it, as far as it is known."""


def lock_of(path: Path, lease_s: float = LEASE_S) -> Lock:
    """The lock at `path`, whose folder is there."""
    return Lease(path, lease_s) if is_remote(path) else _FileLock(path)


class _FileLock:
    poll_s, patience_s, is_lost = 0.05, 30.0, False

    def __init__(self, path: Path) -> None:
        self._lock = lock_at(path)
        self._note = path.with_name(WRITER)

    def take(self) -> bool:
        return take(self._lock)

    def release(self) -> None:
        self._lock.release()

    def holder(self) -> str:
        return (read_bytes(self._note) or b"unknown").decode(errors="replace")


class Lease:
    """A lock in a store. Stores that don't know conditional writes may, rarely, let two have it at once."""

    poll_s = 0.5

    def __init__(self, path: Path, lease_s: float = LEASE_S) -> None:
        self.is_lost = False
        self.patience_s = 2 * lease_s
        self._path = path
        self._lease_s = lease_s
        self._id = uuid4().hex
        self._n = 0
        self._seen: tuple[bytes | None, float] = None, 0.0
        self._ends = threading.Event()
        self._renewer: threading.Thread | None = None

    def take(self) -> bool:
        try:
            return self._take()
        except AwayError:
            self._seen = None, 0.0  # nobody could renew it meanwhile
            raise

    def _take(self) -> bool:
        if not create(self._path, self._content()) and not self._is_mine() and not self._succeed():
            return False
        if not self._is_mine():  # the store let another write, too
            return False
        self._ends.clear()
        self.is_lost = False
        self._renewer = threading.Thread(target=self._renew, name="issodask-lease", daemon=True)
        self._renewer.start()
        return True

    def release(self) -> None:
        self._ends.set()
        if self._renewer is not None:
            self._renewer.join()
        with suppress(AwayError):  # then it ends as one that is not renewed
            if self._is_mine():
                remove(self._path)

    def holder(self) -> str:
        return str(_read(self._path).get("who", "unknown"))

    def _content(self) -> bytes:
        who = f"process {os.getpid()} on {platform.node()}"
        return json.dumps({"id": self._id, "n": self._n, "who": who}).encode()

    def _is_mine(self) -> bool:
        return bool(_read(self._path).get("id") == self._id)

    def _succeed(self) -> bool:
        """Take it over from a holder that has not renewed it since it was first seen: one of those who try does."""
        found = read_bytes(self._path)
        if found is None or found != self._seen[0]:
            self._seen = found, time.monotonic()
            return False
        if time.monotonic() - self._seen[1] < self._lease_s or read_bytes(self._path) != found:
            return False
        remove(self._path)
        if not create(self._path, self._content()):
            return False
        time.sleep(_SETTLE_S)  # another successor may have removed it once more
        return self._is_mine()

    def _renew(self) -> None:
        while not self._ends.wait(self._lease_s / _RENEWALS):
            try:
                # Nobody may have it by now; and one look may fail, while the file is being written.
                if not self._is_mine() and not create(self._path, self._content()) and not self._is_mine():
                    self.is_lost = True
                    return
                self._n += 1
                overwrite(self._path, self._content())
            except AwayError:  # for others too
                continue


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_bytes(path) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
