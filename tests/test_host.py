"""Processors and locks, on any system."""

import os
import signal
import subprocess
import sys

from issodask.host import lock_at, n_processors, take

HOLDER = """
import sys, time
from pathlib import Path
from issodask.host import lock_at
with lock_at(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_n_processors__are_those_of_this_process():
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, list(own)[:1])
    try:
        assert n_processors() == 1
    finally:
        os.sched_setaffinity(0, own)


def test_n_processors__where_no_process_has_its_own(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert n_processors() == 7


def test_take__one_at_a_time(tmp_path):
    first, second = lock_at(tmp_path / "lock"), lock_at(tmp_path / "lock")
    assert take(first)
    assert not take(second)
    first.release()
    assert take(second)
    second.release()


def test_lock__is_free_when_its_holder_was_killed(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert not take(lock_at(path))
        holder.send_signal(signal.SIGKILL)
    lock = lock_at(path)
    assert take(lock)
    lock.release()
    assert path.stat().st_mode & 0o777 == 0o600
