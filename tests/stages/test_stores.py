"""Tables in a store of S3's kind: read and written as if they lay here, and no credentials left anywhere."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from s3fs.core import S3File

import issodask as iss
from issodask.errors import InputError
from issodask.store import parts
from issodask.store.folders import find_parts
from issodask.store.places import place, storage
from issodask.store.pool import open_pool
from tests import stores
from tests.door import schema_from
from tests.tables import biased_panel, biased_pool, mixed_table, narrow, panel_table, write_panel, write_pool

pytestmark = pytest.mark.slow

BUCKET = "tables"
store = stores.fixture(BUCKET)
SETTINGS = {"effort": 40, "progress": False}


@pytest.fixture(scope="module")
def here(tmp_path_factory, store):
    """Original, holdout and pools on this machine; the store has them all by the same names."""
    folder = tmp_path_factory.mktemp("here")
    narrow(mixed_table()).to_parquet(folder / "original.parquet")
    narrow(mixed_table(seed=8)).to_parquet(folder / "holdout.parquet")
    narrow(mixed_table()).to_csv(folder / "original.csv.gz", index=False)
    write_pool(folder / "pool", narrow(biased_pool()))
    narrow(biased_pool(200, seed=7)).to_csv(folder / "pool" / "part-9.csv", index=False)
    panel_table(60, 1).to_parquet(folder / "panel.parquet")
    write_panel(folder / "panels", biased_panel(400))
    for path in folder.iterdir():
        store.put(path)
    return folder


@pytest.mark.parametrize("runtime", ["threads", "processes"], indirect=True)
def test_stores__rows_are_selected_as_if_they_lay_here(here, store, tmp_path, runtime):
    there = iss.select(
        store.url("original.parquet"),
        store.url("pool"),
        store.url(f"{runtime.name}/subset.parquet"),
        folder=tmp_path / "work",
        runtime=runtime,
        storage_options=store.options,
        **SETTINGS,
    )
    of_here = iss.select(here / "original.parquet", here / "pool", tmp_path / "s.parquet", **SETTINGS)
    pd.testing.assert_frame_equal(there.to_pandas(), of_here.to_pandas())
    assert store.files.cat(f"{BUCKET}/{runtime.name}/subset.parquet") == (tmp_path / "s.parquet").read_bytes()
    assert store.files.exists(f"{BUCKET}/{runtime.name}/subset.lineage.parquet")
    assert there.accuracy == of_here.accuracy
    assert (
        "subset"
        in there.evaluate(holdout=store.url("holdout.parquet"), storage_options=store.options).metrics["issodask"][
            "accuracy"
        ]["against_original"]
    )


def test_stores__groups_and_csv(here, store, tmp_path):
    options = {"storage_options": store.options, **SETTINGS}
    there = iss.select(store.url("panel.parquet"), store.url("panels"), group_key="who", **options)
    of_here = iss.select(here / "panel.parquet", here / "panels", group_key="who", **SETTINGS)
    pd.testing.assert_frame_equal(there.to_pandas(), of_here.to_pandas())
    csv = iss.select(store.url("original.csv.gz"), store.url("pool"), **options)
    pd.testing.assert_frame_equal(
        csv.to_pandas(), iss.select(here / "original.csv.gz", here / "pool", **SETTINGS).to_pandas()
    )


def test_stores__what_is_selected_already_is_kept_until_something_changes(here, store, tmp_path):
    def select():
        seen = []
        place_of = store.url("again/subset.parquet"), tmp_path / "work"
        iss.select(
            store.url("original.parquet"),
            store.url("pool"),
            place_of[0],
            folder=place_of[1],
            storage_options=store.options,
            **SETTINGS,
        )
        for line in (tmp_path / "work" / "events.jsonl").read_text().splitlines():
            seen.append(line)
        return store.files.info(f"{BUCKET}/again/subset.parquet")["LastModified"], seen

    first, _ = select()
    store.files.invalidate_cache()
    second, told = select()
    assert first == second
    assert sum('"state": "intact"' in line for line in told) == 4


def test_stores__a_whole_job_and_no_secret_anywhere(here, store, tmp_path):
    job = {
        "out": str(tmp_path / "run"),
        "original": {"path": store.url("original.parquet"), "holdout": store.url("holdout.parquet")},
        "generate": {"source": store.url("pool")},
        "select": {"effort": 40},
        "evaluate": {"distance_rows": 100},
        "storage": store.options,
    }
    finished = iss.run(job, progress=False)
    assert finished.selection.accuracy > finished.selection.random_accuracy
    finished.report.to_html(place_in(store, "report.html"))
    assert store.files.cat(f"{BUCKET}/report.html").startswith(b"<!doctype html>")
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or stores.SECRET.encode() not in file.read_bytes(), file
    assert store.address in (tmp_path / "run" / "job.json").read_text()


def test_stores__a_job_is_planned(here, store, tmp_path):
    """By what its file says of the store."""
    job = {"out": str(tmp_path / "run"), "original": {"path": store.url("original.parquet")}, "storage": store.options}
    planned = iss.plan({**job, "generate": {"source": store.url("pool")}}, pool_units=10_000)
    assert "10,000 units" in str(planned)


def place_in(store, name):
    with storage(store.options):
        return place(store.url(name))


def test_stores__folders_as_others_leave_them(store, tmp_path):
    frame = narrow(mixed_table())
    root = tmp_path / "hive"
    for name in ("state=01/a.parquet", "state=02/b.parquet", "_temporary/c.parquet", "state=02/.d.parquet"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(root / name)
    (root / "_SUCCESS").touch()
    store.put(root)
    of_here, there = find_parts(root), find_parts(place_in(store, "hive"))
    assert [(part.name, part.values) for part in there] == [(part.name, part.values) for part in of_here]
    with storage(store.options):
        assert open_pool(store.url("hive")).n_rows == 2 * len(frame)
        assert open_pool(store.url("hive/state=01/a.parquet")).is_file
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    (tmp_path / "delta" / "_delta_log" / "0.json").touch()
    frame.to_parquet(tmp_path / "delta" / "a.parquet")
    store.put(tmp_path / "delta")
    with pytest.raises(InputError, match="is a table of Delta"):
        find_parts(place_in(store, "delta"))


def test_stores__of_a_large_part_only_what_is_chosen_travels(store, tmp_path, monkeypatch):
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"a": random.random(200_000), "b": random.random(200_000), "c": random.random(200_000)})
    frame.to_parquet(tmp_path / "large.parquet", row_group_size=10_000)
    store.put(tmp_path / "large.parquet")
    read, fetch = [], S3File._fetch_range

    def counted(self, start, end):
        read.append(end - start)
        return fetch(self, start, end)

    monkeypatch.setattr(S3File, "_fetch_range", counted)
    with storage(store.options):
        (part,) = find_parts(place(store.url("large.parquet")))
        schema = schema_from(frame).only(["b"])
        (rows,) = parts.iter_chosen(part, schema, np.array([15_000, 15_001]))
    assert rows["b"].to_pylist() == frame["b"][[15_000, 15_001]].tolist()
    assert 0 < sum(read) < (tmp_path / "large.parquet").stat().st_size / 20


# what goes wrong


def refused(store, *tables, **options):
    with pytest.raises(InputError) as caught:
        iss.select(*tables, storage_options=store.options | options, **SETTINGS)
    assert "\n" not in str(caught.value)
    assert stores.SECRET not in str(caught.value)
    return str(caught.value)


def test_stores__no_such_file_or_bucket(here, store):
    told = refused(store, store.url("orignal.parquet"), here / "pool")
    assert told == f"no such file or folder: {store.url('orignal.parquet')}: check the path"
    assert refused(store, "s3://no-such-bucket/original.parquet", here / "pool").startswith(
        "no such file or folder: s3:"
    )
    assert "no-such-pool" in refused(store, here / "original.parquet", store.url("no-such-pool"))


def test_stores__an_object_that_is_not_whole(here, store):
    data = (here / "original.parquet").read_bytes()
    store.files.pipe(f"{BUCKET}/half.parquet", data[: len(data) // 2])
    assert "half.parquet is not a whole Parquet file" in refused(store, store.url("half.parquet"), here / "pool")


def test_stores__nobody_lets_one_in(here, store, monkeypatch):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    told = refused(store, store.url("original.parquet"), here / "pool", key=None, secret=None)
    assert "credentials" in told.lower()


def test_stores__a_password_in_an_address(here):
    told = "the address of https://store.example/a.parquet holds a password: leave it out"
    with pytest.raises(InputError, match=told) as caught:
        iss.select("https://me:open-sesame@store.example/a.parquet", here / "pool", **SETTINGS)
    assert "sesame" not in str(caught.value)


def test_stores__one_that_is_away(here, tmp_path):
    with stores.running("gone") as store:
        address = store.address
    options = {"key": "a", "secret": "b", "endpoint_url": address, "config_kwargs": {"retries": {"max_attempts": 1}}}
    with pytest.raises(InputError, match=r"can't read s3://gone/original.parquet \(.*\): check the address"):
        iss.select("s3://gone/original.parquet", here / "pool", storage_options=options, **SETTINGS)


def test_stores__one_that_nothing_here_knows(here):
    with pytest.raises(InputError, match=r"xyz://a/b\.parquet"):
        iss.select("xyz://a/b.parquet", here / "pool", **SETTINGS)


def test_stores__the_commands_read_the_environment(here, store, tmp_path):
    def command(*words):
        return subprocess.run(
            [sys.executable, "-m", "issodask", *words],
            cwd=tmp_path,
            env=os.environ | store.environment(),
            capture_output=True,
            text=True,
        )

    done = command(
        "select",
        "--original",
        store.url("original.parquet"),
        "--pool",
        store.url("pool"),
        "--out",
        store.url("cli/subset.parquet"),
        "--effort",
        "40",
    )
    assert done.returncode == 0, done.stderr
    assert f"subset    {store.url('cli/subset.parquet')}" in done.stdout
    subset = pd.read_parquet(io.BytesIO(store.files.cat(f"{BUCKET}/cli/subset.parquet")))
    assert len(subset) == len(mixed_table())
    assert (tmp_path / "subset.work").is_dir()
    wrong = command("select", "--original", "s3://wrong/a.parquet", "--pool", str(here / "pool"), "--out", "s.parquet")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "issodask: no such file or folder: s3://wrong/a.parquet: check the path\n",
    )
    assert not Path(tmp_path / "s.parquet").exists()
