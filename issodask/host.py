"""What a host offers, found the same way on Linux and macOS: processors, locks that go with their process, packages.

And how long one waits for what lies elsewhere.
"""

import atexit
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, cast

from filelock import FileLock, Timeout

from issodask.errors import AwayError, InputError

Result = TypeVar("Result")

logger = logging.getLogger("issodask")

EXTRAS = {
    "mostlyai.engine": ("mostlyai-engine", "generate"),
    "mostlyai.qa": ("mostlyai-qa", "report"),
    "distributed": ("distributed", "cluster"),
    "supervisor": ("supervisor", "cluster"),
    "cryptography": ("cryptography", "cluster"),
    "bokeh": ("bokeh", "cluster"),
    "psutil": ("psutil", "cluster"),
    "upath": ("universal_pathlib", "stores"),
    "sdv": ("sdv", "synthesizers"),
    "sklearn": ("scikit-learn", "synthesizers"),
}
"""Modules that not everybody installs: the package that has each, and the extra of issodask that brings it."""

PROCESS_FOLDER = "issodask-process-"
"""How the names of processes' temporary folders begin."""

_ALIVE = ".alive"
_PATIENCE_S = 120.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0

BY_HAND = {"anonymeter": "pip install --no-deps anonymeter 'polars>=1.8' (its own pins ask for a NumPy below 2)"}
"""How to install what no extra can bring."""


def n_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def host_id() -> str:
    """Names the host of this process; on Linux hosts that are played by a container, or a network namespace, too."""
    try:
        return f"{platform.node()} {os.readlink('/proc/self/ns/net')}"
    except OSError:
        return platform.node()


def memory_bytes() -> int:
    """Memory of this host, whoever uses it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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


def patiently(ask: Callable[[], Result]) -> Result:
    """What `ask` returns. A store that is away is asked again, for two minutes or ISSODASK_STORE_PATIENCE_S seconds.

    Raises AwayError, as final, when it does not come back.
    """
    deadline = time.monotonic() + float(os.environ.get("ISSODASK_STORE_PATIENCE_S") or _PATIENCE_S)
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return ask()
        except AwayError as error:
            error.is_final = error.is_final or time.monotonic() + pause_s > deadline
            if error.is_final:
                raise
            if pause_s == _FIRST_PAUSE_S:
                logger.warning("waiting for a store: %s", str(error).partition(": check")[0])
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder that is this process's own, and goes with the context or, if the process is killed, with the next one.

    Its name begins with `prefix`, and with nothing else that is found in the folder of temporary files.
    """
    _sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, lock_at(Path(folder) / _ALIVE):
        yield Path(folder)


class _ProcessFolder:
    """The temporary folder of this process, made when it is first asked for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held = ExitStack()
        self._path: Path | None = None
        atexit.register(self.remove)

    @property
    def path(self) -> Path:
        with self._lock:
            if self._path is None:
                self._path = self._held.enter_context(temporary_folder(PROCESS_FOLDER))
            return self._path

    def remove(self) -> None:
        with self._lock:
            self._held.close()
            self._path = None


_process_folder = _ProcessFolder()


def process_folder() -> Path:
    """A folder for what this process works on; what of it is left when the process is killed, the next one removes."""
    return _process_folder.path


def remove_process_folder() -> None:
    """Remove that folder now, in a process that ends without tidying up."""
    _process_folder.remove()


def _sweep(prefix: str) -> None:
    """Remove what processes that were killed left behind."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if not (path / _ALIVE).exists():  # it is just being made, or removed
            continue
        lock = lock_at(path / _ALIVE)
        with suppress(OSError):  # it is somebody else's
            if take(lock):
                shutil.rmtree(path, ignore_errors=True)
                lock.release()


def check_installed(module: str, what: str) -> None:
    """Raise InputError that says how to install what `what` needs, unless it is there."""
    if not is_installed(module):
        raise InputError(how_to_install(module, what))


def how_to_install(module: str, what: str) -> str:
    """What to do about a module of an extra that is not there."""
    if module in BY_HAND:
        return f"{what} needs {module}: {BY_HAND[module]}"
    package, extra = EXTRAS[module]
    return f"{what} needs {package}: pip install 'issodask[{extra}]'"


def is_installed(module: str) -> bool:
    """Whether a module can be found; it is not imported, only the packages that it lies in."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def hide_if_broken(package: str) -> None:
    """Let a package that is installed, but can't be imported, count as one that is not.

    mostlyai asks for a torchvision that it never uses. One that was built for another torch fails while it is imported,
    and transformers, which imports whatever it finds, fails with it.
    """
    if package in sys.modules or find_spec(package) is None:
        return
    try:
        import_module(package)
    except Exception:  # it may raise anything: RuntimeError, OSError, AttributeError were seen
        cast(dict[str, Any], sys.modules)[package] = None
