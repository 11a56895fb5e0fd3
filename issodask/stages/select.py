"""Select: the subset of a pool whose marginals match the original, written in the original's shape.

In: the original, a pool, where to write. Out: subset and lineage as Parquet, and what there is to say about the search.
Read, encode, target, search, write; the search itself is in `search.py`.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask.config import RulesConfig, SelectConfig, TargetConfig
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.events import ColumnsKnown, PartEncoded, Writing
from issodask.fitting.budget import read_rounds
from issodask.report.copies import Fingerprints
from issodask.report.facts import SelectionFacts
from issodask.report.tables import Table
from issodask.runtime import Runtime, open_runtime
from issodask.runtime.local import ThreadTeam
from issodask.stages.aim import aim
from issodask.stages.asked import Asked, asked_of
from issodask.stages.bound import bound_objective
from issodask.stages.context import SearchContext
from issodask.stages.encode import READING, EncodedPart, encode_pool
from issodask.stages.facts import asked_for, facts_of, facts_of_strata, strata_for
from issodask.stages.mark import mark_pool
from issodask.stages.odds import SampleOfOriginal
from issodask.stages.original import KnownOriginal, groups_of
from issodask.stages.search import search
from issodask.stages.strata import find_strata
from issodask.stages.telling import tell_csv, tell_rules, tell_unmet, tell_written
from issodask.stages.write import write_subset
from issodask.store.codes import Codes, read_note
from issodask.store.files import sole_writer
from issodask.store.frames import key_codes, to_frame
from issodask.store.places import folder_of_run, is_remote, place
from issodask.store.pool import Pool, check_pool
from issodask.store.pool_writer import as_pool
from issodask.store.receipts import Receipt, key_of
from issodask.store.run_folder import RunFolder
from issodask.store.subset import check_out, lineage_path, work_folder
from issodask.store.tables import as_table, check_place, read_table
from issodask.table.keys import new_keys

if TYPE_CHECKING:
    from issodask.runtime.opening import Client


@dataclass(frozen=True)
class Selected:
    """What a selection made, how it was made, and the accuracy of as many random units of the pool.

    Accuracies are those against the original, whatever the selection aimed at.
    """

    out: Path
    n_units: int
    random_accuracy: float
    facts: SelectionFacts
    asked: Asked | None = None

    @property
    def accuracy(self) -> float:
        return 1 - self.facts.original_error

    @property
    def highest_accuracy(self) -> float | None:
        """No subset of the pool can come closer to what was aimed at; None when config.bound is off."""
        return None if self.facts.objective_bound is None else 1 - self.facts.objective_bound

    @property
    def stop_reason(self) -> str:
        return self.facts.stop_reason

    @property
    def rounds(self) -> str:
        """What to pass as `rounds` to repeat the selection."""
        return self.facts.rounds


def select(
    original: Any,
    pool: Any,
    out: str | Path,
    config: SelectConfig | None = None,
    *,
    group_key: str | None = None,
    seed: int = 1,
    folder: str | Path | None = None,
    runtime: "Runtime | Client | None" = None,
    events: Events | None = None,
    csv: Mapping[str, Any] | None = None,
    pool_csv: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    held_out: Any | None = None,
    target: TargetConfig | None = None,
    rules: RulesConfig | None = None,
) -> Selected:
    """Select a subset of `pool` that matches `original`, and write it to `out` (Parquet).

    original, pool  paths, or pandas, Arrow or Dask tables (a pool in memory is written to `folder` first)
    group_key       the column that says which rows belong together, when whole groups are to be chosen
    folder          what can be resumed is kept there; default: `<out without its ending>.work`, of a store's file here
    runtime         where the work runs: a runtime, or a Dask client; default: threads, one per processor
    csv, pool_csv   how CSV files of the original and of the pool are written, where that can't be found in them:
                    separator, decimal (sign) and encoding, such as {"encoding": "cp1250"}
    columns         roles of columns, by name, that are not found right: see table/roles.py
    held_out        rows that were split off the same table: the subset has none of their ids and keys either
    target, rules   what the subset is to be where that is not as the original is

    Raises InputError for input that can't be used; what an earlier run wrote to `out` stays untouched then.
    """
    config = config or SelectConfig()
    out = place(out)
    check_out(out)
    kept = RunFolder(folder_of_run(work_folder(out) if folder is None else folder))
    _check_config(config, group_key)
    for table in (original, pool):
        check_place(table)
    with _opened(runtime) as running, sole_writer(kept.search.path):
        running.keep_in(kept.path)
        work = _Work(config, seed, out, kept, running, events or Events(kept.events), {})
        with work.timed("read"):
            table = as_table(original, csv=csv)
            held_out = None if held_out is None else as_table(held_out, where="the table of held-out rows")
            known = KnownOriginal.of(table, group_key, columns, held_out)
            work.events.emit(ColumnsKnown(**known.columns.facts(), told=known.columns.told()))
            asked = asked_of(target or TargetConfig(), rules or RulesConfig(), table, known, config.units)
            tell_rules(asked, work.events)
            fingerprints = Fingerprints.of(_units(table, group_key), known.columns.facts()["left_out"])
            sample = SampleOfOriginal.of(table, known, seed) if config.aim == "population" else None
            del table
            needed = known.columns.needed
            opened = pool if isinstance(pool, Pool) else as_pool(pool, kept.pool, needed, group_key, pool_csv)
        running.check_seen(kept.path, *([] if is_remote(opened.folder) else [opened.folder]))
        tell_csv(original, csv, opened, work.events)
        return _select(work, known, opened, fingerprints, sample, asked)


@dataclass(frozen=True)
class _Work:
    """How one selection is made, and where it runs, writes and tells; `timings` grow as it goes on."""

    config: SelectConfig
    seed: int
    out: Path
    folder: RunFolder
    runtime: Runtime
    events: Events
    timings: dict[str, float]

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = monotonic()
        yield
        self.timings[name] = round(monotonic() - began, 2)


def _opened(runtime: "Runtime | Client | None") -> AbstractContextManager[Runtime]:
    """The runtime that was given, which stays open, or one for a while."""
    return nullcontext(runtime) if isinstance(runtime, Runtime) else open_runtime(scheduler=runtime)


def _select(
    work: _Work,
    known: KnownOriginal,
    pool: Pool,
    fingerprints: Fingerprints,
    sample: SampleOfOriginal | None,
    asked: Asked | None,
) -> Selected:
    """Encode, search, write, and look at what was written."""
    n_units = work.config.units or known.n_units if asked is None else asked.n_units
    n_at_once = n_units if asked is None else asked.n_at_once
    _check_inputs(work, known, pool, n_units, n_at_once)
    with work.timed("encode"):
        codes = _encode(work, known, pool)
    _check_units(pool, codes.n_units, n_at_once, work.config)
    context = _context(work, known, codes, n_units, asked)
    if asked is not None and asked.strata:
        return _select_strata(work, known, pool, context, asked, fingerprints)
    marked = None
    if asked is not None:
        with work.timed("mark"):
            marked = mark_pool(context, pool, known, asked)
    with nullcontext() if sample is None else work.timed("aim"):
        aimed = aim(context, pool, known, sample, None if asked is None or marked is None else (marked, asked))
    context = aimed.context
    found = search(context)
    work.timings.update(found.timings)
    bound = None
    if work.config.bound:
        bound, work.timings["bound"] = bound_objective(context)
    with work.timed("write"):
        _write(work, known, pool, codes, found.unit_ids)
    answer = None
    with work.timed("compare"):
        written = read_table(work.out)
        copies = fingerprints.copies_in(_units(written, known.group_key))
        if asked is not None and marked is not None:
            answer = asked_for(asked, marked, context, found.unit_ids, (written, groups_of(written, known.group_key)))
            tell_unmet(answer, work.events)
    facts = facts_of(found, aimed, known, pool, copies, bound, work.timings, answer)
    tell_written(work.out, facts, copies, work.events)
    return Selected(work.out, n_units, 1 - found.random_original_error, facts, asked)


def _select_strata(
    work: _Work, known: KnownOriginal, pool: Pool, context: SearchContext, asked: Asked, fingerprints: Fingerprints
) -> Selected:
    """Search the strata, write their units together, and look at what was written."""
    if work.config.time_limit_s is not None or work.config.rounds is not None:
        raise InputError("strata ([target] by) are searched by effort: leave out time_limit_s and rounds")
    with work.timed("mark"):
        marked = mark_pool(context, pool, known, asked.of_strata)
    with work.timed("trim"):
        found = find_strata(context, known, marked, asked)
    names = np.array([stratum.name for stratum in asked.strata], dtype=object)[found.strata]
    with work.timed("write"):
        _write(work, known, pool, context.codes, found.unit_ids, (asked.by, names))
    with work.timed("compare"):
        written = read_table(work.out)
        copies = fingerprints.copies_in(_units(written, known.group_key))
        answer = strata_for(asked, marked, found, written)
    facts = facts_of_strata(found, context, known, pool, copies, work.timings, answer)
    tell_written(work.out, facts, copies, work.events)
    return Selected(work.out, len(found.unit_ids), 1 - found.random_objective, facts, asked)


def _context(work: _Work, known: KnownOriginal, codes: Codes, n_units: int, asked: Asked | None) -> SearchContext:
    weights = None if asked is None or not asked.controls else asked.weights
    with ThreadTeam.beside(work.runtime) as team:
        objective, marginals = known.target(known.cliques(n_units, codes.counts), n_units, team, weights)
    places = work.folder.search, work.runtime, work.events
    return SearchContext(codes, objective, objective, marginals, work.config, work.seed, *places)


def _units(table: Any, group_key: str | None) -> Table:
    """The units of an Arrow table, as they are compared."""
    rows = to_frame(table)
    if group_key is None:
        return Table.flat(rows)
    return Table.grouped(rows.drop(columns=[group_key]), key_codes(table, group_key), "the table")


def _check_config(config: SelectConfig, group_key: str | None) -> None:
    """Say what is wrong before anything starts."""
    if config.rounds is not None:
        read_rounds(config.rounds)
    if config.start == "coherence" and group_key is None:
        raise InputError("[select] start is 'coherence', but only groups have coherence: give a group_key, or 'trim'")


def _check_inputs(work: _Work, known: KnownOriginal, pool: Pool, n_units: int, n_at_once: int) -> None:
    """Say now, before anything long starts, what the pool lacks and which keys and ids would run out."""
    if known.group_key is not None and known.keys is not None:
        new_keys(known.schema[known.group_key], known.keys, n_units)
    for ids in known.columns.ids:
        if known.group_key is None or ids.of_group:
            ids.check(n_units, work.seed)
    check_pool(pool, known.columns.needed, known.group_key)
    _check_units(pool, pool.n_rows if known.group_key is None else pool.n_units, n_at_once, work.config)


def _check_units(pool: Pool, n_pool: int | None, n_units: int, config: SelectConfig) -> None:
    """Once before encoding, where the pool's parts say how many rows they have, and once after."""
    if n_pool is not None and n_pool < n_units and not config.allow_repeats:
        raise InputError(
            f"pool {pool.place} has {n_pool:,} units but the subset needs {n_units:,}: generate more, or lower units"
        )


