"""A cluster on this host: what `cluster up` starts, keeps alive and takes away again."""

import json
import os
import signal
import socket
import stat
import tempfile

import psutil
import pytest
from click.testing import CliRunner

from issodask.cli import main
from issodask.errors import InputError
from issodask.host import n_processors
from issodask.service import host, programs
from issodask.service.client import open_service
from issodask.service.processes import socket_path
from issodask.service.programs import worker_programs
from tests.clusters import listeners, listening, processes_of, wait_for, wait_for_workers

pytestmark = pytest.mark.cluster


def call(*arguments):
    return CliRunner().invoke(main, ["cluster", *map(str, arguments)])


@pytest.fixture
def another_home(tmp_path, monkeypatch):
    """An ISSODASK_HOME of its own, with so long a name that a socket's path would not fit; whatever runs there ends."""
    home = tmp_path / ("long" * 25)
    monkeypatch.setenv("ISSODASK_HOME", str(home))
    yield home
    host.stop(home / "cluster")
    assert processes_of(home / "cluster") == []


def pids(folder):
    return {process.name: process.pid for process in host.status(folder).processes}


def test_cluster__comes_up_and_goes_without_a_trace(another_home):
    folder = another_home / "cluster"
    up = call("up", "--workers", 1, "--memory", "4GB", "--port", 0, "--dashboard-port", 0)
    assert up.exit_code == 0, up.stderr
    scheduler, dashboard, elsewhere = up.stdout.splitlines()
    assert scheduler.startswith("scheduler  tls://127.0.0.1:")
    assert dashboard.endswith("/issodask")
    assert str(folder / "cluster.json") in elsewhere
    assert [line.split()[:2] for line in call("status").stdout.splitlines()] == [
        scheduler.split(),
        dashboard.split(),
        ["scheduler", "running"],
        ["worker-0", "running"],
    ]
    again = call("up")
    assert again.exit_code == 2
    assert f"a cluster is up already, at {scheduler.split()[1]}" in again.stderr

    path = socket_path(folder)
    assert str(path.parent) == tempfile.gettempdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    processes = processes_of(folder)
    places = listening(processes)
    assert call("down").stdout == "stopped\n"
    assert psutil.wait_procs(processes, timeout=5)[1] == []
    assert places & {tuple(socket.laddr) for socket in listeners()} == set()
    assert not path.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["jobs", "logs"]
    assert {"scheduler.log", "worker-0.log"} <= {path.name for path in (folder / "logs").iterdir()}
    assert call("down").stdout == "no cluster was up\n"
    assert "no cluster is up here: start one with `issodask cluster up`" in call("status").stderr


def test_cluster__whoever_dies_is_started_again(home):
    folder = home / "cluster"
    before = pids(folder)
    os.kill(before["worker-1"], signal.SIGKILL)
    wait_for(lambda: pids(folder)["worker-1"] not in (0, before["worker-1"]))
    with open_service(None) as service:
        wait_for(lambda: workers(service) >= {"worker-0", "worker-1"})
    assert pids(folder)["scheduler"] == before["scheduler"]


def workers(service):
    return {worker["name"] for worker in service._client.scheduler_info(n_workers=-1)["workers"].values()}


def test_cluster__workers_have_all_processors_for_their_threads(home):
    wait_for_workers(2)
    with open_service(None) as service:
        said = service._client.run(lambda: [os.environ["OMP_NUM_THREADS"], os.environ.get("MALLOC_TRIM_THRESHOLD_")])
    n_threads = max(1, n_processors() // 2)
    assert list(said.values()) == [[str(n_threads), "65536"]] * 2


def test_stop__what_a_killed_supervisor_left(another_home):
    folder = another_home / "cluster"
    started = host.start(folder, host.Plan(1, "0", port=0, dashboard_port=0))
    supervisor = psutil.Process(started.processes[0].pid).parent()
    assert "supervisor" in " ".join(supervisor.cmdline())
    supervisor.kill()
    supervisor.wait(10)
    assert not host.is_up(folder)
    left = processes_of(folder)
    assert len(left) >= 3
    assert host.stop(folder)
    assert psutil.wait_procs(left, timeout=5)[1] == []
    assert sorted(path.name for path in folder.iterdir()) == ["jobs", "logs"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--memory", "lots"], "memory 'lots' is no size: give one such as 4GB, or 0 for no limit"),
        (["--host", "0.0.0.0"], "host '0.0.0.0' means any address: give the one of this host"),
        (["--host", "203.0.113.7"], "nothing can listen on 203.0.113.7: give an address of this host"),
        (["--dashboard-host", "no such host"], "nothing can listen on no such host"),
    ],
)
def test_start__refuses_before_anything_starts(another_home, options, words):
    refused = call("up", "--workers", 1, *options)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert sorted(path.name for path in (another_home / "cluster").iterdir()) == ["jobs", "logs"]


