"""Who may talk to a supervised cluster: those with its certificate, from this host, as this user; nobody else."""

import asyncio
import json
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from distributed import Client
from distributed.core import rpc
from distributed.security import Security

from issodask.runtime.address import find_cluster
from issodask.runtime.credentials import Keys
from issodask.service.certificates import make_keys
from issodask.service.client import open_service
from tests.clusters import listening, processes_of

pytestmark = pytest.mark.cluster

NOBODY = 65_534


@pytest.fixture
def addresses(home):
    """Of the scheduler, the workers and their nannies."""
    with open_service(None) as service:
        workers = service._client.scheduler_info(n_workers=-1)["workers"]
        places = {address: worker["nanny"] for address, worker in workers.items()}
    return [find_cluster(None).scheduler, *places, *places.values()]


def identify(address, security):
    """What answers at the address."""

    async def ask():
        arguments = security.get_connection_args("client")
        if security.require_encryption and arguments["ssl_context"] is None:
            arguments["ssl_context"] = context_without_certificate(security)
        async with rpc(address, timeout=5, connection_args=arguments) as server:
            return (await asyncio.wait_for(server.identity(), 5))["type"]

    return asyncio.run(ask())


def context_without_certificate(security):
    context = ssl.create_default_context(cafile=security.tls_ca_file)
    context.check_hostname = False
    return context


def no_certificate(home, tmp_path):
    return Security(tls_ca_file=str(Keys.within(home / "cluster" / "keys").ca), require_encryption=True)


def foreign_certificate(home, tmp_path):
    return make_keys(tmp_path / "foreign").security()


def foreign_certificate_that_trusts_the_cluster(home, tmp_path):
    own, foreign = Keys.within(home / "cluster" / "keys"), make_keys(tmp_path / "foreign")
    return Keys(own.ca, foreign.cert, foreign.key).security()


def no_encryption(home, tmp_path):
    return Security(require_encryption=False)


STRANGERS = [no_certificate, foreign_certificate, foreign_certificate_that_trusts_the_cluster, no_encryption]


def test_certificate__lets_in_everywhere(addresses):
    security = find_cluster(None).security
    kinds = [identify(address, security) for address in addresses]
    assert kinds == ["Scheduler", "Worker", "Worker", "Nanny", "Nanny"]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_stranger__gets_no_answer_anywhere(home, addresses, tmp_path, stranger):
    security = stranger(home, tmp_path)
    for address in addresses:
        if stranger is no_encryption:
            address = address.replace("tls://", "tcp://")
        with pytest.raises(OSError):  # noqa: PT011
            identify(address, security)


@pytest.mark.parametrize("stranger", STRANGERS[1:])
def test_stranger__runs_nothing(home, tmp_path, stranger):
    scheduler = find_cluster(None).scheduler
    if stranger is no_encryption:
        scheduler = scheduler.replace("tls://", "tcp://")
    with pytest.raises(OSError), Client(scheduler, security=stranger(home, tmp_path), timeout=2) as client:  # noqa: PT011
        client.submit(Path.touch, tmp_path / "ran").result()
    assert not (tmp_path / "ran").exists()


def test_stranger__can_not_join_as_a_worker(home, tmp_path):
    keys = make_keys(tmp_path / "foreign")
    command = [sys.executable, "-m", "distributed.cli.dask_worker", find_cluster(None).scheduler, "--name", "stranger"]
    tls = ["--tls-ca-file", keys.ca, "--tls-cert", keys.cert, "--tls-key", keys.key]
    options = ["--no-nanny", "--no-dashboard", "--death-timeout", "2", "--host", "127.0.0.1"]
    ended = subprocess.run([*command, *options, *map(str, tls)], cwd=tmp_path, capture_output=True, timeout=60)
    assert ended.returncode != 0
    with open_service(None) as service:
        workers = service._client.scheduler_info(n_workers=-1)["workers"].values()
    assert {worker["name"] for worker in workers} == {"worker-0", "worker-1"}


def test_listening__on_loopback_only(home, addresses):
    """Scheduler, workers, nannies and the dashboard: whatever one of the cluster's processes listens at."""
    places = listening(processes_of(home / "cluster"))
    dashboard = json.loads((home / "cluster" / "cluster.json").read_text())["dashboard"]
    ports = {int(place.split(":")[2].split("/")[0]) for place in [*addresses, dashboard]}
    assert len(ports) == 6
    assert ports <= {port for _, port in places}
    assert {host for host, _ in places} == {"127.0.0.1"}


def test_files__for_the_owner_alone(home):
    folder = home / "cluster"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder / "keys").iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_files__another_user_can_not_read_them(home):
    """Though every folder above them may be entered."""
    above = [folder for folder in (home, *home.parents) if folder.stat().st_mode & 0o077 == 0]
    (home / "for-all").touch(0o644)
    try:
        for folder in above:
            folder.chmod(0o755)
        assert read_as_nobody(home / "for-all") == 0
        assert read_as_nobody(home / "cluster" / "keys" / "key.pem") != 0
        assert read_as_nobody(home / "cluster" / "cluster.json") != 0
    finally:
        for folder in above:
            folder.chmod(0o700)


def read_as_nobody(path):
    return subprocess.run(["cat", path], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True).returncode


def test_secrets__are_in_no_environment_or_command_line(home):
    secret = (home / "cluster" / "keys" / "key.pem").read_text().splitlines()[1]
    processes = processes_of(home / "cluster")
    assert len(processes) >= 6
    for process in processes:
        assert secret not in " ".join([*process.cmdline(), *process.environ().values()])
