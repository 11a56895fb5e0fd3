"""metrics.json: mostlyai-qa's names, and its numbers to four decimals."""

import json

import numpy as np
import pytest

from issodask.config import EvaluateConfig
from issodask.report.findings import Point
from issodask.report.metrics import installed_versions, metrics_record, thinned, to_json
from issodask.report.qa import qa_session
from issodask.stages.evaluate import evaluate
from tests.report.tables import findings_of, grouped, narrow_table, real_table, sequence_table

N = 1_500
CONFIG = EvaluateConfig(distance_rows=N)
ACCURACIES = ["overall", "univariate", "bivariate", "trivariate"]


def ask_mostlyai_qa(path, subset, original, holdout=None, group_key=None):
    with qa_session(11):
        from mostlyai import qa

        _, metrics = qa.report(
            syn_tgt_data=subset,
            trn_tgt_data=original,
            hol_tgt_data=holdout,
            tgt_context_key=group_key,
            report_path=path,
        )
    return metrics.model_dump()


def assert_accuracy_agrees(ours, theirs):
    for name in [*ACCURACIES, *(f"{name}_max" for name in ACCURACIES)]:
        assert ours[name] == pytest.approx(theirs[name], abs=5e-5), name
    assert 0.5 < ours["overall"] < 0.99


@pytest.mark.slow
def test_metrics__accuracy_agrees_with_mostlyai_qa_to_four_decimals(tmp_path):
    original, subset = real_table(N, 1), real_table(N, 2).assign(age=lambda table: table["age"] // 2 * 2)
    theirs = ask_mostlyai_qa(tmp_path / "qa.html", subset, original)
    ours = evaluate(original, subset, config=EvaluateConfig(distance_rows=50))
    assert_accuracy_agrees(ours["accuracy"], theirs["accuracy"])


@pytest.mark.slow
def test_metrics__agree_with_mostlyai_qa_on_a_holdout_too(tmp_path):
    original, subset, holdout = narrow_table(N, 1), narrow_table(N, 2), narrow_table(N, 3)
    theirs = ask_mostlyai_qa(tmp_path / "qa.html", subset, original, holdout)
    ours = evaluate(original, subset, holdout, config=CONFIG)
    assert_accuracy_agrees(ours["accuracy"], theirs["accuracy"])
    assert ours["distances"] == pytest.approx(theirs["distances"], abs=1e-9)


def steady(n_groups, seed):
    """Groups of 1 to 4 rows, as many of each length, whose rows are all equal: no draw changes a score."""
    units = narrow_table(n_groups, seed)
    lengths = np.random.default_rng(seed).permutation(np.arange(n_groups) % 4 + 1)
    return grouped(units.loc[np.repeat(np.arange(n_groups), lengths)].reset_index(drop=True), lengths)


@pytest.mark.slow
def test_metrics__of_groups_agree_with_mostlyai_qa_where_nothing_is_random(tmp_path):
    original, subset, holdout = steady(200, 1), steady(200, 2), steady(200, 3)
    holdout["person"] = "h" + holdout["person"]
    theirs = ask_mostlyai_qa(tmp_path / "qa.html", subset, original, holdout, "person")
    ours = evaluate(original, subset, holdout, config=CONFIG, group_key="person")
    names = [*ACCURACIES, "coherence"]
    for name in [*names, *(f"{name}_max" for name in names)]:
        assert ours["accuracy"][name] == pytest.approx(theirs["accuracy"][name], abs=5e-5), name
    assert ours["distances"] == pytest.approx(theirs["distances"], abs=1e-9)
    assert 0.5 < ours["accuracy"]["coherence"] < 0.99


def test_metrics__of_groups_say_how_the_draws_differ():
    record = metrics_record(findings_of(sequence_table(80, 1), sequence_table(70, 2), group_key="person"))
    own = record["issodask"]
    assert own["groups"] == {"original": 80, "subset": 70}
    assert own["columns"] == 5
    assert set(own["distances"]["identical_to_an_original_group"]) == {"subset"}
    found = own["accuracy"]["against_original"]["subset"]
    assert set(found["coherence_parts"]) == {"successors", "distinct_categories", "sequences_per_category"}
    assert found["coherence"] == pytest.approx(np.mean(list(found["coherence_parts"].values())))
    assert found["draws"] == 8
    assert found["standard_deviation"]["overall"] > 0
    assert found["in_expectation"]["overall"] > found["overall"]
    assert record["accuracy"]["coherence"] == pytest.approx(found["coherence"], abs=1e-6)
    json.loads(to_json(record))


def test_metrics__of_rows_have_no_coherence():
    record = metrics_record(findings_of(real_table(60, 1), real_table(60, 2)))
    assert record["accuracy"]["coherence"] is None
    assert record["issodask"]["groups"] is None
    assert "draws" not in record["issodask"]["accuracy"]["against_original"]["subset"]


@pytest.mark.slow
def test_metrics__mostlyai_qa_reads_the_file(tmp_path):
    path = tmp_path / "metrics.json"
    record = evaluate(real_table(200, 1), real_table(200, 2), real_table(200, 3), config=CONFIG, json_path=path)
    with qa_session(0):
        from mostlyai.qa.metrics import ModelMetrics

        read = ModelMetrics.model_validate_json(path.read_text(encoding="utf-8"))
    assert read.accuracy.overall_max == record["accuracy"]["overall_max"]
    assert read.distances.dcr_share == record["distances"]["dcr_share"]
    assert read.similarity is None
    assert set(record) == {*ModelMetrics.model_fields, "issodask"}


@pytest.mark.slow
def test_metrics__a_holdout_joins_the_reference_as_in_mostlyai_qa():
    original, subset, holdout = real_table(300, 1), real_table(300, 2), real_table(300, 3)
    record = evaluate(original, subset, holdout, config=CONFIG)
    own = record["issodask"]["accuracy"]
    assert record["accuracy"]["overall"] == pytest.approx(own["against_original_and_holdout"]["subset"]["overall"])
    assert set(own["against_original"]) == {"subset", "holdout"}
    assert set(own["against_holdout"]) == {"original", "subset"}


def test_metrics__what_cannot_be_measured_is_null():
    record = metrics_record(findings_of(real_table(9, 1)[["city"]], real_table(9, 2)[["city"]]))
    assert record["distances"] is None
    assert record["accuracy"]["bivariate"] is None
    assert record["accuracy"]["overall"] == record["accuracy"]["univariate"]


def test_to_json__is_strict():
    record = {"a": np.float64("nan"), "b": np.int64(3), "c": np.array([1.5, np.inf]), "d": ("x", None, True), 5: {1}}
    assert json.loads(to_json(record)) == {"a": None, "b": 3, "c": [1.5, None], "d": ["x", None, True], "5": "{1}"}


def test_thinned__keeps_first_and_last():
    points = tuple(Point(float(i), "refine", 1 / (i + 1)) for i in range(1001))
    kept = thinned(points, 10)
    assert len(kept) == 10
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert thinned(points[:7], 10) == list(points[:7])


def test_installed_versions__names_what_decides_the_result():
    assert {"python", "issodask", "mostlyai-qa", "numpy"} <= set(installed_versions())
