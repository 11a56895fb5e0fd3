"""Adversarial random forests: trees learn to tell real rows from drawn ones until they can't, and their leaves draw.

In: an original. Out: rows, each from a leaf of a tree, where columns have nothing to do with each other any more:
numbers from a normal distribution within the leaf's bounds, categories from its rows. Watson, Blesch, Kapar, Wright
(2023): Adversarial Random Forests for Density Estimation and Generative Modeling. AISTATS.

It does what the authors' arfpy 0.1.1 does, with its defaults, and agrees with it (tests/models/test_arf.py). arfpy
itself goes over leaves and rows one by one, which takes forty times as long (docs/measurements.md), and NumPy 2.4 lacks
what it calls.

Axes: r = rows of the original, t = trees, f = features, n = rows that are drawn.
"""

import warnings
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from issodask import seeds
from issodask.models.synthesizers.base import STRICT, Synthesizer, taken
from issodask.models.synthesizers.coded import Categories, Coded, Measure, Numbers
from issodask.models.synthesizers.leaves import Leaves


@checked_dataclass(config=STRICT)
class Arf(Synthesizer):
    """Adversarial random forests, as arfpy has them.

    A number that is missing has the mean in its place, and a feature that says so.

    trees       of each forest
    delta       how far above one half a forest's accuracy may be when it counts as deceived
    rounds      forests that try, at most
    early_stop  end when a forest is better than the one before it
    min_leaf    real rows of a leaf at least
    """

    name: ClassVar[str] = "arf"
    needs: ClassVar[str] = "sklearn"

    trees: Annotated[int, Field(ge=1)] = 30
    delta: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    rounds: Annotated[int, Field(ge=0)] = 10
    early_stop: bool = True
    min_leaf: Annotated[int, Field(ge=1)] = 5

    def fit(self, original: pd.DataFrame, seed: int) -> None:
        self.original = original.reset_index(drop=True)
        self.columns = Coded.of(original).columns
        self.features = _features(self.columns, len(original))
        self.leaves = self._leaves(seed) if self.columns else []

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        drawn_in = random.integers(0, max(1, len(self.leaves)), n)
        drawn = np.empty((n, self.features.shape[1]))
        is_number = _are_numbers(self.columns)
        for tree, leaves in enumerate(self.leaves):
            own = np.flatnonzero(drawn_in == tree)
            drawn[own] = leaves.drawn(self.features, is_number, len(own), random)
        return self._told(drawn)

    def _leaves(self, seed: int) -> list[Leaves]:
        """Of the last forest that could tell real rows from drawn ones, tree by tree."""
        random = np.random.default_rng(seeds.integer(seed, "arf drawn"))
        real = self.features.astype(np.float32)
        columns = [random.permutation(column) for column in self.features.T]
        forest, accuracy = self._grown(real, np.column_stack(columns), seeds.integer(seed, "arf forest", 0))
        for i_round in range(self.rounds):
            if accuracy <= 0.5 + self.delta:
                break
            drawn = _within_leaves(forest.apply(real), self.features, random)
            other, accuracy_of_other = self._grown(real, drawn, seeds.integer(seed, "arf forest", i_round + 1))
            is_last = i_round + 1 == self.rounds or accuracy_of_other <= 0.5 + self.delta
            if is_last or (self.early_stop and accuracy_of_other > accuracy):
                break
            forest, accuracy = other, accuracy_of_other
        return [Leaves.of(one.tree_, real, self.min_leaf) for one in forest.estimators_]

    def _grown(self, real: NDArray[np.float32], drawn: Numbers, seed: int) -> tuple[Any, float]:
        """A forest that tells drawn rows from real ones, and how often it is right of rows that it did not see."""
        from sklearn.ensemble import RandomForestClassifier

        both = np.concatenate([real, drawn.astype(np.float32)])
        is_drawn = np.repeat([0, 1], [len(real), len(drawn)])
        forest = RandomForestClassifier(
            self.trees, min_samples_leaf=self.min_leaf, oob_score=True, random_state=seed, n_jobs=1
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few trees, some rows are unseen by none
            forest.fit(both, is_drawn)
        return forest, float(forest.oob_score_)

    def _told(self, drawn: Numbers) -> pd.DataFrame:
        """Features as the original's columns."""
        rows = dict.fromkeys(self.original.columns, np.zeros(len(drawn), np.int64))  # of constants, any
        numbers = {}
        left = iter(drawn.T)
        for name, column in self.columns.items():
            values = next(left)
            if isinstance(column, Categories):
                rows[name] = column.first[values.astype(np.int64)]
                continue
            is_missing = next(left) if column.missing.any() else np.zeros(len(drawn))
            numbers[name] = column.back(np.where(is_missing > 0, np.nan, values))
        return taken(self.original, rows).assign(**numbers)


def _features(columns: dict[str, Measure | Categories], n_rows: int) -> Numbers:
    """Float64, (r, f): codes, numbers with the mean for missing ones, and after these whether they are missing."""
    features: list[NDArray[Any]] = []
    for column in columns.values():
        if isinstance(column, Categories):
            features.append(column.codes)
            continue
        features.append(np.where(column.missing, np.nanmean(column.values), column.values))
        if column.missing.any():
            features.append(column.missing)
    return np.column_stack(features).astype(np.float64) if features else np.zeros((n_rows, 0))


def _are_numbers(columns: dict[str, Measure | Categories]) -> NDArray[np.bool_]:
    """Of each feature whether it is one to be drawn from a distribution, bool, (f,)."""
    kinds: list[bool] = []
    for column in columns.values():
        is_number = isinstance(column, Measure)
        kinds += [is_number, False] if isinstance(column, Measure) and column.missing.any() else [is_number]
    return np.array(kinds, dtype=bool)


def _within_leaves(leaves: NDArray[np.int64], features: Numbers, random: np.random.Generator) -> Numbers:
    """As many rows as there are: each of a leaf, its values those of rows in it, column by column.

    leaves   of each row in each tree: int64, (r, t)
    """
    n_rows, n_trees = leaves.shape
    cells = (leaves + np.arange(n_trees) * (leaves.max() + 1)).ravel()
    order = np.argsort(cells, kind="stable")
    chosen = cells[random.integers(0, cells.size, n_rows)]
    first, last = (np.searchsorted(cells[order], chosen, side=side) for side in ("left", "right"))
    donors = (first + (random.random((features.shape[1], n_rows)) * (last - first)).astype(np.int64)).T
    return np.take_along_axis(features, order[donors] // n_trees, axis=0)
