"""Run: the whole job, and what of it a second run leaves alone."""

import json
import shutil

import pandas as pd
import pytest

from issodask.config import load_job
from issodask.errors import InputError
from issodask.event_log import Events, read_events
from issodask.runtime.cluster import Cluster
from issodask.stages.run import read_original, run
from tests.heard import of_records
from tests.tables import biased_pool, mixed_table, narrow, write_job, write_pool

CARD = ["card.md", "card.json"]
MADE = ["job.json", "events.jsonl", "subset.parquet", "subset.lineage.parquet", "metrics.json", "report.html", *CARD]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with original.parquet, a pool, and `out`, where a job that selects from that pool was run."""
    folder = tmp_path_factory.mktemp("world")
    narrow(mixed_table(800)).to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", narrow(biased_pool()))
    run(job_in(folder))
    return folder


@pytest.fixture
def copy(world, tmp_path):
    """The same with files that a test may change."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    run(job_in(tmp_path))
    return tmp_path


def job_in(folder, **sections):
    settings = {
        "out": folder / "out",
        "original": {"path": folder / "original.parquet", "holdout_share": 0.25},
        "generate": {"source": folder / "pool"},
        "select": {"effort": 60.0, "ipf_passes": 2},
        "evaluate": {"distance_rows": 100},
        "runtime": {"workers": 1},
    }
    return load_job(write_job(folder / "job.toml", **settings | sections))


def rerun(folder, **sections):
    heard = []
    finished = run(job_in(folder, **sections), Events(folder / "out" / "events.jsonl", of_records(heard.append)))
    return finished, [event["event"] for event in heard]


def states(folder):
    return {
        name: (folder / "out" / name).stat().st_mtime_ns for name in MADE if name not in ("job.json", "events.jsonl")
    }


@pytest.mark.slow
def test_run__constants_are_not_needed_of_the_pool(tmp_path):
    narrow(mixed_table(800)).assign(site="Graz", gone=None).to_parquet(tmp_path / "original.parquet")
    write_pool(tmp_path / "pool", narrow(biased_pool()))
    finished = run(job_in(tmp_path))
    assert set(pd.read_parquet(finished.subset)["site"]) == {"Graz"}
    against = finished.metrics["issodask"]["accuracy"]["against_original"]
    assert against["pool_sample"]["overall"] < against["subset"]["overall"]


