from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from issodask.models.codec import GROUP, Codec, Helper
from issodask.models.missing import REST
from issodask.store.tables import as_frame
from issodask.table.bins import RARE
from issodask.table.roles import Found
from issodask.table.schema import Schema
from tests.door import as_written, schema_from
from tests.models.tables import awkward, sequences


def fitted(frame: pd.DataFrame) -> tuple[Codec, Schema]:
    schema = schema_from(frame)
    return Codec.fit(frame, schema), schema


def there_and_back(frame: pd.DataFrame, through_file: str | None = None) -> pd.DataFrame:
    codec, schema = fitted(frame)
    encoded = codec.encode(frame)
    if through_file is not None:
        encoded.to_parquet(through_file)
        encoded = pd.read_parquet(through_file)
    return as_written(codec.decode(encoded), schema)


def test_codec__there_and_back_is_the_same_table(tmp_path):
    original = as_frame(awkward()).drop(columns=["identifier", "large"])  # which come back as others
    schema = schema_from(original)
    back = there_and_back(original, through_file=str(tmp_path / "table.parquet"))
    assert_frame_equal(back, as_written(original, schema))


def test_codec__names_are_its_own():
    codec, _ = fitted(as_frame(awkward()))
    names = list(codec.encode(as_frame(awkward())).columns)
    assert names == list(codec.names)
    assert all(name[0] in "cm" and name[1:].isdigit() and len(name) == 5 for name in names)
    assert len(set(names)) == len(names)


def test_codec__types_are_plain():
    codec, _ = fitted(as_frame(awkward()))
    encoded = codec.encode(as_frame(awkward()))
    plain = {"c": {"float64", "Int64", "string", "datetime64[ns]"}, "m": {"object"}}
    assert all(str(dtype) in plain[name[0]] for name, dtype in encoded.dtypes.items())


def test_codec__columns_without_any_value_are_not_learnt():
    frame = pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]})
    codec, schema = fitted(frame)
    assert codec.names == ()
    back = as_written(codec.decode(pd.DataFrame(index=range(3))), schema)
    assert back.isna().all().all()
    assert len(back) == 3


def test_helpers__one_for_columns_that_are_missing_together():
    is_missing = np.arange(100) < 40
    frame = pd.DataFrame({"a": np.where(is_missing, np.nan, 1.0), "b": 2.0, "c": np.where(is_missing, None, "x")})
    codec, _ = fitted(frame)
    assert codec.helpers == (Helper("m0000", (0, 2)),)
    assert codec.encode(frame)["m0000"].value_counts().to_dict() == {"00": 60, "11": 40}


def test_helpers__none_without_missing_values():
    codec, _ = fitted(pd.DataFrame({"a": [1, 2], "b": [None, None]}))
    assert codec.helpers == ()


def test_helpers__several_when_patterns_would_be_rare():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{i}": np.where(rng.random(500) < 0.5, np.nan, 1.0) for i in range(12)})
    codec, _ = fitted(frame)
    assert len(codec.helpers) > 1
    assert sorted(i for helper in codec.helpers for i in helper.columns) == list(range(12))
    assert (codec.encode(frame)[["m0000", "m0001"]] == "rest").mean().max() <= 0.02


def test_helpers__decide_what_is_missing():
    frame = pd.DataFrame({"a": [1.0, np.nan] * 20, "b": ["x", "y"] * 20})
    codec, _ = fitted(frame)
    sample = pd.DataFrame({"m0000": ["1", "0", "rest"], "c0000": [5.0, 6.0, 7.0], "c0001": ["x", "x", "y"]})
    decoded = codec.decode(sample)
    assert list(decoded.columns) == ["a", "b"]
    assert decoded["a"].isna().tolist() == [True, False, False]


def test_helpers__rare_patterns_are_not_told():
    is_missing = np.zeros((1000, 2), dtype=bool)
    is_missing[:500, 0] = True
    is_missing[0, 1] = True
    frame = pd.DataFrame(np.where(is_missing, np.nan, 1.0), columns=["a", "b"])
    codec, _ = fitted(frame)
    helper = codec.encode(frame)["m0000"]
    assert helper[0] == "rest"
    assert set(helper[1:]) == {"00", "10"}


def test_text__rare_values_are_learnt_as_one():
    names = [f"person {i}" for i in range(95)] + ["John"] * 9
    codec, _ = fitted(pd.DataFrame({"name": names}))
    encoded = codec.encode(pd.DataFrame({"name": names}))["c0000"]
    assert sorted(encoded.value_counts().tolist()) == [9, 95]
    assert set(encoded[-9:]) == {"John"}


