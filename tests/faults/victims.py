"""Who is to be killed: processes of a supervised cluster, found as they are at the moment."""

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
VICTIMS_IN_STORE = ("worker", "scheduler", "driver", "store")


def kill(victim: str, folder: Path, place: Any, name: str, chance: random.Random) -> None:
    """Kill one process of the kind with SIGKILL, as soon as there is one; a store is taken away for a while."""
    if victim == "store":
        place.take_away()
        return
    find: dict[str, Callable[[Path], list[int]]] = {
        "worker": _workers,
        "nanny": _nannies,
        "scheduler": _schedulers,
        "driver": lambda _: _drivers(lambda command: place.is_driver(command, name)),
    }
    pid = chance.choice(wait_for(lambda: find[victim](folder), f"a {victim} to kill", 60))
    os.kill(pid, signal.SIGKILL)


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


def _drivers(is_ours: Callable[[list[str]], bool]) -> list[int]:
    """The process that runs the job."""
    commands = {process.pid: _command(process) for process in psutil.process_iter()}
    return [pid for pid, words in commands.items() if "issodask" in words and "run" in words and is_ours(words)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