def test_run__leaves_all_results(world):
    assert [name for name in MADE if not (world / "out" / name).is_file()] == []
    metrics = json.loads((world / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["accuracy"]["overall"] > 0.9
    assert set(metrics["issodask"]["accuracy"]["against_original"]) == {"pool_sample", "subset", "holdout"}
    assert json.loads((world / "out" / "job.json").read_text(encoding="utf-8"))["seed"] == 1
    assert {"encode", "ipf", "trim", "selected", "evaluate"} <= {
        event.KIND for event in read_events(world / "out" / "events.jsonl")
    }


def test_run__subset_matches_the_part_that_is_not_held_out(world):
    metrics = json.loads((world / "out" / "metrics.json").read_text(encoding="utf-8"))
    against = metrics["issodask"]["accuracy"]["against_original"]
    assert len(pd.read_parquet(world / "out" / "subset.parquet")) == 600
    assert against["subset"]["overall"] > against["pool_sample"]["overall"] + 0.05


@pytest.mark.slow
def test_run__again_skips_everything(copy):
    before = states(copy)
    finished, events = rerun(copy)
    assert states(copy) == before
    assert not {"ipf", "trim", "refine", "evaluate"} & set(events)
    assert finished.metrics == json.loads((copy / "out" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["subset.parquet", "subset.lineage.parquet"])
def test_run__a_deleted_result_is_rebuilt_byte_by_byte(copy, name):
    before = (copy / "out" / name).read_bytes()
    (copy / "out" / name).unlink()
    _, events = rerun(copy)
    assert (copy / "out" / name).read_bytes() == before
    assert not {"ipf", "trim", "refine", "evaluate"} & set(events)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metrics.json", "report.html", *CARD])
def test_run__a_deleted_report_is_made_again(copy, name):
    (copy / "out" / name).unlink()
    _, events = rerun(copy)
    assert (copy / "out" / name).is_file()
    assert "evaluate" in events
    assert not {"ipf", "trim", "refine"} & set(events)


@pytest.mark.slow
def test_run__another_holdout_is_evaluated(copy):
    original = {"path": copy / "original.parquet"}
    without, _ = rerun(copy, original=original)
    narrow(mixed_table(200, seed=8)).to_parquet(copy / "holdout.parquet")
    with_one, events = rerun(copy, original={**original, "holdout": copy / "holdout.parquet"})
    assert "holdout" not in without.metrics["issodask"]["accuracy"]["against_original"]
    assert "holdout" in with_one.metrics["issodask"]["accuracy"]["against_original"]
    assert "trim" not in events
    narrow(mixed_table(200, seed=9)).to_parquet(copy / "holdout.parquet")
    changed, _ = rerun(copy, original={**original, "holdout": copy / "holdout.parquet"})
    assert changed.metrics["issodask"]["accuracy"] != with_one.metrics["issodask"]["accuracy"]


@pytest.mark.slow
def test_run__another_seed_holds_out_other_rows(copy):
    job = job_in(copy)
    rows = [read_original(job.model_copy(update={"seed": seed})) for seed in (1, 1, 2)]
    assert rows[0][1].equals(rows[1][1])
    assert not rows[0][1].equals(rows[2][1])
    assert [len(table) for table in rows[0]] == [600, 200]


@pytest.mark.slow
def test_run__a_holdout_share_that_leaves_nothing(copy):
    with pytest.raises(InputError, match=r"holdout_share 0\.0001 of 800 units leaves one side empty"):
        rerun(copy, original={"path": copy / "original.parquet", "holdout_share": 0.0001})


@pytest.mark.slow
def test_run__with_a_callable_as_generator(tmp_path):
    """The pool is made by processes of its own; made once, deleting the subset does not make it again."""
    narrow(mixed_table(200)).to_parquet(tmp_path / "original.parquet")
    generate = {"source": "python:tests/tables.py:draw", "units": 1_500, "part_rows": 400}
    settings = {"generate": generate, "original": {"path": tmp_path / "original.parquet"}}
    finished, _ = rerun(tmp_path, **settings)
    before, parts = finished.subset.read_bytes(), sorted((tmp_path / "out" / "pool").glob("*.parquet"))
    assert [part.name[:3] for part in parts] == ["g00", "g00", "g01", "g01"]
    assert [source.pool_units for source in finished.selected.facts.lineage] == [750, 750]
    finished.subset.unlink()
    written = [part.stat().st_mtime_ns for part in parts]
    again, events = rerun(tmp_path, **settings)
    assert again.subset.read_bytes() == before
    assert [part.stat().st_mtime_ns for part in parts] == written
    assert not {"ipf", "trim", "refine", "evaluate"} & set(events)


def test_run__serially_all_is_done_in_this_process(tmp_path, monkeypatch):
    def no_cluster(n_workers):
        raise AssertionError("a cluster was started")

    monkeypatch.setattr(Cluster, "local", no_cluster)
    narrow(mixed_table(200)).to_parquet(tmp_path / "original.parquet")
    generate = {"source": "python:tests/tables.py:draw", "generators": 2, "units": 1_500}
    places = {"generate": generate, "original": {"path": tmp_path / "original.parquet"}}
    finished, _ = rerun(tmp_path, **places, runtime={"scheduler": "serial"})
    assert finished.pool.n_rows == 1_500
    with pytest.raises(AssertionError, match="a cluster was started"):
        rerun(tmp_path, **places | {"generate": {**generate, "units": 1_600}}, runtime={"scheduler": "threads"})
