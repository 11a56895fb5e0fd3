"""Told apart: a table of the same people can't be told from them; another one is, by the column that differs."""

import numpy as np
import pandas as pd
import pytest

from issodask.report.apart import tell_apart
from issodask.report.tables import Table
from tests.report.tables import as_table, real_table, sequence_table


@pytest.fixture(scope="module")
def told():
    subset = real_table(500, 3)
    subset["age"] = (subset["age"] // 10) * 10  # heaped, as real ages are not
    frames = {
        "original": real_table(500, 1),
        "subset": subset,
        "pool_sample": real_table(500, 4),
        "holdout": real_table(600, 2),
    }
    return tell_apart({name: Table.flat(frame) for name, frame in frames.items()}, seed=1)


@pytest.mark.slow
def test_apart__real_rows_are_not_told_from_real_ones(told):
    assert told.reference == "holdout"
    for name in ("original", "pool_sample"):
        assert abs(told.by_table[name].auc - 0.5) < 4 * told.by_table[name].error


def test_apart__what_differs_gives_away(told):
    assert told.by_table["subset"].auc > 0.8
    assert next(iter(told.given_away_by)) == "age"
    assert sum(told.given_away_by.values()) <= 1 + 1e-9


def test_apart__without_a_holdout_from_the_original():
    tables = {"original": Table.flat(real_table(200, 1)), "subset": Table.flat(real_table(200, 2))}
    told = tell_apart(tables, seed=1)
    assert told.reference == "original"
    assert set(told.by_table) == {"subset"}
    assert told == tell_apart(tables, seed=1)


def test_apart__groups():
    tables = {
        name: as_table(sequence_table(150, seed), "person")
        for name, seed in (("original", 1), ("subset", 2), ("holdout", 3))
    }
    told = tell_apart(tables, seed=1)
    assert abs(told.by_table["subset"].auc - 0.5) < 0.2
    assert set(told.given_away_by) <= {*tables["original"].columns.names, "Sequence Length"}


def test_apart__of_equal_rows_is_a_guess():
    same = Table.flat(pd.DataFrame({"a": np.zeros(100)}))
    assert tell_apart({"original": same, "subset": same}, seed=1).by_table["subset"].auc == pytest.approx(0.5)


def test_apart__too_few_rows_say_nothing():
    few = Table.flat(real_table(20, 1))
    assert tell_apart({"original": few, "subset": few}, seed=1) is None
