"""Where tables stand beside one another: close to real people, of use, told from real rows, telling of members.

In: an original, a holdout and any number of tables by name. Out: a `Standing` of each, and of two landmarks: the
original itself, published as it is, and real people who were not in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from issodask.report.accuracy import Accuracy
from issodask.report.apart import ToldApart, tell_apart
from issodask.report.attack import CONTROL, Attack, Map, Membership, attack_membership
from issodask.report.copies import Copies, Fingerprints
from issodask.report.privacy import measure_privacy, rows_to_compare
from issodask.report.scores import score
from issodask.report.tables import Table
from issodask.report.use import Prediction, measure_use, taught_share

ORIGINAL, HOLDOUT = "original", "holdout"
"""The landmarks, by the names of their tables."""

NAMES = {
    "univariate": "1 column",
    "bivariate": "2 columns",
    "trivariate": "3 columns",
    "unseen": "unseen people",
    "use": "use",
    "told_apart": "told apart",
    "attack": "attack",
    "dcr_share": "DCR share",
    "copies": "copies",
}
"""What pages and terminals call the measures that they show of a Standing."""

MEANINGS = {
    "1, 2, 3 columns": "1 − total variation distance to the table that was learnt from, the mean over all of them",
    "unseen people": "the mean of the three against real people whom nothing has seen",
    "use": "what trees learn from the table, tested on unseen people, as a share of what the original teaches",
    "told apart": "AUC of a classifier that tells the table's rows from unseen people (0.5: not at all)",
    "attack": "AUC of an attack that tells who was learnt from (0.5: not at all)",
    "DCR share": "share of rows nearer to the original than to unseen people (0.5: no nearer)",
    "copies": "share of units that equal one of the original",
}
"""The same in sentences."""


def told(value: float | None, digits: int = 4) -> str:
    """A measure as people read it; a dash for what was not measured."""
    return "–" if value is None else f"{value:.{digits}f}"


@dataclass(frozen=True)
class Standing:
    """Of one table; None is what was not measured.

    univariate to coherence, accuracy  against the original, 1 - total variation distance, the mean over all columns,
                                       pairs and triples; accuracy is the mean of these
    unseen            the same against the holdout
    use               what trees learn from it, tested on the holdout: a share of what the original teaches
    scores            of these trees, by column that they predict: AUC, or R² of a number
    told_apart        AUC of a classifier that tells it from the holdout
    attack            AUC of the attack that tells members of the original from others best; and its standard error
    attack_unusual    the same among the most unusual tenth
    dcr_share         share of rows closer to the original than to the holdout
    copies            share of units that equal one of the original; and whether chance does not explain how many
    rules             share of units that keep a rule, by rule
    """

    n_units: int
    univariate: float | None = None
    bivariate: float | None = None
    trivariate: float | None = None
    coherence: float | None = None
    accuracy: float | None = None
    unseen: float | None = None
    use: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    told_apart: float | None = None
    attack: float | None = None
    attack_error: float | None = None
    attack_unusual: float | None = None
    dcr_share: float | None = None
    copies: float | None = None
    are_copies_beyond_chance: bool = False
    rules: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def flat(self) -> dict[str, Any]:
        """A row of a table: what is by column or rule has a column of its own."""
        values = self.to_dict()
        scores, rules = values.pop("scores"), values.pop("rules")
        return {
            **values,
            **{f"predicts {name}": score for name, score in scores.items()},
            **{f"rule {text}": share for text, share in rules.items()},
        }


def measure_standings(
    tables: Mapping[str, Table],
    predict: Sequence[str] | None,
    seed: int,
    distance_rows: int,
    run: Map = map,
) -> dict[str, Standing]:
    """Of all `tables`; "original" and "holdout" (if there is one) are the landmarks.

    predict        columns that trees are to predict; None: up to three that others can predict
    distance_rows  rows of a table whose distances are measured, at most
    run            `map`, or one that works side by side
    """
    scored = score(tables, "original", seed)
    unseen = score(tables, "holdout", seed).accuracies if "holdout" in tables else {}
    use = measure_use(tables, predict, seed, explains=False)
    attack = attack_membership(tables, scored, seed, run)
    apart = tell_apart(tables, seed, explains=False) if "holdout" in tables else None
    known = Fingerprints.of(tables["original"])
    closer = _dcr_shares(tables, seed, distance_rows)

    def of(name: str) -> Standing:
        return Standing(
            n_units=tables[name].n_units,
            **_accuracies(scored.accuracies.get(name)),
            unseen=_overall(unseen.get(name)),
            use=taught_share(use, name),
            scores=_scores(use, name),
            told_apart=_auc(apart, name),
            **_attacked(attack, name),
            dcr_share=closer(name),
            **_copied(known.copies_in(tables[name])),
        )

    return {name: of(name) for name in tables}


def _accuracies(found: Accuracy | None) -> dict[str, Any]:
    """The original is as it is."""
    if found is None:
        return dict.fromkeys(("univariate", "bivariate", "trivariate", "accuracy"), 1.0)
    levels = {level: getattr(found, level) for level in ("univariate", "bivariate", "trivariate", "coherence")}
    return {**levels, "accuracy": found.overall}


def _overall(found: Accuracy | None) -> float | None:
    return None if found is None else found.overall


def _scores(use: Sequence[Prediction], name: str) -> dict[str, float]:
    return {one.column: score for one in use if (score := one.score(name)) is not None}


def _auc(apart: ToldApart | None, name: str) -> float | None:
    return apart.by_table[name].auc if apart is not None and name in apart.by_table else None


def _attacked(attack: Membership | None, name: str) -> dict[str, Any]:
    """Real people who were not in the original play those who publish nothing: the control."""
    if attack is None:
        return {}
    found: Attack = attack.strongest(CONTROL if name == HOLDOUT else name)
    return {
        "attack": found.everybody.auc,
        "attack_error": found.everybody.error,
        "attack_unusual": found.unusual.auc,
    }


def _dcr_shares(tables: Mapping[str, Table], seed: int, max_rows: int) -> Callable[[str], float | None]:
    rows = rows_to_compare(tables, seed)

    def share_of(name: str) -> float | None:
        if name == HOLDOUT or "holdout" not in rows:
            return None
        found = measure_privacy(rows["original"], rows[name], rows["holdout"], max_rows=max_rows, seed=seed)
        return None if found is None else found.dcr_share

    return share_of


def _copied(found: Copies) -> dict[str, Any]:
    return {"copies": found.share, "are_copies_beyond_chance": found.are_beyond_chance}
