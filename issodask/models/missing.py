"""Which columns are missing together: patterns that a generator learns in place of one flag for each column."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.table.profiles import count_sharing
from issodask.table.roles import FREQUENT

MAX_RARE_SHARE = 0.02
REST = "rest"


def missing_together(missing: np.ndarray, among: np.ndarray, units: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Gather the columns that have missing values, so that few rows show a rare pattern within a set of them.

    `missing`: bool, rows x columns; `among`: the columns in question. Those without any missing value, and those
    without any other, are left out.
    """
    sets: list[tuple[int, ...]] = []
    patterns = np.zeros(len(missing), dtype=np.int64)
    for i_column in among[missing[:, among].any(axis=0) & ~missing[:, among].all(axis=0)]:
        longer = pd.factorize(2 * patterns + missing[:, i_column])[0]
        if sets and _rare_share(longer, units) <= MAX_RARE_SHARE:
            sets[-1] = (*sets[-1], int(i_column))
            patterns = longer
        else:
            sets.append((int(i_column),))
            patterns = missing[:, i_column].astype(np.int64)
    return sets


def _rare_share(patterns: np.ndarray, units: NDArray[np.int64]) -> float:
    return float((_n_units_sharing(patterns, units) < FREQUENT).mean())


def missing_patterns(missing: np.ndarray, units: NDArray[np.int64]) -> np.ndarray:
    """One text of zeros and ones per row; rare patterns, which say too much about single units, become one value."""
    texts = pd.Series(["".join("1" if value else "0" for value in row) for row in missing.tolist()], dtype=object)
    return texts.where(_n_units_sharing(texts, units) >= FREQUENT, REST).to_numpy()


def _n_units_sharing(values: Any, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, how many units have its value; 0 where it is missing."""
    codes, found = pd.factorize(values)
    return np.append(count_sharing(codes, len(found), units), 0)[codes]
