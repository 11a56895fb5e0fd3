"""Singling out and attribute inference, as anonymeter measures them (Giomi et al. 2023; reviewed by the CNIL).

In: original, subset and holdout, as rows. Out: risks with their confidence intervals. An attack counts for what it
finds in the original beyond what it finds in the holdout, whose people the subset can't tell of.

Singling out is repeatable but for some draws of anonymeter's own (seen in 1.1).

anonymeter is installed by hand (`how_to_install`): it asks for a NumPy below 2, though it runs with later ones.
"""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from issodask import seeds
from issodask.report.tables import Table

N_ATTACKS = 500
CONFIDENCE = 0.95
MIN_ROWS = 100
_MAX_ROWS = 20_000


@dataclass(frozen=True)
class Risk:
    """An attack: the risk, from 0 to 1, its confidence interval, and how often it was right, of members and others."""

    attack: str
    risk: float
    low: float
    high: float
    members: float
    others: float


def measure_risks(tables: Mapping[str, Table], secrets: Sequence[str], seed: int) -> tuple[Risk, ...]:
    """Single out people by one and by several columns, and infer each of `secrets` from the others.

    Empty without a holdout, or with too few rows. Of groups, one row each. Raises ImportError without anonymeter.
    """
    if "holdout" not in tables or min(table.n_units for table in tables.values()) < MIN_ROWS:
        return ()
    rows = {name: _rows(tables[name], name, seed) for name in ("original", "subset", "holdout")}
    n_attacks = min(N_ATTACKS, min(map(len, rows.values())) // 2)
    with _repeatable(seed):
        found = [_singling_out(rows, mode, n_attacks, seed) for mode in ("univariate", "multivariate")]
        found += [_inference(rows, secret, n_attacks) for secret in secrets if len(rows["original"].columns) > 1]
    return tuple(risk for risk in found if risk is not None)


def _rows(table: Table, name: str, seed: int) -> pd.DataFrame:
    """Rows with plain types, which is what anonymeter knows: numbers as float64, all others as text."""
    random = seeds.generator(seed, f"risks of {name}")
    flat = table.one_row_each(random) if table.is_grouped else table
    rows = flat.rows.take(np.sort(random.permutation(len(flat.rows))[:_MAX_ROWS]))
    plain = {}
    for column in rows.columns:
        values = rows[column]
        is_number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
        plain[column] = values.to_numpy(np.float64, na_value=np.nan) if is_number else values.astype(str).to_numpy()
    return pd.DataFrame(plain)


def _singling_out(rows: Mapping[str, pd.DataFrame], mode: str, n_attacks: int, seed: int) -> Risk | None:
    from anonymeter.evaluators import SinglingOutEvaluator

    n_columns = min(4, len(rows["original"].columns))
    if mode == "multivariate" and n_columns < 2:
        return None
    attack = SinglingOutEvaluator(
        ori=rows["original"],
        syn=rows["subset"],
        control=rows["holdout"],
        n_attacks=n_attacks,
        n_cols=n_columns,
        max_attempts=100 * n_attacks,
        seed=seed,
    )
    name = "singled out by one column" if mode == "univariate" else f"singled out by {n_columns} columns"
    try:
        return _risk(name, attack.evaluate(mode=mode))
    except RuntimeError:  # it found no way to single anybody out
        return None


def _inference(rows: Mapping[str, pd.DataFrame], secret: str, n_attacks: int) -> Risk:
    from anonymeter.evaluators import InferenceEvaluator

    attack = InferenceEvaluator(
        ori=rows["original"],
        syn=rows["subset"],
        control=rows["holdout"],
        aux_cols=[name for name in rows["original"].columns if name != secret],
        secret=secret,
        regression=rows["original"][secret].dtype == np.float64,
        n_attacks=n_attacks,
    )
    return _risk(f"{secret} inferred", attack.evaluate(n_jobs=1))


def _risk(name: str, attack: Any) -> Risk:
    risk, rates = attack.risk(confidence_level=CONFIDENCE), attack.results(confidence_level=CONFIDENCE)
    low, high = risk.ci
    return Risk(
        name,
        float(risk.value),
        float(low),
        float(high),
        *map(float, (rates.attack_rate.value, rates.control_rate.value)),
    )


@contextmanager
def _repeatable(seed: int) -> Any:
    """anonymeter draws from NumPy's global state, and warns of attacks that find little."""
    state = np.random.get_state()
    np.random.seed(seeds.integer(seed, "anonymeter"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(state)
