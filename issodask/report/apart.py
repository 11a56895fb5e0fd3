"""Told apart: how well trees tell the rows of a table from real ones, and by which columns.

In: tables as features. Out: for each table the area under the ROC curve of a classifier that never judges what it was
trained on; 0.5 is a table that can't be told from real rows. (Classifier two-sample test; Lopez-Paz and Oquab 2017.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds, trees
from issodask.report.attack import Separation
from issodask.report.tables import Table, synthetic_names
from issodask.table.features import Features

MIN_ROWS = 40
N_FOLDS = 3
_MAX_ROWS = 25_000
_EXPLAINED = 1_000
_SHOWN = 5
_MOST_TREES, _RATE = 300, 0.05


@dataclass(frozen=True)
class ToldApart:
    """How each table is told from `reference` ("holdout", or "original"), on as many units of both.

    `given_away_by`: the columns that tell the subset apart, with their shares in all that judgements deviate by.
    """

    reference: str
    by_table: dict[str, Separation]
    given_away_by: dict[str, float]


def tell_apart(tables: Mapping[str, Table], seed: int, explains: bool = True) -> ToldApart | None:
    """Tell tables from real rows, and the original from the holdout; None for too few units, of which none are told.

    Unless it `explains` what gives the subset away, which takes as long again, that is empty.
    """
    reference = "holdout" if "holdout" in tables else "original"
    original = tables["original"]
    tables = {name: table for name, table in tables.items() if table.n_units >= MIN_ROWS}
    if not {"original", reference} <= tables.keys() or not synthetic_names(tables):
        return None
    features = Features.of(original.columns, original.is_grouped)
    units = {
        name: features.matrix(table.columns, table.groups if table.is_grouped else None)
        for name, table in tables.items()
    }
    found, driving = {}, np.zeros(len(features.features))
    for name in [*synthetic_names(tables), "original"]:
        if name != reference:
            is_explained = explains and name == "subset"
            found[name], amounts = _tell(units[name], units[reference], features, seed, is_explained)
            driving = amounts if is_explained else driving
    return ToldApart(reference, found, _by_column(driving, features))


def _tell(
    units: NDArray[np.float64], real: NDArray[np.float64], features: Features, seed: int, explains: bool
) -> tuple[Separation, NDArray[np.float64]]:
    """How well both are told apart, and how much each feature contributes, where it is asked for."""
    random = seeds.generator(seed, "told apart")
    n_each = min(len(units), len(real), _MAX_ROWS)
    both = [table[random.permutation(len(table))[:n_each]] for table in (units, real)]
    known, answers = np.concatenate(both), np.repeat([1.0, 0.0], n_each)
    judged, amounts = np.zeros(2 * n_each), np.zeros(known.shape[1])

    def judge(model: Any, own: NDArray[np.bool_]) -> None:
        nonlocal amounts
        judged[own] = trees.predicted(model, known[own])
        if explains:
            amounts = amounts + np.abs(trees.contributions(model, known[own][:_EXPLAINED])).mean(axis=0)

    training = trees.Training(
        "binary", seeds.integer(seed, "told apart") % 2**30, features.categories, most_trees=_MOST_TREES, rate=_RATE
    )
    trees.cross_fitted(known, answers, training, N_FOLDS, judge)
    return Separation.of(judged[:n_each], judged[n_each:]), amounts


def _by_column(amounts: NDArray[np.float64], features: Features) -> dict[str, float]:
    """Shares of the columns that contribute most."""
    total, shares = amounts.sum(), dict.fromkeys(features.columns, 0.0)
    for feature, amount in zip(features.features, amounts.tolist(), strict=True):
        shares[feature.column] = shares.get(feature.column, 0.0) + amount / total if total > 0 else 0.0
    ranked = sorted(shares, key=lambda name: -shares[name])[:_SHOWN]
    return {name: shares[name] for name in ranked if shares[name] > 0}
