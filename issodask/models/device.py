"""Where one training runs: a GPU of its own, or the processor with as many threads as pay off."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from issodask.errors import InputError
from issodask.host import lock_at, n_processors, take

Wanted = Literal["auto", "cpu", "cuda"]

# Up to this, a training step is so short that threads wait for each other longer than they compute: 30,000 x 32 values
# took 6 to 13 s per epoch with one thread, 30 s and more with two, on two cores that others used as well.
ONE_THREAD_VALUES = 10_000_000


@dataclass(frozen=True)
class Environment:
    """What a worker has: its host's processors, the workers that share them, and the GPUs that it may see."""

    n_cpus: int
    n_workers: int
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Device:
    """`gpus` are those that this training may take one of; none of them for the processor."""

    kind: Literal["cpu", "cuda"]
    n_threads: int
    gpus: tuple[str, ...] = ()


def choose_device(wanted: Wanted, environment: Environment, n_values: int) -> Device:
    """A GPU where there is one (or it is asked for), else the processor; `n_values` are the table's rows times columns.

    Raises InputError when a GPU is wanted and none is visible.
    """
    share = max(1, environment.n_cpus // environment.n_workers)
    if wanted != "cpu" and environment.gpus:
        return Device("cuda", share, environment.gpus)
    if wanted == "cuda":
        raise InputError(
            'device is "cuda", but no GPU is visible here: check nvidia-smi and CUDA_VISIBLE_DEVICES, '
            'or set device = "auto"'
        )
    return Device("cpu", 1 if n_values < ONE_THREAD_VALUES else share)


def look_around(n_workers: int) -> Environment:
    """The environment of this process."""
    return Environment(n_processors(), n_workers, visible_gpus(os.environ, installed_gpus()))


def visible_gpus(environ: Mapping[str, str], installed: tuple[str, ...]) -> tuple[str, ...]:
    """GPUs by the names that CUDA_VISIBLE_DEVICES takes: those it lists, or all that are installed."""
    if not installed:
        return ()
    listed = environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return installed
    return tuple(name for name in (part.strip() for part in listed.split(",")) if name not in ("", "-1", "NoDevFiles"))


@contextmanager
def pinned(device: Device, index: int) -> Iterator[None]:
    """Take a free GPU of this host for the length of the block, and let this process see that one only.

    When all are taken, wait for one of them, by `index`. The lock goes with the process, however that ends.
    """
    if device.kind == "cpu":
        yield
        return
    order = [device.gpus[(index + i) % len(device.gpus)] for i in range(len(device.gpus))]
    name, lock = _take_one(order)
    try:
        # CUDA reads it when it starts, so a process keeps its first GPU: the only one it sees from then on.
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        yield
    finally:
        lock.release()


def _take_one(names: list[str]) -> tuple[str, FileLock]:
    locks = {name: lock_at(_lock_path(name)) for name in names}
    for name, lock in locks.items():
        if take(lock):
            return name, lock
    first = names[0]
    locks[first].acquire()
    return first, locks[first]


def _lock_path(name: str) -> Path:
    safe_name = re.sub(r"[^A-Za-z0-9-]", "_", name)
    return Path(tempfile.gettempdir()) / f"issodask-{os.getuid()}-gpu-{safe_name}.lock"


def installed_gpus() -> tuple[str, ...]:
    """The ids of the installed GPUs; none when there is no driver."""
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in found.stdout.splitlines() if line.strip())
