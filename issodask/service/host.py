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
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import yaml
from dask.utils import parse_bytes
from distributed import Client
from distributed.comm.addressing import parse_host_port
from supervisor.xmlrpc import SupervisorTransport

from issodask.errors import InputError
from issodask.host import n_processors
from issodask.runtime.address import NOTE, find_cluster
from issodask.runtime.cluster import EXCLUSIVE, SETTINGS
from issodask.runtime.credentials import Keys
from issodask.service.certificates import copy_keys, make_keys

Say = Callable[[str], None]

FOLDER_VARIABLE = "ISSODASK_CLUSTER"
"""Set for every process of a cluster, to its folder: by it they are found whatever became of their supervisor."""

_KEYS = "keys"
JOBS = "jobs"
_LOGS = "logs"
_ANY_HOST = ("", "0.0.0.0", "::")
_LOOPBACK = "127.0.0.1"
_SCHEDULER_PORT, _DASHBOARD_PORT = 8786, 8787
_LONGEST_SOCKET_PATH = 90
_START_S, _STOP_S = 90.0, 30.0
_DEATH_TIMEOUT_S = 60
_MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class Plan:
    """What to start. `memory`: per worker, as Dask takes it ("4GB", "0" for no limit; None: an equal share).

    `host` is where scheduler and workers listen, `dashboard_host` where the dashboard does. `gpus` are named as
    CUDA_VISIBLE_DEVICES takes them: one for each worker, and workers without one train nothing then. `prefix` tells
    one host's workers from another's.
    """

    n_workers: int | None = None
    memory: str | None = None
    host: str = _LOOPBACK
    dashboard_host: str = _LOOPBACK
    port: int = _SCHEDULER_PORT
    dashboard_port: int = _DASHBOARD_PORT
    gpus: tuple[str, ...] = ()
    prefix: str = ""

    def name_of(self, i: int) -> str:
        return f"{self.prefix}worker-{i}"

    @property
    def workers(self) -> int:
        return self.n_workers or len(self.gpus) or n_processors()

    @property
    def memory_limit(self) -> str:
        """Raises InputError when `memory` is no size."""
        if self.memory is None:
            return str(int(_MEMORY_SHARE * psutil.virtual_memory().total / self.workers))
        try:
            parse_bytes(self.memory)
        except ValueError as error:
            raise InputError(f"memory {self.memory!r} is no size: give one such as 4GB, or 0 for no limit") from error
        return self.memory


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
    programs = [_scheduler(folder, address, dashboard), *_workers(folder, plan, address)]
    say(f"starting a scheduler and {plan.workers} workers")
    with _nothing_left_on_failure(folder):
        keys = make_keys(folder / _KEYS)
        note = {"address": address, "dashboard": f"http://{dashboard}/issodask", "keys": _KEYS}
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
    programs = _workers(folder, plan, found.scheduler)
    say(f"starting {plan.workers} workers for {found.scheduler}")
    with _nothing_left_on_failure(folder):
        keys = copy_keys(Keys.within(note.parent / _KEYS), folder / _KEYS)
        _launch(folder, {"address": found.scheduler, "dashboard": found.dashboard or "", "keys": _KEYS}, keys, programs)
        _wait_for_workers(folder, plan)
    return status(folder)


