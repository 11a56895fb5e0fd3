"""Studies made of numbers, for tests of what is made from them."""

from issodask.report.standings import Standing
from issodask.report.studied import ALL_POOLS, ALONE, SELECTED, Row, Studied

MINE = "python:mine.py:draw"


def standing(unseen, attack=0.52, accuracy=0.95, **more):
    return Standing(
        n_units=100,
        univariate=accuracy,
        bivariate=accuracy,
        trivariate=accuracy,
        accuracy=accuracy,
        unseen=unseen,
        use=0.8,
        told_apart=0.6,
        attack=attack,
        attack_error=0.01,
        **more,
    )


def row(table, synthesizer, way, unseen, repeat=1, size=100, **more):
    found = standing(unseen, **more)
    return Row(table, synthesizer, way, size, repeat, "done", seconds=2.0, peak_gb=0.5, standing=found)


def small_study():
    """Two tables, one synthesizer twice, all pools, and one that failed."""
    rows = [
        row("a", MINE, ALONE, 0.90, accuracy=0.92),
        row("a", MINE, ALONE, 0.92, repeat=2, accuracy=0.92),
        row("a", MINE, SELECTED, 0.95, accuracy=0.97, attack=0.56),
        row("a", MINE, SELECTED, 0.97, repeat=2, accuracy=0.97, attack=0.58),
        row("a", ALL_POOLS, SELECTED, 0.98, accuracy=0.98),
        row("b", MINE, ALONE, 0.80, accuracy=0.82),
        row("b", MINE, SELECTED, 0.84, accuracy=0.81),
        Row("b", "sdv:<b>CTGAN|x</b>", "", 100, 1, "failed", "ValueError: no idea\nwhat to do", seconds=1.0),
    ]
    landmarks = {("a", 100, 1): {"original": standing(0.99, 0.8), "holdout": standing(None, 0.5)}}
    return Studied(rows, landmarks, {"repeats": 2}, {"issodask": "1.2.3"})


def sized_study():
    """One table, three sizes."""
    rows = [
        row("a", MINE, way, 0.8 + 0.03 * i + 0.05 * (way == SELECTED), size=size)
        for way in (ALONE, SELECTED)
        for i, size in enumerate((100, 400, 1_600))
    ]
    landmarks = {("a", size, 1): {"original": standing(0.95, 0.8)} for size in (100, 400, 1_600)}
    return Studied(rows, landmarks)
