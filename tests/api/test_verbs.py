"""The verbs in Python: what the stages do, every setting a keyword, results that go with their object."""

import gc
import inspect
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest

import issodask
from issodask.api.evaluating import evaluate
from issodask.api.verbs import generate, plan, run, select
from issodask.config import EvaluateConfig, GenerateConfig, SelectConfig
from issodask.errors import InputError
from issodask.event_log import read_events
from issodask.runtime import open_runtime
from issodask.runtime.local import Serial
from issodask.stages import select as stage
from tests.tables import QUICK, biased_panel, biased_pool, mixed_table, narrow, panel_table, write_job, write_pool

SEARCH = {"aim": "original", "effort": 60.0, "ipf_passes": 2}
SECTIONS = {generate: GenerateConfig, select: SelectConfig, evaluate: EvaluateConfig}
ORDER = ["original", "pool", "subset", "units", "group_key", "seed", "runtime", "folder"]


@pytest.fixture(scope="module")
def tables():
    return narrow(mixed_table()), narrow(biased_pool())


@pytest.fixture(scope="module")
def chosen(tables):
    return select(*tables, workers=1, **SEARCH)


@pytest.fixture(scope="module")
def report(chosen):
    return chosen.evaluate(holdout=narrow(mixed_table(seed=9)), distance_rows=100)


def test_front_door__shows_its_verbs():
    names = dir(issodask)
    assert {"generate", "select", "evaluate", "run", "plan", "__version__"} <= set(names)
    assert all(getattr(issodask, name) for name in names)
    assert re.match(r"\d+\.\d", issodask.__version__)
    with pytest.raises(AttributeError, match="no attribute 'selct'"):
        _ = issodask.selct


@pytest.mark.parametrize("verb", SECTIONS)
def test_signature__has_every_setting_with_its_default_and_meaning(verb):
    shown = inspect.signature(verb).parameters
    for name, field in SECTIONS[verb].model_fields.items():
        assert name in shown
        if name != "csv":
            assert shown[name].default == field.default
            assert re.search(rf"^{name} +\w", verb.__doc__, re.MULTILINE)


@pytest.mark.parametrize("verb", [generate, select, evaluate, run, plan])
def test_signature__the_same_words_in_the_same_order(verb):
    shown = [name for name in inspect.signature(verb).parameters if name in ORDER]
    assert shown == [name for name in ORDER if name in shown]


@pytest.mark.parametrize(
    ("verb", "name", "hint"),
    [
        (select, "time_limit", r"did you mean time_limit_s\?"),
        (generate, "epochs", r"did you mean max_epochs\?"),
        (evaluate, "zzz", r"help\(issodask.evaluate\) lists those that it has"),
    ],
)
def test_unknown_keyword__names_the_nearest(verb, name, hint):
    with pytest.raises(TypeError, match=rf"^{verb.__name__} has no keyword '{name}': {hint}$"):
        verb(None, None, **{name: 1})


def test_bad_setting__one_line(tables):
    with pytest.raises(InputError, match=r"^select: lanes is 0, but input should be greater than 0$"):
        select(*tables, lanes=0)


@pytest.mark.slow
def test_select__the_bytes_of_the_stage(tables, chosen, tmp_path):
    with open_runtime(1) as runtime:
        made = stage.select(*tables, tmp_path / "subset.parquet", QUICK, runtime=runtime)
    assert chosen.path.read_bytes() == made.out.read_bytes()
    assert (chosen.accuracy, chosen.random_accuracy) == (made.accuracy, made.random_accuracy)
    assert chosen.accuracy > chosen.random_accuracy


def test_selection__in_all_forms(tables, chosen, tmp_path):
    frame = chosen.to_pandas()
    pd.testing.assert_series_equal(frame.dtypes, tables[0].dtypes)
    assert len(chosen) == len(frame) == len(chosen.lineage) == chosen.to_arrow().num_rows == 600
    pd.testing.assert_frame_equal(pd.read_parquet(chosen.to_parquet(tmp_path / "s.parquet")), frame)
    assert list(chosen.lineage.columns) == ["generator", "part", "row"]
    assert re.fullmatch(r"<Selection of 600 of 6,000 rows: accuracy 0\.9\d+, of random ones 0\.\d+>", repr(chosen))
    assert "<table" in chosen._repr_html_()


@pytest.mark.slow
def test_selection__its_folder_goes_with_it(tables):
    made = select(*tables, workers=1, units=50, effort=20.0)
    folder = made.path.parent
    assert made.path.is_file()
    del made
    gc.collect()
    assert not folder.exists()


def test_select__a_folder_stays_and_is_gone_on_from(tables, tmp_path):
    for _ in range(2):
        made = select(*tables, folder=tmp_path, workers=1, units=50, effort=20.0)
    assert made.path == tmp_path / "subset.parquet"
    assert [event.KIND for event in read_events(tmp_path / "events.jsonl")].count("write") == 1


def test_select__runtimes_of_every_kind(tables, tmp_path, two_processes):
    places = ["serial", None, two_processes, two_processes.client, two_processes.client.scheduler.address]
    made = [select(*tables, runtime=place, units=50, effort=20.0) for place in places]
    assert len({each.path.read_bytes() for each in made}) == 1


