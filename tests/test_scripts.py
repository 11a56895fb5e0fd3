"""Scripts without a main guard, as users write them: they run, and Ctrl-C ends them and all that they started."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.tables import mixed_table, narrow

EXAMPLE = Path(__file__).parents[1] / "examples" / "script.py"
SLOW = """
import time
import issodask as iss

def draw(original, n, seed):
    open(f"began-{seed}", "w").close()
    time.sleep(100)

iss.generate("original.parquet", units=600, generators=2, source=draw, folder="here")
"""


@pytest.mark.slow
def test_example__on_a_small_table_without_a_main_guard(tmp_path):
    """The example as it is, of fewer rows and with less work."""
    code = EXAMPLE.read_text(encoding="utf-8")
    for usual, small in [
        (":5_000]", ":400]"),
        ("5_000:10_000", "400:800"),
        ("200_000, generators=2, source", "4_000, generators=2, source"),
        ("time_limit_s=60", "effort=20.0"),
    ]:
        assert usual in code
        code = code.replace(usual, small)
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    (tmp_path / "copula.py").write_text((EXAMPLE.parent / "copula.py").read_text())
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=1_200)
    assert done.returncode == 0, done.stderr
    pool, chosen, report = done.stdout.splitlines()
    assert re.match(r"<Pool of 4,000 rows, 10 columns, at .*>", pool)
    assert re.match(r"<Selection of 400 of 4,000 rows: accuracy 0\.\d{5}, of random ones 0\.\d{5}>", chosen)
    assert re.match(r"<Report: accuracy 0\.\d{5}, of random units 0\.\d{5}, of the holdout 0\.\d{5}>", report)
    assert {path.name for path in tmp_path.iterdir()} >= {"diamonds.parquet", "diamonds.html"}
    assert not Path(re.search(r"at (\S+)/pool>", pool)[1]).exists()


def start(folder, command):
    """In a group of its own, as a terminal starts a command, until both workers are at work."""
    narrow(mixed_table()).to_parquet(folder / "original.parquet")
    started = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(list(folder.glob("began-*"))) < 2 and started.poll() is None:
        time.sleep(0.1)
    return started


@pytest.mark.parametrize("verb", ["script", "command"])
@pytest.mark.slow
def test_interrupted__says_how_to_go_on_and_leaves_no_process(tmp_path, verb):
    (tmp_path / "script.py").write_text(SLOW)
    (tmp_path / "slow.py").write_text(SLOW.partition("iss.generate")[0])
    options = ["--original", "original.parquet", "--pool", "here", "--units", "600", "--source", "python:slow.py:draw"]
    command = [sys.executable, "-m", "issodask", "generate", *options]
    started = start(tmp_path, [sys.executable, "script.py"] if verb == "script" else command)
    below = psutil.Process(started.pid).children(recursive=True)
    assert below
    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=60)
    lines = err.strip().splitlines()
    name = {"script": r"issodask\.errors\.Stopped", "command": "issodask"}[verb]
    told = rf"{name}: generate was stopped; call it again with the same folder \(here\) to go on"
    assert re.fullmatch(told, lines[-1])
    if verb == "command":
        assert started.returncode == 130
        assert not [line for line in lines if "Traceback" in line]
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive
