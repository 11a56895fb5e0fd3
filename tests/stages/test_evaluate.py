"""Evaluate: what it writes, what it refuses, what it leaves alone."""

import errno
import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from issodask.config import EvaluateConfig
from issodask.errors import InputError
from issodask.stages.evaluate import evaluate
from tests.report.tables import real_table

CONFIG = EvaluateConfig(distance_rows=100)


@pytest.fixture
def tables():
    return {"original": real_table(200, 1), "subset": real_table(150, 2)}


def test_evaluate__writes_what_was_asked_for_and_nothing_else(tables, tmp_path):
    record = evaluate(**tables, config=CONFIG, json_path=tmp_path / "new" / "metrics.json", title="T")
    assert json.loads((tmp_path / "new" / "metrics.json").read_text(encoding="utf-8")) == record
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["metrics.json"]


def test_evaluate__facts_and_events_reach_file_and_page(tables, tmp_path):
    (tmp_path / "events.jsonl").write_text('{"time": 1, "event": "round", "objective": 0.02}\n', encoding="utf-8")
    record = evaluate(
        **tables,
        pool_sample=real_table(150, 4),
        config=CONFIG,
        seed=9,
        select_facts={"stop_reason": "converged at last"},
        events_path=tmp_path / "events.jsonl",
        html_path=tmp_path / "report.html",
    )
    assert record["issodask"]["seed"] == 9
    assert record["issodask"]["select"] == {"stop_reason": "converged at last"}
    assert record["issodask"]["objective"] == [{"seconds": 0.0, "stage": "round", "objective": 0.02}]
    assert set(record["issodask"]["accuracy"]["against_original"]) == {"pool_sample", "subset"}
    assert "converged at last" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_evaluate__same_seed_same_record(tables):
    assert evaluate(**tables, config=CONFIG, seed=4) == evaluate(**tables, config=CONFIG, seed=4)


def test_evaluate__a_copy_is_perfect(tables):
    record = evaluate(tables["original"], tables["original"], config=CONFIG)
    assert record["accuracy"]["overall"] == 1
    assert record["issodask"]["distances"]["identical_to_an_original_row"]["subset"] == 1


def test_evaluate__columns_may_be_in_another_order_and_dtype(tables):
    subset = tables["subset"].convert_dtypes()[list(reversed(tables["subset"].columns))]
    subset["premium"] = subset["premium"].astype("string")
    subset["extra"] = 1
    expected = evaluate(**tables, config=CONFIG)["accuracy"]
    assert evaluate(tables["original"], subset, config=CONFIG)["accuracy"] == expected


def test_evaluate__with_qa_report_adds_the_page_and_similarity(tables, tmp_path):
    config = EvaluateConfig(distance_rows=100, qa_report=True)
    table = {name: table[["age", "city"]] for name, table in tables.items()}
    record = evaluate(**table, config=config, qa_path=tmp_path / "qa-report.html")
    assert 0 <= record["similarity"]["discriminator_auc_training_synthetic"] <= 1
    assert "mostlyai-qa" in (tmp_path / "qa-report.html").read_text(encoding="utf-8")


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
    with pytest.raises(InputError, match=f"the {name.replace('_', ' ')} has 0 rows and 6 columns"):
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


def test_evaluate__importing_it_loads_neither_mostlyai_nor_plotly():
    heavy = "{'mostlyai', 'plotly', 'sklearn', 'torch'}"
    check = f"import sys, issodask.stages.evaluate; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
