"""How tasks read codes and weights of a block."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from issodask.store import codes
from issodask.store.codes import PartCodes, seal_codes, write_codes
from issodask.store.reader import MAPPED_BLOCKS, BlockReader, save_weights
from issodask.table.blocks import draw_samples

N_BLOCKS = MAPPED_BLOCKS + 9
ROWS = np.arange(N_BLOCKS * 2 * 3, dtype=np.uint16).reshape(-1, 3).astype(np.uint8)


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """The codes of a pool of many blocks of two units, with weights."""
    monkeypatch.setattr(codes, "BLOCK_UNITS", 2)
    n_rows, xxh3 = write_codes(tmp_path, "part", [ROWS], 3)
    sealed = seal_codes(tmp_path, [PartCodes("part", "", "", n_rows, xxh3, ((1,),) * 3, n_rows)])
    for block in sealed.blocks:
        save_weights(tmp_path / "weights", block, np.arange(2.0) + block.first_unit)
    return sealed


def n_mapped(name):
    return sum(name in line for line in Path("/proc/self/maps").read_text().splitlines())


def read_all(reader, blocks):
    return np.concatenate([reader.codes(block) for block in blocks]), [reader.weights(block)[0] for block in blocks]


def test_reader__same_codes_and_weights_however_many_blocks(pool):
    reader = BlockReader(pool.folder / "weights")
    for _ in range(2):
        rows, first_weights = read_all(reader, pool.blocks)
        assert np.array_equal(rows, ROWS)
        assert first_weights == [block.first_unit for block in pool.blocks]


def test_reader__maps_no_more_blocks_than_it_keeps(pool):
    reader = BlockReader(pool.folder / "weights")
    read_all(reader, pool.blocks)
    assert 0 < n_mapped(str(pool.folder / "part.npy")) <= MAPPED_BLOCKS
    assert 0 < n_mapped(str(pool.folder / "weights")) <= MAPPED_BLOCKS


def test_reader__travels_light(pool):
    reader = BlockReader(pool.folder / "weights")
    size = len(pickle.dumps(reader))
    read_all(reader, pool.blocks)
    assert len(pickle.dumps(reader)) == size
    assert np.array_equal(read_all(pickle.loads(pickle.dumps(reader)), pool.blocks)[0], ROWS)


def test_reader__samples_are_strips_one_after_the_other(pool):
    reader = BlockReader(pool.folder / "weights")
    everything = np.concatenate([reader.sample(sample) for sample in draw_samples(pool.blocks, len(ROWS))])
    assert np.array_equal(everything, ROWS)
    half = draw_samples(pool.blocks, len(ROWS) // 2)
    strips = [strip for sample in half for strip in sample.strips]
    taken = np.concatenate([ROWS[block.first_unit :][:n_rows] for block, _, n_rows in strips])
    assert np.array_equal(np.concatenate([reader.sample(sample) for sample in half]), taken)
    assert len(taken) == pytest.approx(len(ROWS) / 2, abs=2)
