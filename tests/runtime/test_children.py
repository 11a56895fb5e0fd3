"""A process for one piece of work: how it ends is known, and it and all that it starts can be ended."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from issodask.runtime.children import run_child

pytestmark = pytest.mark.slow

MODULE = "tests.runtime.child_work"


def run(how, folder, limit_s=60.0):
    (folder / "told").touch()
    return run_child(MODULE, str(how), limit_s, folder / "told")


@pytest.mark.parametrize(("how", "code", "tail"), [("says", 0, "one\ntwo\n"), ("fails", 3, "what went wrong\n")])
def test_child__its_code_and_last_words_are_known(how, code, tail, tmp_path):
    ended = run(how, tmp_path)
    assert (ended.code, ended.tail, ended.in_time) == (code, tail, True)


def test_child__a_crash_is_a_signal(tmp_path):
    assert run("crashes", tmp_path).code == -signal.SIGABRT


def test_child__its_peak_of_memory_is_known(tmp_path):
    assert 300e6 < run("grows", tmp_path).peak_bytes < 600e6


def test_child__that_hangs_is_ended_with_all_that_it_started(tmp_path):
    ended = run(tmp_path / "pids", tmp_path, limit_s=3.0)
    assert not ended.in_time
    assert ended.code == -signal.SIGKILL
    assert not any(alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_child__that_tells_something_now_and_then_may_go_on(tmp_path):
    (tmp_path / "told").touch()
    os.utime(tmp_path / "told", (time.time() + 5, time.time() + 5))
    assert run_child(MODULE, str(tmp_path / "pids"), 0.5, tmp_path / "told").seconds > 4


def test_child__ends_when_its_parent_dies(tmp_path):
    code = (
        "from pathlib import Path\nfrom issodask.runtime.children import run_child\n"
        f"run_child({MODULE!r}, {str(tmp_path / 'pids')!r}, 600, Path({str(tmp_path / 'told')!r}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
        assert parent.poll() is None
        time.sleep(0.05)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
