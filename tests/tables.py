"""A table of every kind of column, a biased pool for it, and jobs small enough to run whole in a test."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from issodask.config import SelectConfig

QUICK = SelectConfig(aim="original", effort=60, ipf_passes=2)
N_ROWS = 600
N_POOL = 6_000


def mixed_table(n_rows: int = N_ROWS, seed: int = 1, tilt: float = 0.0) -> pd.DataFrame:
    """Numbers, whole numbers with missing values, categories, booleans, dates and text, dependent on one another.

    `tilt` moves ages, wages and jobs: a table with it is a biased draw of what one without it shows.
    """
    random = np.random.default_rng(seed)
    age = np.clip(random.normal(44 + 10 * tilt, 13, n_rows), 18, 90).astype(int)
    wage = random.lognormal(6 + age / 60 + 0.3 * tilt, 0.5).round(2)
    job = np.where(
        random.random(n_rows) < 0.2 + age / 200, "smith", random.choice(["cook", "Köhler", "lamp 💡"], n_rows)
    )
    since = pd.Timestamp("1999-01-01") + pd.to_timedelta(random.integers(0, 4_000, n_rows) + 50 * (90 - age), unit="D")
    return pd.DataFrame(
        {
            "wage (€)": wage,
            "age": age,
            "children": pd.Series(random.poisson(1 + age / 60), dtype="Int64").mask(random.random(n_rows) < 0.1),
            "job": np.where(random.random(n_rows) < 0.05, None, job),
            "size": pd.Categorical(
                np.where(wage > 900, "L", random.choice(["S", "M"], n_rows)), categories=["S", "M", "L"], ordered=True
            ),
            "is_new": random.random(n_rows) < 0.2 + (age < 30) * 0.3,
            "since": pd.Series(since).mask(random.random(n_rows) < 0.03),
        }
    )


def biased_pool(n_rows: int = N_POOL, seed: int = 2) -> pd.DataFrame:
    """Half of it tilted, so that a random subset is visibly off."""
    n_tilted = n_rows // 2
    frame = pd.concat([mixed_table(n_rows - n_tilted, seed), mixed_table(n_tilted, seed + 1, tilt=1.0)])
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def write_pool(folder: Path, frame: pd.DataFrame, n_parts: int = 3) -> Path:
    """A pool that something else wrote: Parquet parts without a manifest."""
    folder.mkdir(parents=True)
    for i_part, rows in enumerate(np.array_split(np.arange(len(frame)), n_parts)):
        frame.iloc[rows].to_parquet(folder / f"part-{i_part}.parquet", index=False)
    return folder


def narrow(frame: pd.DataFrame) -> pd.DataFrame:
    """Four columns, for tests in which only the way through matters."""
    return frame[["age", "children", "job", "is_new"]]


def panel_table(n_groups: int, seed: int, tilt: float = 0.0, name: str = "p") -> pd.DataFrame:
    """Groups (column `who`) of 1 to 8 rows that go on from one another; `tilt` makes them longer and richer."""
    random = np.random.default_rng(seed)
    lengths = 1 + random.binomial(7, 0.35 + 0.2 * tilt, n_groups)
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    level = np.repeat(random.normal(0.6 * tilt, 1, n_groups), lengths)
    first_job = np.repeat(random.choice(["cook", "smith", "lamp 💡"], n_groups, p=[0.5, 0.3, 0.2]), lengths)
    stays = random.random(len(place)) < 0.5 + 0.4 * tilt
    job = np.where(stays, first_job, random.choice(["cook", "smith", "lamp 💡", "none"], len(place)))
    wage = (level + 0.2 * place + random.normal(0, 0.4, len(place))).round(2)
    return pd.DataFrame(
        {
            "who": np.repeat([f"{name}{i}" for i in range(n_groups)], lengths),
            "wage": pd.Series(wage).mask(random.random(len(place)) < 0.05),
            "children": np.maximum(0, np.floor(level + place / 3)).astype(int),
            "job": np.where(random.random(len(place)) < 0.04, None, job),
        }
    )


def biased_panel(n_groups: int, seed: int = 5) -> pd.DataFrame:
    """Half of the groups tilted."""
    n_tilted = n_groups // 2
    return pd.concat(
        [panel_table(n_groups - n_tilted, seed), panel_table(n_tilted, seed + 1, 1.0, "t")], ignore_index=True
    )


def write_panel(folder: Path, frame: pd.DataFrame, n_parts: int = 3, shuffled: bool = True) -> Path:
    """A pool of whole groups that something else wrote; if `shuffled`, rows of groups lie among those of others."""
    folder.mkdir(parents=True)
    part_of_row = pd.factorize(frame["who"])[0] % n_parts
    for i_part in range(n_parts):
        rows = frame[part_of_row == i_part]
        rows = rows.sample(frac=1.0, random_state=i_part) if shuffled else rows
        rows.to_parquet(folder / f"part-{i_part}.parquet", index=False)
    return folder


def write_job(path: Path, **sections: dict) -> Path:
    """A job file; values are texts, numbers and booleans."""
    top = {name: value for name, value in sections.items() if not isinstance(value, dict)}
    lines = [_entry(name, value) for name, value in top.items()]
    for name, section in sections.items():
        if isinstance(section, dict):
            lines += [f"[{name}]", *(_entry(key, value) for key, value in section.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def draw(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """A generator for tests (`python:tests/tables.py:draw`): rows of the original with other whole numbers."""
    frame = original.sample(n, replace=True, random_state=seed).reset_index(drop=True)
    return frame.assign(age=frame["age"] + np.random.default_rng(seed).integers(-3, 4, n))


def _entry(name: str, value: object) -> str:
    return f"{name} = {json.dumps(str(value) if isinstance(value, Path) else value)}"
