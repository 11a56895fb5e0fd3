"""Plain-language readings of the numbers: what each says, what it does not say, and when to worry.

In: `Findings`. Out: short sentences with a tone (good, note, warning) for the page.
"""

import math
from dataclasses import dataclass

from issodask.report.copies import Copies
from issodask.report.facts import SelectionFacts
from issodask.report.findings import Findings
from issodask.report.privacy import Privacy
from issodask.report.style import shorten

HIGH_DCR_SHARE = 0.6  # a plain copy of 40 % of the original scores about 0.7
LOW_NNDR_RATIO = 0.5
STARTS = {
    "weighted": "a sample by the fitted weights",
    "even": "a sample with even weights",
    "whole": "the whole pool",
}
MAX_DRIVERS = 5
NO_EFFECT = 0.02  # two random samples differ by about this share of their error


@dataclass(frozen=True)
class Reading:
    """One conclusion."""

    tone: str
    text: str


def read(findings: Findings) -> dict[str, list[Reading]]:
    """Readings by section: accuracy, privacy."""
    return {"accuracy": list(_accuracy(findings)), "privacy": list(_privacy(findings))}


def _accuracy(findings: Findings) -> list[Reading]:
    found = []
    subset, pool = findings.subset, findings.against_original.get("pool_sample")
    if pool is not None and subset.overall is not None and pool.overall is not None and pool.overall < 1:
        found.append(_effect_of_selection((subset.overall - pool.overall) / (1 - pool.overall)))
    if subset.overall is not None and subset.overall_max is not None:
        found.append(_against_maximum(subset.overall, subset.overall_max))
    found += _against_bound(findings.facts, findings.unit)
    found += _generalisation(findings)
    return found


def rounded_up(accuracy: float) -> str:
    """An upper bound in five digits, so that it stays one."""
    return f"{math.ceil(1e5 * accuracy - 1e-9) / 1e5:.5f}"


def start(facts: SelectionFacts, unit: str) -> str:
    """What was aimed at, what trimming started from, how far the weights concentrate the pool; empty without any."""
    told = []
    aim = facts.aim
    if aim.at == "population" and aim.keep is not None and aim.effective_units is not None:
        kept = ", ".join(f"{family} {share:.0%}" for family, share in aim.kept.items())
        told.append(
            f"It aimed at the population: of what is peculiar to the original at least {aim.keep:.0%} was kept "
            f"({kept}). By the odds that {aim.trees:,} trees give them, {aim.effective_units:,.0f} {unit}s of the pool "
            "count alike."
        )
    if facts.start is not None:
        errors = ", ".join(f"{name} {error:.4f}" for name, error in facts.start.errors.items())
        how = "what short trials ended at" if facts.start.tried else f"as many {unit}s as the subset has"
        of_errors = f" (errors of {how}: {errors})" if errors else ""
        told.append(f"Trimming started from {STARTS[facts.start.chosen]}{of_errors}.")
    if facts.ipf.status != "skipped":
        told.append(
            f"The fitted weights spread over the pool as if {facts.ipf.effective_units:,.0f} of its "
            f"{facts.pool_units:,} {unit}s counted alike."
        )
    return " ".join(told)


def _effect_of_selection(removed: float) -> Reading:
    """`removed`: share of a random pool sample's error that the subset no longer has."""
    if abs(removed) < NO_EFFECT:
        return Reading("note", "The subset is as accurate as a random sample of the pool: selection had no effect.")
    if removed < 0:
        return Reading("warning", f"The subset has {-removed:.0%} more error than a random sample of the pool.")
    return Reading("good", f"Selection removed {removed:.0%} of the error of a random sample of the pool.")


