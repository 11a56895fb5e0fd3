"""report.html: one self-contained page that shows what was measured, and how to read it.

In: `Findings`. Out: HTML text with plotly.js, figures and styles inside; it opens offline and asks the network for
nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from issodask.report import figures, figures_of_use, readings
from issodask.report.accuracy import LEVELS, Accuracy
from issodask.report.attack import CONTROL, LIKELIHOOD, METHODS, WHITENED
from issodask.report.coherence import Panel
from issodask.report.facts import SelectionFacts, Unsupported
from issodask.report.figures import LEVEL_NAMES, PART_NAMES, TABLE_NAMES
from issodask.report.findings import PROTECTED_ROWS, Findings
from issodask.report.style import Figure, shorten
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
MAX_PANELS = 40
MAX_UNSUPPORTED = 15
MAX_ASKED = 40


def render_page(findings: Findings, title: str = "Synthetic table") -> str:
    """The whole page; what is not known, such as how the subset was made, is left out."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("issodask.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(percent=percent, points=points, count=count, short=shorten, plain=plain)
    environment.filters["at_most"] = readings.rounded_up
    drawn, facts = _figures(findings), findings.facts
    template = environment.get_template("report.html")
    return template.render(
        title=title,
        findings=findings,
        verdicts=verdicts(findings),
        taught=[table for table in TABLE_NAMES if any(table in one.scores for one in findings.use)],
        n_seeds=N_SEEDS,
        measure_names=MEASURE_NAMES,
        attack_methods=[ATTACK_NAMES[method] for method in METHODS],
        attacked_names=ATTACKED_NAMES,
        facts=facts,
        scores=_score_rows(findings),
        levels=[LEVEL_NAMES[level] for level in _levels(findings)],
        parts=_part_rows(findings),
        part_names=list(PART_NAMES.values()),
        coherence_panels=_coherence_panels(findings),
        table_names=TABLE_NAMES,
        readings=readings.read(findings),
        start="" if facts is None else readings.start(facts, findings.unit),
        panels=_panels(findings),
        unsupported=None if facts is None else _shown(facts.unsupported),
        settings=[] if facts is None else _settings(facts),
        protected_rows=PROTECTED_ROWS,
        asked_rows=MAX_ASKED,
        drawn=set(drawn),
        heights={name: figure["layout"]["height"] for name, figure in drawn.items()},
        figures_json=_inline_json(drawn),
        plotly_js=_plotly_js(),
    )


def percent(value: float | None, digits: int = 2) -> str:
    """0.99304 as 99.30%; a dash for what could not be measured; 100% only for what is exactly that."""
    if value is None:
        return "–"
    scale = 10**digits
    rounded = round(100 * scale * value) / scale
    if rounded == 100 and value < 1:
        rounded = (100 * scale - 1) / scale
    return f"{rounded:.{digits}f}%"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.2f} points".replace("-", "−")


def count(value: Any) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}" if isinstance(value, int | np.integer) else plain(value)


def plain(value: Any) -> str:
    """Any setting as a reader wants to see it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return str(value)
    return ", ".join(plain(item) for item in value) if isinstance(value, list | tuple) else str(value)


def _figures(findings: Findings) -> dict[str, Figure]:
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


def _pair_figures(findings: Findings) -> dict[str, Figure]:
    shown = {t: a for t, a in findings.against_original.items() if t in ("pool_sample", "subset") and 2 in a.cliques}
    if not shown:
        return {}
    lowest = min(float(accuracy.by_clique[arity].min()) for accuracy in shown.values() for arity in (1, 2))
    lowest = min(lowest, 0.999)
    return {f"pairs_{table}": figures.pairs(accuracy, lowest) for table, accuracy in shown.items()}


def _group_figures(findings: Findings) -> dict[str, Figure]:
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
    chosen = np.sort(np.argsort(accuracy, kind="stable")[:MAX_PANELS])
    return [
        {
            "column": column,
            "name": findings.bins.names[column],
            "kind": findings.bins.columns[column].kind,
            "accuracy": float(accuracy[column]),
            "before": float(before.by_clique[1][column]) if before else None,
        }
        for column in chosen.tolist()
    ]


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


def _inline_json(drawn: dict[str, Figure]) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or open another."""
    text = json.dumps(drawn, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


def _plotly_js() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())
