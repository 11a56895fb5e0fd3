"""What a table is not: its known limits in plain words, from what was measured and what was not.

In: `Findings`. Out: sentences for the card.
"""

from collections.abc import Iterator

from issodask.report.findings import Findings
from issodask.report.verdicts import NOTE, WARNING, verdicts


def limits_of(findings: Findings) -> list[str]:
    """What holds of every table first, then what holds of this one."""
    return [*_of_all(findings), *_of_verdicts(findings), *_of_holdout(findings), *_of_selection(findings)]


def _of_all(findings: Findings) -> Iterator[str]:
    beyond = ", and how values follow one another within groups" if findings.groups is not None else ""
    yield (
        f"Selection matches columns, pairs and triples{beyond}. What depends on four or more columns at once is as the "
        "generators made it."
    )
    yield "Tests of privacy look for copies and traces. They are no proof of anonymity; a stronger attack may exist."


def _of_verdicts(findings: Findings) -> Iterator[str]:
    for verdict in verdicts(findings):
        if verdict.tone in (NOTE, WARNING):
            yield f"{verdict.question} {verdict.answer[0].upper()}{verdict.answer[1:]}. {verdict.meaning}"


def _of_holdout(findings: Findings) -> Iterator[str]:
    unit = findings.unit
    if "holdout" not in findings.n_units:
        yield f"There was no holdout: how well it stands for unseen {unit}s, its use and its privacy are not known."
        return
    if findings.attack is None:
        yield f"There were too few real {unit}s for an attack: what the table tells of members is not known."
    if not findings.use:
        yield "Its use for predictions was not measured."
    else:
        tried = ", ".join(one.column for one in findings.use)
        yield f"Its use for predictions was measured on {tried} only."
    if not findings.risks:
        yield "Singling out and inference (anonymeter) were not measured."


def _of_selection(findings: Findings) -> Iterator[str]:
    facts, unit = findings.facts, findings.unit
    if findings.roles.get("left_out"):
        yield f"Values of {', '.join(findings.roles['left_out'])} are new, and nothing else about them was matched."
    if facts is None:
        yield "How the table was made is not known."
        return
    if facts.unsupported.cells:
        yield (
            f"Combinations of two columns' bins that the original has and no {unit} of the pool: "
            f"{facts.unsupported.cells:,}. The table lacks them."
        )
    if facts.job is not None and facts.job.get("original", {}).get("impute"):
        yield f"Gaps in {', '.join(facts.job['original']['impute'])} were filled by a model before anything was learnt."
    if facts.asked is not None and facts.asked.cells:
        yield "Shares or totals were asked for: the table is not meant to be like the original in these."
        if facts.asked.unmet:
            yield f"Of {len(facts.asked.cells):,} cells that were asked for, {len(facts.asked.unmet):,} are not met."
    if facts.asked is not None and not all(rule.enforced for rule in facts.asked.rules):
        yield "Some rules are not enforced, because the original itself breaks them."
