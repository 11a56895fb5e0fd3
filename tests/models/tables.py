"""Tables for the tests of generators."""

import datetime as dt

import numpy as np
import pandas as pd


def awkward(n_rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """One column of each sort that may trip a generator, under names that may too."""
    rng = np.random.default_rng(seed)

    def some(values: np.ndarray, missing_share: float = 0.3) -> list:
        return [
            None if is_missing else value
            for value, is_missing in zip(values.tolist(), rng.random(n_rows) < missing_share, strict=True)
        ]

    days = rng.integers(0, 3000, n_rows)
    return pd.DataFrame(
        {
            "price €/m²": rng.lognormal(3, 1, n_rows).round(2),
            "is new?": rng.random(n_rows) < 0.3,
            "  spaced  ": pd.array(some(rng.integers(0, 9, n_rows)), dtype="Int64"),
            "всё пропущено": pd.Series([None] * n_rows, dtype=object),
            "all nan": np.full(n_rows, np.nan),
            "all nat": pd.Series([pd.NaT] * n_rows),
            "constant": 7,
            "c0003": "the same",
            "m0000": rng.choice(["", "x", "y"], n_rows),
            "__key": pd.Categorical(some(rng.choice(["b", "a"], n_rows)), categories=["b", "a"], ordered=True),
            "stars": pd.Categorical(rng.choice([3, 1, 2], n_rows)),
            "maybe": pd.array(some(rng.random(n_rows) < 0.5), dtype="boolean"),
            "object of booleans": pd.Series(some(rng.random(n_rows) < 0.5), dtype=object),
            "born 1600": pd.Series(
                pd.Timestamp("1600-01-01").as_unit("us") + pd.to_timedelta(days, unit="D").as_unit("us")
            ),
            "at, in Vienna": pd.date_range("2020-01-01", periods=n_rows, freq="h", tz="Europe/Vienna"),
            "clock": [dt.time(int(hour), int(minute)) for hour, minute in rng.integers(0, 24, (n_rows, 2))],
            "date 1650": [dt.date(1650, 1, 1) + dt.timedelta(int(day)) for day in days],
            "large": rng.integers(0, 2**62, n_rows),
            "small": rng.integers(-5, 5, n_rows).astype("int8"),
            "identifier": [f"u{i}" for i in range(n_rows)],
        }
    )


def sequences(n_groups: int = 120, seed: int = 0) -> pd.DataFrame:
    """Groups of one to six rows, interleaved: two columns that never change within a group, one of them with missing
    values, and others that do; one group alone has the value "mine", in many rows."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 7, n_groups)
    lengths[7] = 12
    group = np.repeat(np.arange(n_groups), lengths)
    born = rng.integers(1950, 1960, n_groups).astype(float)
    born[rng.random(n_groups) < 0.3] = np.nan
    step = np.concatenate([np.arange(length) for length in lengths])
    wage = rng.lognormal(2, 0.3, len(group)).round(1)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], n_groups)[group],
            "born": born[group],
            "person": np.array([f"p{i}" for i in rng.permutation(n_groups)])[group],
            "step": step,
            "wage": np.where(rng.random(len(group)) < 0.3, np.nan, wage),
            "job": np.where(group == 7, "mine", rng.choice(["a", "b", "c"], len(group))),
        }
    )
    return frame.iloc[np.argsort(step, kind="stable")].reset_index(drop=True)
