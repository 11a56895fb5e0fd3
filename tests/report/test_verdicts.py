"""Verdicts: right for a subset that is as good as real, for a copy, for a bad pool, and where nothing was measured."""

from dataclasses import replace

import pandas as pd
import pytest

from issodask.config import EvaluateConfig
from issodask.report.attack import CONTROL, Attack, Membership, Separation
from issodask.report.facts import Aim
from issodask.report.tables import Table
from issodask.report.verdicts import GOOD, NOTE, UNKNOWN, WARNING, verdicts
from issodask.stages.evaluate import measure_findings
from tests.report.tables import FACTS, real_table

pytestmark = pytest.mark.slow


def findings(subset, holdout=None, pool_sample=None):
    tables = {"original": Table.flat(real_table(400, 1)), "subset": Table.flat(subset)}
    if holdout is not None:
        tables["holdout"] = Table.flat(holdout)
    if pool_sample is not None:
        tables["pool_sample"] = Table.flat(pool_sample)
    return measure_findings(tables, EvaluateConfig(distance_rows=200), 1, FACTS, None)


@pytest.fixture(scope="module")
def of_real_rows():
    return findings(real_table(400, 3), real_table(400, 2), real_table(400, 4))


def test_verdicts__other_real_rows_are_good_in_all(of_real_rows):
    faithful, of_use, private = verdicts(of_real_rows)
    assert [verdict.question for verdict in (faithful, of_use, private)] == ["Faithful?", "Of use?", "Private?"]
    assert faithful.tone in (GOOD, NOTE)  # two samples of 400 differ by chance
    assert private.tone == GOOD
    assert "random rows of the pool" in faithful.meaning
    assert "on random rows of the pool" in private.meaning


def test_verdicts__have_numbers_and_references(of_real_rows):
    for verdict in verdicts(of_real_rows):
        assert any(digit.isdigit() for digit in verdict.figure)
        assert verdict.meaning.endswith(".")


def test_verdicts__a_copy_is_not_private():
    *_, private = verdicts(findings(real_table(400, 1), real_table(400, 2)))
    assert (private.tone, private.answer) == (WARNING, "copies")


def test_verdicts__shuffled_columns_are_neither_faithful_nor_of_use():
    frame = real_table(400, 3)
    shuffled = frame.apply(lambda column: column.sample(frac=1.0, random_state=len(column.name)).to_numpy())
    noise = pd.DataFrame({name: shuffled[name].astype(dtype) for name, dtype in frame.dtypes.items()})
    noise["age"] = noise["age"] // 4 + 18
    faithful, of_use, _ = verdicts(findings(noise, real_table(400, 2)))
    assert faithful.tone == WARNING
    assert faithful.better
    assert of_use.tone in (NOTE, WARNING)


def test_verdicts__without_a_holdout_say_what_is_unknown():
    faithful, of_use, private = verdicts(findings(real_table(400, 3)))
    assert "not known" in faithful.meaning
    assert (of_use.tone, private.tone) == (UNKNOWN, UNKNOWN)
    assert "holdout" in private.better


def test_verdicts__of_ten_rows():
    for verdict in verdicts(findings(real_table(10, 3), real_table(10, 2))):
        assert verdict.answer


def test_verdicts__a_clear_attack_names_what_helps(of_real_rows):
    found = findings(
        pd.concat([real_table(400, 1).iloc[:250], real_table(150, 3)], ignore_index=True), real_table(400, 2)
    )
    bad = replace(found, copies={}, facts=replace(FACTS, aim=Aim("original")))
    *_, private = verdicts(bad)
    assert private.tone in (NOTE, WARNING)
    assert 'aim = "population"' in private.better
    *_, aimed = verdicts(replace(bad, facts=replace(FACTS, aim=Aim("population", 0.35))))
    assert "population" not in aimed.better


def separated(auc):
    return Separation(auc, (1e-6, 1e-6))


@pytest.mark.parametrize(
    ("subset", "copy", "tone"),
    [(0.51, 0.69, GOOD), (0.56, 0.69, NOTE), (0.65, 0.69, WARNING), (0.54, 0.545, NOTE)],
)
def test_verdicts__private_is_what_tells_little_beside_the_original_itself(of_real_rows, subset, copy, tone):
    """In a large table not even the original tells much of one person: then little is not enough."""

    def attack(auc):
        return {"whitened": Attack(separated(auc), separated(auc), {})}

    attacks = {"subset": attack(subset), "original": attack(copy), CONTROL: attack(0.5)}
    found = replace(of_real_rows, attack=Membership("row", 400, 400, 9, 9, attacks), copies={}, privacy=None)
    *_, private = verdicts(found)
    assert private.tone == tone
    assert "of what the original itself would tell" in private.meaning


def test_verdicts__a_bad_subset_is_not_close_without_a_holdout_either():
    frame = real_table(400, 3).assign(age=18, city="Wien")
    faithful, *_ = verdicts(findings(frame))
    assert (faithful.tone, faithful.answer) == (WARNING, "no")


def test_verdicts__a_holdout_that_overlaps_shows_nothing():
    overlapping = pd.concat([real_table(400, 1)[:200], real_table(200, 5)], ignore_index=True)
    for verdict in verdicts(findings(real_table(400, 3), overlapping)):
        assert (verdict.tone, verdict.answer) == (WARNING, "not measured")
