"""What trees see of a table."""

import numpy as np
import pandas as pd

from issodask.table.columns import Columns
from issodask.table.features import MOST_CATEGORIES, Features
from issodask.table.groups import SEQUENCE_LENGTH, Groups

TABLE = pd.DataFrame(
    {
        "number": [1.5, None, 3.0, 4.0],
        "text": ["b", "b", "a", None],
        "day": pd.to_datetime(["2001-01-01", None, "2001-01-03", "2001-01-04"]),
        "flag": [True, False, True, True],
    }
)


def test_features__of_rows_are_their_values():
    features = Features.of(Columns.of(TABLE))
    found = features.matrix(Columns.of(TABLE))
    assert [feature.name for feature in features.features] == list(TABLE)
    assert features.categories == (1,)
    assert np.array_equal(found[:, 0], [1.5, np.nan, 3.0, 4.0], equal_nan=True)
    assert np.array_equal(found[:, 1], [0, 0, 1, np.nan], equal_nan=True)  # by frequency
    assert np.isnan(found[1, 2])
    assert found[2, 2] > found[0, 2]
    assert found[:, 3].tolist() == [1, 0, 1, 1]


def test_features__unknown_and_rare_categories_are_one():
    original = pd.DataFrame({"text": [f"{i:03}" for i in range(300)]})
    features = Features.of(Columns.of(original))
    found = features.matrix(Columns.of(pd.DataFrame({"text": ["000", "299", "never seen", None]})))
    assert np.array_equal(found[:, 0], [0, MOST_CATEGORIES, MOST_CATEGORIES, np.nan], equal_nan=True)


def test_features__of_another_dictionary_are_the_same():
    features = Features.of(Columns.of(TABLE))
    turned = TABLE.assign(text=TABLE.text.astype(pd.CategoricalDtype(["a", "c", "b"])))
    assert np.array_equal(features.matrix(Columns.of(turned)), features.matrix(Columns.of(TABLE)), equal_nan=True)


def test_features__of_groups():
    """Groups of rows 0, 2, 3 and of row 1, wherever they lie."""
    table = Columns.of(TABLE[["number", "text"]])
    groups = Groups.of(pd.Series(["p", "q", "p", "p"]))
    features = Features.of(table, is_grouped=True)
    found = features.matrix(table, groups)
    assert [feature.name for feature in features.features] == [
        *("number (first)", "number (last)", "number (mean)"),
        *("text (first)", "text (last)", "text (categories)"),
        SEQUENCE_LENGTH,
    ]
    assert np.array_equal(found[0], [1.5, 4.0, 8.5 / 3, 0, np.nan, 3, 3], equal_nan=True)
    assert np.array_equal(found[1], [np.nan, np.nan, np.nan, 0, 0, 1, 1], equal_nan=True)


def test_features__pieces_are_those_of_the_whole():
    features = Features.of(Columns.of(TABLE))
    pieces = [features.values(Columns.of(TABLE.iloc[part])) for part in (slice(0, 1), slice(1, 4))]
    assert np.array_equal(np.concatenate(pieces), features.matrix(Columns.of(TABLE)), equal_nan=True)
