"""Every command in `cluster/` is one that Dask and issodask have, and every process is told what issodask needs."""

import re
import shlex
from importlib import import_module

import click
import dask
import pytest
from dask.utils import parse_bytes
from distributed.cli import dask_scheduler, dask_worker
from distributed.security import Security

from issodask.cli import main
from issodask.runtime.cluster import EXCLUSIVE, SETTINGS
from tests.cluster.deployments import CLUSTER, all_processes, compose, configured, pod_specs

PROCESSES = all_processes()
WORKERS = [process for process in PROCESSES if process.is_worker]


def parsed(command):
    """The options of a command, as Dask's own parser reads them."""
    parser = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[command[0]]
    return parser.make_context(command[0], list(command[1:])).params


def test_processes__all_are_found():
    wheres = [str(process) for process in PROCESSES]
    assert wheres == [
        *("compose scheduler", "compose worker", "compose gpu-worker"),
        *("kubernetes scheduler", "kubernetes worker", "kubernetes gpu-worker"),
        *("slurm cpu-0", "slurm gpu-0"),
    ]


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_command__dask_has_its_options(process):
    parsed(process.command)
    with pytest.raises(click.UsageError):
        parsed((*process.command, "--no-such-option"))


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_preload__is_a_module_that_dask_can_set_up(process):
    (module,) = parsed(process.command)["preload"]
    assert callable(import_module(module).dask_setup)


@pytest.mark.parametrize("process", WORKERS, ids=str)
def test_worker__trains_one_generator_at_a_time(process):
    options = parsed(process.command)
    assert options["nthreads"] == 1
    assert options["resources"] == f"{EXCLUSIVE}=1"


@pytest.mark.parametrize("process", WORKERS, ids=str)
def test_worker__tells_what_it_does_to_nobody_without_keys(process):
    options = parsed(process.command)
    assert options["scheduler"].startswith("tls://")
    assert options["dashboard_address"] == "127.0.0.1:0"


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_environment__gives_dask_its_settings(process):
    merged = {"distributed.nanny.pre-spawn-environ"}  # Dask adds its own to it, which the environment overrides
    with configured(process.environment):
        for name, value in SETTINGS.items():
            assert name in merged or dask.config.get(name) == value, name


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_environment__gives_dask_the_keys_of_every_role(process):
    with configured(process.environment):
        security = Security()
    assert security.require_encryption
    assert security.tls_ca_file.endswith("/ca.pem")
    for role in ("scheduler", "worker", "client"):
        assert getattr(security, f"tls_{role}_cert").endswith("/cert.pem")
        assert getattr(security, f"tls_{role}_key").endswith("/key.pem")


def test_environment__a_misspelt_name_is_no_key():
    process = PROCESSES[0]
    misspelt = {name.replace("CA_FILE", "CAFILE"): value for name, value in process.environment.items()}
    with configured(misspelt):
        assert Security().tls_ca_file is None


def test_memory__dask_restarts_a_worker_before_its_container_is_killed():
    worker = compose()["services"]["worker"]
    limit = parsed(shlex.split(worker["command"])[1:])["memory_limit"]
    assert parse_bytes(limit) < _binary_bytes(worker["mem_limit"])
    for name in ("worker", "gpu-worker"):
        (container,) = pod_specs()[name]["containers"]
        limit = parsed(container["args"][1:])["memory_limit"]
        assert parse_bytes(limit) < parse_bytes(container["resources"]["limits"]["memory"] + "B")


def _binary_bytes(size):
    return int(size.removesuffix("g")) << 30


def shown_commands():
    """The commands of issodask that the README shows, in a container or not."""
    blocks = (CLUSTER / "README.md").read_text().split("```")[1::2]
    found = re.findall(r"(?:^|&& |scheduler |-- )(issodask .*?)(?: &&|  |$)", "\n".join(blocks), re.MULTILINE)
    return sorted(set(found))


def check_shown(line):
    """Raise when issodask has no such command (KeyError), option or argument (click.UsageError)."""
    words = shlex.split(line)[1:]
    command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context("issodask", words)


@pytest.mark.parametrize("line", shown_commands())
def test_readme__issodask_has_what_it_shows(line):
    check_shown(line)


def test_readme__shows_how_to_make_keys_and_submit():
    verbs = {line.split()[1] for line in shown_commands()}
    assert {"cluster", "submit", "logs"} <= verbs


@pytest.mark.parametrize(
    "line", ["issodask sumbit job.toml", "issodask submit job.toml --shceduler x", "issodask cluster keys"]
)
def test_readme__a_wrong_command_is_found(line):
    with pytest.raises((KeyError, click.UsageError)):
        check_shown(line)
