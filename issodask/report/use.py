"""Of use: what is learnt from the subset serves for real people, compared with what is learnt from the original.

In: original, pool sample, subset and a holdout, as features. Out: for each column to predict, how well trees that were
trained on each table predict it in the holdout, and what they go by. (Train on synthetic, test on real; Esteban, Hyland
and Rätsch 2017.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds, trees
from issodask.errors import InputError
from issodask.report.tables import Table, synthetic_names
from issodask.table.features import MOST_CATEGORIES, Feature, Features
from issodask.table.groups import SEQUENCE_LENGTH
from issodask.table.schema import quoted

N_SEEDS = 3
MOST_PREDICTED = 3
MOST_CLASSES = 10
MIN_ROWS = 100
_MAX_ROWS = 50_000
_EXPLAINED = 1_000
_SHOWN = 8
_N_BINS = 10
_LEAST_SKILL, _DETERMINED = 0.05, 0.98
_TRIED_ROWS, _TRIED_COLUMNS, _TRIED_TREES = 4_000, 30, 60


@dataclass(frozen=True)
class Score:
    """A measure of predictions on the holdout, over seeds."""

    mean: float
    spread: float


@dataclass(frozen=True)
class Dependence:
    """What a feature's values add to predictions, by table: the mean SHAP value of each of `labels`."""

    feature: str
    labels: tuple[str, ...]
    by_table: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Prediction:
    """How well a column is predicted, and by what.

    scores       by table that trees were trained on, then by measure: auc, pr_auc, accuracy; of numbers r2
    importances  by table: share of each feature in all that predictions deviate by (SHAP), the original's largest first
    """

    column: str
    task: trees.Task
    scores: dict[str, dict[str, Score]]
    importances: dict[str, dict[str, float]]
    dependence: Dependence | None

    @property
    def measure(self) -> str:
        """The one that matters most."""
        return "r2" if self.task == "regression" else "auc"

    def score(self, table: str) -> float | None:
        """By the measure that matters most, of trees trained on `table`."""
        found = self.scores.get(table, {}).get(self.measure)
        return None if found is None else found.mean


def measure_use(
    tables: Mapping[str, Table], columns: Sequence[str] | None, seed: int, explains: bool = True
) -> tuple[Prediction, ...]:
    """Predict `columns`, or up to three that others can predict; empty without a holdout, or with too few units.

    Unless it `explains` what predictions go by, which takes as long again, there are scores alone. Of groups, the value
    in their last row. Raises InputError for a column that does not exist or can't be predicted.
    """
    if columns is not None:
        _check_known(columns, tables["original"])
    original = tables["original"]
    tables = {name: table for name, table in tables.items() if table.n_units >= MIN_ROWS}
    if not {"original", "holdout"} <= tables.keys() or not synthetic_names(tables):
        return ()
    features = Features.of(original.columns, original.is_grouped)
    units = {name: _units(table, features, seed, name) for name, table in tables.items()}
    goals = _chosen(features, units, columns, seed)
    return tuple(_predict(goal, features, units, seed, explains) for goal in goals)


def taught_share(predictions: Sequence[Prediction], table: str) -> float | None:
    """Of what the original teaches beyond knowing nothing, the share that `table` teaches: the mean, or None."""
    shares = []
    for one in predictions:
        best, own = one.score("original"), one.score(table)
        if best is None or own is None:
            continue
        nothing = 0.0 if one.task == "regression" else 0.5
        shares.append(1 - (best - own) / max(best - nothing, 0.01))
    return sum(shares) / len(shares) if shares else None


