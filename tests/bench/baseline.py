"""The published recipe in plain NumPy and pandas: what issodask is measured against.

It is the post-processing of the MOSTLY AI Prize's winning flat entry (https://github.com/Gandagorn/mostlyai_flat,
pipeline/postprocessing.py, parameters in main.py), written anew from its description and parameters:

1. Bin: numbers and dates by ten quantiles of the original, the most frequent categories, the rest, missing values.
2. IPF: a weight per row of the pool, fitted to the 5,000 pairs of the highest mutual information, one after the other,
   six times over, with np.add.at. Whole numbers of 1.25 times the rows needed: the weights' floors, the rest drawn.
3. Trim: of all rows of the subset the 180 (then 179, ... at last 5) leave whose removal lowers the error most, on all
   columns, the 500 pairs and the 25 triples of the highest mutual information. (Where IPF filled in fewer different
   rows than are needed, random ones join.)
4. Refine: 500 times, the 100 worst rows leave for the best 100 of 300 drawn from the pool; kept when the error falls
   or, now and then, in spite of it (annealing). A batch grows by 1 when it is kept and shrinks by 5 when it is not.

np.add.at gets two indices a row, as in the script; `flat_cells` gives it one, for which alone it has a fast path. Else
this is never slower than NumPy has to be, where the script is: falls are tabulated by cell before rows look them up,
the chosen rows' cells lie together, scores come without pandas. Missing values are a bin of their own throughout, where
the script counts them to the largest numbers in steps 3 and 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_N_BINS = 10

Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Recipe:
    """The published parameters."""

    ipf_pairs: int = 5_000
    ipf_passes: int = 6
    flat_cells: bool = False
    oversize: float = 1.25
    trim_batch: int = 180
    least_trim_batch: int = 5
    pairs: int = 500
    triples: int = 25
    iterations: int = 500
    swaps: int = 100
    candidates_per_swap: int = 3
    temperature: float = 1e-5


@dataclass
class Outcome:
    """The rows chosen (positions in the pool, intp), and what each step took.

    `pair_rows` are the weights that IPF summed and scaled: passes x pairs x rows.
    """

    rows: Codes
    seconds: dict[str, float] = field(default_factory=dict)
    pair_rows: int = 0


def select(original: pd.DataFrame, pool: pd.DataFrame, recipe: Recipe | None = None, seed: int = 1) -> Outcome:
    """Choose as many rows of `pool` as `original` has, by the recipe."""
    recipe = recipe or Recipe()
    random = np.random.default_rng(seed)
    seconds: dict[str, float] = {}

    began = perf_counter()
    target, codes, sizes = bin_frames(original, pool)
    seconds["encode"] = perf_counter() - began

    began = perf_counter()
    pairs = top_pairs(target, sizes, recipe.ipf_pairs)
    weights, n_passes = fit_weights(target, codes, sizes, pairs, recipe.ipf_passes, recipe.oversize, recipe.flat_cells)
    chosen = _whole(weights, int(len(original) * recipe.oversize), random)
    seconds["ipf"] = perf_counter() - began

    began = perf_counter()
    board = _Board.of(target, codes, sizes, recipe)
    is_chosen = np.zeros(len(pool), bool)
    is_chosen[chosen] = True
    lacking = len(original) - int(is_chosen.sum())
    if lacking > 0:
        is_chosen[random.choice(np.flatnonzero(~is_chosen), lacking, replace=False)] = True
    _trim(board, is_chosen, len(original), recipe)
    seconds["trim"] = perf_counter() - began

    began = perf_counter()
    _refine(board, is_chosen, recipe, random)
    seconds["refine"] = perf_counter() - began
    return Outcome(np.flatnonzero(is_chosen), seconds, n_passes * len(pairs) * len(pool))


# 1. bins


def bin_frames(original: pd.DataFrame, pool: pd.DataFrame) -> tuple[Codes, Codes, list[int]]:
    """Codes of both tables, (columns, rows), and how many codes each column has."""
    both = [_bin_column(original[name], pool[name]) for name in original.columns]
    sizes = [int(max(first.max(), second.max())) + 1 for first, second in both]
    return np.stack([first for first, _ in both]), np.stack([second for _, second in both]), sizes


def _bin_column(original: pd.Series, pool: pd.Series) -> tuple[Codes, Codes]:
    if pd.api.types.is_numeric_dtype(original) or pd.api.types.is_datetime64_any_dtype(original):
        _, edges = pd.qcut(original, _N_BINS, retbins=True, duplicates="drop")
        inner = np.asarray(edges)[1:-1]
        code = lambda values: np.searchsorted(inner, values.to_numpy(), side="left")  # noqa: E731
        n_bins = len(inner) + 1
    else:
        frequent = list(original.value_counts().index[:_N_BINS])
        code = lambda values: pd.Categorical(values, categories=frequent).codes  # noqa: E731
        n_bins = len(frequent) + 1
    return tuple(_with_missing(code(values), values, n_bins) for values in (original, pool))  # type: ignore[return-value]


def _with_missing(codes: NDArray[np.integer], values: pd.Series, n_bins: int) -> Codes:
    codes = np.where(codes < 0, n_bins - 1, codes)
    return np.where(values.isna().to_numpy(), n_bins, codes).astype(np.intp)


# 2. weights


def top_pairs(target: Codes, sizes: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """The pairs of columns with the highest mutual information in the original."""
    pairs = list(combinations(range(len(sizes)), 2))
    information = [_information(target[a] * sizes[b] + target[b], sizes[a], sizes[b]) for a, b in pairs]
    return [pairs[i] for i in np.argsort(information)[::-1][:limit]]


def fit_weights(
    target: Codes,
    codes: Codes,
    sizes: Sequence[int],
    pairs: Sequence[tuple[int, int]],
    n_passes: int,
    oversize: float,
    flat: bool,
) -> tuple[NDArray[np.float64], int]:
    """Fit a weight per row of the pool to the pairs, in turn; return the weights and the passes done.

    With `flat` cells are found by one index, else by two, as in the published script.
    """
    n_pool, total = codes.shape[1], target.shape[1] * oversize
    targets = [
        np.bincount(target[a] * sizes[b] + target[b], minlength=sizes[a] * sizes[b]) * (total / target.shape[1])
        for a, b in pairs
    ]
    if not flat:
        targets = [wanted.reshape(sizes[a], sizes[b]) for (a, b), wanted in zip(pairs, targets, strict=True)]
    weights = np.full(n_pool, total / n_pool)
    for n in range(n_passes):
        largest = 0.0
        for (a, b), wanted in zip(pairs, targets, strict=True):
            cells = codes[a] * sizes[b] + codes[b] if flat else (codes[a], codes[b])
            found = np.zeros(wanted.shape)
            np.add.at(found, cells, weights)
            scale = np.divide(wanted, found, out=np.ones_like(found), where=found > 0)
            weights *= scale[cells]
            largest = max(largest, float(np.abs(found - wanted).max()))
        weights *= total / weights.sum()
        if largest < 1e-4:
            return weights, n + 1
    return weights, n_passes


def _whole(weights: NDArray[np.float64], n_rows: int, random: np.random.Generator) -> Codes:
    """Rows as often as their weights' floors say, the remaining ones drawn by what is left of the weights."""
    uses = np.floor(weights).astype(int)
    lacking = n_rows - int(uses.sum())
    if lacking > 0:
        rest = weights - uses
        uses[random.choice(len(weights), lacking, replace=False, p=rest / rest.sum())] += 1
    return np.flatnonzero(uses)


