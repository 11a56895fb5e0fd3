"""Pools that are found, and the one line about those that can't be used."""

import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.store.pool import check_pool, open_pool
from tests.door import schema_from


@pytest.fixture
def frame():
    return pd.DataFrame({"n": range(10), "t": list("abcdefghij")})


def test_open_pool__parts_by_name_without_hidden_ones(tmp_path, frame):
    frame.to_parquet(tmp_path / "b.parquet")
    frame.head(3).to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "c.csv.gz", index=False)
    for name in (".x.parquet", "_y.parquet", "z.parquet.tmp", "._b.parquet"):
        (tmp_path / name).write_text("no table")
    pool = open_pool(tmp_path)
    assert [(part.name, part.n_rows) for part in pool.parts] == [
        ("a.parquet", 3),
        ("b.parquet", 10),
        ("c.csv.gz", None),
    ]
    assert pool.columns == ("n", "t")
    assert pool.n_rows is None


def test_open_pool__single_file(tmp_path, frame):
    frame.to_parquet(tmp_path / "pool.parquet")
    pool = open_pool(tmp_path / "pool.parquet")
    assert pool.n_rows == 10
    assert pool.path(pool.parts[0]) == tmp_path / "pool.parquet"


def test_open_pool__nothing_there(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        open_pool(tmp_path / "nowhere")


def test_open_pool__empty(tmp_path, frame):
    frame.head(0).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="is empty"):
        open_pool(tmp_path)


def test_open_pool__truncated_part_is_named(tmp_path, frame):
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-40])
    with pytest.raises(InputError, match=r"b\.parquet is not a whole Parquet file"):
        open_pool(tmp_path)


def test_open_pool__part_with_fewer_columns_is_named(tmp_path, frame):
    frame.to_parquet(tmp_path / "a.parquet")
    frame[["n"]].to_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"part b\.parquet .* lacks columns that a\.parquet has: 't'"):
        open_pool(tmp_path)


def test_check_pool__missing_and_foreign_columns(tmp_path, frame):
    frame.to_parquet(tmp_path / "a.parquet")
    pool = open_pool(tmp_path)
    check_pool(pool, schema_from(frame))
    with pytest.raises(InputError, match=r"lacks 1 of the original's 3 columns: 'wage'"):
        check_pool(pool, schema_from(frame.assign(wage=1)))
    with pytest.raises(InputError, match="no columns in common"):
        check_pool(pool, schema_from(pd.DataFrame({"other": [1]})))
