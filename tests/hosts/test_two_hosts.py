"""A cluster of two hosts that share nothing but the folder of runs and the program, or not even that folder."""

import json
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from issodask.config import load_job
from issodask.stages.run import run
from tests.bench.data import Shape, write_data
from tests.clusters import quick_job, results, write_inputs
from tests.hosts.namespaces import gone, two_hosts, why_not
from tests.stores import environment_of
from tests.tables import mixed_table, narrow, panel_table, write_job

BUCKET = "runs"
MISSING = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None, reason=MISSING or "")]

# What each worker did, and what it sees: runs on a host.
ASK = """
import json, os, sys
from issodask.service.client import open_service
with open_service(None) as service:
    def ask(path, dask_worker):
        return [os.uname().nodename, dask_worker.state.executed_count, sorted(os.listdir(path))]
    print(json.dumps(sorted(service._client.run(ask, sys.argv[1]).values())))
"""


@pytest.fixture(scope="module")
def folder():
    """Not below pytest's own folder: paths of sockets have to be short."""
    place = Path(tempfile.mkdtemp(prefix="issodask-hosts-"))
    yield place
    shutil.rmtree(place)


@contextmanager
def store_on(host):
    """A store on a host; all that is started within this context finds it by its environment."""
    store = host.start([sys.executable, "-m", "tests.stores", host.address, "5000", BUCKET])
    try:
        assert store.stdout.readline() == "ready\n"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment_of(f"http://{host.address}:5000").items():
                patch.setenv(name, value)
            yield
    finally:
        store.communicate(timeout=10)


@pytest.fixture(scope="module")
def hosts(folder):
    """Scheduler, store and two workers on host a, two workers that joined on host b; all is stopped at the end."""
    (folder / "shared").mkdir()
    with two_hosts(folder) as (a, b), store_on(a):
        up = a.issodask("cluster", "up", "--workers", "2", "--memory", "0", "--host", a.address)
        assert up.returncode == 0, up.stderr
        known = a.own / "home" / ".issodask" / "cluster"
        copied = b.own / "work" / "from-a"
        shutil.copytree(known / "keys", copied / "keys")
        shutil.copy(known / "cluster.json", copied)
        joined = b.issodask("cluster", "join", "from-a/cluster.json", "--workers", "2", "--memory", "0")
        assert joined.returncode == 0, joined.stderr
        yield a, b
        assert b.issodask("cluster", "down").stdout == "stopped\n"
        left = a.issodask("cluster", "status")
        assert [line.split()[:2] for line in left.stdout.splitlines()[2:]] == [
            ["scheduler", "running"],
            ["worker-0", "running"],
            ["worker-1", "running"],
        ]
        assert a.issodask("cluster", "down").stdout == "stopped\n"
        for host in (a, b):
            assert psutil.Process(host.pid).children() == []
    assert gone(a.pid)
    assert gone(b.pid)


def test_two_hosts__a_job_from_one_ends_in_the_bytes_of_a_serial_run(hosts, folder):
    """Its inputs are on the host that submits it only; the other has another original at that path."""
    a, b = hosts
    write_inputs(b.own / "work")
    narrow(mixed_table(seed=9)).to_parquet(a.own / "work" / "original.parquet")
    places = {"original": {"path": "original.parquet"}, "generate": {"source": "pool"}}
    quick_job(b.own / "work", "job", out=folder / "shared" / "job", **places)

    submitted = b.issodask("submit", "job.toml")
    assert submitted.returncode == 0, submitted.stderr
    id = submitted.stdout.strip()
    followed = b.issodask("logs", "--follow", id)
    assert followed.stdout.splitlines()[-1] == f"{id} finished", followed.stdout + followed.stderr
    assert b.issodask("result", id, "--to", "fetched").returncode == 0
    assert re.search(rf"^{id} +finished ", a.issodask("status").stdout, re.MULTILINE)

    asked = b.run([sys.executable, "-c", ASK, b.private / "work"])
    assert asked.returncode == 0, asked.stderr
    names, counts, files = zip(*json.loads(asked.stdout), strict=True)
    assert names == ("host-a", "host-a", "host-b", "host-b")
    assert min(sum(counts[:2]), sum(counts[2:])) >= 3
    assert files[:2] == (["original.parquet"],) * 2
    assert {"original.parquet", "pool", "job.toml"} <= set(files[2])

    run(load_job(quick_job(b.own / "work", "serial", runtime={"scheduler": "serial"})))
    expected = results(b.own / "work" / "serial")
    assert results(folder / "shared" / "job") == expected
    assert results(b.own / "work" / "fetched") == expected


