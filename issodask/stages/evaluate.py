"""Evaluate: how good the subset is, and how it was made: metrics.json, report.html, a card, mostlyai-qa's own report.

In: the original and the subset, better also a holdout and a random sample of the pool. Out: the metrics, and
the files whose paths were given. Real rows of the holdout are read here and nowhere else.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from issodask import seeds
from issodask.config import EvaluateConfig
from issodask.errors import InputError
from issodask.host import check_installed, n_processors
from issodask.report.apart import tell_apart
from issodask.report.attack import attack_membership
from issodask.report.coherence import group_findings
from issodask.report.copies import Copies, Fingerprints
from issodask.report.drivers import find_drivers
from issodask.report.facts import SelectionFacts
from issodask.report.findings import Findings, read_history, worst_cliques
from issodask.report.metrics import installed_versions, metrics_record, to_json
from issodask.report.privacy import Privacy, measure_privacy, rows_to_compare
from issodask.report.qa import write_qa_report
from issodask.report.risks import measure_risks
from issodask.report.scores import score
from issodask.report.tables import TABLES, Table
from issodask.report.use import measure_use
from issodask.stages.asked import Asked, weights_as_asked
from issodask.stages.roles import KnownColumns
from issodask.store.casts import cast_table
from issodask.store.files import whole_file
from issodask.store.frames import key_codes, to_frame
from issodask.store.places import place
from issodask.store.tables import as_table
from issodask.store.types import noted_as
from issodask.table.schema import Schema

Tables = Mapping[str, Table]


def evaluate(
    original: Any,
    subset: Any,
    holdout: Any | None = None,
    pool_sample: Any | None = None,
    config: EvaluateConfig | None = None,
    seed: int = 1,
    select_facts: SelectionFacts | None = None,
    events_path: str | Path | None = None,
    json_path: str | Path | None = None,
    html_path: str | Path | None = None,
    qa_path: str | Path | None = None,
    card_path: str | Path | None = None,
    title: str = "Synthetic table",
    group_key: str | None = None,
    columns: Mapping[str, str] | None = None,
    asked: Asked | None = None,
) -> dict[str, Any]:
    """Measure the subset and write what was asked for; tables are paths, or tables of any kind.

    `group_key` names the column, in every table, that says which rows belong together; its values are never compared
    from table to table. Where no group of the original has a second row, the tables count as flat, as in mostlyai-qa.

    `pool_sample` is a random sample of the pool, best of the subset's size: what the subset would be without selection.
    `select_facts` says how the subset was made, `events_path` is the search's events.jsonl.
    `qa_path` is written when `config.qa_report` is set. `card_path` is Markdown; the same as JSON goes beside it. Files
    are written under a work name and renamed when whole.

    Where shares or totals were `asked` for, accuracy is that against original and holdout raked to these.

    Ids are in no accuracy, and only the original needs them; `columns` are roles, by name, that are not found right.

    Returns the content of metrics.json. Raises InputError for an empty table, a missing column or group key, or values
    that don't fit the original's type.
    """
    check_installed("mostlyai.qa", "a report")
    config = config or EvaluateConfig()
    if config.anonymeter:
        check_installed("anonymeter", "[evaluate] anonymeter")
    original = as_table(original, where="the original")
    known = KnownColumns.of(original, group_key, columns)
    tables = tables_of(original, subset, holdout, pool_sample, known, seed)
    raked: dict[str, Table] = {}
    if asked is not None and asked.controls:
        raked = _as_asked(tables, {"original": original, "holdout": holdout}, asked, group_key)
    findings = measure_findings(tables, config, seed, select_facts, events_path, raked)
    findings = replace(findings, roles=known.facts())
    similarity = None
    if config.qa_report and qa_path is not None:
        similarity = _write_qa_report(tables, place(qa_path), config, seed, title, group_key)
    record = metrics_record(findings, similarity)
    if json_path is not None:
        _write_text(place(json_path), to_json(record))
    if html_path is not None:
        from issodask.report.page import render_page  # its libraries are not installed where nobody wants a report

        _write_text(place(html_path), render_page(findings, title))
    if card_path is not None:
        _write_card(place(card_path), findings, title, config.license)
    return record


def tables_of(
    original: Any, subset: Any, holdout: Any | None, pool_sample: Any | None, known: KnownColumns, seed: int
) -> Tables:
    """The given tables by name, with the original's columns but ids; flat where no group has a second row.

    Raises InputError as `evaluate` does.
    """
    return flat_if_single(_checked(original, subset, holdout, pool_sample, known), seed)


def _as_asked(tables: Tables, sources: Mapping[str, Any], asked: Asked, group_key: str | None) -> dict[str, Table]:
    """Original and holdout, their units counting as was asked; without a table that can't be so."""
    found = {}
    for name, source in sources.items():
        if source is None or name not in tables or len(tables[name].rows) == 0:
            continue
        weights = weights_as_asked(as_table(source, where=f"the {name}"), asked, group_key)
        if weights is not None:
            found[name] = replace(tables[name], weights=weights)
    return found


