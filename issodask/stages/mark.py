"""Mark: which class of cells each unit of the pool is in, and whether it keeps the rules.

In: a pool, and what was asked. Out: a file of numbers per block of codes, and `Marked`: what occurs in the pool. Then
`balance`: how much units of each class count, and how many of each the subset has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.events import Damaged, PoolMarked
from issodask.fitting.quotas import Quotas, whole_quotas
from issodask.fitting.rake import rake
from issodask.stages.asked import Asked, cells_of_groups
from issodask.stages.context import SearchContext
from issodask.stages.original import KnownOriginal
from issodask.stages.pool_parts import PackTask, PartTask, pack_tasks
from issodask.store.codes import Block, read_note
from issodask.store.parts import iter_rows
from issodask.store.places import make_folder
from issodask.store.plain import plain
from issodask.store.pool import Pool
from issodask.store.reader import BlockReader, Marks, weights_path
from issodask.store.receipts import Receipt, key_of
from issodask.store.subset import with_constants
from issodask.store.tables import joined_tables
from issodask.table.schema import Schema

_VERSION = 1


@dataclass(frozen=True)
class Marked:
    """What the pool has of what was asked.

    marks     of all units
    counts    int64, (c,): units of each class that may be chosen
    cells     int64, (c, k): the cell of each control that a class is in
    n_units, n_allowed  of the pool
    broken    int64, (rules,): units that break each rule; `alone`: and no other one that is enforced
    """

    marks: Marks
    counts: NDArray[np.int64]
    cells: NDArray[np.int64]
    n_units: int
    n_allowed: int
    broken: NDArray[np.int64]
    alone: NDArray[np.int64]


def mark_pool(context: SearchContext, pool: Pool, known: KnownOriginal, asked: Asked) -> Marked:
    """Mark all units of the pool, or read the marks of an earlier run. Raises InputError if too few may be chosen."""
    folder, blocks = context.folder, context.codes.blocks
    notes = [read_note(context.codes.folder, part.name) for part in pool.parts]
    controls = [(control.groupings, control.cells) for control in asked.controls]
    known_by = repr(controls), asked.rules.identity(), asked.enforced.tolist(), asked.rules.schema.to_dict()
    key = key_of(_VERSION, context.codes.key, [note.part_xxh3 for note in notes if note], *known_by)
    receipt = Receipt(folder.marked, key, [weights_path(folder.marks, block) for block in blocks])
    facts = receipt.facts(lambda path: context.events.emit(Damaged(file=str(path))))
    if facts is None:
        make_folder(folder.marks)
        facts, hashes = _mark(context, pool, known, asked)
        receipt.write(facts, hashes)
    numbers = np.array(facts["numbers"], np.int64)
    places = np.unravel_index(numbers, asked.shape) if asked.shape else ()
    cells = np.column_stack(places) if places else np.zeros((len(numbers), 0), np.int64)
    counts, broken, alone = (np.array(facts[name], np.int64) for name in ("counts", "broken", "alone"))
    marked = Marked(
        Marks(folder.marks, numbers),
        counts,
        cells.astype(np.int64),
        context.codes.n_units,
        int(counts.sum()),
        broken,
        alone,
    )
    context.events.emit(PoolMarked(units=marked.n_units, allowed=marked.n_allowed, classes=len(numbers)))
    _check_enough(marked, asked, context)
    return marked


def balance(context: SearchContext, marked: Marked, asked: Asked) -> SearchContext:
    """The same search among units that count as their classes are asked for, with quotas for these."""
    totals = marked.counts.astype(np.float64)
    if context.odds is not None:
        totals = np.zeros(len(marked.counts))
        shared = context.runtime.share(replace(context, marks=marked.marks).reader)
        for own in context.runtime.map(_sum_odds, context.codes.blocks, shared, label="count"):
            totals += np.pad(own, (0, len(totals) - len(own)))
    shares = [counts / counts.sum() for counts in asked.totals]
    first = totals * _factors_of(asked, marked)
    raked = rake(marked.cells, np.where(totals > 0, np.maximum(first, 1e-12 * totals), 0.0), shares)
    factors = np.divide(raked.weights * totals.sum(), totals, out=np.zeros(len(totals)), where=totals > 0)
    available = np.where(marked.counts > 0, asked.n_units, 0) if context.config.allow_repeats else marked.counts
    counts = np.array([asked.n_units])
    if asked.controls:
        counts = whole_quotas(marked.cells, raked.weights * asked.n_units, available, asked.totals)
    marks = replace(marked.marks, factors=factors)
    of_units = np.concatenate([marks.classes(block) for block in context.codes.blocks])
    return replace(context, marks=marks, quotas=Quotas(of_units, counts))


def _factors_of(asked: Asked, marked: Marked) -> NDArray[np.float64]:
    """What raking the original made of units in each class."""
    factors = np.ones(len(marked.counts))
    for own, cells in zip(asked.factors, marked.cells.T, strict=True):
        factors *= own[cells]
    return factors


def _sum_odds(block: Block, reader: BlockReader) -> NDArray[np.float64]:
    classes = reader.classes(block)
    allowed = classes >= 0
    return np.asarray(np.bincount(classes[allowed], reader.odds(block)[allowed]), np.float64)


def _check_enough(marked: Marked, asked: Asked, context: SearchContext) -> None:
    n_needed = 1 if context.config.allow_repeats else asked.n_at_once
    if marked.n_allowed >= n_needed:
        return
    texts = [rule.text for rule in asked.rules.rules]
    costs = np.where(asked.enforced, marked.broken, 0)
    worst = int(costs.argmax())
    raise InputError(
        f"only {marked.n_allowed:,} of the pool's {marked.n_units:,} units keep the rules, but the subset needs "
        f"{n_needed:,}; {texts[worst]!r} costs most: {costs[worst]:,} units break it, {marked.alone[worst]:,} of them "
        "no other rule: generate more, lower units, or drop a rule"
    )


# the marks of a part


@dataclass(frozen=True)
class _Look:
    """How parts are looked at: which columns are read and which, being constant, are known."""

    asked: Asked
    schema: Schema
    constants: Any
    folder: Path


def _mark(context: SearchContext, pool: Pool, known: KnownOriginal, asked: Asked) -> tuple[dict[str, Any], list[str]]:
    tasks = pack_tasks(pool, context.codes, known.group_key)
    needed = [name for name in asked.columns if name in known.columns.needed.names]
    constants = known.columns.constants
    constants = constants.select([name for name in constants.column_names if name in asked.columns])
    schema = known.columns.needed.only(needed or known.columns.needed.without(known.group_key).names[:1])
    small = replace(asked, weights=np.ones(0), cells=())
    look = _Look(small, schema, constants, context.folder.marks)
    hashes: list[str] = []
    counts: dict[int, int] = {}
    broken = alone = np.zeros(len(asked.rules.rules), np.int64)
    for own_hashes, numbers, own_counts, own_broken, own_alone in context.runtime.map(
        _mark_pack, tasks, context.runtime.share(look), label="mark"
    ):
        hashes += own_hashes
        for number, n in zip(numbers.tolist(), own_counts.tolist(), strict=True):
            counts[number] = counts.get(number, 0) + n
        broken, alone = broken + own_broken, alone + own_alone
    ordered = sorted(counts)
    facts = {
        "numbers": ordered,
        "counts": [counts[number] for number in ordered],
        "broken": broken.tolist(),
        "alone": alone.tolist(),
    }
    return facts, hashes


def _mark_pack(
    task: PackTask, look: _Look
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Write the numbers of a pack's units. Returns the files' hashes, numbers and how often each occurs, and by rule
    how many units break it, and how many of them no other that is enforced."""
    enforced = look.asked.enforced
    broken = alone = np.zeros(len(enforced), np.int64)
    found = [np.zeros(0, np.int64)]
    for cells, breaks in _units(task, look):
        of_enforced = breaks & enforced
        n_broken = of_enforced.sum(axis=1)
        numbers = np.zeros(len(breaks), np.int64)
        if look.asked.shape:
            numbers = np.ravel_multi_index(cells, look.asked.shape).astype(np.int64)
        found.append(np.where(n_broken > 0, -1, numbers))
        broken = broken + breaks.sum(axis=0)
        alone = alone + of_enforced[n_broken == 1].sum(axis=0)
    all_numbers = np.concatenate(found)
    hashes = task.save(look.folder, all_numbers)
    numbers, counts = np.unique(all_numbers[all_numbers >= 0], return_counts=True)
    return hashes, numbers, counts, broken, alone


def _units(pack: PackTask, look: _Look) -> Iterator[tuple[list[NDArray[np.int64]], NDArray[np.bool_]]]:
    for part in pack.parts:
        yield from _units_of_part(part, look)


def _units_of_part(task: PartTask, look: _Look) -> Iterator[tuple[list[NDArray[np.int64]], NDArray[np.bool_]]]:
    """The cells of a part's units in all controls, and which rules they break (units, rules), piece by piece."""
    with task.named():
        tables: Iterator[Any] = (with_constants(rows, look.constants) for rows in iter_rows(task.file, look.schema))
        groups = task.groups()
        if groups is not None:
            tables = iter([joined_tables(tables)] if groups.n_groups else [])
        for table in tables:
            rows = plain(table, look.asked.rules.schema.only(table.column_names))
            cells = [control.encode(rows) for control in look.asked.controls]
            if groups is not None:
                cells = [cells_of_groups(own, groups) for own in cells]
            yield cells, look.asked.rules.broken(table, groups)
