"""Folders of tables: which files are parts, what they are called, and what their folders' names say."""

import os

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.stages.encode import encode_pool
from issodask.stages.write import write_subset
from issodask.store.codes import codes_path
from issodask.store.folders import find_parts
from issodask.store.parts import hash_keys, key_at
from issodask.store.pool import open_pool
from issodask.store.tables import as_frame, as_table
from tests.door import Binned


def lay(folder, *names):
    """A small table at each of the names, Parquet or CSV; each row says which file it is of."""
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame({"n": [i, i], "t": ["a", "b"]})
        if path.name.endswith(".csv"):
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path)


def names_of(folder):
    return [part.name for part in find_parts(folder)]


def test_find_parts__nested_ones_by_name_without_hidden_ones(tmp_path):
    lay(tmp_path, "b.parquet", "more/c.csv", "a/z/d.parquet", "_temporary/e.parquet", "x.work/f.parquet")
    for name in ("_SUCCESS", ".b.parquet.crc", "notes.txt", "more/._c.csv"):
        (tmp_path / name).touch()
    assert names_of(tmp_path) == ["a/z/d.parquet", "b.parquet", "more/c.csv"]


def test_find_parts__files_of_hive_have_no_ending(tmp_path):
    lay(tmp_path, "000000_0")
    (tmp_path / "README").write_text("no table")
    assert names_of(tmp_path) == ["000000_0"]


def test_find_parts__empty_partitions_of_spark(tmp_path):
    lay(tmp_path, "part-0.csv", "part-2.csv")
    (tmp_path / "part-1.csv").touch()
    assert names_of(tmp_path) == ["part-0.csv", "part-2.csv"]
    assert len(as_frame(tmp_path)) == 4


def test_find_parts__links_to_folders_but_not_in_circles(tmp_path):
    lay(tmp_path, "pool/a.parquet", "elsewhere/b.parquet")
    os.symlink(tmp_path / "elsewhere", tmp_path / "pool" / "linked")
    os.symlink(tmp_path / "pool", tmp_path / "pool" / "again")
    assert names_of(tmp_path / "pool") == ["a.parquet", "linked/b.parquet"]


def test_find_parts__texts_of_folders(tmp_path):
    lay(tmp_path, "s=01/y=2%2F3/a.parquet", "s=__HIVE_DEFAULT_PARTITION__/y= x/a.parquet", "s=/y=a=b/a.parquet")
    assert [dict(part.values) for part in find_parts(tmp_path)] == [
        {"s": "", "y": "a=b"},
        {"s": "01", "y": "2/3"},
        {"s": None, "y": " x"},
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.parquet", "s=1/b.parquet"], "name different columns, none for a.parquet but 's' for s=1/b.parquet"),
        (["s=1/a.parquet", "t=1/b.parquet"], "name different columns"),
        (["s=1/s=2/a.parquet"], "name the same column twice"),
        (["a.parquet", "_delta_log/00.parquet"], "is a table of Delta"),
    ],
)
def test_find_parts__what_makes_no_sense_is_told(tmp_path, names, words):
    lay(tmp_path, *names)
    with pytest.raises(InputError, match=words):
        find_parts(tmp_path)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_read_table__folders_are_columns(tmp_path, ending):
    lay(tmp_path, f"s=01/p.{ending}", f"s=02/p.{ending}")
    table = pd.DataFrame(as_frame(tmp_path)[["n", "t", "s"]])
    assert table["s"].tolist() == ["01", "01", "02", "02"]
    assert table["n"].tolist() == [0, 0, 1, 1]


def test_read_table__a_column_of_the_files_goes_before_one_of_the_folders(tmp_path):
    lay(tmp_path, "n=00/p.parquet", "n=01/p.parquet")
    assert as_frame(tmp_path)["n"].tolist() == [0, 0, 1, 1]


def test_open_pool__an_unfinished_run_is_no_folder_of_parts(tmp_path):
    lay(tmp_path, "original-1/original.parquet", "pool/g00-part-0000.parquet")
    with pytest.raises(InputError, match="is not finished: generate it to its end"):
        open_pool(tmp_path)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_folders__go_through_encoding_and_writing(tmp_path, ending):
    random = np.random.default_rng(1)
    table = pd.DataFrame({"n": random.integers(0, 9, 60), "t": random.choice(["a", "b"], 60)})
    table["s"] = np.repeat(["01", "02", None], 20)
    for i, (text, rows) in enumerate(table.groupby("s", dropna=False)):
        name = text if isinstance(text, str) else "__HIVE_DEFAULT_PARTITION__"
        path = tmp_path / "pool" / f"s={name}" / f"p{i}.{ending}"
        path.parent.mkdir(parents=True)
        rows = rows.drop(columns="s")
        rows.to_csv(path, index=False) if ending == "csv" else rows.to_parquet(path, index=False)
    table.to_parquet(tmp_path / "original.parquet")
    original = Binned(as_table(tmp_path / "original.parquet"))
    pool = open_pool(tmp_path / "pool")
    with open_runtime(1, "serial") as runtime:
        codes = encode_pool(pool, original.bins, original.schema, tmp_path / "codes", runtime)
        write_subset(pool, np.arange(0, 60, 2), original.schema, tmp_path / "s.parquet", runtime)
    assert codes.n_units == 60
    wanted = table[::2].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), wanted)
    parts = pd.read_parquet(tmp_path / "s.lineage.parquet")["part"]
    assert parts.unique().tolist() == [part.name for part in pool.parts]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_hash_keys__a_folder_may_be_the_key(tmp_path, ending):
    lay(tmp_path, f"who=7/p.{ending}")
    (part,) = find_parts(tmp_path)
    assert hash_keys(part, "who").nunique() == 1
    assert key_at(part, "who", 1) == "7"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_folders__those_above_a_pool_are_no_columns(tmp_path, ending):
    lay(tmp_path, f"run=3/who=7/p.{ending}")
    pool = open_pool(tmp_path / "run=3")
    file = pool.file(pool.parts[0])
    assert pool.columns == ("n", "t", "who")
    assert file.values == find_parts(tmp_path / "run=3")[0].values == {"who": "7"}
    with pytest.raises(InputError, match="found 'n', 't', 'who', needed 'run'"):
        hash_keys(file, "run")


def test_codes_path__one_for_each_part_in_one_folder(tmp_path):
    names = ["a/b", "a%2Fb", "a%252Fb", "a_b", "x" * 300, "x" * 301, "s=1/" * 90 + "p"]
    paths = [codes_path(tmp_path, name) for name in names]
    assert len(set(paths)) == len(names)
    assert {path.parent for path in paths} == {tmp_path}
    assert max(len(path.name) for path in paths) < 230
