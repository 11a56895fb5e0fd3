"""A whole run whose folder is in a store: no two processes have to share a disk, and the bytes are those of any run."""

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

import issodask as iss
from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.store.places import folder_of_run, storage
from tests import stores
from tests.tables import biased_pool, mixed_table, narrow, write_pool

pytestmark = pytest.mark.slow

BUCKET = "runs"
store = stores.fixture(BUCKET)
RESULTS = ("subset.parquet", "subset.lineage.parquet")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    narrow(mixed_table()).to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", narrow(biased_pool()))
    return folder


def job_of(tables, out, **sections):
    """Two generators in a few seconds; chunks of a generator are several."""
    return {
        "out": str(out),
        "seed": 7,
        "original": {"path": str(tables / "original.parquet"), "holdout_share": 0.2},
        "generate": {"generators": 2, "model": "MOSTLY_AI/Small", "max_epochs": 1, "units": 2_400, "part_rows": 600},
        "select": {"effort": 40.0, "units": 300},
        "evaluate": {"distance_rows": 100},
        **sections,
    }


def selecting_job(tables, out, **sections):
    return job_of(tables, out, generate={"source": str(tables / "pool")}, **sections)


@pytest.fixture(scope="module")
def expected(tables, tmp_path_factory):
    """What the job with trainings ends in on this machine."""
    out = tmp_path_factory.mktemp("here") / "run"
    iss.run(job_of(tables, out), runtime="serial", progress=False)
    parts = [f"pool/{path.name}" for path in (out / "pool").glob("*.parquet")]
    assert len(parts) == 4
    return {name: (out / name).read_bytes() for name in (*RESULTS, *parts)}


def same(store, name, expected):
    found = store.all_files(name)
    return {path for path, data in expected.items() if found.get(path) != data}


