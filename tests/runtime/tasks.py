"""Tasks for the tests of runtimes; in a module of their own, so that workers find them."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from issodask.errors import InputError
from issodask.runtime import is_abandoned


def square(x):
    return x * x


def slow_first(i):
    """Finish in another order than started."""
    time.sleep(0.05 if i == 0 else 0)
    return i


def weighted_sum(x, weights, offset):
    return float(weights.sum() * x + offset)


def where(_):
    """The process and the thread that a task ran in."""
    return os.getpid(), threading.get_ident()


def fail_at_two(x):
    if x == 2:
        raise RuntimeError(f"no {x}")
    return x


def refuse(x):
    raise InputError(f"found {x}, needed another: change it")


def fail_until(item):
    """Fail until this is the `n`-th attempt; attempts are counted in a folder, since processes share nothing else."""
    folder, n = item
    attempt = len(list(Path(folder).iterdir())) + 1
    (Path(folder) / f"{attempt}").touch()
    if attempt < n:
        raise RuntimeError(f"attempt {attempt}")
    return attempt


def refuse_and_count(folder):
    (Path(folder) / f"{len(list(Path(folder).iterdir())) + 1}").touch()
    raise InputError("bad input stays bad")


def span(i):
    """The worker process that ran the task, and from when to when."""
    start = time.monotonic()
    time.sleep(0.05)
    return os.getpid(), start, time.monotonic()


@dataclass(frozen=True)
class DrawnBlock:
    """A block whose codes are drawn from its seed where they are needed."""

    n_units: int
    first_unit: int
    sizes: tuple[int, ...]
    seed: int


def draw_codes(block):
    random = np.random.default_rng(block.seed)
    return random.integers(0, block.sizes, (block.n_units, len(block.sizes))).astype(np.uint8)


def work_until_abandoned(path):
    """Say in a file how this task ended: given up by its client, or out of patience."""
    started = Path(path)
    started.touch()
    for _ in range(400):
        if is_abandoned():
            started.write_text("abandoned")
            return
        time.sleep(0.05)
    started.write_text("out of patience")


class Tally:
    """Counts on from what it was made with."""

    def __init__(self, item, values):
        if item < 0:
            raise InputError(f"found {item}, needed another: change it")
        self._total = item + float(values.sum())

    def add(self, number):
        if number < 0:
            raise InputError(f"found {number}, needed another: change it")
        self._total += number
        return self._total

    def doubled(self, values):
        return 2 * values

    def pid(self, _):
        return os.getpid()

    def slow_pid(self, _):
        time.sleep(0.5)
        return os.getpid()


def kill_soon(pid, seconds=0.2):
    threading.Timer(seconds, os.kill, (pid, signal.SIGKILL)).start()
