"""What is measured for the page: worst cliques and their cells, shares, the objective over time."""

import json

import numpy as np
import pandas as pd
import pytest

from issodask.report.findings import PROTECTED_ROWS, read_history
from tests.report.tables import findings_of, real_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def findings():
    return findings_of(real_table(500, 1), real_table(400, 2), real_table(300, 3), real_table(400, 4))


def test_worst_cliques__are_the_least_accurate_of_each_arity(findings):
    for arity in (1, 2, 3):
        shown = [clique.accuracy["subset"] for clique in findings.worst if clique.arity == arity]
        assert shown == sorted(findings.subset.by_clique[arity])[: len(shown)]
        assert len(shown) == 6


def test_worst_cliques__cells_are_shares_of_rows(findings):
    clique = next(clique for clique in findings.worst if clique.columns == ("city",))
    original = real_table(500, 1)["city"]
    for cell in clique.cells:
        label = cell.labels[0]
        counted = original.isna().mean() if label == "(n/a)" else (original == label).mean()
        assert cell.shares["original"] == pytest.approx(counted)


def test_worst_cliques__cells_come_worst_first(findings):
    for clique in findings.worst:
        errors = [abs(cell.error) for cell in clique.cells]
        assert errors == sorted(errors, reverse=True)


def test_worst_cliques__cells_of_few_original_rows_are_not_spelled_out():
    original = pd.DataFrame({"a": [0] * 90 + [1] * (PROTECTED_ROWS - 1) + [2] * (PROTECTED_ROWS + 1)})
    subset = pd.DataFrame({"a": [0] * 50 + [1] * 30 + [2] * 20})
    labels = {cell.labels[0] for cell in findings_of(original, subset).worst[0].cells}
    assert labels == {"⪰ 0", "⪰ 2"}


def test_shares__sum_to_one_in_each_column(findings):
    for shares in findings.shares.values():
        assert [column.sum() for column in shares] == pytest.approx(np.ones(6))


def test_reported__is_against_original_and_holdout_together(findings):
    assert findings.reported is findings.against_both
    alone = findings_of(real_table(60, 1), real_table(60, 2))
    assert alone.reported is alone.subset


def test_against_holdout__an_original_that_is_the_holdout_is_perfect():
    original = real_table(200, 1)
    found = findings_of(original, real_table(200, 2), original)
    assert found.against_holdout["original"].overall == 1
    assert found.against_holdout["subset"].overall == pytest.approx(found.subset.overall)


def test_read_history__takes_every_event_with_an_objective(tmp_path):
    path = tmp_path / "events.jsonl"
    events = [
        {"time": 80.0, "event": "random", "objective": 0.5},
        {"time": 90.0, "event": "search", "n_units": 9, "start": "trim"},
        {"time": 100.0, "event": "random", "objective": 0.02},
        {"time": 101.5, "event": "trim", "n": 2, "of": 2, "units": 9, "objective": 0.01},
        {"time": 102.0, "event": "trim", "n": 1, "of": 2, "units": 12},
    ]
    path.write_text("\n".join(json.dumps(event) for event in events) + '\n{"time": 103, "obj', encoding="utf-8")
    assert [(p.seconds, p.stage, p.objective) for p in read_history(path)] == [(0, "random", 0.02), (1.5, "trim", 0.01)]


def test_read_history__no_file_no_points(tmp_path):
    assert read_history(None) == ()
    assert read_history(tmp_path / "none.jsonl") == ()
