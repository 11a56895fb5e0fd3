"""A cluster on this host: one scheduler and some workers, as processes that a supervisor keeps alive.

In: a folder, how many workers, with how much memory and which GPUs. Out: `cluster.json` in the folder, by which clients
find the cluster, beside certificates, logs and the list of jobs. `stop` leaves no process, port or socket behind. With
the note and the certificates, workers of another host join (`join`).

A worker is what the supervisor starts (Dask's nanny) and the process that the nanny starts. When any of them dies it is
started again, the scheduler on the same port.
"""

import json
import logging
import os
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import Client
from distributed.comm.addressing import parse_host_port

from issodask.errors import InputError
from issodask.runtime.address import NOTE, find_cluster
from issodask.runtime.credentials import Keys
from issodask.service.certificates import copy_keys, make_keys
from issodask.service.processes import FOLDER_VARIABLE, KEYS, LOGS, processes_of, supervisor_of, sweep
from issodask.service.programs import Plan, scheduler_program, supervisor_conf, worker_programs, write_dask_config

Say = Callable[[str], None]

JOBS = "jobs"
_ANY_HOST = ("", "0.0.0.0", "::")
_START_S, _STOP_S = 90.0, 30.0


@dataclass(frozen=True)
class Process:
    """A process that the supervisor keeps: its name, state (RUNNING, BACKOFF, FATAL ...) and pid (0 when not alive)."""

    name: str
    state: str
    pid: int
    since: float


@dataclass(frozen=True)
class Up:
    """A cluster that is up."""

    address: str
    dashboard: str
    processes: tuple[Process, ...]


def start(folder: Path, plan: Plan, say: Say = lambda text: None) -> Up:
    """Start the cluster of `folder`, and wait until all workers are there.

    Raises InputError when one is up already, the host is no address that others can reach, or it does not start (then
    with the last lines of the log).
    """
    _make_way(folder)
    if plan.host in _ANY_HOST:
        raise InputError(f"host {plan.host!r} means any address: give the one of this host that others reach it by")
    port, dashboard_port = _free_port(plan.host, plan.port), _free_port(plan.dashboard_host, plan.dashboard_port)
    address = f"tls://{plan.host}:{port}"
    dashboard = f"{plan.dashboard_host}:{dashboard_port}"
    programs = [scheduler_program(folder, address, dashboard), *worker_programs(folder, plan, address)]
    say(f"starting a scheduler and {plan.workers} workers")
    with _nothing_left_on_failure(folder):
        keys = make_keys(folder / KEYS)
        note = {"address": address, "dashboard": f"http://{dashboard}/issodask", "keys": KEYS}
        _launch(folder, note, keys, programs)
        _wait_for_workers(folder, plan)
    return status(folder)


def join(folder: Path, note: Path, plan: Plan, say: Say = lambda text: None) -> Up:
    """Start workers that belong to the cluster of another host: `note` is its cluster.json, copied with its keys.

    They listen on the address of this host that leads to the cluster; `folder` is for what they need here.
    Raises InputError when a cluster is up here already, when that cluster does not answer, or workers do not start.
    """
    found = find_cluster(str(note))
    if note.absolute().parent == folder:
        raise InputError(f"{folder} is where the workers of this host keep their files: copy {NOTE} and keys elsewhere")
    _make_way(folder)
    address = _address_towards(found.scheduler)
    plan = replace(plan, host=address, prefix=f"{address}-")
    programs = worker_programs(folder, plan, found.scheduler)
    say(f"starting {plan.workers} workers for {found.scheduler}")
    with _nothing_left_on_failure(folder):
        keys = copy_keys(Keys.within(note.parent / KEYS), folder / KEYS)
        _launch(folder, {"address": found.scheduler, "dashboard": found.dashboard or "", "keys": KEYS}, keys, programs)
        _wait_for_workers(folder, plan)
    return status(folder)


