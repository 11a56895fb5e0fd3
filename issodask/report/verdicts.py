"""Three verdicts that open the report: is the subset faithful, of use, private? Each with its number and a reference.

In: `Findings`. Out: `Verdict`s in plain words, and what would make the number better. A reference is what real people
who were not in the original reach, or random rows of the pool; closeness beyond a second real sample is no merit.
"""

from dataclasses import dataclass

from issodask.report.attack import CONTROL, Attack, Membership
from issodask.report.findings import Findings
from issodask.report.readings import HIGH_DCR_SHARE
from issodask.report.use import taught_share

FAITHFUL, OF_USE, PRIVATE = "Faithful?", "Of use?", "Private?"
GOOD, NOTE, WARNING, UNKNOWN = "good", "note", "warning", "unknown"
FAITHFUL_WITHIN, UNFAITHFUL_BEYOND = 0.005, 0.03  # of the original's own accuracy on unseen rows
USEFUL_WITHIN, USELESS_BEYOND = 0.02, 0.10  # of what the original teaches
FAINT_ATTACK, CLEAR_ATTACK = 0.55, 0.62  # areas under the ROC curve
FIND_OUT = "Find out why the pool is so near to the original before this table is shared."
LITTLE_OF_A_COPY = 0.5  # of what the attack finds in the original itself; in large tables that is little


@dataclass(frozen=True)
class Verdict:
    """An answer in a word, its number as a reader sees it, what that means, and what would make it better."""

    question: str
    tone: str
    answer: str
    figure: str
    meaning: str
    better: str


def verdicts(findings: Findings) -> tuple[Verdict, Verdict, Verdict]:
    """All three; what could not be measured is said to be unknown."""
    holdout = findings.copies_of_units.get("holdout")
    if holdout is not None and holdout.are_beyond_chance:
        why = f"The holdout shares {findings.unit}s with the original, so it does not show what unseen ones are like."
        better = "Take a holdout that nothing has learnt from."
        first, second, third = (
            Verdict(question, WARNING, "not measured", "–", why, better) for question in (FAITHFUL, OF_USE, PRIVATE)
        )
        return first, second, third
    return _faithful(findings), _of_use(findings), _private(findings)


def _faithful(findings: Findings) -> Verdict:
    question, unit = FAITHFUL, findings.unit
    scored = findings.against_holdout
    subset = scored["subset"].overall if "subset" in scored else None
    original = scored["original"].overall if "original" in scored else None
    if subset is None or original is None:
        own, most = findings.subset.overall, findings.subset.overall_max
        if own is None or most is None:
            return Verdict(question, UNKNOWN, "not measured", "–", "The tables are too small to compare.", "")
        tone = _tone_of_gap(own - most)
        answer = {GOOD: "close to the original", NOTE: "near it", WARNING: "no"}[tone]
        meaning = (
            f"Accuracy against the original; a second real sample of this size would be expected to reach {most:.2%}. "
            "How well it stands for people who are not in the original is not known."
        )
        return Verdict(question, tone, answer, f"{own:.2%}", meaning, "Keep some real rows as holdout.")
    tone = _tone_of_gap(subset - original)
    answer = {GOOD: "as good as real", NOTE: "nearly", WARNING: "no"}[tone]
    pool = scored["pool_sample"].overall if "pool_sample" in scored else None
    meaning = (
        f"Accuracy against real {unit}s that nothing has seen. The original itself reaches {original:.2%}"
        f"{f', random {unit}s of the pool {pool:.2%}' if pool is not None else ''}."
    )
    better = "" if tone == GOOD else f"A larger or better pool, or more {unit}s."
    return Verdict(question, tone, answer, f"{subset:.2%}", meaning, better)


def _tone_of_gap(gap: float) -> str:
    return GOOD if gap > -FAITHFUL_WITHIN else NOTE if gap > -UNFAITHFUL_BEYOND else WARNING