@pytest.mark.training
@pytest.mark.cluster
def test_run_in_store__from_original_to_report(store, tables, expected, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    name = "whole"
    job = job_of(tables, store.url(name), storage=store.options)
    finished = iss.run(job, runtime="processes", workers=2, progress=False)
    assert same(store, name, expected) == set()
    assert finished.selection.to_pandas().shape == (300, 4)
    files = store.all_files(name)
    assert files["report.html"].startswith(b"<!doctype html>")
    assert [path for path, data in files.items() if stores.SECRET.encode() in data] == []
    assert {path for path in files if path.startswith((".", "generators/."))} == set(), "locks are gone"
    assert not any("original" in path for path in files), "of private rows no copy is left"
    assert list(tmp_path.iterdir()) == []

    before = store.files.info(f"{BUCKET}/{name}/subset.parquet")["LastModified"]
    again = iss.run(job, runtime="serial", progress=False)
    assert again.selection.accuracy == finished.selection.accuracy
    assert store.files.info(f"{BUCKET}/{name}/subset.parquet")["LastModified"] == before

    # what is damaged is made again
    for path in ("pool/g00-part-0001.parquet", "generators/01/model.tar", "select/state.npz", "subset.parquet"):
        store.files.pipe(f"{BUCKET}/{name}/{path}", b"not what it was")
    store.files.rm_file(f"{BUCKET}/{name}/pool/g01-part-0000.parquet")
    iss.run(job, runtime="serial", progress=False)
    assert same(store, name, expected) == set()
    told = [json.loads(line) for line in store.all_files(name)["events.jsonl"].splitlines()]
    damaged = {event["file"].rpartition("/")[2] for event in told if event["event"] == "damaged"}
    assert {"g00-part-0001.parquet", "g01-part-0000.parquet"} <= damaged


# troubles


@pytest.fixture(scope="module")
def selected(tables, tmp_path_factory):
    out = tmp_path_factory.mktemp("selected") / "run"
    iss.run(selecting_job(tables, out), runtime="serial", progress=False)
    return {name: (out / name).read_bytes() for name in RESULTS}


@pytest.mark.parametrize("kind", ["slow", "busy", "cut"])
def test_run_in_store__one_that_gives_trouble(store, tables, selected, kind):
    pool = store.put(tables / "pool")
    job = job_of(tables, store.url(kind), storage=store.options, generate={"source": pool})
    with store.in_trouble(kind, every=15):
        iss.run(job, runtime="threads", workers=2, progress=False)
    assert same(store, kind, {"subset.parquet": selected["subset.parquet"]}) == set()


def test_run_in_store__one_that_lists_late(store, tables, tmp_path):
    """A generator of one's own writes many parts, which no list has yet when they are counted."""
    (tmp_path / "source.py").write_text(
        "def draw(original, n, seed):\n    return original.sample(n, replace=True, random_state=seed)\n"
    )
    generate = {"source": f"python:{tmp_path}/source.py:draw", "units": 1_200, "part_rows": 300}
    iss.run(job_of(tables, tmp_path / "run", generate=generate), runtime="serial", progress=False)
    job = job_of(tables, store.url("late"), storage=store.options, generate=generate)
    with store.in_trouble("late"):
        iss.run(job, runtime="serial", progress=False)
        store.files.pipe(f"{BUCKET}/late/new", b"")
        assert "new" not in store.all_files("late")
    names = [*RESULTS, *(f"pool/{path.name}" for path in (tmp_path / "run" / "pool").glob("*.parquet"))]
    assert same(store, "late", {name: (tmp_path / "run" / name).read_bytes() for name in names}) == set()


@contextmanager
def away(store, stage, seconds):
    """The store is away for a while from the moment that a stage begins; `seconds` may be without end."""
    stopped = threading.Event()

    def listen(event):
        if stage == event.KIND and not stopped.is_set():
            stopped.set()
            store.shut()
            if seconds is not None:
                threading.Timer(seconds, store.open).start()

    yield listen
    assert stopped.is_set()
    if seconds is None:
        store.open()
    else:
        time.sleep(0.1)


@pytest.mark.parametrize("stage", ["columns", "encode", "ipf", "trim", "write"])
def test_run_in_store__one_that_is_away_for_a_while_is_waited_for(store, tables, selected, stage, tmp_path):
    from issodask.config import job_of as config_of
    from issodask.event_log import Events
    from issodask.stages.run import run

    config = config_of(selecting_job(tables, store.url(f"away-{stage}"), storage=store.options | stores.IMPATIENT), {})
    with away(store, stage, 1.5) as listener:
        run(config, Events(tmp_path / "events.jsonl", listener))
    assert same(store, f"away-{stage}", selected) == set()


def test_run_in_store__one_that_stays_away_is_told_and_gone_on_with(store, tables, selected, monkeypatch, tmp_path):
    from issodask.config import job_of as config_of
    from issodask.event_log import Events
    from issodask.stages.run import run

    monkeypatch.setenv("ISSODASK_STORE_PATIENCE_S", "1")
    config = config_of(selecting_job(tables, store.url("gone"), storage=store.options | stores.IMPATIENT), {})
    with away(store, "trim", None) as listener:
        with pytest.raises(InputError, match=r"can't (read|write) s3://runs/gone/.*run again to go on$") as caught:
            run(config, Events(tmp_path / "events.jsonl", listener))
        assert "\n" not in str(caught.value)
    monkeypatch.delenv("ISSODASK_STORE_PATIENCE_S")
    store.files.rm_file(f"{BUCKET}/gone/.lock")  # nobody could; else it is waited for
    run(config, Events(tmp_path / "events.jsonl"))
    assert same(store, "gone", selected) == set()
    told = [json.loads(line)["event"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert told.count("ipf") == told[: told.index("trim")].count("ipf"), "weights were not fitted again"


def test_run_in_store__a_wrong_bucket_is_told_at_once(tables, store):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"s3://no-such-bucket/run"):
        iss.run(selecting_job(tables, "s3://no-such-bucket/run", storage=store.options), progress=False)
    assert time.monotonic() - began < 60


def test_run_in_store__one_that_never_answers_is_told_at_once(tables, monkeypatch):
    monkeypatch.setenv("ISSODASK_STORE_PATIENCE_S", "1000")
    options = {"key": "a", "secret": "b", "endpoint_url": "http://127.0.0.1:9", **stores.IMPATIENT}
    for job in (selecting_job(tables, "s3://runs/never"), selecting_job(tables, "s3://runs/never/")):
        with pytest.raises(InputError, match=r"can't read s3://runs/never.*: check the address"):
            iss.run(job, storage_options=options, progress=False)


def test_run_in_store__the_command(tables, store, tmp_path, monkeypatch):
    """Its options come from the environment."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    job = selecting_job(tables, store.url("command"))
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "issodask", "run", "job.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"report    {store.url('command')}/report.html" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


# what processes share


def test_run_in_store__large_shared_values_hold_no_options(store, two_processes, tmp_path):
    with storage(store.options), open_runtime(2, two_processes) as runtime:
        folder = folder_of_run(store.url("shared"))
        runtime.keep_in(folder)
        try:
            shared = runtime.share((b"x" * 200_000, folder / "some.npy"))
            files = store.all_files("shared")
            assert len(files) == 1
            assert [path for path, data in files.items() if stores.SECRET.encode() in data] == []
            found = list(runtime.map(_of_shared, [1], shared, label="test"))
        finally:
            runtime.keep_in(tmp_path)
    assert found == [(200_000, store.url("shared/some.npy"), stores.SECRET)]


def _of_shared(_, shared):
    data, path = shared
    return len(data), str(path), path.storage_options["secret"]


@pytest.mark.parametrize("is_in_store", [False, True])
def test_run__a_report_of_dask_where_no_cluster_writes_one(store, tables, tmp_path, is_in_store):
    out = store.url("no-cluster") if is_in_store else tmp_path / "run"
    runtime = {"scheduler": "serial", "performance_report": True}
    iss.run(selecting_job(tables, out, runtime=runtime, storage=store.options), progress=False)
    assert not (tmp_path / "run" / "dask-report.html").exists()
    assert "dask-report.html" not in store.all_files("no-cluster")
