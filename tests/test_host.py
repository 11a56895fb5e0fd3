"""Processors and locks, on any system."""

import os
import signal
import subprocess
import sys

import pytest

from issodask.errors import InputError
from issodask.host import check_installed, hide_if_broken, lock_at, n_processors, take

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


def test_how_to_install__names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervisor", None)
    with pytest.raises(InputError, match=r"^a cluster needs supervisor: pip install 'issodask\[cluster\]'$"):
        check_installed("supervisor", "a cluster")
    check_installed("mostlyai.engine", "training")


@pytest.mark.slow
def test_torchvision__that_is_broken_does_not_break_what_the_report_imports(tmp_path):
    """As where a build of torch has no torchvision of its own, and pip installs another's."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms is absent')")
    code = "from transformers import PreTrainedModel\n"
    hide = "from issodask.host import hide_if_broken\nhide_if_broken('torchvision')\n"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    broken, mended = (
        subprocess.run([sys.executable, "-W", "ignore", "-c", text], env=environ, capture_output=True, text=True)
        for text in (code, hide + code)
    )
    assert "PreTrainedModel" in broken.stderr
    assert mended.returncode == 0, mended.stderr


def test_hide_if_broken__leaves_what_works():
    hide_if_broken("json")
    hide_if_broken("no_such_package")
    assert sys.modules["json"] is not None
    assert "no_such_package" not in sys.modules
