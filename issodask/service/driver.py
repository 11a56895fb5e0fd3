"""Driving a job: a task on a worker, which runs the command line in a process of its own and waits for it.

A process of its own can be stopped, has memory of its own, and a crash of it harms no worker. It ends with the worker
that started it: its standard input is a pipe, and when the other end closes it exits at once.
"""

import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from distributed import get_worker, secede

from issodask.event import Event
from issodask.events import Driving
from issodask.runtime.address import as_client
from issodask.runtime.base import JOB_VARIABLE, LEASH_VARIABLE, is_abandoned
from issodask.runtime.cluster import TOPIC
from issodask.store.copies import local
from issodask.store.logs import growing_file
from issodask.store.places import place

LOG = "driver.log"

_POLL_S = 0.5
_TAIL_LINES = 20


@dataclass(frozen=True)
class Ended:
    """How a driver ended: its exit code (negative: the signal that killed it) and the last lines of what it said."""

    code: int
    tail: str


def drive(job_id: str, job_path: str, verb: str, scheduler: str) -> Ended:
    """Do the job of the file at `job_path` by the command `verb`, on the cluster at `scheduler`, until it ends.

    Runs on a worker, beside others.
    """
    secede()
    job = place(job_path)
    environment = os.environ | _certificate() | {JOB_VARIABLE: job_id, LEASH_VARIABLE: "1", "COLUMNS": "160"}
    command = [sys.executable, "-m", "issodask", verb, str(local(job)), "--scheduler", scheduler]
    with growing_file(job.parent / LOG) as log_path, log_path.open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)
        _tell(job_id, Driving(pid=process.pid, host=platform.node(), worker=str(get_worker().name)))
        try:
            _wait(process)
        finally:
            _end(process)
        return Ended(process.returncode, _tail(log_path, start))


def _certificate() -> dict[str, str]:
    """The variables by which Dask, in the driver, has the certificate of this worker, however that was given."""
    security = as_client(get_worker().security, "worker")
    known = {
        "CA_FILE": security.tls_ca_file,
        "CLIENT__CERT": security.tls_client_cert,
        "CLIENT__KEY": security.tls_client_key,
    }
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in known.items() if value is not None}


def _wait(process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None and not is_abandoned():
        time.sleep(_POLL_S)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)  # all that it wrote is whole or absent, so there is nothing to tidy
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])


def _tell(job_id: str, event: Event) -> None:
    get_worker().log_event(TOPIC, {"job": job_id, **event.record(), "time": round(time.time(), 3)})
