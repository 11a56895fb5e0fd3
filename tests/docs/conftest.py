"""A folder with the tables that pages of the documentation speak of."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import issodask as iss

N_PEOPLE, MOST_UNITS = 300, 2_000
JOB = 'out = "run"\n[original]\npath = "people.parquet"\n'
GENERATOR = """
def draw(original, n, seed):
    return original.sample(n, replace=True, random_state=seed, ignore_index=True)
"""


def people_of(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age = random.integers(18, 90, N_PEOPLE)
    return pd.DataFrame(
        {
            "customer_id": [f"C{seed}-{i:05d}" for i in range(N_PEOPLE)],
            "age": age,
            "income": np.round(random.lognormal(10, 0.4, N_PEOPLE) * age / 50, 2),
            "zip": random.choice(["01067", "10115", "80331"], N_PEOPLE),
        }
    )


def visits_of(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    patients = np.repeat(np.arange(150), random.integers(1, 6, 150))
    ward = random.choice(["a", "b", "c"], len(patients))
    return pd.DataFrame({"patient": patients, "ward": ward, "days": random.integers(1, 9, len(patients))})


def draw_small(original: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Takes the place of a training: rows of the original, or its groups with new keys."""
    random = np.random.default_rng(seed)
    if "patient" not in original:
        return original.sample(n, replace=True, random_state=seed, ignore_index=True)
    groups = [group for _, group in original.groupby("patient")]
    drawn = [groups[i].assign(patient=key) for key, i in enumerate(random.integers(0, len(groups), n))]
    return pd.concat(drawn, ignore_index=True)


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, pd.DataFrame]:
    """What pages take for granted, as files here and by name; nothing is trained, and pools are small."""
    monkeypatch.chdir(tmp_path)
    found = {"people": people_of(1), "others": people_of(2), "visits": visits_of(1)}
    for name, table in found.items():
        table.to_parquet(f"{name}.parquet")
    found["people"].to_csv("people.csv", index=False)
    Path("pool").mkdir()
    draw_small(found["people"], 2_000, 3).to_parquet("pool/part-0.parquet")
    Path("job.toml").write_text(JOB, encoding="utf-8")
    Path("my_generators.py").write_text(GENERATOR, encoding="utf-8")
    _keep_small(monkeypatch)
    return found


def _keep_small(monkeypatch: pytest.MonkeyPatch) -> None:
    generate, select = iss.generate, iss.select

    def generate_small(original, **given):
        given = {"source": draw_small, "runtime": "serial", **given}
        return generate(original, **{**given, "units": min(given.get("units", MOST_UNITS), MOST_UNITS)})

    def select_small(original, pool, **given):
        given["units"] = min(given.get("units", N_PEOPLE // 3), N_PEOPLE // 3)
        if "time_limit_s" in given:
            given["time_limit_s"] = 1.0
        elif "rounds" not in given:
            given.setdefault("effort", 40)
        return select(original, pool, **given)

    monkeypatch.setattr(iss, "generate", generate_small)
    monkeypatch.setattr(iss, "select", select_small)
