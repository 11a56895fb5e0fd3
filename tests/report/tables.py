"""Small tables for the tests of the report: columns of every kind, dependent on one another, with few categories."""

import numpy as np
import pandas as pd

from issodask.config import EvaluateConfig
from issodask.report.copies import Copies
from issodask.report.facts import FittedWeights, SelectionFacts, Source, Start, UnfilledCell, Unsupported
from issodask.report.findings import Findings
from issodask.report.tables import Table
from issodask.stages.evaluate import measure_findings

FACTS = SelectionFacts(
    pool_units=600_000,
    objective=0.0068,
    stop_reason="the given effort was spent",
    rounds="320/400",
    seed=3,
    timings={"generate": 160.2, "select": 58.2},
    ipf=FittedWeights("converged", (0.04, 0.02), 28, 1834, 0.02, 21_600.5),
    start=Start("weighted", 192_000, {"weighted": 0.011, "even": 0.052}, tried=False),
    unsupported=Unsupported(
        1834,
        0.0012,
        (
            UnfilledCell(("age", "city"), ("⪰ 58", "Wels"), 9),
            UnfilledCell(("age", "city"), ("⪰ 18", "the-only-one"), 1),
        ),
    ),
    lineage=(Source(0, 1000, 40), Source(None, 500, 2)),
    objective_bound=None,
    copies=Copies(24_000, 30, 2, 9.5),
    unit="row",
    roles={"roles": {"age": {"role": "numeric", "why": "a number"}}, "left_out": []},
    settings={"units": 24_000, "rounds": None, "allow_repeats": False},
    job={"seed": 3, "select": {"units": 24_000, "rounds": None, "allow_repeats": False}},
)


def real_table(n_rows: int, seed: int) -> pd.DataFrame:
    """Numbers, whole numbers, categories, booleans and dates, with missing values; all drawn from one distribution."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 90, n_rows)
    income = random.lognormal(9 + age / 100, 0.6, n_rows).round(2)
    city = random.choice(["Wien", "Linz", "Graz", "Villach", "Wels"], n_rows, p=[0.4, 0.25, 0.2, 0.1, 0.05])
    since = pd.Timestamp("2001-01-01") + pd.to_timedelta(random.integers(0, 5000, n_rows) + 10 * age, unit="D")
    return pd.DataFrame(
        {
            "age": age,
            "income": pd.Series(income).mask(random.random(n_rows) < 0.1),
            "children": pd.Series(random.poisson(1.2, n_rows), dtype="Int64").mask(random.random(n_rows) < 0.05),
            "city": pd.Series(city, dtype=object).mask(random.random(n_rows) < 0.08),
            "member since": pd.Series(since).mask(random.random(n_rows) < 0.03),
            "premium": random.random(n_rows) < age / 120,
        }
    )


def narrow_table(n_rows: int, seed: int) -> pd.DataFrame:
    """Three numeric columns: few enough dimensions for mostlyai-qa to try no random groups of columns."""
    return real_table(n_rows, seed)[["age", "income", "children"]]


def hostile_table(n_rows: int, seed: int) -> pd.DataFrame:
    """Names and labels that would break a page which trusts them."""
    random = np.random.default_rng(seed)
    labels = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "a & b", "\u2028", "%{x}", ""]
    return pd.DataFrame(
        {
            "<script>alert(3)</script>": random.choice(labels, n_rows),
            "quote \" and ' and }} {{ 7 * 7 }}": random.choice(labels, n_rows),
            "日本語 \u202e desrever " + "long " * 40: random.integers(0, 20, n_rows),
        }
    )


def wide_table(n_rows: int, seed: int, n_columns: int = 80) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({f"column {i}": random.integers(0, 4, n_rows) for i in range(n_columns)})


def grouped(rows: pd.DataFrame, lengths: np.ndarray, name: str = "person") -> pd.DataFrame:
    """Rows with the key of their group: `lengths` rows each, one group after the other."""
    return rows.assign(**{name: np.repeat([f"{name} {i}" for i in range(len(lengths))], lengths)})


def sequence_table(n_groups: int, seed: int, tilt: float = 0.0) -> pd.DataFrame:
    """Groups of 1 to 12 rows whose values hang on to those of the row before; key `person`; values of every kind."""
    random = np.random.default_rng(seed)
    lengths = 1 + random.binomial(11, 0.3 + 0.1 * tilt, n_groups)
    n_rows = int(lengths.sum())
    year = np.concatenate([np.arange(length) for length in lengths])
    level = np.repeat(random.normal(0, 1, n_groups), lengths) + 0.3 * year
    job = np.where(random.random(n_rows) < 0.3, random.choice(["cook", "lamp", "smith"], n_rows), "none")
    since = pd.Timestamp("2001-01-01") + pd.to_timedelta(np.repeat(random.integers(0, 2_000, n_groups), lengths), "D")
    rows = pd.DataFrame(
        {
            "wage": pd.Series((level + random.normal(tilt, 0.5, n_rows)).round(2)).mask(random.random(n_rows) < 0.1),
            "children": np.maximum(0, np.floor(level + tilt)).astype(int),
            "job": pd.Series(job, dtype=object).mask(random.random(n_rows) < 0.05),
            "year": pd.Series(since + pd.to_timedelta(365 * year, "D")),
            "is_new": random.random(n_rows) < 1 / (1 + year),
        }
    )
    return grouped(rows, lengths)


def findings_of(
    *tables: pd.DataFrame, facts: SelectionFacts | None = None, seed: int = 1, group_key: str | None = None
) -> Findings:
    """Findings of original, subset, and if given holdout and pool sample."""
    named = dict(zip(("original", "subset", "holdout", "pool_sample"), tables, strict=False))
    prepared = {name: as_table(table, group_key) for name, table in named.items()}
    return measure_findings(prepared, EvaluateConfig(distance_rows=300), seed, facts, None)


def as_table(frame: pd.DataFrame, group_key: str | None = None) -> Table:
    if group_key is None:
        return Table.flat(frame)
    return Table.grouped(frame.drop(columns=[group_key]), frame[group_key], "the table")