@dataclass(frozen=True)
class _Goal:
    """What is predicted: the feature at `place`; from features that come from other columns."""

    column: str
    place: int
    task: trees.Task
    n_classes: int
    others: tuple[int, ...]

    def training(self, features: Features, seed: int, **settings: Any) -> trees.Training:
        categories = tuple(i for i, other in enumerate(self.others) if features.features[other].is_category)
        return trees.Training(self.task, seed, categories, self.n_classes, **settings)

    def split(self, units: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features and answers of the units that have one."""
        answers = units[:, self.place]
        known = ~np.isnan(answers)
        if self.task != "regression":
            answers = np.minimum(answers, self.n_classes - 1) if self.task == "multiclass" else (answers == 1) * 1.0
        return units[known][:, self.others], answers[known]


def _check_known(columns: Sequence[str], original: Table) -> None:
    names = list(original.columns.names)
    for name in columns:
        if name not in names:
            raise InputError(
                f"[evaluate] predict names {name!r}, but the columns are {quoted(names)}: name one of these"
            )


def _units(table: Table, features: Features, seed: int, name: str) -> NDArray[np.float64]:
    units = features.matrix(table.columns, table.groups if table.is_grouped else None)
    return units[np.sort(seeds.generator(seed, f"use of {name}").permutation(len(units))[:_MAX_ROWS])]


def _chosen(
    features: Features, units: Mapping[str, NDArray[np.float64]], columns: Sequence[str] | None, seed: int
) -> list[_Goal]:
    """The goals that were named, or those that others predict best, unless they say it all."""
    original = units["original"]
    if columns is not None:
        goals = []
        for name in columns:
            goal = _goal(name, features, original)
            if goal is None:
                raise InputError(
                    f"[evaluate] predict names {name!r}, which can't be predicted: it needs two values or more, a "
                    f"category at most {MOST_CLASSES} frequent ones: name another"
                )
            goals.append(goal)
        return goals
    random = seeds.generator(seed, "columns to predict")
    names = [features.columns[i] for i in np.sort(random.permutation(len(features.columns))[:_TRIED_COLUMNS])]
    candidates = [goal for name in names if (goal := _goal(name, features, original)) is not None]
    tried = original[np.sort(random.permutation(len(original))[:_TRIED_ROWS])]
    skills = [_skill(goal, features, tried, seed) for goal in candidates]
    ranked = sorted(zip(skills, candidates, strict=True), key=lambda pair: -pair[0])
    return [goal for skill, goal in ranked if _LEAST_SKILL < skill < _DETERMINED][:MOST_PREDICTED]


def _goal(column: str, features: Features, original: NDArray[np.float64]) -> _Goal | None:
    """How a column is predicted; None if it can't be: too many classes, or one alone."""
    place = next(i for i, feature in enumerate(features.features) if feature.column == column and _is_answer(feature))
    others = tuple(
        i for i, feature in enumerate(features.features) if feature.column != column or column == SEQUENCE_LENGTH
    )
    answers = original[:, place]
    values = np.unique(answers[~np.isnan(answers)])
    if len(values) < 2 or not others:
        return None
    if not features.features[place].is_category:
        return _Goal(column, place, "regression", 1, others)
    n_classes = int(values.max()) + 1
    if n_classes == 2:
        return _Goal(column, place, "binary", 1, others)
    return _Goal(column, place, "multiclass", n_classes, others) if n_classes <= MOST_CLASSES else None


def _is_answer(feature: Feature) -> bool:
    return feature.what in ("", "last")


def _skill(goal: _Goal, features: Features, units: NDArray[np.float64], seed: int) -> float:
    """How much better than knowing nothing, from 0 to 1, in half of the units."""
    known, answers = goal.split(units)
    half = len(known) // 2
    if len(np.unique(answers[:half])) < max(2, goal.n_classes) or half < MIN_ROWS // 2:
        return 0.0
    model = trees.train(known[:half], answers[:half], goal.training(features, seed, most_trees=_TRIED_TREES))
    predicted, truth = trees.predicted(model, known[half:]), answers[half:]
    if goal.task == "regression":
        return float(1 - np.square(truth - predicted).mean() / max(truth.var(), np.finfo(float).tiny))
    chances = np.column_stack([1 - predicted, predicted]) if goal.task == "binary" else predicted
    shares = np.bincount(truth.astype(int), minlength=chances.shape[1]) / len(truth)
    entropy = -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())
    loss = -float(np.log(np.maximum(chances[np.arange(len(truth)), truth.astype(int)], 1e-9)).mean())
    return 1 - loss / entropy if entropy > 0 else 0.0


