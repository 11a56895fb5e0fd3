"""Group keys of a part as numbers: equal where the keys are, whatever the cut and the type."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from issodask.errors import InputError
from issodask.store import parts
from issodask.store.folders import find_parts
from issodask.store.parts import hash_keys, key_at

KEY = "who 🎓"
DAY = datetime.datetime(2020, 1, 1)


def write_keys(path, keys):
    pq.write_table(pa.table({KEY: keys, "x": range(len(keys))}), path)
    return find_parts(path)[0]


KEYS = {
    "texts": pa.array(["7", "07", "", "7.0", "x", "2020-01-01", "2020-01-01 00:00:00"]),
    "large texts": pa.array(["7", "07"], pa.large_string()),
    "binary": pa.array([b"\xff", b"\xfe"]),
    "binary of fixed size": pa.array([b"\xff\x00", b"\xfe\x00"], pa.binary(2)),
    "integers": pa.array([7, -7, 2**63 - 1, 2**53, 2**53 + 1]),
    "unsigned": pa.array([7, 2**64 - 1], pa.uint64()),
    "floats": pa.array([7.0, 7.5, -7.0, 1e10, 1e15, 1e15 + 1, 1e300, 2.0**53, 2.0**53 + 2]),
    "float32": pa.array([7.0, 7.5], pa.float32()),
    "decimals": pa.array([decimal.Decimal(10**30), decimal.Decimal(10**30 + 1)], pa.decimal128(38, 0)),
    "dates": pa.array([datetime.date(2020, 1, 1), datetime.date(1492, 10, 12)]),
    "times": pa.array([DAY, DAY + datetime.timedelta(microseconds=1), DAY + datetime.timedelta(hours=1)]),
    "with a zone": pa.array([DAY, DAY + datetime.timedelta(hours=1)], pa.timestamp("ms", "Europe/Vienna")),
    "categories": pa.array(["a", "b"]).dictionary_encode(),
    "categories of numbers": pa.array([7, 8]).dictionary_encode(),
    "booleans": pa.array([True, False]),
}


@pytest.mark.parametrize("name", KEYS)
def test_hash_keys__different_keys_differ_and_equal_ones_do_not(tmp_path, monkeypatch, name):
    distinct = KEYS[name]
    places = np.random.default_rng(1).integers(0, len(distinct), 40)
    places[: len(distinct)] = range(len(distinct))
    path = write_keys(tmp_path / "a.parquet", distinct.take(places))
    hashes = hash_keys(path, KEY)
    assert hashes.name == KEY
    assert hashes.notna().all()
    assert np.array_equal(pd.factorize(hashes)[0], places)
    monkeypatch.setattr(parts, "MAX_BATCH_ROWS", 3)
    pd.testing.assert_series_equal(hash_keys(path, KEY), hashes)


@pytest.mark.parametrize("keys", [pa.array([None, 1.5, float("nan"), 1.5]), pa.array([None, "a", None, "a"])])
def test_hash_keys__missing_ones(tmp_path, keys):
    hashes = hash_keys(write_keys(tmp_path / "a.parquet", keys), KEY)
    assert hashes.isna().tolist() == [True, False, True, False]


def test_hash_keys__all_missing(tmp_path):
    assert hash_keys(write_keys(tmp_path / "a.parquet", pa.nulls(3)), KEY).isna().tolist() == [True] * 3


def test_hash_keys__lists_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.parquet: group keys are nested .list<.*: make them text"):
        hash_keys(write_keys(tmp_path / "a.parquet", pa.array([[1], [2]])), KEY)


def test_key_at__as_text(tmp_path):
    assert key_at(write_keys(tmp_path / "a.parquet", pa.array([5, 6, 7])), KEY, 2) == "7"
    pd.DataFrame({"x": [1, 2], KEY: ["k0", "k1"]}).to_csv(tmp_path / "b.csv", index=False)
    assert key_at(find_parts(tmp_path / "b.csv")[0], KEY, 1) == "k1"
