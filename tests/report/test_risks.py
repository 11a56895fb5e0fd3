"""What anonymeter measures, and what is said where it is not installed."""

import pytest

from issodask.config import EvaluateConfig
from issodask.errors import InputError
from issodask.host import is_installed
from issodask.report.risks import measure_risks
from issodask.report.tables import Table
from issodask.stages.evaluate import evaluate
from tests.report.tables import as_table, real_table, sequence_table

needs_anonymeter = pytest.mark.skipif(not is_installed("anonymeter"), reason="installed by hand")


@pytest.fixture(scope="module")
def tables():
    return {name: Table.flat(real_table(300, seed)) for name, seed in (("original", 1), ("subset", 2), ("holdout", 3))}


@needs_anonymeter
@pytest.mark.slow
def test_risks__a_copy_tells_more(tables):
    honest = measure_risks(tables, ["premium"], seed=1)
    copied = measure_risks({**tables, "subset": tables["original"]}, ["premium"], seed=1)
    assert [risk.attack for risk in honest] == [
        "singled out by one column",
        "singled out by 4 columns",
        "premium inferred",
    ]
    assert all(0 <= risk.low <= risk.risk <= risk.high <= 1 for risk in honest)
    assert copied[-1].members > honest[-1].members + 0.2
    assert copied[-1].risk > honest[-1].risk


@needs_anonymeter
def test_risks__of_inference_are_repeatable(tables):
    found = [measure_risks(tables, ["city"], seed=1)[-1] for _ in range(2)]
    assert found[0] == found[1]


@needs_anonymeter
def test_risks__of_groups_look_at_a_row_of_each():
    groups = {
        name: as_table(sequence_table(150, seed), "person")
        for name, seed in (("original", 1), ("subset", 2), ("holdout", 3))
    }
    assert len(measure_risks(groups, [], seed=1)) <= 2


def test_risks__need_a_holdout_and_enough_rows(tables):
    assert measure_risks({name: tables[name] for name in ("original", "subset")}, [], seed=1) == ()
    few = {name: Table.flat(table.rows[:50]) for name, table in tables.items()}
    assert measure_risks(few, [], seed=1) == ()


def test_evaluate__says_how_to_install_anonymeter(monkeypatch):
    monkeypatch.setattr("issodask.host.is_installed", lambda module: module != "anonymeter")
    with pytest.raises(InputError, match="pip install --no-deps anonymeter"):
        evaluate(real_table(50, 1), real_table(50, 2), config=EvaluateConfig(anonymeter=True))
