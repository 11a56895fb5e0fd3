"""Roles through the stages: ids are neither needed, matched nor scored, and new in the subset; nobody sees `_RARE_`."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.stages.evaluate import evaluate
from issodask.stages.original import KnownOriginal
from issodask.stages.roles import KnownColumns
from issodask.stages.select import select
from issodask.store.tables import as_table
from tests.tables import QUICK

N = 240


def people(n=N, seed=0):
    """Ids that count, ids that are codes, ids that repeat, a few texts that enough share; and what is to be matched."""
    random = np.random.default_rng(seed)
    towns = [f"town {i}" for i in range(12)]
    return pd.DataFrame(
        {
            "row_number": np.arange(1, n + 1, dtype="int32"),
            "customer": [f"C-{i:06d}" for i in random.choice(900_000, n, replace=False)],
            "case": [f"{i % 60}:{i % 7}:1" for i in random.integers(0, 420, n)],
            "town": random.choice([*towns, *(f"farm {i}" for i in range(200))], n, p=[0.06] * 12 + [0.0014] * 200),
            "age": random.integers(18, 90, n),
            "kind": random.choice(["a", "b"], n),
        }
    )


ORIGINAL = people()
POOL = people(4 * N, seed=1).drop(columns=["row_number", "customer", "case"])


@pytest.fixture
def choose(tmp_path):
    def run(original=ORIGINAL, pool=POOL, out="subset.parquet", **more):
        with open_runtime(1, "serial") as runtime:
            return select(original, pool, tmp_path / out, QUICK, runtime=runtime, **more)

    return run


def test_known__roles_and_why():
    known = KnownColumns.of(as_table(ORIGINAL), given={"kind": "text"})
    roles = {name: found.role for name, found in known.found.items()}
    assert roles == {
        **{"row_number": "id", "customer": "id", "case": "id"},
        **{"town": "text", "age": "number", "kind": "text"},
    }
    assert known.facts()["left_out"] == ["row_number", "customer", "case"]
    assert known.facts()["roles"]["kind"] == {"role": "text", "why": "named by the user"}
    assert known.matched.names == ("town", "age", "kind")
    assert known.told()[0].startswith(
        "ids, new in the subset, neither learnt nor matched nor scored: row_number (all 240"
    )


def test_select__ids_are_new_and_the_pool_needs_none(choose):
    selected = choose()
    subset = pd.read_parquet(selected.out)
    assert list(subset.columns) == list(ORIGINAL.columns)
    assert (subset.dtypes == ORIGINAL.dtypes).all()
    for name in ("row_number", "customer"):
        assert subset[name].is_unique
        assert not subset[name].isin(ORIGINAL[name]).any()
    assert subset["customer"].str.fullmatch(r"C-\d{6}").all()
    assert subset["case"].str.fullmatch(r"\d+:\d:1").all()
    assert not subset["case"].isin(ORIGINAL["case"]).any()
    assert subset["row_number"].tolist() == list(range(N + 1, 2 * N + 1))
    assert selected.facts.roles["left_out"] == ["row_number", "customer", "case"]


FLOATING = {
    "floats": pa.array([None, *map(float, range(70_001, 70_000 + N))]),
    "narrow floats": pa.array([None, *map(float, range(1, N))], pa.float32()),
    "decimals": pa.array([Decimal(10**9 + i) for i in range(N)], pa.decimal128(18, 0)),
    "cents": pa.array([None, *(Decimal(10**9 + i) for i in range(1, N))], pa.decimal128(18, 2)),
}


@pytest.mark.parametrize("name", FLOATING)
def test_select__floats_and_decimals_that_are_whole_can_be_ids(choose, name):
    original = pa.table({"account": FLOATING[name], "age": ORIGINAL["age"]})
    subset = pq.read_table(choose(original, pa.table({"age": POOL["age"]}), columns={"account": "id"}).out)
    assert subset.schema.types == original.schema.types
    taken, new = (set(table["account"].drop_null().to_pylist()) for table in (original, subset))
    assert len(new) == len(taken)
    assert not new & taken
    assert subset["account"].null_count == original["account"].null_count
    assert all(value == int(value) for value in new)


def test_known__what_may_be_ids_is_told():
    original = ORIGINAL.assign(account=np.random.default_rng(1).integers(10_000, 10**8, N))
    told = KnownColumns.of(as_table(original)).told()
    assert told[-1] == (
        "perhaps ids: account (whole numbers, 100% of which differ: if they are ids, say so with account=id)"
    )
    assert not any(
        line.startswith("perhaps") for line in KnownColumns.of(as_table(original), None, {"account": "number"}).told()
    )


@pytest.mark.slow
def test_select__ids_follow_from_the_seed_and_not_from_the_pool(choose):
    first, again, other = (
        pd.read_parquet(choose(out=f"{i}.parquet", pool=pool, seed=seed).out)["customer"]
        for i, (pool, seed) in enumerate([(POOL, 1), (POOL.assign(customer="x"), 1), (POOL, 2)])
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_select__other_ids_in_the_original_are_seen_by_a_second_run(choose):
    choose()
    taken = pd.read_parquet(choose().out)["customer"]
    subset = pd.read_parquet(choose(ORIGINAL.assign(customer=taken)).out)
    assert not subset["customer"].isin(taken).any()


def test_select__ids_of_rows_that_were_held_out_are_taken_too(choose):
    ids = [f"{i:02d}" for i in np.random.default_rng(0).permutation(100)]
    original = pd.DataFrame({"id": ids[:60], "row": np.arange(1, 61), "x": np.arange(60) % 3})
    held_out = pd.DataFrame({"id": ids[60:], "row": np.arange(61, 101), "x": np.arange(40) % 3})
    subset = pd.read_parquet(choose(original, pd.DataFrame({"x": np.arange(999) % 3}), held_out=held_out).out)
    assert not subset["id"].isin(ids).any()
    assert subset["id"].is_unique
    assert subset["row"].min() == 101


def test_select__what_is_made_anew_follows_its_original(choose):
    """The same units of the same pool, chosen again into the same file: ids, keys and hidden texts may be others."""
    original = pd.DataFrame({"key": np.arange(60), "id": [f"C-{i:04d}" for i in range(60)], "x": np.arange(60) % 3})
    original["town"] = np.repeat([f"town {i}" for i in range(3)] * 2, 10)
    pool = pd.DataFrame({"key": np.arange(200), "x": np.arange(200) % 3, "town": ["_RARE_", "town 1"] * 100})
    held_out = pa.table({"key": np.arange(60, 90), "id": [f"C-{i:04d}" for i in range(60, 90)]})

    def chosen(original, held_out=None):
        return pd.read_parquet(choose(original, pool, group_key="key", columns={"id": "id"}, held_out=held_out).out)

    first = chosen(original)
    assert set(first["key"]) & set(range(60, 90))
    assert not set(chosen(original, held_out)["key"]) & set(range(90))
    assert chosen(original).equals(first)
    assert chosen(original.assign(id=original["id"].mask(original["key"] < 20)))["id"].isna().sum() == 20


def test_profile__equal_ones_have_equal_hashes():
    def hashes(frame):
        known = KnownColumns.of(as_table(frame))
        return known.texts["town"].hash(), known.made_from()

    assert hashes(ORIGINAL) == hashes(ORIGINAL.copy())
    other = ORIGINAL.assign(town=ORIGINAL["town"].replace("town 1", "town 2"))
    assert hashes(ORIGINAL)[0] != hashes(other)[0]
    assert hashes(ORIGINAL)[1] != hashes(other)[1]


CONSTANTS = {
    "site": "Graz",
    "year": 2020,
    "rate": 0.5,
    "day": np.datetime64("2020-03-01", "us"),
    "flag": True,
    "size": pd.Categorical(["S"], categories=["S", "M"])[0],
    "gone": np.nan,
    "note": None,
}
OTHERS = {"site": "Linz", "year": 1, "rate": 9.0, "day": np.datetime64("1999-01-01", "us"), "flag": False, "gone": 3.5}


def with_constants(frame, constants=CONSTANTS):
    """The table with columns that say the same in each row, one of them first."""
    added = pd.DataFrame({name: [value] * len(frame) for name, value in constants.items()})
    if "size" in added:
        added["size"] = added["size"].astype(pd.CategoricalDtype(["S", "M"]))
    return pd.concat([added[added.columns[:1]], frame, added[added.columns[1:]]], axis="columns")


@pytest.mark.slow
@pytest.mark.parametrize("group_key", [None, "row_number"])
def test_select__constants_are_the_originals_whatever_the_pool_says(choose, group_key):
    original, pool = ORIGINAL.drop(columns="case"), POOL
    if group_key:
        original, pool = (frame.assign(row_number=np.arange(len(frame)) // 3) for frame in (original, pool))
    plain = choose(original, pool, "plain.parquet", group_key=group_key)
    original = with_constants(original)
    lacking = choose(original, pool, "lacking.parquet", group_key=group_key)
    foreign = choose(original, with_constants(pool, OTHERS), "foreign.parquet", group_key=group_key)
    subset = pd.read_parquet(lacking.out)
    assert list(subset.columns) == list(original.columns)
    pd.testing.assert_frame_equal(subset[list(CONSTANTS)], original[list(CONSTANTS)].head(len(subset)))
    pd.testing.assert_frame_equal(pd.read_parquet(foreign.out), subset)
    assert lacking.random_accuracy > plain.random_accuracy, "a constant is matched, and it fits"
    metrics = evaluate(original, foreign.out, group_key=group_key)
    assert metrics["issodask"]["accuracy"]["against_original"]["subset"]["overall"] > 0.8


def test_select__other_constants_in_the_original_are_seen_by_a_second_run(choose):
    choose(with_constants(ORIGINAL))
    subset = pd.read_parquet(choose(with_constants(ORIGINAL, {**CONSTANTS, "site": "Wels"})).out)
    assert set(subset["site"]) == {"Wels"}


def test_select__a_table_of_constants_takes_rows_of_the_pool(choose):
    original = pd.DataFrame({"a": ["x"] * 20, "b": [7] * 20})
    assert len(pd.read_parquet(choose(original, original).out)) == 20
    with pytest.raises(InputError, match="lacks 1 of the original's 2 columns: 'b'"):
        choose(original, original[["a"]])


def test_select__what_a_generator_hid_becomes_another(choose):
    pool = POOL.assign(town=POOL["town"].mask(~POOL["town"].str.startswith("town"), "_RARE_"))
    subset = pd.read_parquet(choose(pool=pool).out)
    assert "_RARE_" in set(pool["town"])
    counts = ORIGINAL["town"].value_counts()
    assert set(subset["town"]) <= set(counts.index[counts >= 5])


def test_select__texts_that_few_originals_share_stay_out_of_the_subset(choose):
    """A pool that repeats the original's rows has their farms; one that made up its own keeps those."""
    n_sharing = ORIGINAL["town"].value_counts()
    few = set(n_sharing.index[n_sharing < 5])
    copied = pd.concat([ORIGINAL] * 4, ignore_index=True)
    copied.loc[::9, "town"] = "farm of the pool's own"
    subset = pd.read_parquet(choose(pool=copied).out)
    assert few & set(copied["town"])
    assert not few & set(subset["town"])
    assert "farm of the pool's own" in set(subset["town"])


