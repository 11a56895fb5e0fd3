"""What a host offers, found the same way on Linux and macOS: processors, and locks that go with their process."""

import os
from pathlib import Path

from filelock import FileLock, Timeout


def n_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lock_at(path: Path) -> FileLock:
    """A lock among processes, and threads, that is free again when its holder ends, however that happens.

    Its file stays behind, readable by its owner alone.
    """
    return FileLock(path, mode=0o600, thread_local=False)


def take(lock: FileLock) -> bool:
    """Take `lock` unless another holds it, without waiting; return whether it did."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True
