"""The page of a comparison: what stands out, a picture of all tables, and the tables of numbers.

In: a `Comparison`. Out: HTML text, as `report.shell` makes it.
"""

from issodask.report.comparison import LANDMARK_NAMES, Comparison
from issodask.report.figures_of_tables import READING, Place, places
from issodask.report.shell import render_shell
from issodask.report.standings import MEANINGS, Standing, told
from issodask.report.study_tables import Sheet
from issodask.report.verdicts import CLEAR_ATTACK


def render_comparison(comparison: Comparison, title: str = "Comparison") -> str:
    """The whole page; what was not measured, such as anything that needs a holdout, is left out or said to be."""
    shown = _places(comparison)
    is_unseen = any(standing.unseen is not None for standing in comparison.tables.values())
    accuracy = "accuracy against unseen people" if is_unseen else "accuracy against the original"
    return render_shell(
        "beside.html",
        title,
        {"places": places(shown, accuracy)} if shown else {},
        kind="comparison",
        lede=_lede(comparison),
        sentences=sentences(comparison),
        labels={"places": f"Each table by {accuracy} and by what an attack finds"} if shown else {},
        reading=READING,
        sheets=_sheets(comparison),
        meanings=MEANINGS,
        made=f"Made by issodask {comparison.versions.get('issodask', '')}, seed {comparison.seed}.",
    )


def _lede(comparison: Comparison) -> str:
    n, unit, landmarks = len(comparison.tables), comparison.unit, comparison.landmarks
    held_out = f" and {landmarks['holdout'].n_units:,} held out" if "holdout" in landmarks else ""
    tables = f"{n:,} table{'s' if n != 1 else ''}"
    return f"{tables} beside one another, against one original of {landmarks['original'].n_units:,} {unit}s{held_out}."


def sentences(comparison: Comparison) -> list[str]:
    """Which table is closest, of most use, and tells least; and what is wrong with any."""
    found = []
    for measure, what, is_low in (
        ("unseen", "Closest to unseen people", False),
        ("use", "Of most use", False),
        ("told_apart", "Hardest to tell from real", True),
        ("attack", "Least told of members", True),
    ):
        known = {n: v for n, one in comparison.tables.items() if (v := getattr(one, measure)) is not None}
        if len(known) > 1:
            best = min(known, key=lambda name: known[name] if is_low else -known[name])
            found.append(f"{what}: {best} ({known[best]:.4f}).")
    for name, one in comparison.tables.items():
        if one.attack is not None and one.attack > CLEAR_ATTACK:
            found.append(f"{name} tells who was in the original: an attack finds them with an AUC of {one.attack:.3f}.")
        if one.are_copies_beyond_chance:
            found.append(
                f"{name} has copies of the original beyond chance ({one.copies or 0:.2%} of its {comparison.unit}s)."
            )
    if not comparison.landmarks.get("holdout"):
        found.append(
            "Without a holdout neither use nor privacy is known: keep some real rows that nothing learns from."
        )
    if comparison.left_out:
        found.append(f"Ids are in no accuracy: {', '.join(comparison.left_out)}.")
    return found


def _places(comparison: Comparison) -> list[Place]:
    found = [
        place
        for name, one in comparison.standings.items()
        if (place := _place(LANDMARK_NAMES.get(name, name), one, name in LANDMARK_NAMES)) is not None
    ]
    return found if any(not place.is_landmark for place in found) else []


def _place(name: str, one: Standing, is_landmark: bool) -> Place | None:
    accuracy = one.unseen if one.unseen is not None else one.accuracy
    if one.attack is None or accuracy is None:
        return None
    return Place(name, one.attack, accuracy, is_landmark=is_landmark)


def _sheets(comparison: Comparison) -> list[Sheet]:
    head, *rows = comparison.shown()
    found = [Sheet("Where the tables stand", "", head, rows)]
    for title, note, name in (
        ("What trees learn", "Tested on unseen people: AUC, or R² of a number.", "scores"),
        ("Rules", f"Share of {comparison.unit}s that keep each.", "rules"),
    ):
        values = {LANDMARK_NAMES.get(key, key): getattr(one, name) for key, one in comparison.standings.items()}
        columns = list(dict.fromkeys(column for by_column in values.values() for column in by_column))
        if columns:
            body = [(key, *(told(own.get(column)) for column in columns)) for key, own in values.items() if own]
            found.append(Sheet(title, note, ("table", *columns), body))
    return found
