"""Encoding groups: the same codes as the whole table at once, gathered, and never a group in two parts."""

import datetime
import decimal
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.stages import encode as encode_stage
from issodask.stages.encode import encode_pool
from issodask.store import codes as codes_room
from issodask.store import parts
from issodask.store.codes import load_block
from issodask.store.pool import open_pool
from issodask.store.pool_writer import PoolWriter, seal_pool
from issodask.table.groups import Groups
from issodask.table.sequences import SequenceBins
from tests.door import schema_from
from tests.strategies import seeds

KEY = "who 🎓"


def draw_groups(lengths, seed=1, first_key=0):
    """Rows of groups called after their number, one group after the other."""
    random = np.random.default_rng(seed)
    n_rows = int(np.sum(lengths))
    return pd.DataFrame(
        {
            "wage": random.lognormal(size=n_rows).round(2),
            KEY: np.repeat([f"k{first_key + i}" for i in range(len(lengths))], lengths),
            "job": random.choice(["cook", "smith", "Köhler"], n_rows),
            "age": pd.Series(random.integers(18, 70, n_rows)).astype("Int64").mask(random.random(n_rows) < 0.1),
        }
    )


def interleaved(frame, seed=1):
    """Rows of all groups mixed."""
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


ORIGINAL = draw_groups([3, 1, 7, 2, 2, 5] * 20)
SCHEMA = schema_from(ORIGINAL)
BINS = SequenceBins.fit(ORIGINAL.drop(columns=KEY), Groups.of(ORIGINAL[KEY]))


def encode(folder, out, runtime="serial", key=KEY, schema=SCHEMA, **options):
    with open_runtime(2, runtime) as opened:
        return encode_pool(open_pool(folder), BINS, schema, out, opened, group_key=key, **options)


def whole(codes):
    """Rows of all blocks, and the length of each group."""
    blocks = [load_block(block) for block in codes.blocks]
    return np.concatenate([block.rows for block in blocks]), np.concatenate([np.diff(b.starts) for b in blocks])


def expected_of(frame):
    groups = Groups.of(frame[KEY])
    coded = BINS.encode_groups(frame.drop(columns=KEY), groups)
    return coded.rows, groups.lengths


def check(codes, *frames):
    rows, lengths = whole(codes)
    expected = [expected_of(frame) for frame in frames]
    assert np.array_equal(rows, np.concatenate([own for own, _ in expected]))
    assert np.array_equal(lengths, np.concatenate([own for _, own in expected]))
    assert codes.n_units == len(lengths)
    assert codes.part_units == tuple(len(own) for _, own in expected)
    assert [sum(counts) for counts in codes.counts] == [len(rows)] * len(BINS.sizes)
    for i_column, counts in enumerate(codes.counts):
        assert np.array_equal(np.bincount(rows[:, i_column], minlength=len(counts)), counts)