def test_text__rare_values_come_back_as_others_that_enough_share():
    titles = [f"title {i}" for i in range(14) for _ in range(60 - i)] + [f"only {i}" for i in range(300)]
    frame = pd.DataFrame({"title": titles})
    codec, _ = fitted(frame)
    back = codec.decode(codec.encode(frame), seed=3)["title"]
    counts = back.value_counts()
    assert set(counts.index) == set(titles[:-300])
    top = [f"title {i}" for i in range(10)]
    assert counts[top].tolist() == frame["title"].value_counts()[top].tolist()
    assert back.equals(codec.decode(codec.encode(frame), seed=3)["title"])
    assert not back.equals(codec.decode(codec.encode(frame), seed=4)["title"])


def test_text__what_the_engine_hides_comes_back_as_another():
    frame = pd.DataFrame({"x": [*"abc"] * 6})
    codec, _ = fitted(frame)
    back = codec.decode(pd.DataFrame({"c0000": [RARE, "a"]}))["x"]
    assert back[0] in set("abc")
    assert back[1] == "a"


def test_text__the_engines_word_may_be_the_originals_own():
    frame = pd.DataFrame({"x": [RARE, "rare"] * 20 + ["only"]})
    codec, _ = fitted(frame)
    encoded = codec.encode(frame)["c0000"]
    assert encoded.nunique() == 3
    back = codec.decode(codec.encode(frame))["x"]
    assert back[:40].tolist() == frame["x"][:40].tolist()
    assert back[40] in (RARE, "rare")


@pytest.mark.parametrize("values", [list(range(50)), [i + 0.5 for i in range(50)]])
def test_text__categories_of_numbers_come_back_as_numbers(values):
    back = there_and_back(pd.DataFrame({"x": pd.Categorical(values)}))["x"]
    assert back.notna().all()
    assert not set(back) & set(values)
    assert back.cat.categories.dtype == np.array(values).dtype


def test_roles__ids_are_left_out_and_constants_are_kept():
    frame = pd.DataFrame({"id": range(9), "one": ["x"] * 9, "n": [1.5] * 9})
    schema = schema_from(frame).having_roles({"id": Found("id", ""), "one": Found("constant", "")})
    codec = Codec.fit(frame, schema)
    assert codec.names == ("c0001",)
    back = codec.decode(codec.encode(frame))
    assert_frame_equal(as_written(back, schema.without("id")), as_written(frame, schema.without("id")))


def test_roles__a_constant_may_be_missing_first():
    """One value beside missing ones is constant only where the user says so."""
    frame = pd.DataFrame({"one": [None, "x", "x", "x"] * 15, "n": [1.5] * 60})
    schema = schema_from(frame).having_roles({"one": Found("constant", "")})
    codec = Codec.fit(frame, schema)
    assert_frame_equal(as_written(codec.decode(codec.encode(frame)), schema), as_written(frame, schema))


def test_roles__ids_are_learnt_where_there_is_nothing_else():
    frame = pd.DataFrame({"id": range(9), "key": [f"k{i}" for i in range(9)]})
    schema = schema_from(frame).having_roles({"id": Found("id", ""), "key": Found("id", "")})
    assert Codec.fit(frame, schema).names == ("c0000", "c0001")
    assert Codec.fit(frame, schema, "key").names == ("c0000",)


def test_roles__numbers_may_be_categories():
    frame = pd.DataFrame({"zip": [1010, 9020] * 20})
    schema = schema_from(frame).having_roles({"zip": Found("category", "")})
    codec = Codec.fit(frame, schema)
    assert set(codec.encode(frame)["c0000"]) == {"1010", "9020"}
    assert_frame_equal(as_written(codec.decode(codec.encode(frame)), schema), frame)


def grouped(frame: pd.DataFrame, group_key: str = "person") -> tuple[Codec, Schema]:
    schema = schema_from(frame)
    return Codec.fit(frame, schema, group_key), schema


def test_groups__there_and_back_is_the_same_table_with_other_keys():
    original = sequences()
    codec, schema = grouped(original)
    back = as_written(codec.decode(codec.encode(original)), schema.without("person"))
    wanted = as_written(original, schema.without("person"))
    others = wanted["job"] != "mine"  # which one group alone has
    assert_frame_equal(back[others], wanted[others])
    keys = codec.decode(codec.encode(original))["person"]
    assert (pd.factorize(keys)[0] == pd.factorize(original["person"])[0]).all()


def test_groups__the_key_is_not_learnt():
    original = sequences()
    codec, _ = grouped(original)
    assert all(item.column.name != "person" for item in codec.learnt)
    encoded = codec.encode(original)
    assert list(encoded.columns) == [GROUP, *codec.names]
    assert encoded[GROUP].dtype == "int64"
    renamed = original.assign(person=original["person"] + "x")
    assert_frame_equal(grouped(renamed)[0].encode(renamed), encoded)


