"""The job that is disturbed: small, but with every stage, and each of them long enough to be hit."""

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.tables import mixed_table, panel_table, write_job

STAGES = ("train", "sample", "encode", "ipf", "trim", "refine", "write")
GROUP_STAGES = ("train", "sample", "encode", "trim", "refine", "write")
ASKED_STAGES = ("mark", "stratum", "write")
STAGES_OF_POOL = ("train", "sample")
PARTS_OF_POOL = ("generators", "pool")
KINDS_IN_STORE = ("store", "store-groups")
RESULTS = ("subset.parquet", "subset.lineage.parquet")


def write_flat_job(folder: Path, name: str, out: str) -> Path:
    """Two generators that learn 4,000 rows, a pool of 60,000, 4,000 of them to be selected."""
    original = folder / "original.parquet"
    if not original.is_file():
        mixed_table(4_000).to_parquet(original, index=False)
    return write_job(
        folder / f"{name}.toml",
        out=out,
        seed=7,
        original={"path": original, "holdout_share": 0.2},
        generate={"generators": 2, "model": "MOSTLY_AI/Small", "max_epochs": 3, "units": 60_000, "part_rows": 8_000},
        select={"effort": 600.0, "ipf_passes": 6},
        evaluate={"distance_rows": 500},
    )


def write_group_job(folder: Path, name: str, out: str) -> Path:
    """The same with groups of rows."""
    original = folder / "panel.parquet"
    if not original.is_file():
        panel_table(700, seed=3).to_parquet(original, index=False)
    return write_job(
        folder / f"{name}.toml",
        out=out,
        seed=7,
        original={"path": original, "group_key": "who"},
        generate={"generators": 2, "model": "MOSTLY_AI/Small", "max_epochs": 2, "units": 8_000, "part_rows": 8_000},
        select={"effort": 300.0},
        evaluate={"distance_rows": 500},
    )


def write_asked_job(folder: Path, name: str, out: str) -> Path:
    """The flat job with a rule, and with strata that have their totals."""
    original = folder / "original.parquet"
    if not original.is_file():
        mixed_table(4_000).to_parquet(original, index=False)
    jobs = ("smith", "cook", "Köhler")
    rows = [{"job": job, "age": age, "count": 9_000} for job in jobs for age in ("18-39", "40-90")]
    job = {
        "out": out,
        "seed": 7,
        "original": {"path": str(original), "holdout_share": 0.2},
        "generate": {
            "generators": 2,
            "model": "MOSTLY_AI/Small",
            "max_epochs": 3,
            "units": 60_000,
            "part_rows": 8_000,
        },
        "select": {"effort": 300.0},
        "target": {"by": "job", "totals": [{"rows": rows}]},
        "rules": {"rows": ["age < 89"], "strict": True},
        "evaluate": {"distance_rows": 500},
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return path


def stage_of(event: dict[str, Any]) -> str | None:
    """The stage that an event belongs to."""
    if event["event"] == "generator":
        return {"train": "train", "train groups": "train", "sample": "sample"}.get(event["phase"])
    return event["event"] if event["event"] in (*STAGES, *ASKED_STAGES) else None


def has_begun(stage: str, events: Iterable[dict[str, Any]]) -> bool:
    return any(stage_of(event) == stage for event in events)


def durations(events: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds from the first event of each stage to the first event of what follows."""
    begun: dict[str, float] = {}
    for event in events:
        stage = stage_of(event) or ("end" if event["event"] == "selected" else None)
        if stage is not None:
            begun.setdefault(stage, event["time"])
    names = list(begun)
    return {name: begun[after] - begun[name] for name, after in pairwise(names)}


def records(lines: bytes) -> list[dict[str, Any]]:
    """The events of a run so far; half a line at the end, or in between, is left out."""
    found = []
    for line in lines.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
