"""The examples stay valid, and their generator makes tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from issodask.config import is_study, load_job
from issodask.stages.called import call
from issodask.study import study_of
from issodask.testing import check_generator
from issodask.validation import read_settings
from tests.door import as_written, schema_from

EXAMPLES = Path(__file__).parents[2] / "examples"
COPULA = f"python:{EXAMPLES / 'copula.py'}:draw"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_examples__are_valid_jobs_that_explain_themselves(path):
    job = study_of(path, {}) if is_study(read_settings(path)) else load_job(path)
    assert job.out.startswith("demo/")
    assert path.read_text().startswith("# ")


def test_copula__keeps_values_and_correlations():
    rng = np.random.default_rng(0)
    size = rng.normal(size=500)
    original = pd.DataFrame(
        {
            "size": size,
            "price": np.where(rng.random(500) < 0.2, np.nan, np.exp(size)),
            "cut": pd.Categorical(np.where(size > 0, "good", "fair")),
            "new": rng.random(500) < 0.5,
            "one": 1,
        }
    )
    schema = schema_from(original)
    drawn = as_written(next(call(COPULA, original, schema, 2000, seed=1)), schema)
    assert len(drawn) == 2000
    assert set(drawn["price"].dropna()) <= set(original["price"].dropna())
    assert abs(drawn["price"].isna().mean() - 0.2) < 0.05
    assert drawn.groupby("cut", observed=True)["size"].mean().diff().iloc[-1] > 1
    assert drawn.equals(as_written(next(call(COPULA, original, schema, 2000, seed=1)), schema))


def test_copula__keeps_what_a_generator_promises():
    check_generator(COPULA)