def _against_maximum(overall: float, overall_max: float) -> Reading:
    if overall > overall_max:
        return Reading(
            "note",
            "The subset follows the original more closely than a second real sample of its size is expected to "
            f"({overall_max:.2%}). That is what selection aims for: it matches the original’s chance deviations too. "
            "It says nothing about how well the subset stands for people who are not in the original.",
        )
    return Reading(
        "note",
        f"A second real sample of this size would be expected to reach {overall_max:.2%}: sampling noise alone "
        f"explains that much of the error. The subset is {100 * (overall_max - overall):.2f} points below.",
    )


def _against_bound(facts: SelectionFacts | None, unit: str) -> list[Reading]:
    """How far the subset is from the best possible one, when both ends are known."""
    if facts is None or facts.objective_bound is None:
        return []
    objective, bound = facts.objective, facts.objective_bound
    if bound < 1e-5:
        return [Reading("note", "How good a subset of this pool could be at most is not known: no limit was found.")]
    return [
        Reading(
            "note",
            f"No subset of this pool can be better than {rounded_up(1 - bound)}; the selected one reaches "
            f"{1 - objective:.5f}, by the accuracy that the search looks at. The best one lies somewhere between: the "
            f"limit is proved as if parts of {unit}s could be selected, so no subset may come close to it.",
        )
    ]


def _generalisation(findings: Findings) -> list[Reading]:
    scored = findings.against_holdout
    if "subset" not in scored or "original" not in scored:
        return [
            Reading("note", "No holdout was given, so how well the subset stands for unseen data was not measured.")
        ]
    subset, original = scored["subset"].overall, scored["original"].overall
    if subset is None or original is None:
        return []
    gap = subset - original
    if abs(gap) < 0.0005:
        relation = "the two are level"
    else:
        relation = f"the subset is {abs(100 * gap):.2f} points {'above' if gap > 0 else 'below'}"
    tone = "good" if gap > -0.005 else "note"
    return [
        Reading(
            tone,
            f"On the holdout, real data that no stage has seen, the subset scores {subset:.2%} and the original itself "
            f"{original:.2%}: {relation}.",
        )
    ]


def _privacy(findings: Findings) -> list[Reading]:
    privacy = findings.privacy
    if privacy is None:
        return [Reading("note", "Too few rows: distances were not measured."), *_identical(findings)]
    found = _overlap(findings)
    if privacy.dcr_share is None:
        found.append(
            Reading(
                "note",
                "No holdout was given. A subset row close to an original row may be copied or may simply be common; "
                "only unseen real rows can tell these apart. Pass a holdout to find out.",
            )
        )
    else:
        found += [
            _dcr_share(privacy, privacy.dcr_share),
            *_drivers(findings),
            *_selection_effect(findings),
            *_nndr(privacy),
        ]
    return [*found, *_identical(findings)]


def _overlap(findings: Findings) -> list[Reading]:
    """A holdout that shares units with the original makes every comparison with it look better than it is."""
    holdout = findings.copies_of_units.get("holdout")
    if holdout is None or not holdout.are_beyond_chance:
        return []
    return [
        Reading(
            "warning",
            f"The holdout overlaps the original: {holdout.n_of_once:,} of its {findings.unit}s equal one that the "
            f"original has only once, where chance explains {holdout.by_chance:,.0f} at most. Attack and distances say "
            "too little, accuracy against the holdout too much: take one that shares nobody with the original.",
        )
    ]


def _dcr_share(privacy: Privacy, share: float) -> Reading:
    margin = 2 * privacy.dcr_share_error
    seen = f"{share:.1%} of the subset’s rows lie closer to an original row than to a holdout row"
    if share >= HIGH_DCR_SHARE:
        return Reading(
            "warning",
            f"{seen}. Without copying it would be 50%. This is a strong sign that original rows were memorised: "
            "do not release this table before finding out why.",
        )
    if share > 0.5 + margin:
        return Reading(
            "note",
            f"{seen}. Without copying it would be 50%, give or take {margin:.1%} by chance. The highest share among "
            "several groups of columns is reported, as mostlyai-qa does, which lifts it somewhat even where nothing "
            "was copied.",
        )
    return Reading(
        "good",
        f"{seen}. Without copying it would be 50%, give or take {margin:.1%} by chance: no sign of copying.",
    )


