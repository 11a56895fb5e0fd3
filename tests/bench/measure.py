"""Run a step in a process of its own, and see how much memory it takes, with all processes that it starts."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from issodask.host import n_processors

_EVERY_S = 0.05
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Measured:
    """What a step found, and the peak of its processes' resident memory, added up (a page of two counts twice)."""

    found: dict[str, Any]
    peak_bytes: int


def measured(step: str, **arguments: Any) -> Measured:
    """Run the step of tests.bench.steps. Raises RuntimeError, with what it said, when it fails."""
    command = [sys.executable, "-m", "tests.bench.steps", step, json.dumps(arguments)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        sampler = _Sampler(process.pid)
        sampler.start()
        said, failed = process.communicate()
        sampler.stop()
    if process.returncode:
        raise RuntimeError(f"{step} failed with exit code {process.returncode}:\n{failed[-4_000:]}")
    return Measured(json.loads(said.splitlines()[-1]), sampler.peak_bytes)


class _Sampler(threading.Thread):
    """Looks at the resident memory of a process and its children now and then, and keeps the highest sum.

    The kernel keeps the true peak of the first process, which a look now and then might miss.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._process = psutil.Process(pid)
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_EVERY_S):
            self._look()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _look(self) -> None:
        try:
            others = self._process.children(recursive=True)
            total = self._high_water() + sum(_resident(process) for process in others)
        except psutil.Error:
            return
        self.peak_bytes = max(self.peak_bytes, total)

    def _high_water(self) -> int:
        """The peak so far of the first process alone; where there are children, what it holds now."""
        if self._process.children():
            return _resident(self._process)
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return _resident(self._process)
        peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        return 1024 * int(peaks[0]) if peaks else _resident(self._process)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def machine() -> str:
    """The processor's name and how many of its cores this process may use."""
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return f"{n_processors()} cores, {names[0] if names else 'unknown processor'}"


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
