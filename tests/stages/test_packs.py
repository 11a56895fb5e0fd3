"""Many small parts: their codes are joined, and the subset is that of the same rows in one part."""

import numpy as np
import pandas as pd
import pytest

from issodask.config import RulesConfig, SelectConfig, TargetConfig
from issodask.event_log import Events
from issodask.runtime import open_runtime
from issodask.stages.select import select
from issodask.store import codes as codes_room
from issodask.store.codes import load_block, open_codes, sizes_of_packs
from tests.tables import biased_panel, biased_pool, mixed_table, panel_table, write_panel, write_pool

pytestmark = pytest.mark.slow

N_PARTS = 12


@pytest.fixture(autouse=True)
def _four_parts_are_many(monkeypatch):
    monkeypatch.setattr(codes_room, "_MANY_PARTS", 4)


@pytest.fixture
def rows(tmp_path):
    """Original, and the same pool in many parts and in one."""
    many = write_pool(tmp_path / "many", biased_pool(1_200), N_PARTS)
    return mixed_table(), many, as_one(many, tmp_path / "one")


@pytest.fixture
def groups(tmp_path):
    many = write_panel(tmp_path / "many", biased_panel(400), N_PARTS)
    return panel_table(60, 1), many, as_one(many, tmp_path / "one")


def as_one(many, folder):
    """A pool of one part, with the rows of many in the order of their names."""
    return write_pool(folder, pd.concat([pd.read_parquet(part) for part in sorted(many.iterdir())]), 1)


def chosen(original, pool, out, runtime="serial", **options):
    """The bytes of the subset, the units of the pool, and the codes."""
    config = SelectConfig(effort=40, units=options.pop("units", None), bound=True)
    with open_runtime(2, runtime) as opened:
        select(original, pool, out / "s.parquet", config, runtime=opened, events=Events(None), **options)
    return (
        (out / "s.parquet").read_bytes(),
        pd.read_parquet(out / "s.lineage.parquet"),
        open_codes(out / "s.work/codes"),
    )


@pytest.mark.parametrize("runtime", ["serial", "threads"])
def test_packs__rows_with_odds_rules_and_shares(rows, tmp_path, runtime):
    original, many, one = rows
    asked = {
        "target": TargetConfig(shares=[{"column": "job", "shares": {"cook": 0.5}}]),
        "rules": RulesConfig(rows=["job == 'cook' or job != 'x'"]),
        "units": 150,
    }
    of_many, lineage, codes = chosen(original, many, tmp_path / "a", runtime, **asked)
    of_one, _, whole = chosen(original, one, tmp_path / "b", **asked)
    assert of_many == of_one
    assert codes.packs == (N_PARTS,)
    assert whole.packs == (1,)
    assert len(codes.blocks) == 1
    assert np.array_equal(load_block(codes.blocks[0]), load_block(whole.blocks[0]))
    assert lineage["part"].nunique() == N_PARTS


def test_packs__groups(groups, tmp_path):
    original, many, one = groups
    of_many, lineage, codes = chosen(original, many, tmp_path / "a", group_key="who")
    of_one, _, _ = chosen(original, one, tmp_path / "b", group_key="who")
    assert of_many == of_one
    assert codes.packs == (N_PARTS,)
    assert lineage["part"].nunique() > 5


def test_packs__are_made_again_when_they_are_damaged_or_a_part_is_another(rows, tmp_path):
    original, many, _ = rows
    expected, _, codes = chosen(original, many, tmp_path / "a")
    pack = tmp_path / "a" / "s.work" / "codes" / "%pack-000000.npy"
    assert pack == codes.blocks[0].path
    made = pack.stat().st_mtime_ns
    assert chosen(original, many, tmp_path / "a")[0] == expected
    assert pack.stat().st_mtime_ns == made
    pack.write_bytes(pack.read_bytes()[:-1] + b"\xff")
    assert chosen(original, many, tmp_path / "a")[0] == expected
    first = sorted(many.iterdir())[0]
    pd.read_parquet(first).iloc[::-1].to_parquet(first)
    _, _, after = chosen(original, many, tmp_path / "a")
    assert after.key != codes.key


@pytest.mark.parametrize(
    ("n_rows", "sizes"),
    [
        ([50_000] * 4, (1, 1, 1, 1)),
        ([50_000] * 5, (2, 2, 1)),
        ([0] * 6, (6,)),
        ([200_000, 1, 1, 131_071, 1, 1], (1, 2, 2, 1)),
        ([1, 131_071, 131_072, 5, 5], (2, 1, 2)),
    ],
)
def test_sizes_of_packs__as_many_parts_as_make_a_block(n_rows, sizes):
    assert sizes_of_packs(n_rows) == sizes
