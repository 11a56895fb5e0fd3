"""Work that dies at a moment of choice: what it leaves is what a killed process leaves."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class DeadError(BaseException):
    """Of a process that was killed: nobody handles it, and nothing is cleaned up."""


class Life:
    """Ends before the change number `n_left` to any file; from then on, nothing changes any more."""

    def __init__(self) -> None:
        self.n_left: int | None = None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.n_left is None or threading.current_thread() is not threading.main_thread():
            return
        if _changes(event, arguments):
            self.n_left -= 1
            if self.n_left < 0:
                raise DeadError

    @contextmanager
    def of(self, n_changes: int) -> Iterator[None]:
        self.n_left = n_changes
        try:
            yield
        finally:
            self.n_left = None


def _changes(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether files change: they do not where a folder is made that is there, or a lock opened that is there."""
    if event == "os.mkdir":
        return not os.path.exists(arguments[0])
    return event in ("os.rename", "os.remove", "os.rmdir") or (event == "open" and _writes(*arguments))


def _writes(path: Any, mode: str | None, flags: int) -> bool:
    if str(path).endswith(".lock") and os.path.exists(path):
        return False
    return bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else any(sign in mode for sign in "wax+")


LIFE = Life()


def died(n_changes: int, work: Callable[[], Any]) -> bool:
    """Whether the work was too long for a life of so many changes."""
    with LIFE.of(n_changes):
        try:
            work()
        except DeadError:
            return True
    return False