def _of_use(findings: Findings) -> Verdict:
    question = OF_USE
    known = [one for one in findings.use if one.score("original") is not None and one.score("subset") is not None]
    if not known:
        why = "No holdout was given, or no column can be predicted from the others: its use was not tried."
        return Verdict(question, UNKNOWN, "not measured", "–", why, "Keep some real rows as holdout.")
    gap = 1 - (taught_share(known, "subset") or 0.0)
    tone = GOOD if gap < USEFUL_WITHIN else NOTE if gap < USELESS_BEYOND else WARNING
    answer = {GOOD: "yes", NOTE: "with losses", WARNING: "hardly"}[tone]
    first = known[0]
    told = [f"{table} {first.score(name):.4f}" for name, table in _TAUGHT_BY.items() if first.score(name) is not None]
    more = f" (and {len(known) - 1} more)" if len(known) > 1 else ""
    meaning = (
        f"Trees trained on the subset and tested on real unseen {findings.unit}s lose {max(0.0, gap):.2%} of what the "
        f"original teaches. To predict {first.column}{more}, {_MEASURES[first.measure]}: {', '.join(told)}."
    )
    apart = findings.told_apart
    if apart is not None and "subset" in apart.by_table:
        auc = apart.by_table["subset"].auc
        meaning += (
            f" A classifier tells the subset from real {findings.unit}s with an AUC of {auc:.3f} (0.5: not at all)."
        )
    better = "" if tone == GOOD else "A better pool: longer trainings, more generators."
    return Verdict(question, tone, answer, f"{max(0.0, 1 - gap):.1%}", meaning, better)


_TAUGHT_BY = {"original": "original", "subset": "subset", "pool_sample": "random pool sample"}
_MEASURES = {"auc": "AUC", "r2": "R²"}


def _private(findings: Findings) -> Verdict:
    question, unit, copies = PRIVATE, findings.unit, findings.copies_of_units.get("subset")
    if findings.attack is None:
        why = "No holdout was given, or too few real rows: an attack needs people who were not in the original."
        tone = WARNING if copies is not None and copies.are_beyond_chance else UNKNOWN
        return Verdict(question, tone, "copies" if tone == WARNING else "not measured", "–", why, "Keep a holdout.")
    found = findings.attack.strongest("subset")
    auc = found.everybody.auc
    is_faint = auc <= FAINT_ATTACK and findings.attack.share_of_a_copy <= LITTLE_OF_A_COPY
    tone = GOOD if is_faint else NOTE if auc <= CLEAR_ATTACK else WARNING
    answer = {GOOD: "next to no traces", NOTE: "faint traces", WARNING: "members can be told"}[tone]
    meaning, better = _of_attack(findings.attack, found, unit), "" if tone == GOOD else _more_private(findings)
    share = findings.privacy.dcr_share if findings.privacy is not None else None
    if copies is not None and copies.are_beyond_chance:
        tone, answer = WARNING, "copies"
        seen = f"{copies.n_of_once:,} {unit}s equal one that the original has only once; chance explains "
        meaning, better = f"{seen}{copies.by_chance:,.0f} at most. {meaning}", f"{FIND_OUT} {better}".strip()
    elif share is not None and share >= HIGH_DCR_SHARE:
        tone, answer = WARNING, "rows too close"
        seen = (
            f"{share:.1%} of the rows lie closer to an original row than to a holdout row; without copying it is 50%."
        )
        meaning, better = f"{seen} {meaning}", f"{FIND_OUT} {better}".strip()
    return Verdict(question, tone, answer, f"{auc:.3f}", meaning, better)


def _of_attack(attack: Membership, found: Attack, unit: str) -> str:
    meaning = (
        f"AUC of an attack that tells members of the original from others (0.5: nothing; "
        f"± {2 * found.everybody.error:.3f}); among the most unusual tenth {found.unusual.auc:.3f}."
    )
    others = {"pool_sample": f"on random {unit}s of the pool", "original": "on the original itself, published"}
    told = [
        f"{attack.strongest(name).everybody.auc:.3f} {where}"
        for name, where in others.items()
        if name in attack.attacks
    ]
    told.append(f"{attack.strongest(CONTROL).everybody.auc:.3f} on an unrelated real sample")
    share = f"{attack.share_of_a_copy:.0%} of what the original itself would tell"
    return f"{meaning} The same attack: {', '.join(told)}. So the subset tells {share}."


def _more_private(findings: Findings) -> str:
    drivers = list(findings.drivers.columns)[:3] if findings.drivers is not None else []
    ways = []
    if findings.facts is not None and findings.facts.aim.at == "original":
        ways.append('aim at the population (aim = "population")')
    if drivers:
        ways.append(f"leave out or coarsen {', '.join(drivers)}")
    ways.append("learn from more people")
    text = "; ".join(ways)
    return f"{text[0].upper()}{text[1:]}."
