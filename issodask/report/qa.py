"""mostlyai-qa, called politely: imported late, offline, seeded from outside, quiet, and leaving no global state behind.

In: frames. Out: whatever mostlyai-qa computes; `write_qa_report` adds its own HTML page.
"""

import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MIN_ROWS = {"subset": 100, "original": 90, "holdout": 10}  # below these mostlyai.qa.report gives no metrics


@contextmanager
def qa_session(seed: int) -> Iterator[None]:
    """Everything inside may import and call mostlyai.qa, and gives the same numbers for the same seed.

    mostlyai-qa draws from numpy's and Python's global generators and ships its embedder: the generators' states, the
    warning filters and the environment are restored on leaving.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    offline = os.environ.get("HF_HUB_OFFLINE")
    np.random.seed(seed % 2**32)
    random.seed(seed)
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        if offline is None:
            os.environ.pop("HF_HUB_OFFLINE", None)
        else:
            os.environ["HF_HUB_OFFLINE"] = offline


def write_qa_report(
    original: pd.DataFrame,
    subset: pd.DataFrame,
    holdout: pd.DataFrame | None,
    path: str | Path,
    *,
    distance_rows: int,
    seed: int,
    title: str = "issodask",
) -> Any | None:
    """Write mostlyai-qa's own report of the same frames to `path` and return its ModelMetrics.

    All rows count for its accuracy, `distance_rows` of each table for its similarity and distances. None is returned
    (and a page that says so is written) when a table has fewer rows than MIN_ROWS.
    """
    with qa_session(seed):
        from mostlyai import qa

        _, metrics = qa.report(
            syn_tgt_data=subset,
            trn_tgt_data=original,
            hol_tgt_data=holdout,
            report_path=path,
            report_title=title,
            max_sample_size_embeddings=distance_rows,
        )
    return metrics
