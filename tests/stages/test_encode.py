"""Encoding a pool: the same codes as the whole frame at once, redone only where needed."""

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.stages.encode import encode_pool
from issodask.store import parts
from issodask.store.codes import load_block
from issodask.store.pool import open_pool
from issodask.table.bins import Bins


@pytest.fixture
def original():
    draw = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "wage": draw.lognormal(size=500).round(2),
            "age": pd.Series(draw.integers(18, 70, 500)).astype("Int64").mask(draw.random(500) < 0.1),
            "job 🎓": draw.choice(["cook", "smith", "", "Köhler"], 500),
            "is_new": draw.random(500) < 0.3,
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, 500), unit="D"),
        }
    )


@pytest.fixture
def folder(tmp_path, original):
    pool = tmp_path / "pool"
    pool.mkdir()
    original[:200].to_parquet(pool / "a.parquet")
    original[200:].iloc[:, ::-1].assign(extra=1).to_parquet(pool / "b.parquet", row_group_size=70)
    original[:33].to_csv(pool / "c.csv.gz", index=False)
    return pool


def encode(folder, original, out, runtime="serial", **options):
    bins = Bins.fit(original)
    with open_runtime(2, runtime) as opened:
        return encode_pool(open_pool(folder), bins, bins.schema, out, opened, **options)


def all_codes(codes):
    return np.concatenate([load_block(block) for block in codes.blocks])


@pytest.mark.parametrize("max_cells", [1, 100, 10**6])
def test_encode_pool__any_batch_same_codes(tmp_path, folder, original, monkeypatch, max_cells):
    monkeypatch.setattr(parts, "MAX_BATCH_CELLS", max_cells)
    codes = encode(folder, original, tmp_path / "codes")
    # An empty text in CSV is a missing value.
    from_csv = original[:33].replace({"job 🎓": {"": None}})
    expected = Bins.fit(original).encode(pd.concat([original, from_csv]))
    assert np.array_equal(all_codes(codes), expected)
    assert codes.part_units == (200, 300, 33)
    assert [len(counts) for counts in codes.counts] == Bins.fit(original).sizes.tolist()
    assert all(sum(counts) == 533 for counts in codes.counts)


def test_encode_pool__same_bytes_in_threads(tmp_path, folder, original):
    encode(folder, original, tmp_path / "serial")
    encode(folder, original, tmp_path / "threads", runtime="threads")
    names = sorted(path.name for path in (tmp_path / "serial").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "threads").iterdir())
    for name in names:
        assert (tmp_path / "serial" / name).read_bytes() == (tmp_path / "threads" / name).read_bytes()


def test_encode_pool__skips_what_is_intact_and_redoes_the_rest(tmp_path, folder, original):
    out, seen = tmp_path / "codes", []
    first = encode(folder, original, out)
    with (out / "b.parquet.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    original[5:38].to_csv(folder / "c.csv.gz", index=False)
    again = encode(folder, original, out, on_part=seen.append)
    assert [(part.name, part.state) for part in seen] == [
        ("a.parquet", "intact"),
        ("b.parquet", "damaged"),
        ("c.csv.gz", "outdated"),
    ]
    assert np.array_equal(all_codes(again)[:500], all_codes(first)[:500])


def test_encode_pool__other_bins_redo_all(tmp_path, folder, original):
    seen = []
    encode(folder, original, tmp_path / "codes")
    encode(folder, original.assign(wage=original["wage"] + 1), tmp_path / "codes", on_part=seen.append)
    assert {part.state for part in seen} == {"outdated"}


def test_encode_pool__damaged_note_is_made_again(tmp_path, folder, original):
    seen = []
    encode(folder, original, tmp_path / "codes")
    (tmp_path / "codes" / "a.parquet.json").write_text("{")
    encode(folder, original, tmp_path / "codes", on_part=seen.append)
    assert [part.state for part in seen] == ["new", "intact", "intact"]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("wage", ["a lot"] * 20, r"part d\.parquet: .*'wage'.*'a lot'"),
        ("wage", [np.inf] * 20, r"part d\.parquet: .*'wage' has 20 infinite numbers"),
        ("since", [3.5] * 20, r"types disagree: column 'since'"),
        ("job 🎓", [3.5] * 20, r"types disagree: column 'job 🎓'"),
    ],
)
def test_encode_pool__values_that_disagree_name_part_and_column(tmp_path, folder, original, column, values, message):
    original[:20].assign(**{column: values}).to_parquet(folder / "d.parquet")
    with pytest.raises(InputError, match=message):
        encode(folder, original, tmp_path / "codes")


def test_encode_pool__missing_column(tmp_path, folder, original):
    with pytest.raises(InputError, match="lacks 1 of the original's 6 columns: 'height'"):
        encode(folder, original.assign(height=1.5), tmp_path / "codes")


def test_encode_pool__truncated_page_names_the_part(tmp_path, folder, original):
    data = bytearray((folder / "a.parquet").read_bytes())
    data[4:400] = bytes(396)
    (folder / "a.parquet").write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"a\.parquet is not a whole Parquet file"):
        encode(folder, original, tmp_path / "codes")


def test_encode_pool__csv_in_another_encoding_names_the_line(tmp_path, folder, original):
    original.to_csv(folder / "d.csv", index=False, encoding="utf-8")
    text = (folder / "d.csv").read_text(encoding="utf-8").replace("🎓", "").encode("latin-1")
    (folder / "d.csv").write_bytes(text)
    with pytest.raises(InputError, match=r"d\.csv is not UTF-8: byte 0xf6 in line"):
        encode(folder, original, tmp_path / "codes")


def test_encode_pool__header_without_rows(tmp_path, original):
    original.head(0).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="is empty"):
        encode(tmp_path / "a.csv", original, tmp_path / "codes")
