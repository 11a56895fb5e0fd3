"""Small tables for the tests of the report: columns of every kind, dependent on one another, with few categories."""

import numpy as np
import pandas as pd

from issodask.config import EvaluateConfig
from issodask.report.findings import Findings
from issodask.stages.evaluate import measure_findings


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


def findings_of(*tables: pd.DataFrame, facts: dict | None = None, seed: int = 1) -> Findings:
    """Findings of original, subset, and if given holdout and pool sample."""
    named = dict(zip(("original", "subset", "holdout", "pool_sample"), tables, strict=False))
    return measure_findings(named, EvaluateConfig(distance_rows=300), seed, facts or {}, None)
