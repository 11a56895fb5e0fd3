"""mostlyai-qa, called politely: imported late, offline, seeded from outside, quiet, and leaving no global state behind.

In: frames. Out: whatever mostlyai-qa computes; `write_qa_report` adds its own HTML page.
"""

import os
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from issodask.host import hide_if_broken
from issodask.report.tables import Table
from issodask.table.bins import RARE

# Threads of scikit-learn that spin while they wait take ten times as long on a busy machine; read when it is loaded.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
OWN_RARE = f"{RARE} (own)"
OWN_COLUMNS = ("Sequence Length", "__KEY", "__IDX")  # that mostlyai-qa adds: a table's own get another name there
MIN_ROWS = {"subset": 100, "original": 90, "holdout": 10}  # below these mostlyai.qa.report gives no metrics


@contextmanager
def qa_session(seed: int) -> Iterator[None]:
    """Everything inside may import and call mostlyai.qa, and gives the same numbers for the same seed.

    mostlyai-qa draws from numpy's and Python's global generators and ships its embedder: the generators' states, the
    warning filters and the environment are restored on leaving.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    np.random.seed(seed % 2**32)
    random.seed(seed)
    os.environ.update(ENVIRONMENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            hide_if_broken("torchvision")
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def with_own_rare(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `_RARE_`, where it is a text of theirs, under another name, that mostlyai-qa can compare.

    To its embeddings `_RARE_` is what no original row has, and a second one makes them fail.
    """
    named = {}
    for i, (_, values) in enumerate(rows.items()):
        if isinstance(values.dtype, pd.CategoricalDtype):
            if RARE in values.cat.categories:
                named[i] = values.cat.rename_categories({RARE: OWN_RARE})
        elif not pd.api.types.is_numeric_dtype(values.dtype) and (values == RARE).any():
            named[i] = values.replace(RARE, OWN_RARE)
    return pd.DataFrame({name: named.get(i, rows[name]) for i, name in enumerate(rows)}) if named else rows


def write_qa_report(
    tables: Mapping[str, Table], path: Path, *, distance_rows: int, seed: int, title: str, group_key: str | None = None
) -> Any | None:
    """Write mostlyai-qa's own report of original, subset and holdout to `path` and return its ModelMetrics.

    All units count for its accuracy, `distance_rows` of each table for its similarity and distances. None is returned
    (and a page that says so is written) when a table has fewer units than MIN_ROWS. Groups get new keys in the column
    `group_key`, since mostlyai-qa takes groups of equal keys in original and holdout for one.
    """
    original, subset, holdout = tables["original"], tables["subset"], tables.get("holdout")
    key = group_key if original.is_grouped else None
    first_key = original.n_units + subset.n_units
    with qa_session(seed):
        from mostlyai import qa

        _, metrics = qa.report(
            syn_tgt_data=_keyed(subset, key, original.n_units),
            trn_tgt_data=_keyed(original, key, 0),
            hol_tgt_data=None if holdout is None else _keyed(holdout, key, first_key),
            tgt_context_key=key,
            report_path=path,
            report_title=title,
            max_sample_size_embeddings=distance_rows,
        )
    return metrics


def _keyed(table: Table, key: str | None, first_key: int) -> pd.DataFrame:
    """The rows, and where `key` names a column the number of each row's group in it."""
    rows = with_own_rare(table.rows).rename(columns={name: f"{name}_" for name in OWN_COLUMNS})
    if key is None:
        return rows
    groups = table.groups
    keys = pd.Series(np.repeat(first_key + np.arange(groups.n_groups), groups.lengths), rows.index, name=key)
    return pd.concat([rows, keys], axis=1)
