"""Compare: where tables stand beside one another, and what is refused."""

import numpy as np
import pytest

from issodask.config import EvaluateConfig, RulesConfig
from issodask.errors import InputError
from issodask.stages.compare import compare
from issodask.stages.evaluate import evaluate
from tests.report.tables import real_table, sequence_table

pytestmark = pytest.mark.slow

CONFIG = EvaluateConfig(distance_rows=200)
N = 600


def shuffled(table, seed):
    """Each column by itself: nothing of what goes together is left."""
    random = np.random.default_rng(seed)
    return table.apply(lambda column: column.sample(frac=1, random_state=random).to_numpy())


@pytest.fixture(scope="module")
def tables():
    original = real_table(N, 1)
    return {"alike": real_table(N, 3), "shuffled": shuffled(original, 4), "copy": original.sample(frac=1)}


@pytest.fixture(scope="module")
def found(tables):
    rules = RulesConfig(rows=("age >= 30 or income < 10000",))
    return compare(real_table(N, 1), tables, real_table(N, 2), CONFIG, seed=5, rules=rules)


def test_compare__a_copy_tells_of_members_and_other_real_people_don_t(found):
    copy, alike = found.standings["copy"], found.standings["alike"]
    assert copy.attack > 0.7
    assert (copy.copies, copy.are_copies_beyond_chance, copy.dcr_share > 0.6) == (1.0, True, True)
    assert abs(alike.attack - 0.5) < 3 * alike.attack_error
    assert abs(alike.told_apart - 0.5) < 0.06


def test_compare__what_was_shuffled_is_close_by_column_alone(found):
    shuffled, alike = found.standings["shuffled"], found.standings["alike"]
    assert shuffled.univariate == 1
    assert shuffled.trivariate < alike.trivariate
    assert shuffled.use < 0.5 < alike.use


def test_compare__landmarks_are_the_original_and_people_held_out(found):
    original, holdout = found.landmarks["original"], found.landmarks["holdout"]
    assert (original.accuracy, original.use) == (1.0, 1.0)
    assert original.attack == found.standings["copy"].attack
    assert (holdout.use, holdout.dcr_share) == (None, None)
    assert abs(holdout.attack - 0.5) < 3 * holdout.attack_error


def test_compare__shares_that_keep_a_rule_are_counted_in_the_table(found, tables):
    (text,) = found.standings["alike"].rules
    rows = tables["alike"]
    kept = (rows.age >= 30) | ~(rows.income >= 10_000)
    assert found.standings["alike"].rules[text] == pytest.approx(kept.mean())


def test_compare__each_table_stands_where_a_report_of_its_own_puts_it(found, tables):
    record = evaluate(real_table(N, 1), tables["alike"], real_table(N, 2), config=CONFIG, seed=5)["issodask"]
    alike = found.standings["alike"]
    assert alike.accuracy == record["accuracy"]["against_original"]["subset"]["overall"]
    assert alike.unseen == record["accuracy"]["against_holdout"]["subset"]["overall"]
    assert alike.attack == max(one["auc"] for one in record["attack"]["by_table"]["subset"].values())


def test_compare__without_a_holdout_says_what_can_be_said(tables):
    found = compare(real_table(N, 1), {"alike": tables["alike"]}, config=CONFIG)
    alike = found.standings["alike"]
    assert alike.accuracy > 0.8
    assert (alike.unseen, alike.use, alike.told_apart, alike.attack, alike.dcr_share) == (None,) * 5
    assert list(found.landmarks) == ["original"]


def test_compare__a_tiny_table_has_what_can_be_measured(tables):
    found = compare(real_table(N, 1), {"tiny": tables["alike"].head(12)}, real_table(N, 2), CONFIG)
    assert found.standings["tiny"].unseen > 0
    assert found.standings["tiny"].use is None


def test_compare__groups_are_units():
    tables = {"other": sequence_table(120, 3)}
    found = compare(sequence_table(120, 1), tables, sequence_table(120, 2), CONFIG, group_key="person")
    other = found.standings["other"]
    assert (found.unit, other.n_units) == ("group", 120)
    assert other.coherence is not None


@pytest.mark.parametrize("name", ["original", "holdout", "control"])
def test_compare__names_of_real_tables_are_taken(name, tables):
    with pytest.raises(InputError, match=f"can't be called '{name}'"):
        compare(real_table(N, 1), {name: tables["alike"]})


def test_compare__no_table_is_refused():
    with pytest.raises(InputError, match="no table to compare"):
        compare(real_table(N, 1), {})


def test_compare__a_table_of_other_columns_is_named(tables):
    with pytest.raises(InputError, match="table 'mine' lacks 1 of the original's"):
        compare(real_table(N, 1), {"mine": tables["alike"].drop(columns="age")})