JOBS = {
    "flat": {
        "original": {"path": "original.parquet", "holdout_share": 0.2},
        "generate": {"generators": 2, "model": "MOSTLY_AI/Small", "max_epochs": 1, "units": 2_400, "part_rows": 600},
    },
    "groups": {
        "original": {"path": "panel.parquet", "group_key": "who"},
        "generate": {"generators": 1, "model": "MOSTLY_AI/Small", "max_epochs": 1, "units": 480, "part_rows": 900},
    },
}


@pytest.mark.training
@pytest.mark.parametrize("kind", JOBS)
def test_two_hosts__a_job_without_any_folder_that_they_share(hosts, folder, kind):
    """From the original, which lies on one host, to the report: all that goes from worker to worker is in the store."""
    _, b = hosts
    home = b.own / "work" / f"apart-{kind}"
    home.mkdir()
    narrow(mixed_table()).to_parquet(home / "original.parquet")
    panel_table(120, 1).to_parquet(home / "panel.parquet")
    before = set((folder / "shared").rglob("*"))
    write_job(home / f"{kind}.toml", out=f"s3://{BUCKET}/{kind}", seed=7, select={"effort": 20.0}, **JOBS[kind])

    submitted = b.run(["sh", "-c", f"cd apart-{kind} && {sys.executable} -m issodask submit {kind}.toml"])
    assert submitted.returncode == 0, submitted.stderr
    id = submitted.stdout.strip()
    followed = b.issodask("logs", "--follow", id, timeout=400)
    assert followed.stdout.splitlines()[-1] == f"{id} finished", followed.stdout + followed.stderr
    result = b.issodask("result", id, "--to", f"apart-{kind}/fetched")
    assert result.returncode == 0, result.stderr
    assert set((folder / "shared").rglob("*")) == before

    places = JOBS[kind]["original"] | {"path": str(home / JOBS[kind]["original"]["path"])}
    alone = {**JOBS[kind], "original": places}
    run(load_job(write_job(home / "alone.toml", out=home / "alone", seed=7, select={"effort": 20.0}, **alone)))
    assert results(home / "fetched") == results(home / "alone")
    assert (home / "fetched" / "report.html").stat().st_size > 100_000


def test_two_hosts__the_worker_of_the_other_helps_to_trim(hosts, folder):
    """A job that one host drives: whose gains the other host's worker looks up changes no byte."""
    a, _ = hosts
    place = folder / "shared" / "helped"
    write_data(place, Shape(9_500, 32, 19_000, "flags", 0.3))
    inputs = ["--original", place / "original.parquet", "--pool", place / "pool", "--aim", "original", "--effort", "8"]
    helped = a.issodask("select", *inputs, "--out", place / "helped.parquet", "--scheduler", "cluster", timeout=180)
    assert helped.returncode == 0, helped.stderr
    alone = a.issodask("select", *inputs, "--out", place / "alone.parquet", "--scheduler", "serial", timeout=180)
    assert alone.returncode == 0, alone.stderr
    assert (place / "helped.lineage.parquet").read_bytes() == (place / "alone.lineage.parquet").read_bytes()
    events = [json.loads(line) for line in (place / "helped.work" / "events.jsonl").read_text().splitlines()]
    assert [event["workers"] for event in events if event["event"] == "helped"] == [2]


def test_two_hosts__a_folder_that_they_do_not_share_is_refused(hosts):
    a, _ = hosts
    write_inputs(a.own / "work" / "here")
    places = {"original": {"path": "here/original.parquet"}, "generate": {"source": "here/pool"}}
    quick_job(a.own / "work", "alone", out="alone", **places)
    refused = a.issodask("submit", "alone.toml")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"issodask: {a.private / 'work' / 'alone'} is not one folder for all workers: ")
    assert line.endswith("give `out` a place on storage that all hosts share")
    assert not re.search(r"^alone", a.issodask("status").stdout, re.MULTILINE)


def test_two_hosts__without_the_keys_nobody_gets_in(hosts):
    _, b = hosts
    note = b.own / "work" / "from-a" / "cluster.json"
    (b.own / "work" / "stranger").mkdir()
    shutil.copy(note, b.own / "work" / "stranger")
    asked = b.issodask("status", "--scheduler", "stranger/cluster.json")
    assert asked.returncode == 2
    assert "keys/ca.pem can't be read, but the cluster talks TLS only" in asked.stderr
