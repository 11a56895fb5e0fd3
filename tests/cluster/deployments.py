"""What the files of `cluster/` start: every command with its environment, as it would reach a process."""

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import dask
import yaml

CLUSTER = Path(__file__).parents[2] / "cluster"

_slurm_spec = spec_from_file_location("cluster_slurm", CLUSTER / "slurm.py")
slurm = module_from_spec(_slurm_spec)
_slurm_spec.loader.exec_module(slurm)


@dataclass(frozen=True)
class Process:
    """A process on the command line of Dask: `command` begins with scheduler or worker."""

    where: str
    command: tuple[str, ...]
    environment: dict[str, str]

    def __str__(self) -> str:
        return self.where

    @property
    def is_worker(self) -> bool:
        return self.command[0] == "worker"


def all_processes() -> list[Process]:
    """Those of compose.yaml, kubernetes.yaml and slurm.yaml. Slurm's scheduler is a Python object: not among them."""
    return [*_of_compose(), *_of_kubernetes(), *_of_slurm()]


def image_environment() -> dict[str, str]:
    """What the Dockerfile tells Dask."""
    return dict(re.findall(r"\b(DASK_\w+)=(\S+)", (CLUSTER / "Dockerfile").read_text()))


def compose() -> dict[str, Any]:
    """compose.yaml with the default of each setting."""
    text = (CLUSTER / "compose.yaml").read_text()
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


def kubernetes(kind: str) -> dict[str, Any]:
    """The resource of this kind in kubernetes.yaml."""
    resources = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text())
    return next(resource for resource in resources if resource["kind"] == kind)


def pod_specs() -> dict[str, dict[str, Any]]:
    """The specs of scheduler, CPU workers and GPU workers in kubernetes.yaml."""
    cluster = kubernetes("DaskCluster")["spec"]
    group = kubernetes("DaskWorkerGroup")["spec"]
    return {
        "scheduler": cluster["scheduler"]["spec"],
        "worker": cluster["worker"]["spec"],
        "gpu-worker": group["worker"]["spec"],
    }


def job_scripts() -> dict[str, str]:
    """The script of a Slurm job of each group in slurm.yaml."""
    settings = slurm.load(CLUSTER / "slurm.yaml")
    settings["workers"] = dict.fromkeys(settings["jobqueue"], 1)
    for options in settings["jobqueue"].values():
        options["log-directory"] = tempfile.gettempdir()  # dask-jobqueue makes the folder
    with dask.config.set(slurm.dask_config(settings)):
        return {
            name: job["cls"]("tls://node:8786", name=name, **job["options"]).job_script()
            for name, job in slurm.jobs(settings).items()
        }


@contextmanager
def configured(environment: dict[str, str]) -> Iterator[None]:
    """Dask as it is configured where these are the environment."""
    with dask.config.set(dask.config.merge(dask.config.config, dask.config.collect_env(environment))):
        yield


def _of_compose() -> Iterator[Process]:
    for name, service in compose()["services"].items():
        command = shlex.split(service["command"])
        environment = {key: str(value) for key, value in service["environment"].items()}
        yield _process(f"compose {name}", command, image_environment() | environment)


def _of_kubernetes() -> Iterator[Process]:
    tls = kubernetes("ConfigMap")["data"]
    for name, spec in pod_specs().items():
        (container,) = spec["containers"]
        yield _process(f"kubernetes {name}", container["args"], image_environment() | tls)


def _of_slurm() -> Iterator[Process]:
    for name, script in job_scripts().items():
        exported = re.findall(r"^export (\w+)=(.*)$", script, re.MULTILINE)
        environment = {key: shlex.split(value)[0] for key, value in exported}
        _python, _m, module, *options = shlex.split(script.splitlines()[-1])
        assert module == "distributed.cli.dask_worker"
        yield _process(f"slurm {name}", ["dask", "worker", *options], environment)


def _process(where: str, command: list[str], environment: dict[str, str]) -> Process:
    assert command[0] == "dask", where
    return Process(where, tuple(command[1:]), environment)