def _make_way(folder: Path) -> None:
    if is_up(folder):
        raise InputError(f"a cluster is up already, at {status(folder).address}: stop it with `issodask cluster down`")
    sweep(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (LOGS, JOBS):
        (folder / name).mkdir(exist_ok=True, mode=0o700)


@contextmanager
def _nothing_left_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stop(folder)
        raise


def _launch(folder: Path, note: dict[str, Any], keys: Keys, programs: Sequence[str]) -> None:
    """Start the supervisor, and by it all programs."""
    write_dask_config(folder, keys.dask_config())
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    conf = folder / "supervisord.conf"
    conf.write_text("\n".join([supervisor_conf(folder), *programs]), encoding="utf-8")
    try:
        subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)],
            check=True,
            env=os.environ | {FOLDER_VARIABLE: str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        raise InputError(f"the supervisor did not start: {error.stderr or error.stdout}") from error


def status(folder: Path) -> Up:
    """Addresses and processes. Raises InputError when no cluster of this folder is up."""
    if not is_up(folder):
        raise InputError("no cluster is up here: start one with `issodask cluster up`")
    note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    with supervisor_of(folder) as supervisor:
        found = supervisor.getAllProcessInfo()
    processes = [Process(p["name"], p["statename"], p["pid"], float(p["start"])) for p in found]
    processes.sort(key=lambda process: (process.name != "scheduler", len(process.name), process.name))
    return Up(note["address"], note["dashboard"], tuple(processes))


def stop(folder: Path) -> bool:
    """Stop all processes of this folder's cluster and remove what only they need; whether there was anything to stop.

    Certificates go too; logs and the list of jobs stay.
    """
    was_up = is_up(folder)
    if was_up:
        with supervisor_of(folder) as supervisor, suppress(OSError, xmlrpc.client.Error):
            supervisor.shutdown()
        deadline = time.monotonic() + _STOP_S
        while processes_of(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
    swept = sweep(folder)
    return was_up or swept > 0


def is_up(folder: Path) -> bool:
    """Whether the supervisor of this folder's cluster answers."""
    if not (folder / NOTE).is_file():
        return False
    try:
        with supervisor_of(folder) as supervisor:
            return bool(supervisor.getState()["statename"] == "RUNNING")
    except (OSError, xmlrpc.client.Error):
        return False


def log_of(folder: Path, name: str, n_lines: int = 15) -> str:
    """The last lines of a process's log."""
    path = folder / LOGS / f"{name}.log"
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-n_lines:])


def _wait_for_workers(folder: Path, plan: Plan) -> None:
    """Until all workers that this host starts belong to the cluster."""
    found = find_cluster(str(folder / NOTE))
    wanted = {plan.name_of(i) for i in range(plan.workers)}
    deadline = time.monotonic() + _START_S
    logging.getLogger("distributed").setLevel(logging.ERROR)
    try:
        with Client(found.scheduler, security=found.security, timeout=_START_S, set_as_default=False) as client:
            while not wanted <= {worker["name"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()}:
                if time.monotonic() > deadline:
                    raise TimeoutError("not all workers are there")
                time.sleep(0.1)
    except OSError as error:
        tail = log_of(folder, "scheduler") + "\n" + log_of(folder, "worker-0")
        raise InputError(
            f"the cluster did not start within {_START_S:.0f} s: {error}; its logs end with: {tail}"
        ) from error


def _free_port(host: str, wanted: int) -> int:
    """The wanted port, or another when it is taken (or 0)."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    raise InputError(f"nothing can listen on {host}: give an address of this host")


def _address_towards(scheduler: str) -> str:
    """The address of this host from which the way to the scheduler leads."""
    host, port = parse_host_port(scheduler.partition("://")[2])
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise InputError(
            f"no scheduler answers at {scheduler} ({error}): is that cluster up, and was it told to listen where this "
            "host can reach it (`issodask cluster up --host ADDRESS`)?"
        ) from error
