"""Evaluate: how good the subset is, and how it was made, as metrics.json, report.html and mostlyai-qa's own report.

In: the original and the subset as frames, better also a holdout and a random sample of the pool. Out: the metrics, and
the files whose paths were given. Real rows of the holdout are read here and nowhere else.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from issodask.config import EvaluateConfig
from issodask.errors import InputError
from issodask.report.accuracy import Accuracy, compare
from issodask.report.findings import TABLES, Findings, bin_shares, read_history, worst_cliques
from issodask.report.metrics import installed_versions, metrics_record, to_json
from issodask.report.page import render_page
from issodask.report.privacy import Privacy, identical_share, measure_privacy
from issodask.report.qa import write_qa_report
from issodask.store.files import whole_file
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.coerce import check_columns, coerce
from issodask.table.marginals import count_marginals
from issodask.table.schema import Schema

Tables = dict[str, pd.DataFrame]
Codes = dict[str, np.ndarray]


def evaluate(
    original: pd.DataFrame,
    subset: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    pool_sample: pd.DataFrame | None = None,
    config: EvaluateConfig | None = None,
    seed: int = 1,
    select_facts: dict[str, Any] | None = None,
    events_path: str | Path | None = None,
    json_path: str | Path | None = None,
    html_path: str | Path | None = None,
    qa_path: str | Path | None = None,
    title: str = "Synthetic table",
) -> dict[str, Any]:
    """Measure the subset and write what was asked for.

    `pool_sample` is a random sample of the pool, best of the subset's size: what the subset would be without selection.
    `select_facts` says how the subset was made (keys: see render_page), `events_path` is the search's events.jsonl.
    `qa_path` is written when `config.qa_report` is set. Files are written under a work name and renamed when whole.

    Returns the content of metrics.json. Raises InputError for an empty table, a missing column, or values that don't
    fit the original's type.
    """
    config = config or EvaluateConfig()
    tables = _checked(original, subset, holdout, pool_sample)
    findings = measure_findings(tables, config, seed, select_facts or {}, events_path)
    similarity = None
    if config.qa_report and qa_path is not None:
        similarity = _write_qa_report(tables, Path(qa_path), config, seed, title)
    record = metrics_record(findings, similarity)
    if json_path is not None:
        _write_text(Path(json_path), to_json(record))
    if html_path is not None:
        _write_text(Path(html_path), render_page(findings, title))
    return record


def measure_findings(
    tables: Tables, config: EvaluateConfig, seed: int, facts: dict[str, Any], events_path: str | Path | None
) -> Findings:
    """Everything that the report says about the tables, which are named as in TABLES."""
    bins, codes = _coded(tables["original"], tables)
    accuracies = _scores(codes, "original", bins)
    holdout = tables.get("holdout")

    def privacy_of(name: str) -> Privacy | None:
        return measure_privacy(tables["original"], tables[name], holdout, max_rows=config.distance_rows, seed=seed)

    return Findings(
        bins=bins,
        n_rows={name: len(table) for name, table in tables.items()},
        shares={name: bin_shares(rows, bins) for name, rows in codes.items()},
        against_original=accuracies,
        against_holdout=_against_holdout(tables) if holdout is not None else {},
        against_both=_against_both(tables) if holdout is not None else None,
        worst=worst_cliques(codes, accuracies, bins),
        privacy=privacy_of("subset"),
        pool_privacy=privacy_of("pool_sample") if holdout is not None and "pool_sample" in tables else None,
        identical={name: identical_share(tables["original"], tables[name]) for name in tables if name != "original"},
        history=read_history(events_path),
        facts=facts,
        versions=installed_versions(),
        seed=seed,
    )


def _coded(reference: pd.DataFrame, tables: Tables) -> tuple[Bins, Codes]:
    """The tables in the bins of the reference."""
    bins = Bins.fit(reference)
    return bins, {name: bins.encode(table) for name, table in tables.items()}


def _scores(codes: Codes, reference: str, bins: Bins) -> dict[str, Accuracy]:
    """The accuracy of every other table against the reference; the reference is counted once."""
    cliques = Cliques.of(bins.sizes)
    target = count_marginals([codes[reference]], cliques)
    return {
        name: compare(target, count_marginals([rows], cliques), cliques, bins.names)
        for name, rows in codes.items()
        if name != reference
    }


def _against_holdout(tables: Tables) -> dict[str, Accuracy]:
    bins, codes = _coded(tables["holdout"], tables)
    return _scores(codes, "holdout", bins)


def _against_both(tables: Tables) -> Accuracy:
    both = pd.concat([tables["original"], tables["holdout"]], ignore_index=True)
    bins, codes = _coded(both, {"both": both, "subset": tables["subset"]})
    return _scores(codes, "both", bins)["subset"]


def _checked(
    original: pd.DataFrame, subset: pd.DataFrame, holdout: pd.DataFrame | None, pool_sample: pd.DataFrame | None
) -> Tables:
    """The given tables by name, with the original's columns and what their values mean there."""
    given = dict(zip(TABLES, (original, pool_sample, subset, holdout), strict=True))
    schema = Schema.from_frame(original)
    return {name: _conformed(table, schema, name) for name, table in given.items() if table is not None}


def _conformed(table: pd.DataFrame, schema: Schema, name: str) -> pd.DataFrame:
    label = f"the {name.replace('_', ' ')}"
    if table.empty:
        raise InputError(f"{label} has {len(table)} rows and {table.shape[1]} columns: give a table that has both")
    check_columns(table.columns, schema, where=label)
    return pd.DataFrame({column.name: coerce(table[column.name], column) for column in schema.columns}).reset_index(
        drop=True
    )


def _write_qa_report(tables: Tables, path: Path, config: EvaluateConfig, seed: int, title: str) -> Any | None:
    """Write mostlyai-qa's report; its similarity metrics, or None when the tables are too small for it."""
    with whole_file(path) as work_path:
        metrics = write_qa_report(
            tables["original"],
            tables["subset"],
            tables.get("holdout"),
            work_path,
            distance_rows=config.distance_rows,
            seed=seed,
            title=title,
        )
    return None if metrics is None else metrics.similarity


def _write_text(path: Path, text: str) -> None:
    with whole_file(path) as work_path:
        work_path.write_text(text, encoding="utf-8")