@pytest.mark.slow
@settings(max_examples=6)
@given(seeds, st.sampled_from([8, 40, 10**6]), st.sampled_from([1, 6, 1000]), st.sampled_from([5, 1000]))
def test_encode_pool__any_cut_same_codes(tmp_path_factory, seed, max_cells, row_group_rows, block_rows):
    """Batches, row groups and blocks may end within a group."""
    folder, random = tmp_path_factory.mktemp("encode"), np.random.default_rng(seed)
    first = draw_groups(random.integers(1, 9, 12), seed)
    second = interleaved(draw_groups(random.integers(1, 9, 12), seed, first_key=12), seed)
    first.to_parquet(folder / "a.parquet", row_group_size=row_group_rows)
    second[[KEY, "age", "job", "wage"]].assign(extra=1).to_csv(folder / "b.csv.gz", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MAX_BATCH_CELLS", max_cells)
        patch.setattr(parts, "MAX_BATCH_ROWS", max(1, max_cells // 4))
        patch.setattr(encode_stage, "MAX_BATCH_ROWS", max(1, max_cells // 4))
        patch.setattr(codes_room, "BLOCK_UNITS", block_rows)
        codes = encode(folder, folder / "codes")
        blocks = [load_block(block) for block in codes.blocks]
    check(codes, first, second)
    assert all(len(block.rows) <= block_rows or len(block.starts) == 2 for block in blocks)
    shutil.rmtree(folder)


def test_encode_pool__groups_of_one_row(tmp_path):
    frame = draw_groups([1] * 50)
    frame.to_parquet(tmp_path / "a.parquet")
    check(encode(tmp_path, tmp_path / "codes"), frame)


def test_encode_pool__one_huge_group(tmp_path):
    frame = draw_groups([2] * 500 + [100_000] + [1] * 3_000)
    frame.to_parquet(tmp_path / "a.parquet")
    codes = encode(tmp_path, tmp_path / "codes")
    check(codes, frame)
    assert [block.n_units for block in codes.blocks] == [3_501]


def test_encode_pool__part_without_rows(tmp_path):
    frame = draw_groups([2, 3])
    frame.to_parquet(tmp_path / "b.parquet")
    frame.head(0).to_parquet(tmp_path / "a.parquet")
    frame.head(0).to_csv(tmp_path / "c.csv", index=False)
    check(encode(tmp_path, tmp_path / "codes"), frame.head(0), frame, frame.head(0))


def test_encode_pool__same_bytes_on_any_runtime(tmp_path, runtime):
    draw_groups([2, 3, 9]).to_parquet(tmp_path / "a.parquet")
    interleaved(draw_groups([4] * 9, first_key=3)).to_parquet(tmp_path / "b.parquet")
    encode(tmp_path, tmp_path / "serial")
    encode_pool(open_pool(tmp_path), BINS, SCHEMA, tmp_path / "other", runtime, group_key=KEY)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("serial", "other")
    )
    assert sorted(one) == sorted(
        [*(f"{p}.parquet.{end}" for p in "ab" for end in ("npy", "starts.npy", "keys.npy", "json")), "manifest.json"]
    )
    assert one == other


# groups in two parts


def test_encode_pool__group_in_two_parts_is_named(tmp_path):
    draw_groups([2, 3]).to_parquet(tmp_path / "a.parquet")
    draw_groups([2, 3], first_key=2).to_parquet(tmp_path / "b.parquet")
    draw_groups([2, 3], first_key=3).to_parquet(tmp_path / "c.parquet")
    message = (
        r"group 'k3' lies in parts b\.parquet and c\.parquet of pool .*parts: 1\): write all rows of a group to one"
    )
    for _ in range(2):  # also where all codes are there already
        with pytest.raises(InputError, match=message):
            encode(tmp_path, tmp_path / "codes")
    draw_groups([2, 3], first_key=4).to_parquet(tmp_path / "c.parquet")
    assert encode(tmp_path, tmp_path / "codes").n_units == 6


DAY = datetime.datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ([7, 8], [7.0, 9.5], "7"),
        ([7, 8], ["7", "x"], "7"),
        ([10**15 + 1, 8], [1e15 + 1, 0.5], "1000000000000001"),
        (pd.array([7, 8], "UInt8"), [decimal.Decimal("7.00"), decimal.Decimal("9.10")], "7"),
        ([True, False], ["true", "x"], "True"),
        ([DAY, datetime.datetime(2021, 1, 1, 12)], [DAY.date(), datetime.date(2022, 1, 1)], "2020-01-01"),
        ([DAY.date(), datetime.date(2021, 1, 1)], ["2020-01-01", "x"], "2020-01-01"),
        (["a", "b"], pd.Series(["a", "c"], dtype="category"), "a"),
        ([7, 8], pd.Series([7, 9], dtype="category"), "7"),
        (["a", "b"], pd.array(["a", "c"], dtype="string"), "a"),
    ],
)
def test_encode_pool__group_in_two_parts_of_other_types(tmp_path, one, other, name):
    table = draw_groups([1, 1])
    table.assign(**{KEY: one}).to_parquet(tmp_path / "a.parquet")
    table.assign(**{KEY: other}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match=f"group '{name}' lies in parts"):
        encode(tmp_path, tmp_path / "codes")


@pytest.mark.parametrize("keys", [[7, 8], ["a", "ü 🎓"], [DAY.date(), datetime.date(2021, 1, 1)]])
def test_encode_pool__group_in_two_parts_one_of_them_csv(tmp_path, keys):
    table = draw_groups([1, 1]).assign(**{KEY: keys})
    table.to_parquet(tmp_path / "a.parquet")
    table.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(InputError, match=r"in parts a\.parquet and b\.csv of pool .*parts: 2\)"):
        encode(tmp_path, tmp_path / "codes")


# keys


def test_encode_pool__rows_of_csv_without_a_key(tmp_path):
    frame = draw_groups([2, 3])
    frame[KEY] = frame[KEY].where(frame.index != 1)
    frame.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(InputError, match=rf"part b\.csv has no group key \('{KEY}'\) in 1 of 5 rows.*row 1: give"):
        encode(tmp_path, tmp_path / "codes")


def test_encode_pool__values_that_disagree_name_the_part(tmp_path):
    draw_groups([2, 3]).assign(wage="a lot").to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"part a\.parquet: .*'wage'.*'a lot'"):
        encode(tmp_path, tmp_path / "codes")


def test_encode_pool__no_key_column(tmp_path):
    draw_groups([2, 3]).rename(columns={KEY: "name"}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=f"lacks 1 of the original's 4 columns: '{KEY}': found 'wage', 'name', 'job'"):
        encode(tmp_path, tmp_path / "codes")


def test_encode_pool__pool_of_groups_by_another_column(tmp_path):
    frame = draw_groups([2, 3])
    with PoolWriter(tmp_path, SCHEMA, generator=0, seed=1, group_key="job") as writer:
        writer.append(frame)
    pool = seal_pool(tmp_path)
    with open_runtime(1) as runtime, pytest.raises(InputError, match=f"groups by 'job', but the group key is '{KEY}'"):
        encode_pool(pool, BINS, SCHEMA, tmp_path / "codes", runtime, group_key=KEY)
