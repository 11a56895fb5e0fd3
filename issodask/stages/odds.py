"""Odds: how much likelier each unit is among the original's than in the pool, as far as trees can tell them apart.

In: the pool, and features of the original's units. Out: a file of log-odds per block of codes, beside the search.

Pairs and triples of bins don't show everything. Trees are trained to tell the original's units from the pool's; where
they can, their odds estimate the ratio of densities (Sugiyama, Suzuki and Kanamori 2012). No unit is judged by trees
that saw it: those of even places judge the odd ones, and the other way round. Odds so uneven that few units would carry
most of the weight count with an exponent below 1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask import seeds, trees
from issodask.events import Damaged, OddsFound
from issodask.runtime import Runtime
from issodask.stages.context import Odds, SearchContext
from issodask.stages.original import KnownOriginal
from issodask.stages.pool_parts import PackTask, PartTask, pack_tasks
from issodask.store.codes import read_note
from issodask.store.parts import iter_part
from issodask.store.places import make_folder
from issodask.store.plain import plain
from issodask.store.pool import Pool
from issodask.store.reader import weights_path
from issodask.store.receipts import Receipt, key_of
from issodask.table.features import Features
from issodask.table.schema import Schema

EXPONENTS = (1.0, 0.75, 0.5, 0.25, 0.0)
_MOST_OF_ORIGINAL = 100_000
_POOL_PER_ORIGINAL, _MOST_OF_POOL = 8, 200_000
_LARGEST = np.log(30.0)  # odds beyond are those of single leaves
_VERSION = 1


@dataclass(frozen=True)
class SampleOfOriginal:
    """Features of some of the original's units: float64, (n, f); the pool's are made in the same way."""

    features: Features
    schema: Schema
    units: NDArray[np.float64]

    @classmethod
    def of(cls, table: Any, known: KnownOriginal, seed: int) -> "SampleOfOriginal":
        """Of an Arrow table; columns that no pool has to have tell nothing."""
        schema = known.columns.needed.without(known.group_key)
        rows, groups = plain(table, schema), known.groups
        chosen = _some(known.n_units, _MOST_OF_ORIGINAL, seeds.generator(seed, "original told apart"))
        features = Features.of(rows, groups is not None)
        return cls(features, schema, features.matrix(rows, groups)[chosen])


def find_odds(context: SearchContext, pool: Pool, known: KnownOriginal, sample: SampleOfOriginal) -> Odds:
    """Find the odds of all units of the pool, or read those that an earlier run found."""
    blocks = context.codes.blocks
    paths = [weights_path(context.folder.odds, block) for block in blocks]
    notes = [read_note(context.codes.folder, part.name) for part in pool.parts]
    parts = [note.part_xxh3 for note in notes if note]
    of_original = _hash(sample.units), sample.schema.to_dict()
    key = key_of(_VERSION, context.codes.key, parts, *of_original, context.seed, context.n_units)
    receipt = Receipt(context.folder.told_apart, key, paths)
    found = receipt.facts(lambda path: context.events.emit(Damaged(file=str(path))))
    if found is not None:
        return Odds(**found, key=key)
    began = monotonic()
    tasks = pack_tasks(pool, context.codes, known.group_key)
    models, n_trees, prior = _train(tasks, sample, context.runtime, context.seed)
    make_folder(context.folder.odds)
    hashes, sums = _judge(tasks, sample, context.runtime, (models, prior), context.folder.odds)
    odds = _tempered(sums, context.n_units, context.codes.n_units, n_trees)
    facts = asdict(odds)
    facts.pop("key")
    receipt.write(facts, hashes)
    context.events.emit(OddsFound(trees=n_trees, effective=odds.effective_units, seconds=round(monotonic() - began, 2)))
    return Odds(**facts, key=key)


def _train(
    tasks: Sequence[PackTask], sample: SampleOfOriginal, runtime: Runtime, seed: int
) -> tuple[list[str], int, float]:
    """Two models as text: of even places, which judges odd ones, and of odd ones.

    Also how many trees both have, and what log-odds rise by if the pool's units are as many as the original's.
    """
    n_pool = sum(task.n_units for task in tasks)
    n_wanted = min(_POOL_PER_ORIGINAL * len(sample.units), _MOST_OF_POOL)
    units = _some(n_pool, n_wanted, seeds.generator(seed, "pool told apart"))
    chosen = [units[slice(*np.searchsorted(units, [t.first_unit, t.first_unit + t.n_units]))] for t in tasks]
    wanted = list(zip(tasks, chosen, strict=True))
    read = runtime.map(_read_features, wanted, runtime.share(sample), label="sample")
    of_pool = np.concatenate(list(read))
    models = []
    for side in (0, 1):
        ours, theirs = sample.units[side::2], of_pool[units % 2 == side]
        answers = np.repeat([1.0, 0.0], [len(ours), len(theirs)])
        training = trees.Training("binary", seeds.integer(seed, "odds", side) % 2**30, sample.features.categories)
        models.append(trees.train(np.concatenate([ours, theirs]), answers, training))
    texts = [model.model_to_string() for model in models]
    return texts, sum(model.current_iteration() for model in models), float(np.log(len(of_pool) / len(sample.units)))


def _judge(
    tasks: Sequence[PackTask], sample: SampleOfOriginal, runtime: Runtime, judges: tuple[list[str], float], folder: Path
) -> tuple[list[str], NDArray[np.float64]]:
    """Write the log-odds of all blocks; returns the files' hashes, and by exponent the sums of odds and squares."""
    shared = runtime.share(sample), runtime.share(judges), runtime.share(folder)
    hashes: list[str] = []
    sums = np.zeros((len(EXPONENTS), 3))
    for own_hashes, own_sums in runtime.map(_judge_pack, tasks, *shared, label="odds"):
        hashes += own_hashes
        sums += own_sums
    return hashes, sums


