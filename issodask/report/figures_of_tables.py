"""Pictures of tables beside one another: closeness to unseen people against what an attack finds; sizes; as figures.py.

In: places of tables. Out: `Chart`s.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from issodask.report.style import Along, Chart, Json, axis, chart, legend, text

READING = "Higher is closer to people, further to the left more private; real data are the landmarks."
"""How `places` is read."""

_COLOURS = ("@subset", "@pool", "@holdout", "@ink", "@good", "@warning", "@soft")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")


@dataclass(frozen=True)
class Place:
    """A table in the picture: an attack's AUC and an accuracy; `before` is the same synthesizer without selection."""

    name: str
    attack: float
    accuracy: float
    before: tuple[float, float] | None = None
    is_landmark: bool = False


def places(found: Sequence[Place], accuracy: str) -> Chart:
    """Higher is closer, further to the left more private; a line leads from a synthesizer alone to its selection."""
    made, landmarks = ([one for one in found if one.is_landmark is kind] for kind in (False, True))
    moved = [one for one in made if one.before is not None]
    data = []
    if moved:
        data += [_lines(moved), _dots("alone", [(one.name, *one.before) for one in moved if one.before], "@pool", True)]
    data.append(_dots("selected" if moved else "tables", [(p.name, p.attack, p.accuracy) for p in made], "@subset"))
    if landmarks:
        points = [(one.name, one.attack, one.accuracy) for one in landmarks]
        data.append({**_dots("real data", points, "@holdout"), "marker": _marker("@holdout", "diamond")})
    across = [value for one in found for value in (one.attack, *([one.before[0]] if one.before else []))]
    upwards = [value for one in found for value in (one.accuracy, *([one.before[1]] if one.before else []))]
    return chart(
        data,
        height=460,
        xaxis=axis(
            title={"text": "attack: AUC (0.5: members can’t be told)"},
            tickformat=".2f",
            range=_with_room(across, 0.16, 0.02),
            automargin=True,
        ),
        yaxis=axis(
            title={"text": accuracy, "standoff": 14},
            tickformat=".1~%",
            range=_with_room(upwards, 0.08, 0.002),
            automargin=True,
        ),
        margin={"l": 90, "r": 24, "t": 44, "b": 50},
        showlegend=True,
        legend=legend(),
    )


def _with_room(values: Sequence[float], share: float, least: float) -> list[float]:
    """The range of the values and of the labels beside them."""
    room = share * (max(values) - min(values)) + least
    return [min(values) - room, max(values) + room]


def _marker(colour: str, symbol: str = "circle") -> Json:
    return {"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}}


def _dots(name: str, points: Sequence[tuple[str, float, float]], colour: str, is_open: bool = False) -> Json:
    points = sorted(points, key=lambda point: point[1])
    return {
        "type": "scatter",
        "mode": "markers" if is_open else "markers+text",
        "name": name,
        "x": [round(x, 5) for _, x, _ in points],
        "y": [round(y, 5) for _, _, y in points],
        "text": [text(label, 24) for label, _, _ in points],
        "textposition": [("top center", "bottom center")[i % 2] for i in range(len(points))],
        "textfont": {"size": 11, "color": "@soft"},
        "marker": _marker(colour, "circle-open" if is_open else "circle"),
        "hovertemplate": f"%{{text}}, {name}<br>attack %{{x:.3f}}, accuracy %{{y:.2%}}<extra></extra>",
    }


def _lines(moved: Sequence[Place]) -> Json:
    x: list[float | None] = []
    y: list[float | None] = []
    for one in moved:
        assert one.before is not None
        x += [round(one.before[0], 5), round(one.attack, 5), None]
        y += [round(one.before[1], 5), round(one.accuracy, 5), None]
    line = {"color": "@rule", "width": 2}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip", "showlegend": False}


@dataclass(frozen=True)
class Curve:
    """A measure by the number of units that were learnt from; None where there is none."""

    name: str
    values: tuple[float | None, ...]


def by_size(sizes: Sequence[int], curves: Sequence[Curve], what: str, is_share: bool) -> Chart:
    """A line for each way, over sizes on a logarithmic scale."""
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": text(curve.name, 40),
            "x": list(sizes),
            "y": [None if value is None else round(value, 5) for value in curve.values],
            "line": {"color": _COLOURS[i % len(_COLOURS)], "width": 2, "dash": _DASHES[i // 2 % len(_DASHES)]},
            "marker": {"symbol": _SYMBOLS[i % len(_SYMBOLS)], "size": 8},
            "hovertemplate": f"{text(curve.name, 40)}<br>%{{x:,}} units: %{{y:.4f}}<extra></extra>",
        }
        for i, curve in enumerate(curves)
    ]
    labels = tuple(f"{size:,}" for size in sizes)
    return chart(
        data,
        height=380,
        xaxis=axis(type="log", tickvals=list(sizes), ticktext=list(labels), title={"text": "units to learn from"}),
        yaxis=axis(title={"text": what, "standoff": 14}, tickformat=".1~%" if is_share else "", automargin=True),
        margin={"l": 90, "r": 16, "t": 44, "b": 50},
        showlegend=True,
        legend=legend(),
        along=Along("x", "Units", labels),
    )