def measure_findings(
    tables: Tables,
    config: EvaluateConfig,
    seed: int,
    facts: SelectionFacts | None,
    events_path: str | Path | None,
    raked: Tables | None = None,
) -> Findings:
    """Everything that the report says about the tables, which are named as in TABLES.

    raked  original and holdout as they were asked to be, which accuracy is measured against
    """
    real = tables
    tables = {name: table for name, table in tables.items() if not raked or name != "holdout" or name in raked}
    tables = {**tables, **(raked or {})}
    scored = score(tables, "original", seed)
    use = measure_use(real, config.predict, seed)
    with ThreadPoolExecutor(n_processors()) as threads:
        attack = attack_membership(real, score(real, "original", seed) if raked else scored, seed, threads.map)
    has_holdout = "holdout" in tables
    rows = rows_to_compare(real, seed)
    groups = None
    if scored.coherence is not None:
        groups = group_findings(tables, scored, scored.coherence, _copies(real))

    def privacy_of(name: str) -> Privacy | None:
        return measure_privacy(
            rows["original"], rows[name], rows.get("holdout"), max_rows=config.distance_rows, seed=seed
        )

    privacy = privacy_of("subset")
    return Findings(
        bins=scored.bins,
        n_rows={name: len(table.rows) for name, table in real.items()},
        shares={name: scored.shares(name) for name in tables},
        against_original=scored.accuracies,
        against_holdout=score(tables, "holdout", seed).accuracies if has_holdout else {},
        against_both=score(_against_both(tables), "both", seed).accuracies["subset"] if has_holdout else None,
        worst=worst_cliques(scored),
        privacy=privacy,
        drivers=find_drivers(rows["original"], rows["subset"], rows.get("holdout"), privacy, seed=seed),
        pool_privacy=privacy_of("pool_sample") if "holdout" in real and "pool_sample" in real else None,
        copies=_copies({name: Table.flat(table.rows) for name, table in real.items()}),
        groups=groups,
        attack=attack,
        use=use,
        told_apart=None if raked else tell_apart(real, seed),
        risks=measure_risks(real, [one.column for one in use], seed) if config.anonymeter else (),
        history=read_history(events_path),
        facts=facts,
        versions=installed_versions(),
        seed=seed,
    )


def _copies(tables: Tables) -> dict[str, Copies]:
    known = Fingerprints.of(tables["original"])
    return {name: known.copies_in(table) for name, table in tables.items() if name != "original"}


def _against_both(tables: Tables) -> Tables:
    return {"both": Table.joined([tables["original"], tables["holdout"]]), "subset": tables["subset"]}


def _checked(original: Any, subset: Any, holdout: Any | None, pool_sample: Any | None, known: KnownColumns) -> Tables:
    """The given tables by name, with the original's columns but ids, and what their values mean there."""
    given = dict(zip(TABLES, (original, pool_sample, subset, holdout), strict=True))
    group_key = known.group_key
    if not known.matched.columns:
        raise InputError(f"the original has no columns beside its group key {group_key!r}: give a table that has some")
    return {
        name: conformed(table, known.matched, f"the {name.replace('_', ' ')}", group_key)
        for name, table in given.items()
        if table is not None
    }


def conformed(source: Any, schema: Schema, label: str, group_key: str | None) -> Table:
    """A table with the original's columns in `schema`; `label` is what errors call it. Raises InputError."""
    table = as_table(source, where=label)
    rows = to_frame(noted_as(cast_table(table, schema, where=label), schema), schema)
    if group_key is None:
        return Table.flat(rows)
    return Table.grouped(rows, key_codes(table, group_key, label), label)


def flat_if_single(tables: Tables, seed: int) -> Tables:
    """The tables as they are, or where no original group has a second row: one row of each group.

    Source: mostlyai-qa, report: setup "1:1".
    """
    original = tables["original"]
    if not original.is_grouped or (original.groups.lengths > 1).any():
        return tables
    return {name: table.one_row_each(seeds.generator(seed, f"row of {name}")) for name, table in tables.items()}


def _write_qa_report(
    tables: Tables, path: Path, config: EvaluateConfig, seed: int, title: str, group_key: str | None
) -> Any | None:
    """Write mostlyai-qa's report; its similarity metrics, or None when the tables are too small for it."""
    with whole_file(path) as work_path:
        metrics = write_qa_report(
            tables,
            work_path,
            distance_rows=config.distance_rows,
            seed=seed,
            title=title,
            group_key=group_key,
        )
    return None if metrics is None else metrics.similarity


def _write_card(path: Path, findings: Findings, title: str, license: str) -> None:
    from issodask.report.card import card_record, render_card

    card = card_record(findings, title, license)
    _write_text(path, render_card(card))
    _write_text(path.with_suffix(".json"), to_json(card))


def _write_text(path: Path, text: str) -> None:
    with whole_file(path) as work_path:
        work_path.write_text(text, encoding="utf-8")