def test_select__the_originals_own_word_stays(choose):
    original, pool = (table.assign(kind=table["kind"].replace("b", "_RARE_")) for table in (ORIGINAL, POOL))
    subset = pd.read_parquet(choose(original, pool).out)
    assert set(subset["kind"]) == {"a", "_RARE_"}


def test_select__what_a_generator_hid_counts_as_other():
    known = KnownOriginal.of(ORIGINAL, None)
    codes = known.bins.encode(pd.DataFrame({"town": ["_RARE_", "farm 3", "nowhere"], "age": 30, "kind": "a"}))
    assert len(set(codes[:, 0])) == 1
    own = KnownOriginal.of(ORIGINAL.assign(kind="_RARE_"), None)
    codes = own.bins.encode(pd.DataFrame({"town": "town 1", "age": 30, "kind": ["_RARE_", "nothing"]}))
    assert len(set(codes[:, 2])) == 2


def test_select__categories_of_few_are_not_told(choose):
    original = ORIGINAL.assign(town=ORIGINAL["town"].astype("category"))
    pool = POOL[POOL["town"].str.startswith("town")]
    town = pq.read_table(choose(original, pool).out)["town"].chunk(0)
    assert all(name.startswith("town") for name in town.dictionary.to_pylist())
    assert isinstance(town, pa.DictionaryArray)


