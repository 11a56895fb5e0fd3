"""Train on synthetic, test on real: what is learnt from a table, and how it is said."""

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.report.tables import Table
from issodask.report.use import N_SEEDS, measure_use
from issodask.table.groups import SEQUENCE_LENGTH
from tests.report.tables import as_table, sequence_table


def people(n_rows, seed, is_noise=False):
    """Who is rich follows from age and city; the rest tells nothing."""
    random = np.random.default_rng(seed)
    age, city = random.integers(18, 80, n_rows), random.choice(["Wien", "Linz", "Graz"], n_rows)
    score = (age - 50) / 10 + 2 * (city == "Wien") + random.normal(0, 0.5, n_rows)
    rich = np.where(score > 0, "yes", "no")
    if is_noise:
        rich = random.permutation(rich)
    return pd.DataFrame(
        {"age": age, "city": city, "rich": rich, "luck": random.integers(0, 9, n_rows), "same": ["x"] * n_rows}
    )


@pytest.fixture(scope="module")
def tables():
    frames = {
        "original": people(700, 1),
        "subset": people(700, 2),
        "pool_sample": people(700, 3, is_noise=True),
        "holdout": people(500, 4),
    }
    return {name: Table.flat(frame) for name, frame in frames.items()}


@pytest.fixture(scope="module")
def rich(tables):
    (prediction,) = measure_use(tables, ["rich"], seed=1)
    return prediction


def test_use__a_table_of_the_same_people_teaches_the_same(rich):
    assert rich.task == "binary"
    assert rich.score("original") > 0.95
    assert abs(rich.score("subset") - rich.score("original")) < 0.02


def test_use__noise_teaches_nothing(rich):
    assert rich.score("pool_sample") < 0.65


def test_use__all_measures_are_there_with_their_spread(rich):
    for scores in rich.scores.values():
        assert set(scores) == {"auc", "pr_auc", "accuracy"}
        assert all(0 <= score.mean <= 1 and score.spread >= 0 for score in scores.values())


def test_use__says_what_predictions_go_by(rich):
    shares = rich.importances["original"]
    assert list(shares)[:2] in (["age", "city"], ["city", "age"])
    assert sum(shares.values()) == pytest.approx(1)
    assert rich.importances["subset"].keys() == shares.keys()


def test_use__says_what_values_add(rich):
    found = rich.dependence
    assert found.feature == next(iter(rich.importances["original"]))
    by_table = found.by_table["original"]
    assert len(by_table) == len(found.labels)
    assert max(by_table) > 0 > min(by_table)


@pytest.mark.slow
def test_use__finds_columns_that_others_predict(tables):
    """The constant has nothing to predict, luck can't be."""
    found = [prediction.column for prediction in measure_use(tables, None, seed=1)]
    assert found[0] == "rich"
    assert not {"luck", "same"} & set(found)


def test_use__is_repeatable(tables, rich):
    assert measure_use(tables, ["rich"], seed=1) == (rich,)


@pytest.mark.slow
def test_use__of_numbers_and_of_several_classes(tables):
    age, city = measure_use(tables, ["age", "city"], seed=1)
    assert (age.task, age.measure) == ("regression", "r2")
    assert (city.task, city.measure) == ("multiclass", "auc")
    assert 0.1 < age.score("original") <= 1
    assert 0.5 < city.score("original") <= 1


def test_use__a_category_that_nearly_all_are_in():
    """None of the holdout is in the rare one: there is no curve, but there are right answers."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"a": random.normal(size=300), "b": ["x"] * 297 + ["y"] * 3})
    tables = {name: Table.flat(frame) for name in ("original", "subset")}
    (found,) = measure_use({**tables, "holdout": Table.flat(frame[:200])}, ["b"], seed=1)
    assert set(found.scores["original"]) == {"accuracy"}
    assert found.score("original") is None


def test_use__missing_answers_are_left_out(tables):
    hidden = {
        name: Table.flat(table.rows.assign(rich=table.rows.rich.where(table.rows.age > 30)))
        for name, table in tables.items()
    }
    (found,) = measure_use(hidden, ["rich"], seed=1)
    assert found.score("subset") > 0.9


def test_use__of_groups_is_their_last_value():
    key = "person"
    tables = {
        name: as_table(sequence_table(200, seed), key)
        for name, seed in (("original", 1), ("subset", 2), ("holdout", 3))
    }
    names = tables["original"].columns.names
    found = measure_use(tables, [names[0]], seed=1)
    assert found[0].column == names[0]
    features = set(found[0].importances["original"])
    assert not any(name.startswith(f"{names[0]} (") for name in features)
    assert any(name.endswith("(last)") or name == SEQUENCE_LENGTH for name in features)


def test_use__needs_a_holdout_and_enough_people(tables):
    few = {name: Table.flat(table.rows[:50]) for name, table in tables.items()}
    assert measure_use(few, None, seed=1) == ()
    assert measure_use({name: tables[name] for name in ("original", "subset")}, None, seed=1) == ()


@pytest.mark.parametrize(("column", "said"), [("nobody", "name one of these"), ("same", "can't be predicted")])
def test_use__of_a_column_that_there_is_not_or_that_never_changes(tables, column, said):
    with pytest.raises(InputError, match=said) as told:
        measure_use(tables, [column], seed=1)
    assert column in str(told.value)


def test_use__a_wrong_name_is_told_without_a_holdout_too(tables):
    with pytest.raises(InputError, match="nobody"):
        measure_use({"original": tables["original"], "subset": tables["subset"]}, ["nobody"], seed=1)


def test_use__runs_seeds_of_its_own():
    assert N_SEEDS > 1
