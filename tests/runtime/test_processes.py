"""Worker processes of one's own: never the user's script again, started again when they die, gone with their driver."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from issodask.runtime import open_runtime
from tests.runtime import tasks

pytestmark = pytest.mark.cluster

SCRIPT = """
import os
from issodask.runtime import open_runtime

print("begins", flush=True)

def cube(x):
    return x**3

with open_runtime(2, "processes") as runtime:
    print(list(runtime.map(cube, range(4), label="cube")), flush=True)
    {then}
"""


def workers_of(pid):
    below = psutil.Process(pid).children(recursive=True)
    return [process for process in below if "issodask.runtime.worker" in process.cmdline()]


def start(folder, then="pass"):
    script = folder / "script.py"
    script.write_text(SCRIPT.format(then=then))
    return subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive


def test_script__without_a_main_guard_begins_once(tmp_path):
    script = start(tmp_path)
    out, err = script.communicate(timeout=120)
    assert (script.returncode, err) == (0, "")
    assert out.splitlines() == ["begins", "[0, 1, 8, 27]"]


def test_worker__that_dies_is_started_again(tmp_path):
    of_others = {process.pid for process in workers_of(os.getpid())}
    with open_runtime(1, "processes") as runtime:
        ((first, _),) = runtime.map(tasks.where, [0], label="where")
        os.kill(first, signal.SIGKILL)
        ((second, _),) = runtime.map(tasks.where, [0], label="where")
        assert first != second
    wait_until_gone([process for process in workers_of(os.getpid()) if process.pid not in of_others])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_worker__goes_with_its_driver(tmp_path, number):
    """Also one that computes."""
    then = "list(runtime.map(__import__('time').sleep, [100, 100], label='sleep'))"
    script = start(tmp_path, then)
    assert script.stdout.readline() == "begins\n"
    assert script.stdout.readline() == "[0, 1, 8, 27]\n"
    time.sleep(0.5)
    workers = workers_of(script.pid)
    assert len(workers) == 2
    script.send_signal(number)
    script.communicate(timeout=30)
    wait_until_gone(workers)
