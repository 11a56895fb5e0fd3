"""What a worker preloads: it compiles all kernels, or loads them where that was done, before it takes its first task.

It selects from a tiny table, once rows and once groups, and draws as generators do: what is compiled is then just what
a run needs.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from issodask.config import SelectConfig
from issodask.kernels.draws import draw
from issodask.runtime import open_runtime
from issodask.stages.select import select

_ROWS = 100
_EFFORT = 2_000.0  # enough that swaps are found, of rows and of groups


def warm_up() -> None:
    """Compile, or load, everything that sampling and a selection of rows or of groups call."""
    draw(np.ones((1, 2), np.float32), np.ones(2, np.float32), np.zeros(1), np.empty(1, np.int64))
    original, pool = _table(_ROWS, seed=1), _table(4 * _ROWS, seed=2)
    config = SelectConfig(effort=_EFFORT, ipf_passes=2, bound=True)
    with tempfile.TemporaryDirectory(prefix="issodask-warm-") as folder, open_runtime(1, "serial") as runtime:
        for group_key in (None, "key"):
            out = Path(folder) / f"{group_key}.parquet"
            select(original, pool, out, config, group_key=group_key, runtime=runtime)


def _table(n_rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    numbers = {name: random.integers(0, 8, n_rows) for name in "abcd"}
    texts = random.choice(["x", "y", "z"], n_rows)
    days = pd.Timestamp("2001-01-01") + pd.to_timedelta(random.integers(0, 8, n_rows), unit="D")
    return pd.DataFrame({"key": np.arange(n_rows) // 3, **numbers, "text": texts, "day": days})


def dask_setup(worker: Any) -> None:
    """What Dask calls when a worker preloads this module."""
    warm_up()
