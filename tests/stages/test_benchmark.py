"""Benchmark: every trial is a row, whatever happens to it; what is done is not done again."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from issodask.errors import InputError
from issodask.event_log import Events
from issodask.events import TrialEnded
from issodask.report.studied import ALL_POOLS, ALONE, SELECTED
from issodask.runtime import open_runtime
from issodask.stages.benchmark import benchmark
from issodask.study import study_of
from tests.tables import mixed_table, narrow, panel_table

pytestmark = pytest.mark.slow

WORKS = "python:tests.stages.synthesizers:bootstrap"
ODD = {
    name: f"python:tests.stages.synthesizers:{name}"
    for name in ("crashes", "raises", "hangs", "other_columns", "too_few")
}
QUICK = {
    "repeats": 1,
    "train_rows": [120],
    "pool_factor": 4,
    "select": {"aim": "original", "effort": 5, "ipf_passes": 1},
    "evaluate": {"distance_rows": 50, "predict": []},
}


def study(folder, table=None, **changes):
    path = folder / "people.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        (narrow(mixed_table(400)) if table is None else table).to_parquet(path, index=False)
    return study_of({"out": str(folder / "study"), "tables": [str(path)], **QUICK, **changes}, {})


def tried(config):
    events = []
    with open_runtime(2) as runtime:
        return benchmark(config, runtime, Events(None, events.append)), events


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    return tried(study(folder, synthesizers=[WORKS, *ODD.values(), "real"], limit_s=25)), folder


def states(found):
    return {row.synthesizer.rsplit(":", 1)[-1]: (row.state, row.error) for row in found.rows}


def test_benchmark__whatever_a_synthesizer_does_is_a_row(odd):
    (found, _), _ = odd
    assert states(found) == {
        "bootstrap": ("done", ""),
        "crashes": ("failed", "its process ended with code 13, while making its pool"),
        "raises": ("failed", "ValueError: no idea what to do, while making its pool"),
        "hangs": ("not in time", "ended after 25 s while making its pool"),
        "other_columns": states(found)["other_columns"],
        "too_few": states(found)["too_few"],
        "real": ("done", ""),
        ALL_POOLS: ("done", ""),
    }
    assert states(found)["other_columns"][0] == "refused"
    assert "lacks 1 of the original's" in states(found)["other_columns"][1]
    assert states(found)["too_few"][0] == "refused"
    assert "returned 10 rows, but 480 are needed" in states(found)["too_few"][1]


def test_benchmark__each_synthesizer_stands_alone_and_selected(odd):
    (found, _), _ = odd
    ways = {(row.synthesizer, row.way) for row in found.rows if row.standing is not None}
    assert ways == {(WORKS, ALONE), (WORKS, SELECTED), (ALL_POOLS, ALONE), (ALL_POOLS, SELECTED), ("real", ALONE)}
    alone, selected = (found.mean("accuracy", WORKS, way).mean for way in (ALONE, SELECTED))
    assert selected > alone


def test_benchmark__its_files_say_the_same(odd):
    (found, _), folder = odd
    record = json.loads((folder / "study" / "results.json").read_text(encoding="utf-8"))
    assert [row["state"] for row in record["rows"]] == [row.state for row in found.rows]
    rows = pd.read_csv(folder / "study" / "results.csv")
    assert rows.univariate.notna().sum() == 5
    text = (folder / "study" / "results.md").read_text(encoding="utf-8")
    assert "no idea what to do" in text
    assert "1 of 1 pairs" in text


def test_benchmark__real_rows_are_gone_when_it_ends(odd):
    _, folder = odd
    assert not (folder / "study" / "tables").exists()


def test_benchmark__what_is_done_is_not_done_again(odd):
    (first, _), folder = odd
    again, events = tried(study(folder, synthesizers=[WORKS, *ODD.values(), "real"], limit_s=25))
    assert again == first
    assert [event.n for event in events if isinstance(event, TrialEnded)] == [*range(1, len(ODD) + 4)]
    trials = sorted((folder / "study" / "trials").rglob("outcome.json"))
    assert len(trials) == len(ODD) + 3


def test_benchmark__more_time_tries_again_what_was_late(odd, tmp_path):
    _, folder = odd
    shutil.copytree(folder, tmp_path / "copy")
    found, _ = tried(study(tmp_path / "copy", synthesizers=[ODD["hangs"], ODD["raises"]], limit_s=26, all_pools=False))
    assert states(found)["hangs"][1] == "ended after 26 s while making its pool"
    assert states(found)["raises"][1] == "ValueError: no idea what to do, while making its pool"


def test_benchmark__what_an_earlier_attempt_made_keeps_its_seconds(tmp_path):
    """The trial is done anew, as with another version of a package, from the pool and the subset that are there."""
    config = study(tmp_path, synthesizers=[WORKS], all_pools=False)
    tried(config)
    (took,), (outcome,) = ([*(tmp_path / "study").rglob(name)] for name in ("took.json", "outcome.json"))
    made = json.loads(took.read_text())
    took.write_text(json.dumps({"generate": [made["generate"][0], 500.0], "select": ["of another", 900.0]}))
    outcome.unlink()
    again, _ = tried(config)
    seconds = {row.way: row.seconds for row in again.rows}
    assert seconds[ALONE] == 500
    assert 500 < seconds[SELECTED] < 600
    assert json.loads(took.read_text())["select"][0] == made["select"][0]


def test_benchmark__another_synthesizer_leaves_the_others_alone(odd, tmp_path):
    (first, _), folder = odd
    shutil.copytree(folder, tmp_path / "copy")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").rglob("outcome.json")}
    more, _ = tried(study(tmp_path / "copy", synthesizers=[WORKS, "real", "perturb:0.5"], limit_s=60))
    assert [row for row in more.rows if row.synthesizer == WORKS] == [r for r in first.rows if r.synthesizer == WORKS]
    kept = [path for path, at in written.items() if path.stat().st_mtime_ns == at]
    assert len(kept) == len(written)


def test_benchmark__sizes_are_measured_on_the_same_people(tmp_path):
    config = study(tmp_path, synthesizers=[WORKS], train_rows=[40, 160], all_pools=False, units=100)
    found, _ = tried(config)
    assert found.sizes == [40, 160]
    assert {(row.train_rows, row.way, row.standing.n_units) for row in found.rows} == {
        (size, way, 100) for size in (40, 160) for way in (ALONE, SELECTED)
    }
    held_out = {found.landmarks["people", size, 1]["holdout"].n_units for size in (40, 160)}
    assert held_out == {133}
    assert "| synthesizer | | 40 | 160 |" in (tmp_path / "study" / "results.md").read_text().replace("|  |", "| |")


def test_benchmark__groups_are_learnt_as_groups(tmp_path):
    path = tmp_path / "panel.parquet"
    panel_table(200, 1).to_parquet(path, index=False)
    table = {"path": str(path), "name": "panel", "group_key": "who"}
    synthesizers = ["python:tests.stages.synthesizers:whole_groups", "copy"]
    values = {**QUICK, "train_rows": 60, "tables": [table], "synthesizers": synthesizers, "all_pools": False}
    found, _ = tried(study_of({"out": str(tmp_path / "study"), **values}, {}))
    assert {row.way: row.standing.n_units for row in found.rows if row.standing} == {ALONE: 60, SELECTED: 60}
    (refused,) = found.failures
    assert refused.error.startswith("copy makes single rows, but groups by 'who' are wanted")


@pytest.mark.parametrize(("name", "said"), [("card", "did you mean cart"), ("./pool", "is no synthesizer: name one")])
def test_benchmark__what_is_no_synthesizer_is_refused_before_anything_is_tried(tmp_path, name, said):
    with pytest.raises(InputError, match=said):
        tried(study(tmp_path, synthesizers=[WORKS, name]))
    assert not (tmp_path / "study" / "trials").exists()


def test_benchmark__that_is_stopped_ends_at_once_and_leaves_no_process(tmp_path):
    path = study(tmp_path, synthesizers=[ODD["hangs"]], limit_s=600).tables[0].path
    values = {"out": str(tmp_path / "study"), "tables": [path], "synthesizers": [ODD["hangs"]], "train_rows": 120}
    (tmp_path / "study.json").write_text(json.dumps(values))
    command = [sys.executable, "-m", "issodask", "benchmark", str(tmp_path / "study.json")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "study").rglob("found.json")):
        assert process.poll() is None
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "call it again with the same folder" in err
    assert not psutil.wait_procs(children, timeout=20)[1]
    assert not (tmp_path / "study" / "tables").exists()


def test_benchmark__small_tables_are_refused_before_anything_is_tried(tmp_path):
    config = study(tmp_path, narrow(mixed_table(100)), synthesizers=[WORKS])
    with pytest.raises(InputError, match="has 100 units, but a study needs 120"):
        tried(config)
    assert not (tmp_path / "study" / "trials").exists()
