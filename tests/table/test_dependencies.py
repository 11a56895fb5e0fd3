"""Dependencies: found where chance doesn't explain them, kept by what the original has."""

import numpy as np
import pandas as pd
import pytest

from issodask.table.columns import Columns
from issodask.table.dependencies import find_dependencies

RANDOM = np.random.default_rng(1)
CITY = RANDOM.integers(0, 8, 400)
FRAME = pd.DataFrame(
    {
        "city": np.array(list("abcdefgh"))[CITY],
        "code": 100.0 + CITY,
        "land": np.array(list("xxyyzzzz"))[CITY],
        "age": RANDOM.integers(0, 90, 400).astype(float),
        "founded": pd.Timestamp("1990-01-01") + pd.to_timedelta(CITY, "D"),
        "rare": np.where(np.arange(400) == 7, "yes", "no"),
        "same": "always",
    }
)


def found(frame):
    return {one.text: one for one in find_dependencies(Columns.of(frame), list(frame.columns))}


def test_find_dependencies__those_that_there_are():
    expected = {
        f"{a} -> {b}" for a in ("city", "code", "founded") for b in ("city", "code", "founded", "land") if a != b
    }
    assert set(found(FRAME)) == expected


def test_find_dependencies__missing_values():
    frame = FRAME.assign(land=FRAME.land.mask(FRAME.city == "a"), code=FRAME.code.mask(RANDOM.random(400) < 0.1))
    assert "city -> land" in found(frame)  # one city has no land: that is its value
    assert "city -> code" not in found(frame)
    assert "code -> city" in found(frame)  # a code that is missing determines nothing


@pytest.mark.parametrize("n_rows", [0, 1, 5])
def test_find_dependencies__too_few_rows_show_none(n_rows):
    assert found(FRAME.head(n_rows)) == {}


def test_dependency__rows_that_keep_it():
    rule = found(FRAME)["city -> code"]
    table = pd.DataFrame({"city": ["a", "a", "b", "new", None, "b"], "code": [100.0, 101, 101, 5, 6, np.nan]})
    assert rule.keeps(Columns.of(table)).tolist() == [True, False, True, True, True, False]
    assert rule.keeps(Columns.of(FRAME)).all()


def test_dependency__times_of_another_unit():
    rule = found(FRAME)["founded -> land"]
    table = FRAME.assign(founded=FRAME.founded.astype("datetime64[s]"))
    assert rule.keeps(Columns.of(table)).all()
    wrong = table.assign(land="w")
    assert not rule.keeps(Columns.of(wrong)).any()
