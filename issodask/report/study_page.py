"""The page of a study: conclusions, synthesizers between closeness and privacy, sizes, and all numbers.

In: `Studied`. Out: HTML text, as `report.shell` makes it.
"""

from issodask.report.figures_of_tables import READING, Curve, Place, by_size, places
from issodask.report.shell import render_shell
from issodask.report.standings import HOLDOUT, ORIGINAL
from issodask.report.studied import ALL_POOLS, ALONE, SELECTED, Mean, Studied
from issodask.report.study_tables import MEANINGS_OF_STUDIES, SIZE_MEASURES, conclusions, sheets
from issodask.report.style import Chart

ALL_TABLES = "All tables"

_LANDMARKS = ("copy", "real")
"""Synthesizers that stand where the real tables do, which the pictures have anyway."""


def render_study(studied: Studied, title: str = "Benchmark") -> str:
    """The whole page."""
    charts, labels = _charts(studied)
    return render_shell(
        "beside.html",
        title,
        charts,
        kind="benchmark",
        lede=_lede(studied),
        sentences=[*conclusions(studied), *_told_of_failures(studied)],
        labels=labels,
        reading=READING if len(studied.sizes) == 1 else "",
        sheets=sheets(studied),
        meanings=MEANINGS_OF_STUDIES,
        made=f"Made by issodask {studied.versions.get('issodask', '')}; results.json beside this page has all numbers.",
    )


def _lede(studied: Studied) -> str:
    sizes = f" × {len(studied.sizes)} sizes" if len(studied.sizes) > 1 else ""
    ways, tables = (
        _counted(len(found), what) for found, what in ((studied.synthesizers, "way"), (studied.tables, "table"))
    )
    return f"{ways} to make rows × {tables}{sizes}, each alone and with selection on top of its pool."


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' if n != 1 else ''}"


def _told_of_failures(studied: Studied) -> list[str]:
    n = len(studied.failures)
    return [f"{_counted(n, 'trial')} gave nothing; the last table says why."] if n else []


def _charts(studied: Studied) -> tuple[dict[str, Chart], dict[str, str]]:
    """Charts, and what each shows, in their order."""
    charts: dict[str, Chart] = {}
    labels: dict[str, str] = {}
    if len(studied.sizes) > 1:
        for i, table in enumerate(studied.tables):
            for measure, what in SIZE_MEASURES.items():
                name = f"size{i}_{measure}"
                charts[name] = by_size(studied.sizes, _curves(studied, table, measure), what, measure != "seconds")
                labels[name] = f"{table}: {what} by the number of units to learn from"
        return charts, labels
    names = [None, *studied.tables] if len(studied.tables) > 1 else studied.tables
    for i, of_table in enumerate(names):
        found = _places(studied, of_table)
        if any(not place.is_landmark for place in found):
            charts[f"places{i}"] = places(found, "accuracy against unseen people")
            labels[f"places{i}"] = f"{of_table or ALL_TABLES}: accuracy against unseen people, and what an attack finds"
    return charts, labels


def _places(studied: Studied, table: str | None) -> list[Place]:
    found = []
    for synthesizer in studied.synthesizers:
        if synthesizer in _LANDMARKS:
            continue
        alone, selected = (_point(studied, synthesizer, way, table) for way in (ALONE, SELECTED))
        at = selected or alone
        if at is not None:
            name = synthesizer.partition("?")[0].removeprefix("sdv:")
            before = alone if selected is not None and synthesizer != ALL_POOLS else None
            found.append(Place(name, *at, before=before))
    for which, name in ((ORIGINAL, "the original"), (HOLDOUT, "unseen people")):
        attack = studied.landmark("attack", which, table)
        closeness = studied.landmark("unseen" if which == ORIGINAL else "accuracy", which, table)
        if attack is not None and closeness is not None:
            found.append(Place(name, attack.mean, closeness.mean, is_landmark=True))
    return found


def _point(studied: Studied, synthesizer: str, way: str, table: str | None) -> tuple[float, float] | None:
    attack, accuracy = (studied.mean(measure, synthesizer, way, table) for measure in ("attack", "unseen"))
    return None if attack is None or accuracy is None else (attack.mean, accuracy.mean)


def _curves(studied: Studied, table: str, measure: str) -> list[Curve]:
    found = []
    for synthesizer, way in studied.ways():
        means = [studied.mean(measure, synthesizer, way, table, size) for size in studied.sizes]
        if any(mean is not None for mean in means):
            found.append(Curve(f"{synthesizer}, {way}", tuple(map(_value, means))))
    if measure == "unseen":
        means = [studied.landmark(measure, ORIGINAL, table, size) for size in studied.sizes]
        found.append(Curve("the original itself", tuple(map(_value, means))))
    return found


def _value(found: Mean | None) -> float | None:
    return None if found is None else found.mean
