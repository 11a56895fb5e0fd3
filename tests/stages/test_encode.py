"""Encoding a pool: the same codes as the whole frame at once, redone only where needed."""

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.stages.encode import encode_pool
from issodask.store import codes as codes_room
from issodask.store import parts
from issodask.store.codes import load_block
from issodask.store.pool import open_pool
from issodask.table.bins import Bins
from issodask.table.groups import Groups
from issodask.table.sequences import SequenceBins
from tests.door import schema_from
from tests.tables import panel_table, write_panel


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
    schema = schema_from(original)
    bins = Bins.fit(original)
    with open_runtime(2, runtime) as opened:
        return encode_pool(open_pool(folder), bins, schema, out, opened, **options)


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


def test_encode_pool__other_types_redo_all(tmp_path):
    """The same bins, but 1.6 is 2 where the original has whole numbers."""
    folder, seen = tmp_path / "pool", []
    folder.mkdir()
    pd.DataFrame({"x": [1.0, 1.6, 2.0, 3.0]}).to_parquet(folder / "a.parquet")
    floating = pd.DataFrame({"x": [1.0, 2.0, 3.0] * 20})
    whole = floating.astype("int64")
    encode(folder, floating, tmp_path / "codes")
    again = encode(folder, whole, tmp_path / "codes", on_part=seen.append)
    assert [part.state for part in seen] == ["outdated"]
    assert np.array_equal(all_codes(again), all_codes(encode(folder, whole, tmp_path / "fresh")))
    encode(folder, whole, tmp_path / "codes", on_part=seen.append)
    assert seen[-1].state == "intact"


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


def test_encode_pool__csv_in_two_encodings_names_the_line(tmp_path, folder, original):
    original.to_csv(folder / "d.csv", index=False, encoding="utf-8")
    with (folder / "d.csv").open("ab") as file:
        file.write("Köhler\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"d\.csv is not UTF-8: byte 0xf6 in line"):
        encode(folder, original, tmp_path / "codes")


def test_encode_pool__header_without_rows(tmp_path, original):
    original.head(0).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="is empty"):
        encode(tmp_path / "a.csv", original, tmp_path / "codes")


# groups


PANEL = panel_table(60, 1)


def sequence_bins(frame):
    return SequenceBins.fit(frame.drop(columns=["who"]), Groups.of(frame["who"]))


def encode_groups(folder, out, frame=PANEL, **options):
    with open_runtime(1) as opened:
        schema = schema_from(frame)
        return encode_pool(open_pool(folder), sequence_bins(frame), schema, out, opened, group_key="who", **options)


def assert_codes_of(codes, parts):
    """Codes are those of the parts' groups, in the order of their first rows, one after the other."""
    bins = sequence_bins(PANEL)
    expected = [bins.encode_groups(part.drop(columns=["who"]), Groups.of(part["who"])) for part in parts]
    loaded = [load_block(block) for block in codes.blocks]
    assert np.array_equal(np.concatenate([c.rows for c in loaded]), np.concatenate([c.rows for c in expected]))
    lengths = np.concatenate([np.diff(c.starts) for c in expected])
    assert np.concatenate([np.diff(c.starts) for c in loaded]).tolist() == lengths.tolist()
    assert codes.part_units == tuple(len(c.starts) - 1 for c in expected)
    counts = np.concatenate([c.rows for c in expected])
    assert codes.counts == tuple(
        tuple(np.bincount(counts[:, j], minlength=size).tolist()) for j, size in enumerate(bins.sizes)
    )


def test_encode_groups__codes_of_interleaved_rows_are_those_of_gathered_ones(tmp_path):
    write_panel(tmp_path / "pool", PANEL)
    parts = [pd.read_parquet(path) for path in sorted((tmp_path / "pool").iterdir())]
    assert not any(Groups.of(part["who"]).is_gathered for part in parts)
    assert_codes_of(encode_groups(tmp_path / "pool", tmp_path / "codes"), parts)
    for i, part in enumerate(parts):
        part = part.iloc[Groups.of(part["who"]).order]
        part.to_parquet(tmp_path / "pool" / f"part-{i}.parquet")
    assert_codes_of(encode_groups(tmp_path / "pool", tmp_path / "codes"), parts)


@pytest.mark.parametrize("n_rows", [1, 7])
def test_encode_groups__batches_end_within_groups(tmp_path, monkeypatch, n_rows):
    monkeypatch.setattr(parts, "MAX_BATCH_ROWS", n_rows)
    (tmp_path / "pool").mkdir()
    shuffled = PANEL.sample(frac=1, random_state=1)
    PANEL.to_parquet(tmp_path / "pool" / "a.parquet", row_group_size=50)
    shuffled.assign(who="b" + shuffled["who"]).to_csv(tmp_path / "pool" / "b.csv", index=False)
    assert_codes_of(encode_groups(tmp_path / "pool", tmp_path / "codes"), [PANEL, shuffled])


def test_encode_groups__huge_group_has_a_block_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(codes_room, "BLOCK_UNITS", 20)
    (tmp_path / "pool").mkdir()
    table = PANEL.assign(who=np.where((PANEL.index > 50) & (PANEL.index < 120), "huge", PANEL["who"]))
    table.to_parquet(tmp_path / "pool" / "a.parquet")
    codes = encode_groups(tmp_path / "pool", tmp_path / "codes")
    assert_codes_of(codes, [table])
    sizes = [(block.n_units, len(load_block(block).rows)) for block in codes.blocks]
    assert (1, 69) in sizes
    assert all(n_rows <= 20 for n_units, n_rows in sizes if n_units > 1)


@pytest.mark.parametrize("key", ["p3", 2**60 + 1, 1.5, pd.Timestamp("2020-02-02")])
def test_encode_groups__group_in_two_parts_names_both(tmp_path, key):
    write_panel(tmp_path / "pool", PANEL)
    for name in ("part-0", "part-2"):
        part = pd.read_parquet(tmp_path / "pool" / f"{name}.parquet")
        part[part["who"] == part["who"].iloc[0]].assign(who=key).to_parquet(tmp_path / "pool" / f"{name}.parquet")
    with pytest.raises(InputError, match=r"lies in parts part-0\.parquet and part-2\.parquet .*to one part"):
        encode_groups(tmp_path / "pool", tmp_path / "codes")


def test_encode_groups__missing_key_names_the_part(tmp_path):
    write_panel(tmp_path / "pool", PANEL)
    part = pd.read_parquet(tmp_path / "pool" / "part-1.parquet")
    part.assign(who=part["who"].mask(part.index == 4)).to_parquet(tmp_path / "pool" / "part-1.parquet")
    with pytest.raises(InputError, match=r"part part-1\.parquet has no group key \('who'\) in 1 of .* row 4"):
        encode_groups(tmp_path / "pool", tmp_path / "codes")


@pytest.mark.parametrize("suffix", [".npy", ".starts.npy", ".keys.npy"])
def test_encode_groups__damaged_codes_are_made_again(tmp_path, suffix):
    write_panel(tmp_path / "pool", PANEL)
    first, seen = encode_groups(tmp_path / "pool", tmp_path / "codes"), []
    path = tmp_path / "codes" / f"part-1.parquet{suffix}"
    path.write_bytes(path.read_bytes()[:-1] + b"\xfe")
    assert encode_groups(tmp_path / "pool", tmp_path / "codes", on_part=seen.append) == first
    assert [part.state for part in seen] == ["intact", "damaged", "intact"]
