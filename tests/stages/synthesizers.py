"""Synthesizers that do what they should not."""

import os
import time

import numpy as np
import pandas as pd


def bootstrap(original, n, seed):
    """Rows of the original with a tenth of the values drawn anew: a quick synthesizer that works."""
    random = np.random.default_rng(seed)
    drawn = original.iloc[random.integers(len(original), size=n)].reset_index(drop=True)
    for name in drawn:
        others = original[name].iloc[random.integers(len(original), size=n)].reset_index(drop=True)
        drawn[name] = drawn[name].where(random.random(n) > 0.1, others)
    return drawn


def whole_groups(original, n, seed):
    """Groups of the original by the column `who`, under new keys."""
    random = np.random.default_rng(seed)
    groups = [rows for _, rows in original.groupby("who")]
    drawn = [groups[i].assign(who=f"drawn {place}") for place, i in enumerate(random.integers(len(groups), size=n))]
    return pd.concat(drawn, ignore_index=True)


def crashes(original, n, seed):
    os._exit(13)


def raises(original, n, seed):
    raise ValueError("no idea what to do")


def hangs(original, n, seed):
    time.sleep(600)


def other_columns(original, n, seed):
    return bootstrap(original, n, seed).rename(columns={original.columns[0]: "something"})


def too_few(original, n, seed):
    return original.head(10)