def test_groups__columns_that_never_change_are_told_apart():
    codec, _ = grouped(sequences())
    assert {item.column.name for item in codec.learnt if item.of_group} == {"sex", "born"}
    assert codec.helpers == (Helper("m0000", (1,), of_group=True), Helper("m0001", (3,)))
    assert codec.names_of_groups == ("m0000", "c0000", "c0001")


def test_groups__a_single_other_row_makes_a_column_change():
    original = sequences()
    original.loc[original.index[-1], "sex"] = "?"
    assert grouped(original)[0].names_of_groups == ("m0000", "c0001")
    original.loc[original.index[-1], "born"] = np.nan if pd.notna(original["born"].iloc[-1]) else 1950
    assert grouped(original)[0].names_of_groups == ()


def test_groups__rows_keep_columns_when_nothing_ever_changes():
    original = sequences()[["person", "sex", "born"]]
    assert grouped(original)[0].names_of_groups == ()
    of_one_row = sequences().drop_duplicates("person")
    assert grouped(of_one_row)[0].names_of_groups == ()


def test_flat__no_column_is_of_a_group():
    assert fitted(sequences())[0].names_of_groups == ()


def test_rare__many_rows_of_one_group_are_rare():
    n_own = 60
    missing_in_one = [np.nan] * 30 + [1.0] * 90
    names = ["mine"] * 30 + ["John"] * 39 + [f"n{i}" for i in range(51)]
    frame = pd.DataFrame({"key": [0] * n_own + list(range(1, 61)), "x": missing_in_one, "name": names})
    encoded = grouped(frame, "key")[0].encode(frame)
    assert encoded["m0000"].value_counts().to_dict() == {"0": 90, REST: 30}
    assert sorted(encoded["c0001"].value_counts().tolist()) == [39, 81]
    assert "mine" not in set(encoded["c0001"])
    as_rows = fitted(frame)[0].encode(frame)
    assert as_rows["m0000"].value_counts().to_dict() == {"0": 90, "1": 30}
    assert "mine" in set(as_rows["c0002"])


def test_rare__a_group_that_never_changes_gets_one_text():
    homes = np.repeat([*[f"town {i % 12}" for i in range(120)], *[f"farm {i}" for i in range(40)]], 3)
    frame = pd.DataFrame({"key": np.repeat(np.arange(160), 3), "home": homes, "x": np.arange(480) % 7})
    codec = grouped(frame, "key")[0]
    back = codec.decode(codec.encode(frame))
    assert (back.groupby("key")["home"].nunique() == 1).all()
    assert set(back["home"][-120:]) == {"town 10", "town 11"}


def test_large__numbers_come_back_in_range():
    largest = np.iinfo("int64").max
    limits = pd.Series([largest] * 20 + list(range(0, 9_000, 300)) + [None] * 5, dtype="Int64")
    hashes = np.random.default_rng(0).integers(2**63, 2**64 - 1, len(limits), dtype="uint64")
    frame = pd.DataFrame({"limit": limits, "hash": hashes})
    codec, schema = fitted(frame)
    assert codec.encode(frame)[["c0000", "c0001"]].max().tolist() == [30, len(limits) - 1]
    back = as_written(codec.decode(codec.encode(frame)), schema)
    assert (back.dtypes == frame.dtypes).all()
    assert (back["limit"][:20] == largest).all()
    assert back["limit"].between(0, largest).sum() == 50
    assert back["limit"].isna().tolist() == frame["limit"].isna().tolist()
    assert not back["hash"].isin(frame["hash"]).any()
    assert (back["hash"] >= frame["hash"].min()).all()


@pytest.mark.parametrize("values", [[1e49, -3e48, 0.5, None], [Decimal(10**49), Decimal(-3), Decimal(10**18), None]])
def test_ranks__floating_numbers_of_more_digits_than_an_engine_sees(values):
    frame = as_frame(pa.table({"n": values * 9}))
    codec, schema = fitted(frame)
    encoded = codec.encode(frame)["c0000"]
    assert encoded.max() == 2
    back = as_written(codec.decode(codec.encode(frame)), schema)
    assert back["n"].isna().tolist() == frame["n"].isna().tolist()
    assert np.array_equal(back["n"].astype(float), frame["n"], equal_nan=True)
    rare = as_frame(pa.table({"n": values}))
    drawn = Codec.fit(rare, schema).decode(codec.encode(rare))["n"].dropna()
    assert not drawn.isin(rare["n"]).any()
    assert drawn.between(rare["n"].min(), rare["n"].max()).all()