def _judge_pack(
    task: PackTask, sample: SampleOfOriginal, trained: tuple[list[str], float], folder: Path
) -> tuple[list[str], NDArray[np.float64]]:
    models, prior = trained
    judges = [trees.read(model) for model in models]
    judged = [_log_odds(units, first, judges) for first, units in _features(task, sample)]
    found = np.clip(np.concatenate([np.zeros(0), *judged]) + prior, -_LARGEST, _LARGEST)
    hashes = task.save(folder, found)
    powers = np.exp(np.outer(EXPONENTS, found))
    sums = np.column_stack([powers.sum(axis=1), (powers**2).sum(axis=1), np.full(len(powers), float(len(found)))])
    return hashes, sums


def _log_odds(units: NDArray[np.float64], first_unit: int, judges: Sequence[Any]) -> NDArray[np.float64]:
    """Of units from `first_unit` on: each by the judge that did not see it."""
    is_odd = (first_unit + np.arange(len(units))) % 2 == 1
    found = np.empty(len(units))
    for judge, own in zip(judges, (is_odd, ~is_odd), strict=True):
        if own.any():
            found[own] = trees.log_odds(judge, units[own])
    return found


def _tempered(sums: NDArray[np.float64], n_units: int, n_pool: int, n_trees: int) -> Odds:
    """With the largest exponent that leaves enough units effective: more than the subset has, of a small pool half."""
    least = min(3.0 * n_units, (n_units + n_pool) / 2)
    for exponent, (total, squares, n) in zip(EXPONENTS, sums.tolist(), strict=True):
        effective = total**2 / squares
        if effective >= least or exponent == 0.0:
            return Odds(exponent, total / n, effective, n_trees)
    raise AssertionError("with an exponent of 0 all units count alike")


def _read_features(item: tuple[PackTask, NDArray[np.int64]], sample: SampleOfOriginal) -> NDArray[np.float64]:
    """The features of the chosen units of a pack."""
    task, chosen = item
    found = [np.zeros((0, len(sample.features.features)))]
    for first, units in _features(task, sample):
        own = chosen - first
        found.append(units[own[(own >= 0) & (own < len(units))]])
    return np.concatenate(found)


def _features(pack: PackTask, sample: SampleOfOriginal) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for part in pack.parts:
        yield from _features_of_part(part, sample)


def _features_of_part(task: PartTask, sample: SampleOfOriginal) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The features of a part's units, in the order of its codes, piece by piece, with the number of the first one."""
    with task.named():
        values = (sample.features.values(rows) for rows in iter_part(task.file, sample.schema))
        groups = task.groups()
        if groups is None:
            first = task.first_unit
            for units in values:
                yield first, units
                first += len(units)
        elif groups.n_groups:
            yield task.first_unit, sample.features.by_group(np.concatenate(list(values)), groups)


def _some(n: int, n_wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Some of n units, ascending; all when no more are wanted."""
    return np.arange(n) if n <= n_wanted else np.sort(random.choice(n, n_wanted, replace=False))


def _hash(values: NDArray[np.float64]) -> str:
    return xxhash.xxh3_64(np.ascontiguousarray(values).tobytes()).hexdigest()