def _predict(
    goal: _Goal, features: Features, units: Mapping[str, NDArray[np.float64]], seed: int, explains: bool
) -> Prediction:
    tested, truth = goal.split(units["holdout"])
    names = [features.features[i].name for i in goal.others]
    scores: dict[str, dict[str, Score]] = {}
    explained: dict[str, NDArray[np.float64]] = {}
    for table in ["original", *synthetic_names(units)]:
        known, answers = goal.split(units[table])
        if len(known) < MIN_ROWS or len(np.unique(answers)) < 2:
            continue
        found = []
        for i in range(N_SEEDS):
            training = goal.training(features, seeds.integer(seed, f"predict {goal.column}", i) % 2**30)
            model = trees.train(known, answers, training)
            found.append(_measures(goal, truth, trees.predicted(model, tested)))
            if i == 0 and explains:
                explained[table] = trees.contributions(model, tested[:_EXPLAINED])
        scores[table] = {
            measure: Score(
                float(np.mean([one[measure] for one in found])), float(np.std([one[measure] for one in found]))
            )
            for measure in found[0]
        }
    importances = {table: _importances(values, names) for table, values in explained.items()}
    if "original" in importances:
        order = sorted(importances["original"], key=lambda name: -importances["original"][name])[:_SHOWN]
        importances = {table: {name: shares[name] for name in order} for table, shares in importances.items()}
        place = names.index(order[0])
        dependence = _dependence(features, goal.others[place], tested[:_EXPLAINED, place], explained, place)
    else:
        dependence = None
    return Prediction(goal.column, goal.task, scores, importances, dependence)


def _measures(goal: _Goal, truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, average_precision_score, r2_score, roc_auc_score

    if goal.task == "regression":
        return {"r2": float(r2_score(truth, predicted))}
    if goal.task == "binary":
        if len(np.unique(truth)) < 2:
            return {"accuracy": float(accuracy_score(truth, predicted > 0.5))}
        return {
            "auc": float(roc_auc_score(truth, predicted)),
            "pr_auc": float(average_precision_score(truth, predicted)),
            "accuracy": float(accuracy_score(truth, predicted > 0.5)),
        }
    found = {"accuracy": float(accuracy_score(truth, predicted.argmax(axis=1)))}
    one_by_one = [
        float(roc_auc_score(truth == k, predicted[:, k]))
        for k in range(goal.n_classes)
        if 0 < (truth == k).sum() < len(truth)
    ]
    return {"auc": float(np.mean(one_by_one)), **found} if one_by_one else found


def _importances(values: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    amounts = np.abs(values).mean(axis=0)
    total = amounts.sum()
    return dict(zip(names, (amounts / total if total > 0 else amounts).tolist(), strict=True))


def _dependence(
    features: Features,
    feature: int,
    values: NDArray[np.float64],
    explained: Mapping[str, NDArray[np.float64]],
    place: int,
) -> Dependence:
    """The mean contribution of the feature at `place`, by category or by tenth of its values."""
    known = values[~np.isnan(values)]
    if features.features[feature].is_category:
        ranks = features.ranks[features.features[feature].column] or {}
        names = {rank: text for text, rank in ranks.items()}
        groups = [rank for rank in range(min(_N_BINS, MOST_CATEGORIES)) if (values == rank).any()]
        masks, labels = [values == rank for rank in groups], [names.get(rank, "") for rank in groups]
    else:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _N_BINS + 1))) if len(known) else np.zeros(0)
        if len(edges) < 2:
            edges = np.array([*edges, *edges + 1])[:2]
        bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(0, len(edges) - 2))
        groups = [i for i in range(max(0, len(edges) - 1)) if ((bins == i) & ~np.isnan(values)).any()]
        masks = [(bins == i) & ~np.isnan(values) for i in groups]
        labels = [f"{edges[i]:.6g} to {edges[i + 1]:.6g}" for i in groups]
    by_table = {table: tuple(float(found[mask, place].mean()) for mask in masks) for table, found in explained.items()}
    return Dependence(features.features[feature].name, tuple(labels), by_table)
