"""Jobs through the command line, on a supervised cluster: handed over, watched, stopped, fetched."""

import re

import psutil
import pytest
from click.testing import CliRunner

from issodask.cli import main
from issodask.config import load_job
from issodask.stages.run import run
from tests.clusters import ended, is_waiting, quick_job, results, wait_for, waiting_job, write_inputs

pytestmark = pytest.mark.cluster


@pytest.fixture
def folder(home, tmp_path):
    write_inputs(tmp_path)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def submit(job):
    done = call("submit", job)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


def state(id):
    return re.search(r"^state +(\w+)$", call("status", id).stdout, re.MULTILINE)[1]


def fault(done):
    """The one line on stderr of a command that failed."""
    assert done.exit_code == 2, done.output + repr(done.exception)
    (line,) = done.stderr.splitlines()
    return line


def test_submit__the_job_ends_in_the_bytes_of_a_serial_run(folder):
    serial = run(load_job(quick_job(folder, "serial", runtime={"scheduler": "serial"})))
    id = submit(quick_job(folder, "handed-over"))
    assert re.fullmatch(r"handed-over-[0-9a-f]{4}", id)
    followed = call("logs", "--follow", id)
    assert followed.exit_code == 0
    assert followed.stdout.splitlines()[-1] == f"{id} finished"
    assert results(folder / "handed-over") == results(folder / "serial")

    told = call("result", id, "--to", folder / "fetched")
    assert told.stdout.splitlines()[0] == f"accuracy  {serial.selected.accuracy:.5f} against the original"
    assert f"written   {folder / 'fetched' / 'report.html'}" in told.stdout
    assert results(folder / "fetched") == results(folder / "serial")
    assert (folder / "fetched" / "metrics.json").is_file()

    (row,) = [line.rstrip() for line in call("status").stdout.splitlines() if line.startswith(id)]
    assert row.split()[1] == "finished"
    assert row.endswith(str(folder / "handed-over"))
    assert f"{serial.selected.accuracy:.5f}" in row


def test_cancel__ends_the_driver_and_the_job_goes_on_when_submitted_again(folder):
    id = submit(waiting_job(folder))
    wait_for(lambda: is_waiting(folder))
    driver = psutil.Process(int(re.search(r"^pid +(\d+)$", call("status", id).stdout, re.MULTILINE)[1]))
    assert "issodask" in driver.cmdline()
    refused = fault(call("submit", folder / "waiting.toml"))
    assert f"job {id} writes to {folder / 'waiting'} already: wait for it, cancel it, or change out" in refused
    unfinished = fault(call("result", id))
    assert f"job {id} is running" in unfinished

    assert call("cancel", id).stdout == f"{id} cancelled\n"
    assert state(id) == "cancelled"
    wait_for(lambda: not driver.is_running())
    assert call("cancel", id).stdout == f"{id} was cancelled already\n"

    (folder / "go").touch()
    assert ended(submit(folder / "waiting.toml"))["state"] == "finished"
    assert (folder / "waiting" / "report.html").is_file()


def test_logs__of_a_job_that_fails_end_with_its_fault(folder):
    id = submit(quick_job(folder, "too-many", select={"units": 7_000}))
    failed = call("logs", "--follow", id)
    assert failed.exit_code == 2
    line = failed.stderr.splitlines()[-1]
    assert line.startswith(f"issodask: job {id} failed: ")
    assert "6,000 units but the subset needs 7,000" in line
    assert state(id) == "failed"
    assert re.search(rf"^{id}: .*6,000 units but", call("status").stdout, re.MULTILINE)
    assert "is failed: " in fault(call("result", id))


@pytest.mark.parametrize("command", ["status", "logs", "cancel", "result"])
def test_unknown_id__says_which_are_known(folder, command):
    line = fault(call(command, "nobody-0000"))
    assert line.startswith("issodask: no job nobody-0000 is known here: give one of those that `issodask status` lists")


@pytest.mark.parametrize("command", [["submit"], ["status"], ["logs"], ["cancel", "a-1"], ["result"]])
def test_no_cluster__says_how_to_start_one(tmp_path, monkeypatch, command):
    monkeypatch.setenv("ISSODASK_HOME", str(tmp_path))
    if command == ["submit"]:
        command = ["submit", quick_job(tmp_path)]
    assert fault(call(*command)) == (
        "issodask: no cluster is up here: start one with `issodask cluster up`, or give --scheduler ADDRESS"
    )


def test_no_scheduler__at_the_address(tmp_path, monkeypatch):
    monkeypatch.setattr("issodask.runtime.cluster._CONNECT_TIMEOUT_S", 0.5)
    line = fault(call("status", "--scheduler", "tcp://127.0.0.1:9"))
    assert line.startswith("issodask: no Dask scheduler answers at tcp://127.0.0.1:9")
