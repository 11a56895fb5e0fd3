"""Who is to be killed: processes of a supervised cluster, found as they are at the moment."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from issodask.service import host

VICTIMS = ("worker", "nanny", "scheduler", "driver")


def kill(victim: str, folder: Path, out: Path, chance: random.Random) -> int:
    """Kill one process of the kind with SIGKILL; return its pid. Waits until there is one."""
    find = {"worker": _workers, "nanny": _nannies, "scheduler": _schedulers, "driver": lambda _: _drivers(out)}[victim]
    pid = chance.choice(wait_for(lambda: find(folder), f"a {victim} to kill", 60))
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_for(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """What the condition returns, once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)
    return found


def _schedulers(folder: Path) -> list[int]:
    return [process.pid for process in host.status(folder).processes if process.name == "scheduler" and process.pid]


def _nannies(folder: Path) -> list[int]:
    return [process.pid for process in host.status(folder).processes if process.name != "scheduler" and process.pid]


def _workers(folder: Path) -> list[int]:
    """The processes that nannies started to work in; each of them has a helper of multiprocessing beside it."""
    found = []
    for pid in _nannies(folder):
        try:
            children = psutil.Process(pid).children()
        except psutil.Error:
            continue
        found += [child.pid for child in children if "spawn_main" in " ".join(_command(child))]
    return found


def _drivers(out: Path) -> list[int]:
    """The process that runs the job file in `out`."""
    return [process.pid for process in psutil.process_iter() if _drives(_command(process), out)]


def _drives(command: list[str], out: Path) -> bool:
    return "issodask" in command and "run" in command and any(part.startswith(f"{out}/") for part in command)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The events of a run so far; half a line at the end, or in between, is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records