# 3 and 4. trimming and refinement


@dataclass(frozen=True)
class _Board:
    """The features (columns, pairs and triples), each with its share in the error.

    cells    int32, (features, rows of the pool)
    targets  per feature, int64 (cells,)
    shares   per feature: what a wrong row counts
    """

    cells: NDArray[np.int32]
    targets: list[NDArray[np.int64]]
    shares: list[float]

    @classmethod
    def of(cls, target: Codes, codes: Codes, sizes: Sequence[int], recipe: Recipe) -> "_Board":
        columns = [(a,) for a in range(len(sizes))]
        pairs = top_pairs(target, sizes, recipe.pairs)
        triples = _top_triples(target, sizes, pairs, recipe.triples)
        families = [family for family in (columns, pairs, triples) if family]
        features = [feature for family in families for feature in family]
        shares = [1 / (2 * target.shape[1] * len(family) * len(families)) for family in families for _ in family]
        cells = np.empty((len(features), codes.shape[1]), np.int32)
        targets = []
        for f, feature in enumerate(features):
            cells[f] = _joint(codes, sizes, feature)
            size = int(np.prod([sizes[a] for a in feature]))
            targets.append(np.bincount(_joint(target, sizes, feature), minlength=size))
        return cls(cells, targets, shares)

    def counts(self, cells: NDArray[np.integer]) -> list[NDArray[np.int64]]:
        """How many of the rows with these cells, (features, rows), lie in each."""
        return [np.bincount(own, minlength=len(target)) for own, target in zip(cells, self.targets, strict=True)]

    def error(self, counts: Sequence[NDArray[np.int64]]) -> float:
        return sum(
            share * np.abs(target - count).sum()
            for share, target, count in zip(self.shares, self.targets, counts, strict=True)
        )

    def gains(self, cells: NDArray[np.integer], counts: Sequence[NDArray[np.int64]], step: int) -> NDArray[np.float64]:
        """By how much the error would fall if each row left (step 1) or joined (step -1)."""
        total = np.zeros(cells.shape[1])
        for own, target, count, share in zip(cells, self.targets, counts, self.shares, strict=True):
            residual = target - count
            total += (share * (np.abs(residual) - np.abs(residual + step)))[own]
        return total