def _drivers(findings: Findings) -> list[Reading]:
    """The columns behind a notable share, and whether they explain it."""
    if findings.drivers is None:
        return []
    columns, without = findings.drivers.columns, findings.drivers.share_without
    if not columns:
        return [Reading("note", "No column stands out: the rows are nearer in all of their columns together.")]
    named = [f"{shorten(name, 40)} ({share:.1%})" for name, share in list(columns.items())[:MAX_DRIVERS]]
    more = f" and {len(columns) - MAX_DRIVERS} more" if len(columns) > MAX_DRIVERS else ""
    told = f"Driven by: {', '.join(named)}{more}, in brackets the share by this column alone."
    if without is not None:
        told += f" Without {'them' if len(columns) > 1 else 'it'} the share of all rows is {without:.1%}"
        stays = findings.privacy is not None and without > 0.5 + 2 * findings.privacy.dcr_share_error
        told += ": whole rows are near, not these values alone." if stays else "."
    return [Reading("note", told)]


def _selection_effect(findings: Findings) -> list[Reading]:
    if findings.privacy is None or findings.pool_privacy is None:
        return []
    before, after = findings.pool_privacy.dcr_share, findings.privacy.dcr_share
    if before is None or after is None:
        return []
    nearer = after - before > 3 * findings.privacy.dcr_share_error
    effect = (
        "selection did bring rows nearer to the original"
        if nearer
        else "within chance, so selection brought rows no nearer"
    )
    return [
        Reading(
            "note" if nearer else "good",
            f"A random sample of the pool, before any selection, has a share of {before:.1%}: {effect}.",
        )
    ]


def _nndr(privacy: Privacy) -> list[Reading]:
    ratio = privacy.nndr_ratio
    if ratio is None:
        return []
    if ratio < LOW_NNDR_RATIO:
        return [
            Reading(
                "warning",
                f"The smallest neighbour distance ratios are {ratio:.2f} times those towards the holdout: some subset "
                "rows sit conspicuously close to single original rows, as copied outliers do.",
            )
        ]
    return [
        Reading(
            "good",
            f"The smallest neighbour distance ratios are {ratio:.2f} times those towards the holdout "
            "(well below 1 would point to copied outliers).",
        )
    ]


def _identical(findings: Findings) -> list[Reading]:
    if findings.groups is not None:
        equal = "the same rows in the same order as an original group"
        return [_identical_units(findings.groups.copies, "group", "has", "have", equal)]
    return [_identical_units(findings.copies, "row", "equals", "equal", "an original row in every column")]


def _identical_units(copies: dict[str, Copies], unit: str, one: str, many: str, what: str) -> Reading:
    """Against the holdout where there is one, else against what the original's own repeats explain."""
    subset, holdout = copies["subset"], copies.get("holdout")
    some = f"{subset.share:.2%} of all subset {unit}s {many}" if subset.n_equal else f"No subset {unit} {one}"
    seen = f"{some} {what}"
    if subset.are_beyond_chance and not (holdout and holdout.are_beyond_chance):
        return Reading(
            "warning",
            f"{seen}. {subset.n_of_once:,} of them equal a {unit} that the original has only once, where chance "
            f"explains {subset.by_chance:,.0f} at most: the pool holds copies of the original. Do not release this "
            "table before finding out why.",
        )
    if holdout is None:
        return Reading("note", f"{seen}; chance explains that." if subset.n_equal else f"{seen}.")
    is_suspicious = subset.share > 2 * holdout.share + 0.001
    return Reading(
        "warning" if is_suspicious else "good",
        f"{seen}; of the holdout’s {unit}s, by coincidence, {holdout.share:.2%}.",
    )
