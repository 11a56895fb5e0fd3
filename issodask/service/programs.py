"""What a cluster's processes are: a plan of them, and what the supervisor and Dask are told of each."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from dask.utils import parse_bytes

from issodask.errors import InputError
from issodask.host import n_processors
from issodask.runtime.cluster import EXCLUSIVE, SETTINGS
from issodask.service.processes import FOLDER_VARIABLE, LOGS, socket_path

LOOPBACK = "127.0.0.1"
_SCHEDULER_PORT, _DASHBOARD_PORT = 8786, 8787
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
    host: str = LOOPBACK
    dashboard_host: str = LOOPBACK
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


def supervisor_conf(folder: Path) -> str:
    sections = [
        _section(
            "supervisord",
            logfile=folder / LOGS / "supervisor.log",
            logfile_maxbytes="5MB",
            logfile_backups=1,
            pidfile=folder / "supervisord.pid",
            childlogdir=folder / LOGS,
            directory=folder,
            umask="077",
        ),
        _section("unix_http_server", file=socket_path(folder), chmod="0700"),
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
    ]
    return "\n".join(sections)


def scheduler_program(folder: Path, address: str, dashboard: str) -> str:
    command = [
        *_python("distributed.cli.dask_scheduler"),
        *("--host", address),
        *("--dashboard-address", dashboard),
        *("--preload", "issodask.service.manager"),
    ]
    return _program(folder, "scheduler", command, {})


def worker_programs(folder: Path, plan: Plan, address: str) -> list[str]:
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
        *("--dashboard-address", f"{LOOPBACK}:0"),  # there is a page of metrics still, by default for everybody
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
        stdout_logfile=folder / LOGS / f"{name}.log",
        stdout_logfile_maxbytes="10MB",
        stdout_logfile_backups=1,
        priority=1 if name == "scheduler" else 2,
    )


def _section(title: str, **settings: Any) -> str:
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in settings.items()]
    return "\n".join([f"[{title}]", *lines]) + "\n"


def write_dask_config(folder: Path, comm: dict[str, Any]) -> None:
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