def _trim(board: _Board, is_chosen: NDArray[np.bool_], n_rows: int, recipe: Recipe) -> None:
    batch = recipe.trim_batch
    chosen = np.flatnonzero(is_chosen)
    cells = board.cells[:, chosen].astype(np.intp)
    counts = board.counts(cells)
    while len(chosen) > n_rows:
        places = _highest(board.gains(cells, counts, 1), min(batch, len(chosen) - n_rows))
        counts = _sum(counts, board.counts(cells[:, places]), -1)
        n_left = len(chosen) - len(places)
        moving = np.setdiff1d(np.arange(n_left, len(chosen)), places)
        gaps = places[places < n_left]
        chosen[gaps], cells[:, gaps] = chosen[moving], cells[:, moving]
        chosen, cells = chosen[:n_left], cells[:, :n_left]
        batch = max(batch - 1, recipe.least_trim_batch)
    is_chosen[:] = False
    is_chosen[chosen] = True


def _refine(board: _Board, is_chosen: NDArray[np.bool_], recipe: Recipe, random: np.random.Generator) -> None:
    batch = recipe.swaps
    chosen = np.flatnonzero(is_chosen)
    cells = board.cells[:, chosen].astype(np.intp)
    counts = board.counts(cells)
    error = board.error(counts)
    for i in range(recipe.iterations):
        temperature = recipe.temperature * (1 - i / recipe.iterations) ** 2
        others = np.flatnonzero(~is_chosen)
        if min(len(chosen), len(others)) < batch:
            break
        places = _highest(board.gains(cells, counts, 1), batch)
        without = _sum(counts, board.counts(cells[:, places]), -1)
        candidates = random.choice(others, min(len(others), batch * recipe.candidates_per_swap), replace=False)
        their_cells = board.cells[:, candidates]
        best = _highest(board.gains(their_cells, without, -1), batch)
        changed = _sum(without, board.counts(their_cells[:, best]), 1)
        new_error = board.error(changed)
        if new_error < error or (temperature > 1e-9 and np.exp((error - new_error) / temperature) > random.random()):
            is_chosen[chosen[places]], is_chosen[candidates[best]] = False, True
            chosen[places], cells[:, places] = candidates[best], their_cells[:, best]
            counts, error = changed, new_error
            batch = min(2 * recipe.swaps, batch + 1)
        else:
            batch = max(1, batch - 5)


def _highest(values: NDArray[np.float64], n: int) -> Codes:
    return np.argpartition(values, len(values) - n)[len(values) - n :]


def _sum(
    counts: Sequence[NDArray[np.int64]], others: Sequence[NDArray[np.int64]], sign: int
) -> list[NDArray[np.int64]]:
    return [count + sign * other for count, other in zip(counts, others, strict=True)]


def _joint(codes: Codes, sizes: Sequence[int], feature: Sequence[int]) -> Codes:
    cells = codes[feature[0]]
    for a in feature[1:]:
        cells = cells * sizes[a] + codes[a]
    return cells


def _top_triples(
    target: Codes, sizes: Sequence[int], pairs: Sequence[tuple[int, int]], limit: int
) -> list[tuple[int, int, int]]:
    """Triples among the columns of the best pairs, by what the first two together say of the third."""
    columns = sorted({a for pair in pairs[: 4 * limit] for a in pair})
    found = []
    for a, b in combinations(columns, 2):
        joint = target[a] * sizes[b] + target[b]
        for c in (c for c in columns if c > b):
            found.append((_information(joint * sizes[c] + target[c], sizes[a] * sizes[b], sizes[c]), (a, b, c)))
    return [triple for _, triple in sorted(found, reverse=True)[:limit]]


def _information(cells: Codes, n_rows: int, n_columns: int) -> float:
    """Mutual information of two variables, from the flat index of both."""
    joint = np.bincount(cells, minlength=n_rows * n_columns).reshape(n_rows, n_columns) / len(cells)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())