@pytest.mark.parametrize("names", [["customer"], ["row_number", "customer"]])
def test_select__of_nothing_but_ids(choose, names):
    original, pool = ORIGINAL[names], people(2 * N, seed=2)[names]
    subset = pd.read_parquet(choose(original, pool).out)
    assert (subset.dtypes == original.dtypes).all()
    assert not subset.isin(original.to_dict("list")).any().any()


def test_select__groups_have_ids_too(choose):
    units = np.repeat(np.arange(N // 4), 4)
    original = ORIGINAL.assign(key=units, customer=ORIGINAL["customer"].to_numpy()[units])
    pool = POOL.assign(key=np.repeat(np.arange(N), 4))
    subset = pd.read_parquet(choose(original, pool, group_key="key").out)
    assert (subset.groupby("key")["customer"].nunique() == 1).all()
    assert subset["customer"].nunique() == subset["key"].nunique() == N // 4
    assert not subset["customer"].isin(original["customer"]).any()
    assert subset["row_number"].is_unique


@pytest.mark.slow
def test_select__roles_that_the_user_names(choose):
    kept = {"row_number": "number", "customer": "text"}
    selected = choose(pool=people(2 * N, seed=3), columns=kept)
    assert selected.facts.roles["left_out"] == ["case"]
    assert set(pd.read_parquet(selected.out)["customer"]) <= set(people(2 * N, seed=3)["customer"])
    with pytest.raises(InputError, match=r"\[columns\] names 'costumer', but the original has no such column"):
        choose(columns={"costumer": "id"})


def test_select__a_type_without_any_id_left(choose):
    original = pd.DataFrame({"id": np.arange(-128, 128).astype("int8"), "x": np.arange(256) % 3})
    with pytest.raises(
        InputError, match=r"column 'id' is an id of whole numbers from -128 to 127, of which 0 are free"
    ):
        choose(original, pd.DataFrame({"x": np.arange(999) % 3}))


@pytest.mark.slow
def test_evaluate__ids_are_not_scored():
    subset = people(seed=5).drop(columns=["row_number", "customer", "case"])
    record = evaluate(ORIGINAL, subset)
    assert record["issodask"]["left_out"] == ["row_number", "customer", "case"]
    assert record["issodask"]["roles"]["customer"]["role"] == "id"
    assert record["issodask"]["columns"] == 3
    without = evaluate(ORIGINAL.drop(columns=["row_number", "customer", "case"]), subset)
    assert record["accuracy"] == without["accuracy"]
