"""A Dask cluster of Slurm jobs: `python cluster/slurm.py [FILE]` stays until it is stopped (Ctrl-C, or SIGTERM).

In: slurm.yaml, or another FILE of its kind. Out: a scheduler in this process, a Slurm job per worker, and a scheduler
file by which clients find them. A job that ends before its time is submitted again; all jobs are cancelled at the end.
Needs dask-jobqueue: `pip install dask-jobqueue`.
"""

import json
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import dask
import yaml
from dask_jobqueue.slurm import SLURMJob
from distributed import Scheduler, SpecCluster
from distributed.core import Status

from issodask.runtime.cluster import SETTINGS

DESK = "issodask.service.manager"

_KEYS = ("workers", "keys", "scheduler-file", "scheduler", "jobqueue")
_CHECK_S = 30.0

Settings = dict[str, Any]


def main(path: Path) -> None:
    """Keep a cluster up until somebody stops it."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    settings = load(path)
    with dask.config.set(dask_config(settings)), start(settings) as cluster, scheduler_file(settings, cluster) as file:
        print(f"up at {cluster.scheduler_address}: give clients --scheduler {file}", flush=True)
        while not stopped.wait(_CHECK_S):
            submit_missing(cluster)
        print("cancelling the jobs", flush=True)


class WorkerJob(SLURMJob):
    """A worker's Slurm job. One that Slurm refuses counts as failed, so that the cluster can close."""

    async def start(self) -> None:
        try:
            await super().start()
        except BaseException:
            self.status = Status.failed
            raise


def load(path: Path) -> Settings:
    """The settings in a file. Raises ValueError for keys that are not known: Dask itself would pass over them."""
    settings: Settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    _check_keys(settings, _KEYS, path.name)
    _check_keys(settings["workers"], settings["jobqueue"], "workers")
    for group, options in settings["jobqueue"].items():
        _check_keys(options, _jobqueue_keys(), f"jobqueue.{group}")
    return settings


def _check_keys(found: Mapping[str, Any], known: Any, where: str) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ValueError(f"{where} has no {', '.join(unknown)}: it has {', '.join(sorted(known))}")


def _jobqueue_keys() -> set[str]:
    """The keys that dask-jobqueue has for Slurm."""
    text = files("dask_jobqueue").joinpath("jobqueue.yaml").read_text(encoding="utf-8")
    return set(yaml.safe_load(text)["jobqueue"]["slurm"])


def dask_config(settings: Settings) -> dict[str, Any]:
    """Dask's configuration of the scheduler: what issodask needs, TLS, and the groups of workers."""
    return {**_shared_config(settings), "jobqueue": settings["jobqueue"]}


def _shared_config(settings: Settings) -> dict[str, Any]:
    """What scheduler, workers and the drivers that these start have in common; paths are absolute."""
    keys = Path(settings["keys"]).absolute()
    tls: dict[str, Any] = {"distributed.comm.require-encryption": True}
    tls["distributed.comm.tls.ca-file"] = str(keys / "ca.pem")
    for role in ("scheduler", "worker", "client"):
        tls[f"distributed.comm.tls.{role}.cert"] = str(keys / "cert.pem")
        tls[f"distributed.comm.tls.{role}.key"] = str(keys / "key.pem")
    return {**SETTINGS, **tls}


def jobs(settings: Settings) -> dict[str, Settings]:
    """Each worker's Slurm job, by the worker's name, as Dask's SpecCluster takes them."""
    prologue = [*exports(_shared_config(settings)), "export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}"]
    found = {}
    for group, n_workers in settings["workers"].items():
        lines = [*prologue, *settings["jobqueue"][group]["job-script-prologue"]]
        options = {"config_name": group, "job_script_prologue": lines}
        for i in range(n_workers):
            found[f"{group}-{i}"] = {"cls": WorkerJob, "options": options}
    return found


def exports(config: Mapping[str, Any]) -> list[str]:
    """Lines of bash that give `config` to Dask: unlike options, they reach the processes that a worker starts."""
    return [f"export {_variable(name)}={shlex.quote(str(value))}" for name, value in config.items()]


def _variable(name: str) -> str:
    return "DASK_" + name.upper().replace(".", "__").replace("-", "_")


def start(settings: Settings) -> SpecCluster:
    """Start the scheduler here, and submit a job per worker."""
    options = settings["scheduler"]
    scheduler = {
        "cls": Scheduler,
        "options": {
            "protocol": "tls://",
            "interface": options["interface"],
            "port": options["port"],
            "dashboard_address": options["dashboard-address"],
            "preload": [DESK],
        },
    }
    return SpecCluster(workers=jobs(settings), scheduler=scheduler, silence_logs=logging.WARNING)


def submit_missing(cluster: SpecCluster) -> None:
    """Submit again what ended: Dask starts the workers that are wanted and not there."""
    cluster.scale(len(cluster.worker_spec))


@contextmanager
def scheduler_file(settings: Settings, cluster: SpecCluster) -> Iterator[Path]:
    """A file by which clients find the scheduler and the keys, there for as long as the cluster."""
    path = Path(settings["scheduler-file"]).absolute()
    note = {"address": cluster.scheduler_address, "keys": str(Path(settings["keys"]).absolute())}
    work = path.with_name(f".{path.name}.work")
    work.write_text(json.dumps(note) + "\n", encoding="utf-8")
    work.replace(path)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    os.umask(0o077)  # scheduler file and logs are for their owner
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("slurm.yaml"))
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"slurm.py: {error}")
