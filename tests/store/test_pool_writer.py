"""Parts of bounded size, the same bytes for the same rows, and a writer that goes on where it stopped."""

import json
from itertools import pairwise

import dask.dataframe
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.store import files
from issodask.store.pool import check_pool, open_pool
from issodask.store.pool_writer import PoolWriter, as_pool, seal_pool, write_part
from tests.door import schema_from


def draw(n_rows=100):
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "n": random.integers(0, 9, n_rows),
            "t": pd.Series(random.choice(["a", "b"], n_rows), dtype="category"),
            "b": random.random(n_rows) < 0.5,
            "d": pd.to_datetime("2020-01-01") + pd.to_timedelta(random.integers(0, 9, n_rows), unit="D"),
        }
    )


FRAME = draw()
SCHEMA = schema_from(FRAME)


def write(folder, frame=FRAME, generator=0, seed=7, part_rows=40, step=23):
    with PoolWriter(folder, SCHEMA, generator, seed, part_rows) as writer:
        for start in range(writer.n_rows, len(frame), step):
            writer.append(frame[start : start + step])
    return writer


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writer__parts_of_bounded_size(tmp_path):
    writer = write(tmp_path)
    assert writer.n_rows == 100
    assert writer.finished_parts == tuple(f"g00-part-000{i}.parquet" for i in range(3))
    assert [pq.read_metadata(tmp_path / name).num_rows for name in writer.finished_parts] == [40, 40, 20]


@settings(max_examples=10, deadline=None)
@given(step=st.integers(1, 120))
def test_writer__bytes_do_not_depend_on_the_frames_sizes(tmp_path_factory, step):
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    write(one, step=100)
    write(other, step=step)
    assert contents(one) == contents(other)


def test_writer__one_schema_whatever_comes_in(tmp_path):
    as_generated = FRAME.astype({"n": "Int64", "t": "string", "b": "string"})
    with PoolWriter(tmp_path, SCHEMA, 0, 7, 50) as writer:
        writer.append(FRAME[:50])
        writer.append(as_generated[50:].assign(helper=1)[["helper", "d", "t", "b", "n"]])
    first, second = (pq.read_schema(tmp_path / name) for name in writer.finished_parts)
    assert first.equals(second, check_metadata=True)
    rows = pd.concat([pd.read_parquet(tmp_path / name) for name in writer.finished_parts])
    pd.testing.assert_frame_equal(rows.astype({"t": str}).reset_index(drop=True), FRAME.astype({"t": str}))


