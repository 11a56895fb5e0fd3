"""Awkward but valid tables go through every door: written as a pool, encoded, chosen from, read again."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from issodask.runtime import open_runtime
from issodask.stages.encode import encode_pool
from issodask.stages.write import write_subset
from issodask.store.codes import load_block
from issodask.store.frames import to_frame
from issodask.store.pool import open_pool
from issodask.store.pool_writer import PoolWriter, seal_pool
from issodask.store.tables import as_table
from tests.door import Binned

pytestmark = pytest.mark.slow

N_ROWS = 300
NUMBERS = np.arange(N_ROWS)
TABLES = {
    "all columns missing": pd.DataFrame({"a": [None] * N_ROWS, "b": [np.nan] * N_ROWS}),
    "constant columns": pd.DataFrame({"a": ["x"] * N_ROWS, "b": [7] * N_ROWS, "c": [True] * N_ROWS}),
    "fifty thousand categories": pd.DataFrame({"id": pd.Series([f"k{i % 50_000}" for i in range(60_000)]), "n": 1}),
    "fifty thousand in a category": pd.DataFrame(
        {"id": pd.Series([f"k{i % 50_000}" for i in range(60_000)], dtype="category")}
    ),
    "one column": pd.DataFrame({"only": NUMBERS % 7}),
    "one row": pd.DataFrame({"a": [1], "b": ["x"]}),
    "names": pd.DataFrame(
        {
            name: NUMBERS % i
            for i, name in enumerate(["a", "a.b", "a b", " ", "日本 🎓", "x\ty", 'q"', "index", "Ö"], start=1)
        }
    ),
    "prefixes of mostlyai-qa": pd.DataFrame({"tgt::a": ["tgt::x", "ctx::y"] * (N_ROWS // 2), "nxt::": NUMBERS}),
    "old dates": pd.DataFrame({"born": pd.Series(np.datetime64("1492-10-12", "us") + 86_400_000_000 * NUMBERS)}),
    "texts that name bins": pd.DataFrame({"t": ["(n/a)", "", "(other)", "_RARE_", None, "(empty)"] * (N_ROWS // 6)}),
    "huge numbers": pd.DataFrame({"h": 1e300 * NUMBERS, "t": 5e-324 * NUMBERS, "i": 2**62 + NUMBERS}),
    "long texts": pd.DataFrame({"t": ["x" * 10_000 + str(i % 3) for i in range(N_ROWS)]}),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", ["ours", "parquet", "csv"])
def test_awkward__goes_through_every_door(tmp_path, name, kind):
    table = TABLES[name]
    table.to_parquet(tmp_path / "original.parquet")
    original = as_table(tmp_path / "original.parquet")
    binned = Binned(original)
    pool = write_pool(tmp_path / "pool", original, binned.schema, kind)
    ids = np.arange(0, len(original), 2)
    with open_runtime(1, "serial") as runtime:
        codes = encode_pool(pool, binned.bins, binned.schema, tmp_path / "codes", runtime)
        write_subset(pool, ids, binned.schema, tmp_path / "subset.parquet", runtime)
    written = pd.read_parquet(tmp_path / "subset.parquet")
    expected = pd.read_parquet(tmp_path / "original.parquet").iloc[ids].reset_index(drop=True)
    all_codes = np.concatenate([load_block(block) for block in codes.blocks])
    assert np.array_equal(all_codes[ids], binned.encode(as_table(tmp_path / "subset.parquet")))
    if kind != "csv" or name != "texts that name bins":  # CSV can't tell an empty text from a missing one
        assert np.array_equal(all_codes, binned.encode(original))
        pd.testing.assert_frame_equal(written, expected)


def write_pool(folder, table, schema, kind):
    folder.mkdir()
    if kind == "ours":
        with PoolWriter(folder, schema, generator=0, seed=1, part_rows=max(1, len(table) // 3)) as writer:
            writer.append(table)
        return seal_pool(folder)
    if kind == "parquet":
        pq.write_table(table, folder / "part.parquet")
    else:
        to_frame(table).assign(**{"one more": 1}).to_csv(folder / "part.csv", index=False)
    return open_pool(folder)
