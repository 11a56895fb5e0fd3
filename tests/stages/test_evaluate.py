"""Evaluate: what it writes, what it refuses, what it leaves alone."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from issodask.config import EvaluateConfig
from issodask.errors import InputError
from issodask.report.drivers import find_drivers
from issodask.report.privacy import measure_privacy
from issodask.stages.evaluate import evaluate
from tests.report.tables import FACTS, grouped, real_table, sequence_table

CONFIG = EvaluateConfig(distance_rows=100)


@pytest.fixture
def tables():
    return {"original": real_table(200, 1), "subset": real_table(150, 2)}


def test_evaluate__writes_what_was_asked_for_and_nothing_else(tables, tmp_path):
    record = evaluate(**tables, config=CONFIG, json_path=tmp_path / "new" / "metrics.json", title="T")
    assert json.loads((tmp_path / "new" / "metrics.json").read_text(encoding="utf-8")) == record
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["metrics.json"]


@pytest.mark.slow
def test_evaluate__facts_and_events_reach_file_and_page(tables, tmp_path):
    (tmp_path / "events.jsonl").write_text('{"time": 1, "event": "random", "objective": 0.02}\n', encoding="utf-8")
    record = evaluate(
        **tables,
        pool_sample=real_table(150, 4),
        config=CONFIG,
        seed=9,
        select_facts=replace(FACTS, stop_reason="converged at last"),
        events_path=tmp_path / "events.jsonl",
        html_path=tmp_path / "report.html",
    )
    assert record["issodask"]["seed"] == 9
    assert record["issodask"]["select"] == replace(FACTS, stop_reason="converged at last").to_dict()
    assert record["issodask"]["objective"] == [{"seconds": 0.0, "stage": "random", "objective": 0.02}]
    assert set(record["issodask"]["accuracy"]["against_original"]) == {"pool_sample", "subset"}
    assert "converged at last" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_evaluate__same_seed_same_record(tables):
    assert evaluate(**tables, config=CONFIG, seed=4) == evaluate(**tables, config=CONFIG, seed=4)


def test_evaluate__a_copy_is_perfect(tables):
    record = evaluate(tables["original"], tables["original"], config=CONFIG)
    assert record["accuracy"]["overall"] == 1
    assert record["issodask"]["distances"]["identical_to_an_original_row"]["subset"] == 1


@pytest.mark.slow
def test_evaluate__columns_may_be_in_another_order_and_dtype(tables):
    subset = tables["subset"].convert_dtypes()[list(reversed(tables["subset"].columns))]
    subset["premium"] = subset["premium"].astype("string")
    subset["extra"] = 1
    expected = evaluate(**tables, config=CONFIG)["accuracy"]
    assert evaluate(tables["original"], subset, config=CONFIG)["accuracy"] == expected


@pytest.mark.slow
def test_evaluate__with_qa_report_adds_the_page_and_similarity(tables, tmp_path):
    config = EvaluateConfig(distance_rows=100, qa_report=True)
    table = {name: table[["age", "city"]] for name, table in tables.items()}
    record = evaluate(**table, config=config, qa_path=tmp_path / "qa-report.html")
    assert 0 <= record["similarity"]["discriminator_auc_training_synthetic"] <= 1
    assert "mostlyai-qa" in (tmp_path / "qa-report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_evaluate__qa_report_of_too_few_rows_has_no_similarity(tables, tmp_path):
    config = EvaluateConfig(distance_rows=100, qa_report=True)
    record = evaluate(tables["original"], tables["subset"].head(99), config=config, qa_path=tmp_path / "qa-report.html")
    assert record["similarity"] is None
    assert (tmp_path / "qa-report.html").is_file()


def test_evaluate__no_qa_report_unless_asked(tables, tmp_path):
    evaluate(**tables, config=CONFIG, qa_path=tmp_path / "qa-report.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["original", "subset", "holdout", "pool_sample"])
def test_evaluate__an_empty_table_is_refused(tables, name):
    with pytest.raises(InputError, match=f"the {name.replace('_', ' ')} is empty, it has 0 rows and 6 columns"):
        evaluate(**{**tables, name: real_table(5, 1).head(0)}, config=CONFIG)


def test_evaluate__a_missing_column_is_named(tables):
    with pytest.raises(InputError, match="the holdout lacks 1 of the original's 6 columns: 'city'"):
        evaluate(**tables, holdout=real_table(50, 3).drop(columns="city"), config=CONFIG)


def test_evaluate__another_type_is_refused(tables):
    with pytest.raises(InputError, match="'age'"):
        evaluate(tables["original"], tables["subset"].assign(age="old"), config=CONFIG)


def test_evaluate__infinite_numbers_are_refused(tables):
    with pytest.raises(InputError, match="infinite"):
        evaluate(tables["original"], tables["subset"].assign(income=float("inf")), config=CONFIG)


@pytest.mark.slow
def test_evaluate__earlier_files_survive_a_failure(tables, tmp_path, monkeypatch):
    report = tmp_path / "report.html"
    report.write_text("earlier", encoding="utf-8")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"disk full while writing .*report\.html"):
        evaluate(**tables, config=CONFIG, html_path=report)
    assert report.read_text(encoding="utf-8") == "earlier"
    assert list(tmp_path.iterdir()) == [report]


def test_evaluate__leaves_its_inputs_as_they_were(tables):
    before = {name: table.copy(deep=True) for name, table in tables.items()}
    evaluate(**tables, config=CONFIG)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, before[name])


SHAPES = {
    "without values": ["gone"],
    "all unique": ["name", "wage"],
    "all kinds": ["constant", "gone", "name", "wage", "since", "half"],
}


def awkward_table(n_rows, seed, columns):
    random = np.random.default_rng(seed)
    table = {
        "constant": ["x"] * n_rows,
        "gone": [None] * n_rows,
        "name": [f"{seed} {i}" for i in range(n_rows)],
        "wage": random.normal(size=n_rows),
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 99, n_rows), "D"),
        "half": pd.Series(random.normal(size=n_rows)).mask(random.random(n_rows) < 0.5),
    }
    return pd.DataFrame({name: table[name] for name in columns})


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [1, 10])
@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_evaluate__tiny_tables_end_in_a_report(shape, is_grouped, n_rows, tmp_path):
    tables = [awkward_table(n, n, SHAPES[shape]) for n in (n_rows, n_rows + 1, n_rows + 2)]
    if is_grouped:
        tables = [table.assign(person=np.arange(len(table)) // 2) for table in tables]
    places = {"json_path": tmp_path / "metrics.json", "html_path": tmp_path / "report.html"}
    original, subset, holdout = tables
    key = "person" if is_grouped else None
    for some in (None, holdout):
        evaluate(original, subset, some, some, CONFIG, group_key=key, **places)
        found = json.loads(places["json_path"].read_text(encoding="utf-8"))["accuracy"]
        assert all(0 <= value <= 1 for value in found.values() if value is not None)
        page = places["html_path"].read_text(encoding="utf-8")
        assert "nan%" not in page[page.index("<main") : page.index("<footer>")]


def test_evaluate__fifty_rows_against_a_thousand():
    random = np.random.default_rng(1)
    tables = [pd.DataFrame(random.normal(size=(n, 6))).rename(columns=str) for n in (1_000, 50)]
    found = evaluate(*tables, config=CONFIG)["accuracy"]
    assert 0 < found["trivariate_max"] < found["trivariate"] < 0.1


@pytest.mark.slow
def test_evaluate__importing_it_loads_nothing_heavy():
    heavy = "{'lightgbm', 'mostlyai', 'plotly', 'scipy.optimize', 'scipy.stats', 'sklearn', 'torch'}"
    check = f"import sys, issodask.stages.run; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def of_groups(n_original=120, n_subset=110):
    return {"original": sequence_table(n_original, 1), "subset": sequence_table(n_subset, 2), "group_key": "person"}


@pytest.mark.slow
def test_evaluate__groups_to_files(tmp_path):
    places = {"json_path": tmp_path / "metrics.json", "html_path": tmp_path / "report.html"}
    extra = {"holdout": sequence_table(90, 3), "pool_sample": sequence_table(100, 4)}
    extra["pool_sample"]["person"] = pd.factorize(extra["pool_sample"]["person"])[0].astype("int64")
    record = evaluate(**of_groups(), **extra, config=CONFIG, **places)
    assert json.loads(places["json_path"].read_text(encoding="utf-8")) == record
    assert record["issodask"]["groups"] == {"original": 120, "pool_sample": 100, "subset": 110, "holdout": 90}
    assert 0.5 < record["accuracy"]["coherence"] < 1
    assert "groups" in places["html_path"].read_text(encoding="utf-8")


@pytest.mark.slow
def test_evaluate__keys_are_never_compared():
    tables = of_groups()
    holdout = sequence_table(90, 3)
    record = evaluate(**tables, holdout=holdout, config=CONFIG)
    assert set(holdout["person"]) < set(tables["original"]["person"])
    renamed = {name: tables[name].assign(person=tables[name]["person"] + name) for name in ("original", "subset")}
    assert evaluate(**renamed, holdout=holdout, config=CONFIG, group_key="person") == record


@pytest.mark.slow
def test_evaluate__rows_of_a_group_may_lie_apart():
    tables = of_groups()
    record = evaluate(**tables, config=CONFIG)
    apart = tables["subset"].iloc[tables["subset"].groupby("person").cumcount().argsort(kind="stable")]
    assert evaluate(**{**tables, "subset": apart}, config=CONFIG) == record


@pytest.mark.slow
def test_evaluate__groups_of_one_row_are_rows():
    """mostlyai-qa: setup 1:1."""
    single = {name: grouped(real_table(n, n), np.ones(n, int)) for name, n in (("original", 150), ("subset", 140))}
    flat = {name: table.drop(columns="person") for name, table in single.items()}
    assert evaluate(**single, config=CONFIG, group_key="person") == evaluate(**flat, config=CONFIG)


def test_evaluate__one_row_of_each_group_counts_where_the_original_has_no_second():
    original = grouped(real_table(150, 1), np.ones(150, int))
    subset = grouped(real_table(150, 2), np.full(50, 3))
    record = evaluate(original, subset, config=CONFIG, group_key="person")
    assert record["issodask"]["rows"] == {"original": 150, "subset": 50}
    assert record["accuracy"]["coherence"] is None


@pytest.mark.slow
def test_evaluate__qa_report_takes_the_group_key(tmp_path):
    tables = {name: sequence_table(n, n)[["wage", "person"]] for name, n in (("original", 110), ("subset", 100))}
    # Keys that the holdout shares with the original must not make one group of two.
    holdout = sequence_table(60, 9)[["wage", "person"]]
    config = EvaluateConfig(distance_rows=100, qa_report=True)
    path = tmp_path / "qa-report.html"
    record = evaluate(**tables, holdout=holdout, config=config, qa_path=path, group_key="person")
    assert record["similarity"] is not None
    assert "Coherence" in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_evaluate__qa_report_of_names_that_it_uses_itself(tmp_path):
    names = {"age": "Sequence Length", "city": "self", "premium": "__KEY"}
    tables = [real_table(n, n)[list(names)].rename(columns=names).convert_dtypes() for n in (110, 100)]
    config = EvaluateConfig(distance_rows=100, qa_report=True)
    assert evaluate(*tables, config=config, qa_path=tmp_path / "qa.html")["similarity"] is not None


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
@pytest.mark.slow
def test_evaluate__the_original_may_hold_the_text_by_which_engines_hide_others(dtype, tmp_path):
    random = np.random.default_rng(1)
    original, subset, holdout = (
        pd.DataFrame(
            {"a": random.integers(0, 9, n), "t": pd.Series(random.choice(["_RARE_", "u", "w"], n), dtype=dtype)}
        )
        for n in (110, 100, 90)
    )
    config = EvaluateConfig(distance_rows=100, qa_report=True)
    record = evaluate(original, subset, holdout, config=config, qa_path=tmp_path / "qa.html")
    assert record["similarity"] is not None
    renamed = [
        table.assign(t=table["t"].astype(object).replace("_RARE_", "v")) for table in (original, subset, holdout)
    ]
    of_renamed = evaluate(*renamed, config=CONFIG)["issodask"]["accuracy"]
    assert record["issodask"]["accuracy"]["against_original"]["subset"]["overall"] == pytest.approx(
        of_renamed["against_original"]["subset"]["overall"]
    )


def test_drivers_and_distances__own_texts_that_name_what_is_hidden():
    texts = [pd.DataFrame({"t": [f"{name}{i}" for i in range(60)]}) for name in "abc"]
    texts[0]["t"] = texts[1]["t"] = ["_RARE_", *texts[0]["t"][1:]]
    privacy = measure_privacy(*texts, max_rows=60, seed=1)
    assert privacy.is_notable
    assert find_drivers(*texts, privacy, seed=1).columns["t"] > 0.9


@pytest.mark.parametrize("name", ["original", "subset"])
def test_evaluate__a_missing_group_key_is_named(name):
    tables = of_groups()
    with pytest.raises(InputError, match=f"the {name} has no column 'person' for the group key"):
        evaluate(**{**tables, name: tables[name].drop(columns="person")}, config=CONFIG)


def test_evaluate__a_row_without_a_key_is_named():
    tables = of_groups()
    tables["subset"].loc[3, "person"] = None
    with pytest.raises(InputError, match=r"the subset has no group key \('person'\) in 1 of"):
        evaluate(**tables, config=CONFIG)


def test_evaluate__a_key_alone_is_no_table():
    only = pd.DataFrame({"person": ["a", "a", "b"]})
    with pytest.raises(InputError, match="columns"):
        evaluate(only, only, config=CONFIG, group_key="person")