def test_writer__goes_on_after_the_last_whole_part(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    write(whole)
    PoolWriter(resumed, SCHEMA, 0, 7, 40).append(FRAME[:55])  # and dies before it is closed
    again = PoolWriter(resumed, SCHEMA, 0, 7, 40)
    assert (again.n_rows, again.finished_parts) == (40, ("g00-part-0000.parquet",))
    write(resumed)
    assert contents(whole) == contents(resumed)


def test_writer__damaged_part_and_its_successors_are_made_again(tmp_path):
    write(tmp_path)
    before = contents(tmp_path)
    damaged = tmp_path / "g00-part-0001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    again = PoolWriter(tmp_path, SCHEMA, 0, 7, 40)
    assert (again.n_rows, again.removed_parts) == (40, ("g00-part-0001.parquet", "g00-part-0002.parquet"))
    write(tmp_path)
    assert contents(tmp_path) == before


def test_writer__parts_of_another_job_are_refused(tmp_path):
    write(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="belongs to another job"):
        PoolWriter(tmp_path, SCHEMA, 0, seed=8)
    with pytest.raises(InputError, match="belongs to another job"):
        PoolWriter(tmp_path, schema_from(FRAME[["n"]]), 0, seed=7)
    assert contents(tmp_path) == before


def test_writer__missing_column_is_named(tmp_path):
    with pytest.raises(InputError, match="'t'"):
        PoolWriter(tmp_path, SCHEMA, 0, 7).append(FRAME.drop(columns="t"))


def test_writer__full_disk_leaves_no_half_part(tmp_path, monkeypatch):
    writer = PoolWriter(tmp_path, SCHEMA, 0, 7, 40)
    writer.append(FRAME[:45])
    before = contents(tmp_path)

    def full(source, target):
        raise OSError(files.errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(InputError, match=r"disk full while writing .*g00-part-0001\.parquet"):
        writer.append(FRAME[45:])
    assert contents(tmp_path) == before


def test_write_part__is_the_part_that_a_writer_writes(tmp_path):
    writer = write(tmp_path)
    for i, name in enumerate(writer.finished_parts):
        assert write_part(FRAME[40 * i : 40 * (i + 1)], tmp_path / "part", SCHEMA, 0, 7) in (40, 20)
        assert (tmp_path / "part").read_bytes() == (tmp_path / name).read_bytes()


def test_seal_pool__manifest_names_every_part(tmp_path):
    write(tmp_path, generator=1, seed=8)
    write(tmp_path, generator=0, seed=7)
    pool = seal_pool(tmp_path)
    assert [(part.name, part.n_rows, part.generator, part.seed) for part in pool.parts] == [
        (f"g0{generator}-part-000{i}.parquet", n_rows, generator, 7 + generator)
        for generator in (0, 1)
        for i, n_rows in enumerate([40, 40, 20])
    ]
    assert pool.n_rows == 200
    assert open_pool(tmp_path) == pool
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["n_rows"] == 200
    assert manifest["parts"][0]["xxh3"] == files.file_hash(tmp_path / "g00-part-0000.parquet")


def test_seal_pool__no_parts(tmp_path):
    with pytest.raises(InputError, match="no parts yet"):
        seal_pool(tmp_path)


def test_open_pool__part_that_differs_from_the_manifest_is_named(tmp_path):
    write(tmp_path)
    seal_pool(tmp_path)
    part = tmp_path / "g00-part-0002.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"part g00-part-0002\.parquet .* is damaged"):
        open_pool(tmp_path)
    part.unlink()
    with pytest.raises(InputError, match=r"part g00-part-0002\.parquet .* is missing"):
        open_pool(tmp_path)


def test_as_pool__tables_in_memory_replace_what_was_there(tmp_path):
    lazy = dask.dataframe.from_pandas(FRAME, npartitions=3)
    for source in (FRAME, lazy, pa.Table.from_pandas(FRAME)):
        pool = as_pool(source, tmp_path, SCHEMA)
        assert pool.n_rows == 100
        rows = pd.read_parquet(pool.path(pool.parts[0]))
        assert rows["n"].tolist() == FRAME["n"].tolist()
    assert as_pool(tmp_path, tmp_path / "elsewhere", SCHEMA) == pool


# groups

LENGTHS = [3, 1, 6, 2, 2, 9, 1, 4]
VISITS = draw(sum(LENGTHS)).assign(who=np.repeat([f"p{i}" for i in range(len(LENGTHS))], LENGTHS))
VISITS_SCHEMA = schema_from(VISITS)


def group_writer(folder, generator=0, part_rows=5):
    return PoolWriter(folder, VISITS_SCHEMA, generator, 7, part_rows, group_key="who")


def keys_of(folder):
    return [pd.read_parquet(path)["who"].tolist() for path in sorted(folder.glob("*.parquet"))]


def test_writer__groups_never_span_parts(tmp_path):
    with group_writer(tmp_path) as writer:
        writer.append(VISITS)
    assert (writer.n_units, writer.n_rows) == (8, 28)
    assert keys_of(tmp_path) == [[0, 0, 0, 1, *[2] * 6], [3, 3, 4, 4, *[5] * 9], [6, 7, 7, 7, 7]]
    pool = seal_pool(tmp_path)
    assert [part.n_units for part in pool.parts] == [3, 3, 2]
    assert (pool.n_units, open_pool(tmp_path)) == (8, pool)


def test_writer__interleaved_rows_are_gathered_in_their_order(tmp_path):
    shuffled = VISITS.sample(frac=1, random_state=3)
    with group_writer(tmp_path, part_rows=1_000) as writer:
        writer.append(shuffled)
    rows = pd.read_parquet(tmp_path / writer.finished_parts[0])
    gathered = pd.concat([group for _, group in shuffled.groupby("who", sort=False)])
    assert rows["n"].tolist() == gathered["n"].tolist()
    assert rows["who"].tolist() == pd.factorize(gathered["who"])[0].tolist()


def test_writer__equal_keys_in_two_frames_are_two_groups(tmp_path):
    with group_writer(tmp_path) as writer:
        writer.append(VISITS[:3])
        writer.append(VISITS[:3])
    assert writer.n_units == 2
    assert keys_of(tmp_path) == [[0, 0, 0, 1, 1, 1]]


def test_writer__keys_are_unique_over_generators(tmp_path):
    for generator in (0, 1, 7):
        with group_writer(tmp_path, generator) as writer:
            writer.append(VISITS)
    keys = pd.Series(np.concatenate(keys_of(tmp_path)))
    assert keys.dtype == "int64"
    assert keys.nunique() == seal_pool(tmp_path).n_units == 3 * len(LENGTHS)
    assert sorted(set(keys // 2**40)) == [0, 1, 7]


@pytest.mark.parametrize("n_before", [2, 3, 5, 7])
def test_writer__goes_on_with_the_next_group(tmp_path, n_before):
    ends = np.cumsum([0, *LENGTHS])
    with group_writer(tmp_path / "whole") as writer:
        writer.append(VISITS)
    group_writer(tmp_path / "resumed").append(VISITS[: ends[n_before]])  # and dies before it is closed
    with group_writer(tmp_path / "resumed") as again:
        assert again.n_units == {2: 0, 3: 3, 5: 3, 7: 6}[n_before]
        again.append(VISITS[ends[again.n_units] :])
    assert contents(tmp_path / "whole") == contents(tmp_path / "resumed")


def test_write_part__groups_are_numbered_on(tmp_path):
    with group_writer(tmp_path, generator=2, part_rows=1_000) as writer:
        writer.append(VISITS)
    n_rows = write_part(VISITS, tmp_path / "part", VISITS_SCHEMA, 2, 7, "who", first_unit=0)
    assert n_rows == len(VISITS)
    assert (tmp_path / "part").read_bytes() == (tmp_path / writer.finished_parts[0]).read_bytes()
    write_part(VISITS, tmp_path / "later", VISITS_SCHEMA, 2, 7, "who", first_unit=50)
    keys = [pq.read_table(tmp_path / name)["who"].to_numpy() for name in ("part", "later")]
    assert (keys[1] == keys[0] + 50).all()


def test_writer__flat_parts_do_not_pass_for_groups(tmp_path):
    with PoolWriter(tmp_path, VISITS_SCHEMA, 0, 7) as writer:
        writer.append(VISITS)
    with pytest.raises(InputError, match="belongs to another job"):
        group_writer(tmp_path)


def test_writer__missing_keys_are_told(tmp_path):
    with pytest.raises(InputError, match=r"no group key \('who'\) in 1 of 28 rows"):
        group_writer(tmp_path).append(VISITS.assign(who=VISITS["who"].mask(VISITS.index == 5)))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), n_partitions=st.integers(1, 28), as_category=st.booleans())
def test_as_pool__groups_over_partitions_stay_whole(tmp_path_factory, seed, n_partitions, as_category):
    shuffled = VISITS.sample(frac=1, random_state=seed).reset_index(drop=True) if seed % 3 else VISITS
    frame = shuffled.astype({"who": "category"}) if as_category else shuffled
    lazy = dask.dataframe.from_pandas(frame, npartitions=n_partitions)
    pool = as_pool(lazy, tmp_path_factory.mktemp("pool"), VISITS_SCHEMA, group_key="who")
    rows = pd.read_parquet(pool.path(pool.parts[0]))
    assert (pool.n_units, len(rows)) == (len(LENGTHS), len(VISITS))
    written = {tuple(group["n"]) for _, group in rows.groupby("who")}
    assert written == {tuple(group["n"]) for _, group in shuffled.groupby("who")}


def test_as_pool__partitions_without_keys_are_told(tmp_path):
    lazy = dask.dataframe.from_pandas(VISITS.assign(who=VISITS["who"].mask(VISITS.index == 5)), npartitions=5)
    with pytest.raises(InputError, match=r"no group key \('who'\) in 1 of"):
        as_pool(lazy, tmp_path, VISITS_SCHEMA, group_key="who")
    with pytest.raises(InputError, match="the pool has no column 'who' for the group key: its columns are 'n', 't'"):
        as_pool(lazy.drop(columns="who"), tmp_path, VISITS_SCHEMA, group_key="who")


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(cuts=st.sets(st.integers(1, len(LENGTHS) - 1)), part_rows=st.integers(1, 30))
def test_writer__bytes_do_not_depend_on_how_groups_come(tmp_path_factory, cuts, part_rows):
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    with group_writer(one, part_rows=part_rows) as writer:
        writer.append(VISITS)
    ends = np.cumsum([0, *LENGTHS])
    with group_writer(other, part_rows=part_rows) as writer:
        for first, last in pairwise([0, *sorted(cuts), len(LENGTHS)]):
            writer.append(VISITS[ends[first] : ends[last]])
            writer.append(VISITS[:0])
    assert contents(one) == contents(other)


def test_writer__groups_of_one_row_and_one_huge_group(tmp_path):
    lengths = [1] * 3_000 + [100_000] + [2] * 10
    frame = draw(sum(lengths)).assign(who=np.repeat(np.arange(len(lengths)) % 3_005, lengths))  # some keys come again
    with group_writer(tmp_path, part_rows=1_000) as writer:
        for start in range(0, 3_000, 300):
            writer.append(frame[start : start + 300])
        writer.append(frame[3_000:].assign(who=lambda rest: rest["who"] + 5_000 * (rest.index >= 103_010)))
    pool = seal_pool(tmp_path)
    assert [part.n_rows for part in pool.parts] == [1_000, 1_000, 1_000, 100_000, 20]
    assert [part.n_units for part in pool.parts] == [1_000, 1_000, 1_000, 1, 10]
    assert np.array_equal(np.concatenate(keys_of(tmp_path)), np.repeat(np.arange(3_011), lengths))


def test_seal_pool__manifest_names_the_group_key(tmp_path):
    with group_writer(tmp_path) as writer:
        writer.append(VISITS)
    pool = seal_pool(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["group_key"], manifest["n_units"]) == (pool.group_key, pool.n_units) == ("who", 8)
    check_pool(pool, VISITS_SCHEMA, "who")
    check_pool(pool, VISITS_SCHEMA)  # its rows are rows all the same
    with pytest.raises(InputError, match="was made of groups by 'who', but the group key is 't': take the pool's"):
        check_pool(pool, VISITS_SCHEMA, "t")


def test_seal_pool__parts_of_rows_and_of_groups_are_refused(tmp_path):
    with group_writer(tmp_path) as writer:
        writer.append(VISITS)
    with PoolWriter(tmp_path, VISITS_SCHEMA, 1, 7) as writer:
        writer.append(VISITS)
    with pytest.raises(InputError, match=r"g00-part-0000\.parquet and g01-part-0000\.parquet .* group key: remove one"):
        seal_pool(tmp_path)


def test_open_pool__manifest_of_before_there_were_groups(tmp_path):
    write(tmp_path)
    pool = seal_pool(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest.pop("group_key"), manifest.pop("n_units")) == (None, None)
    for part in manifest["parts"]:
        del part["n_units"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert open_pool(tmp_path) == pool