def _make_way(folder: Path) -> None:
    if is_up(folder):
        raise InputError(f"a cluster is up already, at {status(folder).address}: stop it with `issodask cluster down`")
    _sweep(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (_LOGS, JOBS):
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
    _write_dask_config(folder, keys.dask_config())
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    conf = folder / "supervisord.conf"
    conf.write_text("\n".join([_supervisor_conf(folder), *programs]), encoding="utf-8")
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
    with _supervisor(folder) as supervisor:
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
        with _supervisor(folder) as supervisor, suppress(OSError, xmlrpc.client.Error):
            supervisor.shutdown()
        deadline = time.monotonic() + _STOP_S
        while _processes_of(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
    swept = _sweep(folder)
    return was_up or swept > 0


def is_up(folder: Path) -> bool:
    """Whether the supervisor of this folder's cluster answers."""
    if not (folder / NOTE).is_file():
        return False
    try:
        with _supervisor(folder) as supervisor:
            return bool(supervisor.getState()["statename"] == "RUNNING")
    except (OSError, xmlrpc.client.Error):
        return False


def log_of(folder: Path, name: str, n_lines: int = 15) -> str:
    """The last lines of a process's log."""
    path = folder / _LOGS / f"{name}.log"
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


# what the supervisor is told


def _supervisor_conf(folder: Path) -> str:
    sections = [
        _section(
            "supervisord",
            logfile=folder / _LOGS / "supervisor.log",
            logfile_maxbytes="5MB",
            logfile_backups=1,
            pidfile=folder / "supervisord.pid",
            childlogdir=folder / _LOGS,
            directory=folder,
            umask="077",
        ),
        _section("unix_http_server", file=_socket_path(folder), chmod="0700"),
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
    ]
    return "\n".join(sections)


def _scheduler(folder: Path, address: str, dashboard: str) -> str:
    command = [
        *_python("distributed.cli.dask_scheduler"),
        *("--host", address),
        *("--dashboard-address", dashboard),
        *("--preload", "issodask.service.manager"),
    ]
    return _program(folder, "scheduler", command, {})


def _workers(folder: Path, plan: Plan, address: str) -> list[str]:
    return [_worker(folder, plan, address, i) for i in range(plan.workers)]


def _worker(folder: Path, plan: Plan, address: str, i: int) -> str:
    command = [
        *_python("distributed.cli.dask_worker"),
        address,
        *("--name", plan.name_of(i)),
        *("--nthreads", "1"),
        *("--memory-limit", plan.memory_limit),
        *("--host", plan.host),
        "--no-dashboard",
        *("--dashboard-address", f"{_LOOPBACK}:0"),  # there is a page of metrics still, by default for everybody
        *("--local-directory", str(folder / "spill")),
        *("--death-timeout", str(_DEATH_TIMEOUT_S)),
        *("--preload", "issodask.warm"),
    ]
    has_gpu = i < len(plan.gpus)
    if has_gpu or not plan.gpus:
        command += ["--resources", f"{EXCLUSIVE}=1"]
    environment = {"OMP_NUM_THREADS": str(max(1, n_processors() // plan.workers))}
    if plan.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = plan.gpus[i] if has_gpu else ""
    return _program(folder, f"worker-{i}", command, environment)


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", module


def _program(folder: Path, name: str, command: Sequence[str], environment: dict[str, str]) -> str:
    environment = {"DASK_CONFIG": str(folder / "dask"), FOLDER_VARIABLE: str(folder)} | environment
    return _section(
        f"program:{name}",
        command=shlex.join(command),
        environment=",".join(f'{key}="{value}"' for key, value in environment.items()),
        autorestart="true",
        startsecs=1,
        startretries=1_000,
        stopsignal="TERM",
        stopwaitsecs=15,
        stopasgroup="true",
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=folder / _LOGS / f"{name}.log",
        stdout_logfile_maxbytes="10MB",
        stdout_logfile_backups=1,
        priority=1 if name == "scheduler" else 2,
    )


def _section(title: str, **settings: Any) -> str:
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in settings.items()]
    return "\n".join([f"[{title}]", *lines]) + "\n"


def _write_dask_config(folder: Path, comm: dict[str, Any]) -> None:
    """What scheduler, workers and the drivers that these start have in common."""
    config: dict[str, Any] = {"distributed": {"comm": comm}}
    for name, value in SETTINGS.items():
        *path, last = name.split(".")
        section = config
        for step in path:
            section = section.setdefault(step, {})
        section[last] = value
    (folder / "dask").mkdir(exist_ok=True, mode=0o700)
    (folder / "dask" / "issodask.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


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


# the supervisor, and processes that outlived one


@contextmanager
def _supervisor(folder: Path) -> Iterator[Any]:
    transport = SupervisorTransport(None, None, f"unix://{_socket_path(folder)}")
    with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
        yield proxy.supervisor
    transport.close()


def _socket_path(folder: Path) -> Path:
    """Paths of sockets are short: long folders have theirs in the temporary folder."""
    path = folder / "supervisor.sock"
    if len(str(path)) <= _LONGEST_SOCKET_PATH:
        return path
    name = sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"issodask-{os.getuid()}-{name}.sock"


def _processes_of(folder: Path) -> list[psutil.Process]:
    """All processes of this user that belong to the folder's cluster, but for this one and those above it."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in own and process.environ().get(FOLDER_VARIABLE) == str(folder):
                found.append(process)
    return found


def _sweep(folder: Path) -> int:
    """End what is left of an earlier cluster of this folder, and remove its files; return the number of processes."""
    left = _processes_of(folder)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with suppress(psutil.Error):
                process.send_signal(sign)
        _, alive = psutil.wait_procs(left, timeout=5)
        if not alive:
            break
    for path in (folder / NOTE, folder / "supervisord.conf", folder / "supervisord.pid", _socket_path(folder)):
        path.unlink(missing_ok=True)
    for name in (_KEYS, "spill", "dask"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return len(left)
