"""Codes on disk: what was written is what is read, in blocks that follow from the manifest."""

import json
from dataclasses import replace

import numpy as np
import pytest

from issodask.errors import InputError
from issodask.store import codes as codes_room
from issodask.store.codes import (
    PartCodes,
    is_intact,
    load_block,
    open_codes,
    read_note,
    seal_codes,
    write_codes,
    write_groups,
    write_note,
)


def write(folder, name, arrays):
    n_rows, codes_xxh3 = write_codes(folder, name, iter(arrays), n_columns=3)
    counts = tuple(tuple(np.bincount(np.concatenate(arrays)[:, j], minlength=4).tolist()) for j in range(3))
    return PartCodes(name, "part", "bins", n_rows, codes_xxh3, counts, n_units=n_rows)


def draw(n_rows, seed=1):
    return np.random.default_rng(seed).integers(0, 4, (n_rows, 3), dtype=np.uint8)


def test_codes__read_back_as_written(tmp_path, monkeypatch):
    monkeypatch.setattr(codes_room, "BLOCK_UNITS", 40)
    first, second = draw(100), draw(30, seed=2)
    notes = [write(tmp_path, "a", [first[:7], first[7:]]), write(tmp_path, "b", [second])]
    codes = seal_codes(tmp_path, notes)
    assert [(block.start, block.n_units, block.first_unit) for block in codes.blocks] == [
        (0, 40, 0),
        (40, 40, 40),
        (80, 20, 80),
        (0, 30, 100),
    ]
    both = np.concatenate([first, second])
    assert np.array_equal(np.concatenate([load_block(block) for block in codes.blocks]), both)
    assert (codes.n_units, codes.n_columns, codes.part_units) == (130, 3, (100, 30))
    assert codes.counts == tuple(tuple(np.bincount(both[:, j], minlength=4).tolist()) for j in range(3))
    assert open_codes(tmp_path) == codes


def test_codes__block_is_a_read_only_map(tmp_path):
    codes = seal_codes(tmp_path, [write(tmp_path, "a", [draw(10)])])
    block = load_block(codes.blocks[0])
    assert block.flags["C_CONTIGUOUS"]
    assert not block.flags["WRITEABLE"]


def write_grouped(folder, name, lengths, seed=1):
    note = write(folder, name, [draw(sum(lengths), seed)])
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    groups_xxh3 = write_groups(folder, name, starts, np.arange(len(lengths), dtype=np.uint64))
    return replace(note, n_units=len(lengths), groups_xxh3=groups_xxh3)


def test_codes__blocks_hold_whole_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(codes_room, "BLOCK_UNITS", 10)
    notes = [write_grouped(tmp_path, "a", [4, 6, 3, 25, 1, 2]), write_grouped(tmp_path, "b", [9, 2], seed=2)]
    codes = seal_codes(tmp_path, notes)
    assert [(block.start, block.n_units, block.first_unit, block.first_group) for block in codes.blocks] == [
        (0, 2, 0, 0),
        (10, 1, 2, 2),
        (13, 1, 3, 3),  # more rows than a block has, all alone
        (38, 2, 4, 4),
        (0, 1, 6, 0),
        (9, 1, 7, 1),
    ]
    loaded = [load_block(block) for block in codes.blocks]
    assert [np.diff(block.starts).tolist() for block in loaded] == [[4, 6], [3], [25], [1, 2], [9], [2]]
    assert np.array_equal(np.concatenate([block.rows for block in loaded]), np.concatenate([draw(41), draw(11, 2)]))
    assert (codes.n_units, codes.part_units) == (8, (6, 2))
    assert open_codes(tmp_path) == codes


@pytest.mark.parametrize("name", ["a.starts.npy", "a.keys.npy"])
def test_codes__groups_that_are_gone_or_damaged_are_noticed(tmp_path, name):
    note = write_grouped(tmp_path, "a", [2, 3])
    seal_codes(tmp_path, [note])
    assert is_intact(tmp_path, note)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:-1] + b"\xff")
    assert not is_intact(tmp_path, note)
    (tmp_path / name).unlink()
    assert not is_intact(tmp_path, note)
    with pytest.raises(InputError, match=rf"{name} are missing"):
        open_codes(tmp_path)


def test_codes__part_without_rows_has_no_block(tmp_path):
    notes = [write(tmp_path, "a", [draw(0)]), write(tmp_path, "b", [draw(5)])]
    assert [(block.first_unit, block.n_units) for block in seal_codes(tmp_path, notes).blocks] == [(0, 5)]


def test_write_codes__failure_leaves_the_earlier_file(tmp_path):
    write(tmp_path, "a", [draw(5)])
    before = (tmp_path / "a.npy").read_bytes()

    def failing():
        yield draw(3)
        raise RuntimeError("worker died")

    with pytest.raises(RuntimeError, match="worker died"):
        write_codes(tmp_path, "a", failing(), n_columns=3)
    assert (tmp_path / "a.npy").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_open_codes__nothing_there(tmp_path):
    with pytest.raises(InputError, match="holds no codes"):
        open_codes(tmp_path)


def test_open_codes__missing_file(tmp_path):
    seal_codes(tmp_path, [write(tmp_path, "a", [draw(5)])])
    (tmp_path / "a.npy").unlink()
    with pytest.raises(InputError, match=r"a\.npy are missing"):
        open_codes(tmp_path)


def test_read_note__another_versions_is_none(tmp_path):
    note = write(tmp_path, "a", [draw(5)])
    write_note(tmp_path, note)
    assert read_note(tmp_path, "a") == note
    fields = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps({**fields, "what": 1}))
    assert read_note(tmp_path, "a") is None
    del fields["coded_by"]
    (tmp_path / "a.json").write_text(json.dumps(fields))
    assert read_note(tmp_path, "a") is None
