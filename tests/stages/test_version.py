"""What each version of the algorithm found: a checkpoint of one must not be gone on with by another.

When a test here fails, a search ends in other units than it did. If that is meant, raise `ALGORITHM`, and write down
here what the new version finds.
"""

import numpy as np
import pandas as pd
import pytest
import xxhash

from issodask.config import SelectConfig
from issodask.event_log import Events
from issodask.fitting.version import ALGORITHM
from issodask.runtime import open_runtime
from issodask.stages.select import select
from tests.tables import biased_panel, biased_pool, mixed_table, panel_table

FOUND = {
    15: {
        "rows": "4c952a90da98b001",
        "rows of one pass": "94019908b34cd986",
        "repeated rows": "dbbe4c7826fc28d6",
        "groups": "94d31d69d4fe3fc3",
        "groups for coherence": "c60ebba735ee248d",
        "rows, population": "1969cbc8f4d83fec",
        "groups, population": "06649a1c5fd51814",
    },
}
SEARCHES = {
    "rows": (SelectConfig(aim="original", effort=40), None),
    "rows of one pass": (SelectConfig(aim="original", effort=40, ipf_passes=1, units=100), None),
    "repeated rows": (SelectConfig(aim="original", effort=40, allow_repeats=True, oversize=3), None),
    "groups": (SelectConfig(aim="original", effort=40), "who"),
    "groups for coherence": (SelectConfig(aim="original", effort=40, start="coherence"), "who"),
    "rows, population": (SelectConfig(effort=40), None),
    "groups, population": (SelectConfig(effort=40), "who"),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_algorithm__finds_what_its_version_found(name, tmp_path):
    config, group_key = SEARCHES[name]
    tables = (mixed_table(), biased_pool()) if group_key is None else (panel_table(200, 3), biased_panel(2_000))
    with open_runtime(1, "serial") as runtime:
        select(*tables, tmp_path / "s.parquet", config, group_key=group_key, runtime=runtime, events=Events(None))
    rows = pd.read_parquet(tmp_path / "s.lineage.parquet")["row"].to_numpy(np.int64)
    assert xxhash.xxh3_64(rows.tobytes()).hexdigest() == FOUND[ALGORITHM][name]


def test_algorithm__no_two_versions_found_the_same():
    assert len({tuple(found.values()) for found in FOUND.values()}) == len(FOUND)
