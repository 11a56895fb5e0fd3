"""A process for one piece of work that may hang, crash or eat memory: it harms nobody else, and can be ended.

In: a module with a `main`, and its argument. Out: `Ended`. The child ends with whoever started it: its standard input
is a pipe, and when the other end closes it ends itself and all that it started.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from issodask.runtime.base import is_abandoned

_POLL_S = 0.1
_START_S = 120.0

_running: set[int] = set()
"""Children that threads of this process wait for."""
_TAIL_BYTES = 10_000
_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    code        its exit code; negative: the signal that ended it
    tail        the last of what it said
    peak_bytes  the most memory that it had at once
    in_time     whether it ended by itself
    """

    code: int
    tail: str
    seconds: float
    peak_bytes: int
    in_time: bool


def run_child(module: str, argument: str, limit_s: float, told: Path) -> Ended:
    """Run `python -m MODULE ARGUMENT` in a process of its own, with one thread.

    It is ended when for `limit_s` seconds it has not written the file `told`, and when nobody waits for the task that
    calls this. Until it first does, it has two minutes at least: to start takes long where many processes do.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    with tempfile.TemporaryFile() as said:
        began, began_at = time.monotonic(), time.time()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, argument],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=environment,
            start_new_session=True,
        )
        in_time, peak_bytes = True, 0
        _running.add(process.pid)
        try:
            while not (ended := _reaped(process)):
                peak_bytes = max(peak_bytes, _peak_bytes(process.pid))
                if _is_late(told, began_at, limit_s) or is_abandoned():
                    in_time = False
                    _end(process.pid)
                time.sleep(_POLL_S)
        except BaseException:
            _end(process.pid)
            process.wait()
            raise
        finally:
            _running.discard(process.pid)
            assert process.stdin is not None
            process.stdin.close()
        code, usage_bytes = ended
        if usage_bytes > _peak_bytes(os.getpid()):
            peak_bytes = usage_bytes
        return Ended(code, _tail(said), time.monotonic() - began, peak_bytes, in_time)


def _reaped(process: "subprocess.Popen[bytes]") -> tuple[int, int] | None:
    """Exit code and peak memory by the system's accounts, once it has ended."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if pid == 0:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * _BYTES_PER_UNIT


def _peak_bytes(pid: int) -> int:
    """What a process had at most so far; 0 where /proc does not say.

    Linux's accounts (ru_maxrss) begin with what this process had: a child is a copy of it for a moment. What goes
    beyond that is the child's own.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _is_late(told: Path, began_at: float, limit_s: float) -> bool:
    try:
        return time.time() - told.stat().st_mtime > limit_s
    except FileNotFoundError:
        return time.time() - began_at > max(limit_s, _START_S)


def _end(pid: int) -> None:
    """It and all that it started; what it wrote is whole or absent."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_children() -> None:
    """End all children of this process: threads that wait for them go on, as if they had crashed."""
    for pid in tuple(_running):
        _end(pid)


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
    return file.read().decode("utf-8", errors="replace")


def end_with_parent(end: Callable[[], None]) -> None:
    """In a child: call `end`, which ends this process, as soon as the parent has ended or closed its standard input."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        end()

    threading.Thread(target=wait, name="issodask-leash", daemon=True).start()


def end_group() -> None:
    """End this process and all that it started."""
    os.killpg(0, signal.SIGKILL)