def test_report__metrics_and_page(chosen, report, tmp_path):
    assert set(report.against_original) == {"subset", "pool_sample", "holdout"}
    assert report.accuracy == pytest.approx(chosen.accuracy, abs=1e-3)
    assert report.against_original["pool_sample"] == pytest.approx(chosen.random_accuracy, abs=1e-3)
    assert report.to_html(tmp_path / "r.html").read_text() == report.page
    assert "against_original" in report.to_json(tmp_path / "m.json").read_text()
    assert report.to_card(tmp_path / "card.md").read_text().startswith("---\npretty_name: ")
    assert json.loads(report.to_card(tmp_path / "card.json").read_text()) == report.card
    assert re.fullmatch(r"<Report: accuracy 0\.\d{5}, of random units 0\.\d{5}, of the holdout 0\.\d{5}>", repr(report))
    with pytest.raises(InputError, match="no report of mostlyai-qa's own"):
        report.to_qa_html(tmp_path / "qa.html")


def test_report__is_a_page_within_the_notebook(report):
    shown = report._repr_html_()
    assert shown.startswith('<iframe srcdoc="')
    page = shown.removeprefix('<iframe srcdoc="').partition('" style="')[0]
    assert '"' not in page
    assert "&lt;head&gt;&lt;base href=&quot;about:srcdoc&quot;&gt;" in page


@pytest.mark.slow
def test_evaluate__of_tables(tables, report):
    alone = evaluate(tables[0], narrow(mixed_table(seed=7)), distance_rows=100)
    assert set(alone.against_original) == {"subset"}


def test_groups__units_are_groups():
    chosen = select(panel_table(60, 1), biased_panel(200), group_key="who", workers=1, effort=30.0)
    assert len(chosen) == 60 < len(chosen.to_pandas())
    assert "200 groups" in repr(chosen)


@pytest.mark.slow
def test_run__of_a_dict_keeps_nothing(tables, tmp_path):
    tables[0].to_parquet(tmp_path / "original.parquet")
    write_pool(tmp_path / "pool", tables[1])
    job = {
        "original": {"path": str(tmp_path / "original.parquet"), "holdout_share": 0.25},
        "generate": {"source": str(tmp_path / "pool")},
        "select": {"ipf_passes": 2},
    }
    done = run(job, runtime=Serial(), select={"effort": 60.0}, evaluate={"distance_rows": 100})
    assert len(done.selection) == 450
    assert done.report.accuracy == pytest.approx(done.selection.accuracy, abs=1e-3)
    assert len(done.pool) == 6_000
    assert done.selection.evaluate(distance_rows=100).against_original["pool_sample"] == pytest.approx(
        done.report.against_original["pool_sample"], abs=1e-3
    )
    folder = done.path
    assert (folder / "report.html").is_file()
    del done
    gc.collect()
    assert not folder.exists()


def test_plan__of_a_file_and_a_dict(tables, tmp_path):
    tables[0].to_parquet(tmp_path / "original.parquet")
    write_pool(tmp_path / "pool", tables[1])
    sections = {
        "original": {"path": str(tmp_path / "original.parquet")},
        "generate": {"source": str(tmp_path / "pool")},
    }
    planned = plan(write_job(tmp_path / "job.toml", out=tmp_path / "out", **sections))
    assert [each.stage for each in planned.stages] == ["generate", "encode", "select", "write"]
    assert re.search(r"^age +number +\w", repr(planned), re.MULTILINE)
    assert repr(planned).splitlines()[-1] == repr(plan(sections)).splitlines()[-1]
    assert ">stage</th>" in planned._repr_html_()


def test_pool__of_files(tables, tmp_path):
    pool = issodask.Pool(write_pool(tmp_path / "pool", tables[1]))
    assert len(pool) == 6_000
    frame = pool.to_dask()
    assert frame.npartitions == 3
    read = frame.compute(scheduler="sync").reset_index(drop=True)
    pd.testing.assert_frame_equal(read.convert_dtypes(), tables[1].convert_dtypes(), check_dtype=False)
    assert repr(pool) == f"<Pool of 6,000 rows, 4 columns, at {tmp_path / 'pool'}>"


@pytest.mark.slow
def test_progress__quiet_unless_somebody_looks(tables, capfd):
    select(*tables, workers=1, units=50, effort=20.0)
    assert capfd.readouterr() == ("", "")
    select(*tables, workers=1, units=50, effort=20.0, progress=True)
    assert "trim" in capfd.readouterr().err


def test_error__a_notebook_shows_the_lines_of_the_caller_alone(tables):
    with pytest.raises(InputError) as caught:
        select(*tables, units=0)
    *calls, told = caught.value._render_traceback_()
    assert told == f"InputError: {caught.value}"
    assert [Path(__file__).name in call for call in calls] == [True]


@pytest.mark.parametrize(("kept", "told"), [(True, "call it again with the same folder"), (False, "give a folder to")])
def test_interrupted__says_how_to_go_on(tables, tmp_path, monkeypatch, kept, told):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "_select", stop)
    before = set(os.listdir(tmp_path))
    with pytest.raises(KeyboardInterrupt, match=f"^select was stopped; {told}"):
        select(*tables, folder=tmp_path / "here" if kept else None)
    assert set(os.listdir(tmp_path)) - before == ({"here"} if kept else set())