def _encode(work: _Work, known: KnownOriginal, pool: Pool) -> Codes:
    n_done = 0

    def tell(part: EncodedPart) -> None:
        nonlocal n_done
        n_done += 1
        n_parts = len(pool.parts)
        work.events.emit(PartEncoded(n=n_done, of=n_parts, part=part.name, rows=part.n_rows, state=part.state))

    schema, constants = known.columns.needed, known.columns.plain_constants
    places = work.folder.codes, work.runtime
    return encode_pool(pool, known.bins, schema, *places, tell, known.group_key, constants)


def _write(
    work: _Work,
    known: KnownOriginal,
    pool: Pool,
    codes: Codes,
    unit_ids: NDArray[np.int64],
    instead: tuple[str, NDArray[Any]] | None = None,
) -> None:
    """Write subset and lineage, unless they are there as an earlier run wrote them, from the same rows."""
    files = (work.out, lineage_path(work.out))
    key = _made_from(known, pool, codes, unit_ids, work.seed)
    if instead is not None:
        key = key_of(key, instead[0], instead[1].tolist())
    receipt = Receipt(work.folder.search.written, key, files)
    if receipt.is_valid():
        return
    work.events.emit(Writing(n=0, of=1, units=len(unit_ids)))
    places = known.schema, work.out, work.runtime
    write_subset(pool, unit_ids, *places, known.group_key, known.keys, known.columns, work.seed, instead)
    receipt.write()


def _made_from(known: KnownOriginal, pool: Pool, codes: Codes, unit_ids: NDArray[np.int64], seed: int) -> str:
    """Names all that the bytes of subset and lineage follow from."""
    notes = [read_note(codes.folder, part.name) for part in pool.parts]
    parts = [(part.name, part.generator, n.part_xxh3 if n else None) for part, n in zip(pool.parts, notes, strict=True)]
    units = xxhash.xxh3_64(unit_ids.tobytes()).hexdigest()
    keys = (known.group_key, [] if known.keys is None else [str(key) for key in known.keys.tolist()])
    return key_of(READING, units, parts, known.schema.to_dict(), known.columns.made_from(), keys, seed)
