"""Gradient-boosted trees (LightGBM): who can tell two tables apart, and how well columns predict one another.

In: features, one float64 row per unit, missing values as NaN. Out: a model that stopped where unseen rows had enough.
The same data and seed give the same model, however many threads there are.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from issodask.host import n_processors

Task = Literal["regression", "binary", "multiclass"]
_MOST_THREADS = 16
_VALUES_PER_THREAD = 1_000_000  # with fewer, threads mostly wait for one another, or for whoever else computes here
_HELD_OUT = 0.15
_PATIENCE = 20


@dataclass(frozen=True)
class Training:
    """How trees are grown: at most so many, each with few leaves, of no fewer rows than said."""

    task: Task
    seed: int
    categories: tuple[int, ...] = ()
    n_classes: int = 1
    most_trees: int = 500
    rate: float = 0.1
    leaves: int = 31
    least_rows: int = 20

    def parameters(self) -> dict[str, Any]:
        """By LightGBM's names."""
        return {
            "objective": self.task,
            "num_class": self.n_classes if self.task == "multiclass" else 1,
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.least_rows,
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }


def train(features: NDArray[np.float64], answers: NDArray[np.float64], training: Training) -> Any:
    """Trees that predict `answers` (n,) from `features` (n, f); 15 % of the rows say when there are enough.

    Returns a lightgbm.Booster.
    """
    import lightgbm

    is_held_out = np.random.default_rng(training.seed).random(len(features)) < _HELD_OUT
    categories = list(training.categories)
    seen = lightgbm.Dataset(features[~is_held_out], answers[~is_held_out], categorical_feature=categories)
    unseen = seen.create_valid(features[is_held_out], answers[is_held_out])
    patience = lightgbm.early_stopping(_PATIENCE, verbose=False)
    has_unseen = len(np.unique(answers[is_held_out])) > 1
    most_trees = training.most_trees if has_unseen else _PATIENCE
    return lightgbm.train(
        {**training.parameters(), "num_threads": _n_threads(features)},
        seen,
        most_trees,
        valid_sets=[unseen] if has_unseen else None,
        callbacks=[patience] if has_unseen else None,
    )


def read(text: str) -> Any:
    """The model that `model_to_string` wrote."""
    import lightgbm

    return lightgbm.Booster(model_str=text)


def predicted(model: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the trees say of each row: a number, a probability, or one for each class (n, classes)."""
    return np.asarray(model.predict(features, num_threads=_n_threads(features)))


def log_odds(model: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the odds of a binary answer, of each row; on one thread, as tasks run side by side."""
    return np.asarray(model.predict(features, raw_score=True, num_threads=1))


def contributions(model: Any, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each feature adds to a row's prediction: SHAP values, float64, (n, f), of all classes together by amount."""
    found = np.asarray(model.predict(features, pred_contrib=True, num_threads=_n_threads(features)))
    by_class = found.reshape(len(features), -1, features.shape[1] + 1)[:, :, :-1]
    return by_class[:, 0] if by_class.shape[1] == 1 else np.abs(by_class).sum(axis=1)


def cross_fitted(
    features: NDArray[np.float64],
    answers: NDArray[np.float64],
    training: Training,
    n_folds: int,
    use: Callable[[Any, NDArray[np.bool_]], None],
) -> None:
    """Train on all rows but a fold's, and `use(model, rows of the fold)`, fold by fold.

    Each fold has its share of each answer: else trees that know nothing tell which answer their fold has less of.
    """
    random = np.random.default_rng(training.seed)
    folds = np.empty(len(features), np.int64)
    for answer in np.unique(answers):
        own = random.permutation(np.flatnonzero(answers == answer))
        folds[own] = np.arange(len(own)) % n_folds
    for fold in range(n_folds):
        own = folds == fold
        if own.any() and len(np.unique(answers[~own])) > 1:
            use(train(features[~own], answers[~own], replace(training, seed=training.seed + fold)), own)


def _n_threads(features: NDArray[np.float64]) -> int:
    """As many as there is work for, and no more than the environment allows all that OpenMP runs."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    most = min(_MOST_THREADS, int(allowed) if allowed.isdecimal() else n_processors())
    return max(1, min(most, features.size // _VALUES_PER_THREAD))