def test_start__that_fails_leaves_nothing_but_logs(another_home, monkeypatch):
    """The scheduler ends at once, so the workers never come."""
    monkeypatch.setattr(host, "_START_S", 3.0)
    monkeypatch.setattr(programs, "_python", lambda module: ("false", module))
    with pytest.raises(InputError, match=r"the cluster did not start within 3 s: .*its logs end with:"):
        host.start(another_home / "cluster", host.Plan(1, "0", port=0, dashboard_port=0))
    assert processes_of(another_home / "cluster") == []
    assert sorted(path.name for path in (another_home / "cluster").iterdir()) == ["jobs", "logs"]


def test_free_port__another_one_when_the_wanted_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        assert host._free_port("127.0.0.1", wanted) != wanted
    assert host._free_port("127.0.0.1", wanted) == wanted


@pytest.mark.parametrize(
    ("plan", "resources", "gpus"),
    [
        (host.Plan(3), [True, True, True], [None, None, None]),
        (host.Plan(3, gpus=("2", "5")), [True, True, False], ["2", "5", ""]),
        (host.Plan(gpus=("0",)), [True], ["0"]),
    ],
)
def test_workers__with_a_gpu_each_are_the_ones_that_train(tmp_path, plan, resources, gpus):
    made = worker_programs(tmp_path, plan, "tls://127.0.0.1:8786")
    assert ["--resources generator=1" in program for program in made] == resources
    for program, gpu in zip(made, gpus, strict=True):
        assert ("CUDA_VISIBLE_DEVICES" in program) == (gpu is not None)
        assert gpu is None or f'CUDA_VISIBLE_DEVICES="{gpu}"' in program


def test_join__adds_workers_and_takes_only_them_away(home, another_home, monkeypatch, tmp_path):
    joined = call("join", home / "cluster" / "cluster.json", "--workers", 1, "--memory", "0")
    assert joined.exit_code == 0, joined.stderr
    with open_service(None) as service:
        assert workers(service) == {"worker-0", "worker-1", "127.0.0.1-worker-0"}
        assert call("down").stdout == "stopped\n"
        wait_for(lambda: workers(service) == {"worker-0", "worker-1"})
    assert sorted(path.name for path in (another_home / "cluster").iterdir()) == ["jobs", "logs"]
    monkeypatch.setenv("ISSODASK_HOME", str(home))
    assert [line.split()[0] for line in call("status").stdout.splitlines()][2:] == ["scheduler", "worker-0", "worker-1"]


def test_join__a_note_in_the_folder_that_it_works_in(another_home):
    folder = another_home / "cluster"
    keys = host.make_keys(folder / "keys")
    (folder / "cluster.json").write_text(json.dumps({"address": "tls://127.0.0.1:9", "keys": "keys"}))
    refused = call("join", folder / "cluster.json")
    assert "copy cluster.json and keys elsewhere" in refused.stderr
    assert keys.key.exists()


def test_join__nobody_answers(another_home, tmp_path):
    host.make_keys(tmp_path / "keys")
    (tmp_path / "cluster.json").write_text(json.dumps({"address": "tls://127.0.0.1:9", "keys": "keys"}))
    refused = call("join", tmp_path / "cluster.json")
    assert refused.exit_code == 2
    assert "no scheduler answers at tls://127.0.0.1:9" in refused.stderr
    assert "`issodask cluster up --host ADDRESS`" in refused.stderr
    assert not (another_home / "cluster" / "keys").exists()


def test_keys__are_made_once(tmp_path):
    made = call("keys", tmp_path / "keys")
    assert [line.split()[0] for line in made.stdout.splitlines()] == ["written"] * 3
    before = (tmp_path / "keys" / "key.pem").read_bytes()
    refused = call("keys", tmp_path / "keys")
    assert refused.exit_code == 2
    assert "has keys already: remove them first, or choose another folder" in refused.stderr
    assert (tmp_path / "keys" / "key.pem").read_bytes() == before
