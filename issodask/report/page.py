"""report.html: what was measured of a subset, and how to read it; verdicts first, then what stands behind them.

In: `Findings`. Out: HTML text, one self-contained page (see `shell.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from issodask.report import figures, figures_of_use, readings
from issodask.report.accuracy import LEVELS, Accuracy
from issodask.report.attack import CONTROL, LIKELIHOOD, METHODS, WHITENED
from issodask.report.coherence import Panel, SuccessorMap
from issodask.report.facts import SelectionFacts, Unsupported
from issodask.report.figures import LEVEL_NAMES, PART_NAMES, TABLE_NAMES
from issodask.report.findings import PROTECTED_ROWS, Findings, Point
from issodask.report.shell import render_shell
from issodask.report.style import Chart
from issodask.report.use import N_SEEDS
from issodask.report.verdicts import verdicts

MEASURE_NAMES = {"auc": "AUC", "pr_auc": "PR-AUC", "accuracy": "Accuracy", "r2": "R²"}
ATTACK_NAMES = {LIKELIHOOD: "Likelihood ratio", WHITENED: "Whitened marginals"}
ATTACKED_NAMES = {
    "subset": "Subset",
    "pool_sample": "Random pool sample",
    "original": "The original itself",
    CONTROL: "Unrelated real sample",
}
MAX_PANELS, MAX_MAPPED = 30, 60  # columns with a chart of their own, and in the map of pairs
MAX_UNSUPPORTED = 15
MAX_ASKED = 40
MAX_SUCCESSORS = 20


def render_page(findings: Findings, title: str = "Synthetic table") -> str:
    """The whole page; what is not known, such as how the subset was made, is left out."""
    charts, facts = _charts(findings), findings.facts
    unsupported = None if facts is None else _shown(facts.unsupported)
    return render_shell(
        "report.html",
        title,
        charts,
        sections=_sections(findings, charts),
        findings=findings,
        before=findings.against_original.get("pool_sample"),
        subset=findings.subset,
        groups=findings.groups,
        unit=findings.unit,
        facts=facts,
        verdicts=verdicts(findings),
        taught=[table for table in TABLE_NAMES if any(table in one.scores for one in findings.use)],
        n_seeds=N_SEEDS,
        measure_names=MEASURE_NAMES,
        attack_methods=[ATTACK_NAMES[method] for method in METHODS],
        attacked_names=ATTACKED_NAMES,
        scores=_score_rows(findings),
        levels=[LEVEL_NAMES[level] for level in _levels(findings)],
        stages=list(_stages(findings.history)),
        mapped=MAX_MAPPED,
        column_rows=list(_column_rows(findings)),
        parts=_part_rows(findings),
        part_names=list(PART_NAMES.values()),
        coherence_panels=_coherence_panels(findings),
        successor_rows=[_successor_rows(found) for found in findings.groups.successors] if findings.groups else [],
        table_names=TABLE_NAMES,
        readings=readings.read(findings),
        start="" if facts is None else readings.start(facts, findings.unit),
        panels=_panels(findings),
        unsupported=unsupported,
        settings=[] if facts is None else _settings(facts),
        protected_rows=PROTECTED_ROWS,
        asked_rows=MAX_ASKED,
    )


def _sections(findings: Findings, charts: Mapping[str, Chart]) -> dict[str, str]:
    """The sections that there is something for, by the name of their template, with their headings."""
    facts = findings.facts
    found = {
        "verdicts": ("Verdicts", True),
        "asked": ("What was asked", facts is not None and facts.asked is not None),
        "accuracy": ("Accuracy", True),
        "search": ("Search", "objective" in charts),
        "columns": ("Columns", True),
        "pairs": ("Pairs", "pairs_subset" in charts),
        "coherence": ("Coherence", findings.groups is not None),
        "worst": ("Worst cliques", True),
        "support": ("Support", facts is not None),
        "use": ("Use", bool(findings.use) or findings.told_apart is not None),
        "privacy": ("Privacy", True),
        "made": ("How it was made", True),
        "definitions": ("Definitions", True),
    }
    return {name: heading for name, (heading, is_there) in found.items() if is_there}


def _charts(findings: Findings) -> dict[str, Chart]:
    drawn = {"headline": figures.headline(findings)}
    if findings.history:
        drawn["objective"] = figures.objective(findings.history)
    for panel in _panels(findings):
        column = panel["column"]
        shares = {table: columns[column] for table, columns in findings.shares.items() if table != "holdout"}
        drawn[f"column{column}"] = figures.marginal(findings.bins.columns[column].labels, shares)
    drawn |= _pair_figures(findings)
    drawn |= _group_figures(findings)
    for place, prediction in enumerate(findings.use):
        drawn[f"importances{place}"] = figures_of_use.importances(prediction)
        if prediction.dependence is not None:
            drawn[f"dependence{place}"] = figures_of_use.dependence(prediction.dependence)
    if findings.privacy is not None:
        drawn["distances"] = figures.distances(findings.privacy)
    return drawn


def _pair_figures(findings: Findings) -> dict[str, Chart]:
    shown = {t: a for t, a in findings.against_original.items() if t in ("pool_sample", "subset") and 2 in a.cliques}
    if not shown:
        return {}
    lowest = min(float(accuracy.by_clique[arity].min()) for accuracy in shown.values() for arity in (1, 2))
    lowest = min(lowest, 0.999)
    columns = _worst_columns(findings, MAX_MAPPED)
    return {f"pairs_{table}": figures.pairs(accuracy, lowest, columns) for table, accuracy in shown.items()}


def _group_figures(findings: Findings) -> dict[str, Chart]:
    if findings.groups is None:
        return {}
    drawn = {"lengths": figures.lengths(findings.groups)}
    for place, found in enumerate(findings.groups.successors):
        drawn |= {f"successors{place}_{name}": figure for name, figure in figures.successors(found).items()}
    for kind in _coherence_panels(findings):
        for place, panel in enumerate(kind["panels"]):
            shares = {table: values for table, values in panel.shares.items() if table != "holdout"}
            drawn[f"{kind['key']}{place}"] = figures.marginal(panel.labels, shares)
    return drawn


def _coherence_panels(findings: Findings) -> list[dict[str, Any]]:
    """Two kinds of panels: how many categories groups have, and how many groups have a category."""
    if findings.groups is None:
        return []
    n_columns = len(findings.columns)

    def kind(key: str, title: str, panels: tuple[Panel, ...], text: str) -> dict[str, Any]:
        return {"key": key, "title": title, "panels": panels, "text": text, "is_cut": len(panels) < n_columns}

    distinct = "Share of groups by how many different values (of up to 30 bins) a column takes in them."
    categories = "Share of groups in which a value occurs: the nine most frequent of up to 30 bins, and the others."
    return [
        kind("distinct", "Categories per group", findings.groups.distinct, distinct),
        kind("categories", "Groups per category", findings.groups.categories, categories),
    ]


def _panels(findings: Findings) -> list[dict[str, Any]]:
    """The columns to draw, in table order: all, or the least accurate MAX_PANELS."""
    accuracy = findings.subset.by_clique[1]
    before = findings.against_original.get("pool_sample")
    return [
        {
            "column": column,
            "name": findings.bins.names[column],
            "kind": findings.bins.columns[column].kind,
            "accuracy": float(accuracy[column]),
            "before": float(before.by_clique[1][column]) if before else None,
        }
        for column in _worst_columns(findings, MAX_PANELS)
    ]


def _worst_columns(findings: Findings, most: int) -> list[int]:
    """The positions of the columns in table order: of all, or of the least accurate so many."""
    columns: list[int] = np.sort(np.argsort(findings.subset.by_clique[1], kind="stable")[:most]).tolist()
    return columns


def _score_rows(findings: Findings) -> list[dict[str, Any]]:
    """The rows of the accuracy table, by reference."""
    original, holdout = findings.against_original, findings.against_holdout
    levels = _levels(findings)
    rows = [_score_row(table, original[table], levels) for table in TABLE_NAMES if table in original]
    rows.append(
        {"name": "Expected maximum", "key": "max", "values": [getattr(findings.subset, f"{x}_max") for x in levels]}
    )
    groups = [{"reference": "against the original", "rows": rows}]
    if holdout:
        rows = [_score_row(table, holdout[table], levels) for table in TABLE_NAMES if table in holdout]
        groups.append({"reference": "against the holdout, which no stage has seen", "rows": rows})
    if findings.against_both is not None:
        row = _score_row("subset", findings.against_both, levels)
        groups.append({"reference": "against both together, as mostlyai-qa’s own report", "rows": [row]})
    return groups


def _score_row(table: str, accuracy: Accuracy, levels: list[str]) -> dict[str, Any]:
    return {"name": TABLE_NAMES[table], "key": table, "values": [getattr(accuracy, level) for level in levels]}


def _levels(findings: Findings) -> list[str]:
    """The levels that the page has a place for: flat tables have no coherence."""
    return [level for level in LEVELS if level != "coherence" or findings.groups is not None]


def _part_rows(findings: Findings) -> list[dict[str, Any]]:
    """The rows of the table of coherence: its parts, against the original."""
    scored = findings.against_original
    if findings.groups is None:
        return []
    rows = [
        {"name": TABLE_NAMES[table], "key": table, "values": [scored[table].parts[part] for part in PART_NAMES]}
        for table in TABLE_NAMES
        if table in scored
    ]
    expected = [findings.subset.parts_max[part] for part in PART_NAMES]
    return [*rows, {"name": "Expected maximum", "key": "max", "values": expected}]


def _shown(unsupported: Unsupported) -> Unsupported:
    """The same with the worst cells; those of very few original rows are counted but not spelled out."""
    cells = [cell for cell in unsupported.worst if cell.rows >= PROTECTED_ROWS]
    return replace(unsupported, worst=tuple(sorted(cells, key=lambda cell: -cell.rows)[:MAX_UNSUPPORTED]))


def _settings(facts: SelectionFacts) -> list[dict[str, Any]]:
    """Settings by section, then how weights were fitted and how the search ended, each as name and value."""
    settings = {"select": facts.settings} if facts.job is None else facts.job
    top = {key: value for key, value in settings.items() if not isinstance(value, Mapping)}
    sections = [{"name": "job", "values": top}] if top else []
    sections += [{"name": key, "values": value} for key, value in settings.items() if isinstance(value, Mapping)]
    found = {"objective": facts.objective, "seed": facts.seed}
    return [*sections, {"name": "ipf", "values": asdict(facts.ipf)}, {"name": "search", "values": found}]


def _stages(history: tuple[Point, ...]) -> Iterator[list[Point]]:
    """The points of each stage of the search."""
    for stage in dict.fromkeys(point.stage for point in history):
        yield [point for point in history if point.stage == stage]


def _column_rows(findings: Findings) -> Iterator[dict[str, Any]]:
    """Each column's accuracy, the mean of its pairs, and the worst of them: the pool sample's beside the subset's."""
    before, subset = findings.against_original.get("pool_sample"), findings.subset
    scored = [accuracy for accuracy in (before, subset) if accuracy is not None]
    if 2 not in subset.cliques:
        return
    for column in _worst_columns(findings, MAX_MAPPED):
        pairs = [accuracy.by_clique[2][(accuracy.cliques[2] == column).any(axis=1)] for accuracy in scored]
        own = [float(accuracy.by_clique[1][column]) for accuracy in scored]
        yield {
            "name": subset.names[column],
            "values": [*own, *(float(each.mean()) for each in pairs), float(pairs[-1].min())],
        }


def _successor_rows(found: SuccessorMap) -> list[dict[str, Any]]:
    """The cells of a map in which the subset is furthest off, of those that may be shown."""
    original, subset = found.shares["original"], found.shares["subset"]
    difference = np.where(found.is_used, subset - original, 0.0)
    furthest = np.argsort(-np.abs(difference), axis=None, kind="stable")[:MAX_SUCCESSORS]
    cells = [np.unravel_index(cell, difference.shape) for cell in furthest if difference.flat[cell] != 0]
    return [
        {
            "value": found.labels[cell[0]],
            "next": found.next_labels[cell[1]],
            "original": float(original[cell]),
            "subset": float(subset[cell]),
            "difference": float(difference[cell]),
        }
        for cell in cells
    ]
