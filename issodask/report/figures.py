"""The report's pictures as plotly figures, drawn in the browser.

In: `Findings` or a part of it. Out: `Chart`s. A colour or font that starts with @ names a CSS
variable of the page, so that one figure serves the light and the dark scheme; the page's script puts the values in.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from issodask.report.accuracy import LEVELS, Accuracy
from issodask.report.coherence import GroupFindings, SuccessorMap
from issodask.report.findings import Findings, Point
from issodask.report.metrics import thinned
from issodask.report.privacy import Neighbours, Privacy
from issodask.report.scores import CATEGORIES, DISTINCT, SUCCESSORS
from issodask.report.style import Along, Chart, Json, axis, chart, legend, text

TABLE_NAMES = {
    "original": "Original",
    "pool_sample": "Random pool sample",
    "subset": "Subset",
    "holdout": "Holdout",
}
LEVEL_NAMES = {
    "overall": "Overall",
    "univariate": "Columns",
    "bivariate": "Pairs",
    "trivariate": "Triples",
    "coherence": "Coherence",
}
PART_NAMES = {SUCCESSORS: "Next row", DISTINCT: "Categories per group", CATEGORIES: "Groups per category"}
MAX_NAMED_AXIS = 45  # more names than that on an axis run into each other; hovering still tells them
MAX_POINTS = 800
MAX_LENGTH_TICKS = 12
SHARES = [[0, "@heat2"], [1, "@subset"]]
DIFFERENCES = [[0, "@pool"], [0.5, "@heat2"], [1, "@subset"]]


def headline(findings: Findings) -> Chart:
    """Accuracy per level: random pool sample, subset, holdout, expected maximum; one row of dots each."""
    levels = [level for level in LEVELS if getattr(findings.subset, level) is not None][::-1]
    names = [LEVEL_NAMES[level] for level in levels]
    rows = list(range(len(levels)))
    data = []
    if "pool_sample" in findings.against_original:
        data.append(_path(findings, levels))
    styles = {
        "pool_sample": {"symbol": "circle-open", "size": 12, "color": "@pool", "line": {"width": 2.5}},
        "holdout": {"symbol": "diamond-open", "size": 11, "color": "@holdout", "line": {"width": 2}},
        "subset": {"symbol": "circle", "size": 14, "color": "@subset"},
    }
    for table, marker in styles.items():
        if table in findings.against_original:
            values = [getattr(findings.against_original[table], level) for level in levels]
            data.append(_dots(TABLE_NAMES[table], values, rows, marker))
    expected = [getattr(findings.subset, f"{level}_max") for level in levels]
    line = {"symbol": "line-ns", "size": 20, "color": "@ink", "line": {"width": 2, "color": "@ink"}}
    data.append(_dots("Expected maximum", expected, rows, line))
    lowest = min(value for trace in data for value in trace["x"] if value is not None)
    shown = [lowest - 0.08 * (1 - lowest) - 1e-4, 1 + 0.02 * (1 - lowest)]
    return chart(
        data,
        height=90 + 82 * len(levels),
        xaxis=axis(tickformat=".1~%", range=shown, nticks=6),
        yaxis=axis(tickvals=rows, ticktext=names, range=[-0.6, len(rows) - 0.4], tickfont={"size": 14}),
        margin={"l": 78, "r": 16, "t": 44, "b": 36},
        showlegend=True,
        legend=legend(),
    )


def _path(findings: Findings, levels: list[str]) -> Json:
    """A line from the pool sample to the subset in each row; None breaks the line between rows."""
    x: list[float | None] = []
    y: list[int | None] = []
    for row, level in enumerate(levels):
        x += [*(getattr(findings.against_original[table], level) for table in ("pool_sample", "subset")), None]
        y += [row, row, None]
    line = {"color": "@rule", "width": 5}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip", "showlegend": False}


def _dots(name: str, x: list[float], y: list[int], marker: Json) -> Json:
    hover = f"{name}: %{{x:.2%}}<extra></extra>"
    dots = {"type": "scatter", "mode": "markers", "cliponaxis": False, "hovertemplate": hover}
    return {**dots, "name": name, "x": x, "y": y, "marker": marker}


def objective(history: tuple[Point, ...]) -> Chart:
    """The objective (1 − overall accuracy) over the seconds of the search, one line per stage, on a log axis."""
    colours, dashes = ["@subset", "@pool", "@holdout", "@ink"], ["solid", "dash", "dot", "dashdot"]
    data = []
    for i, stage in enumerate(dict.fromkeys(point.stage for point in history)):
        points = thinned(tuple(point for point in history if point.stage == stage), MAX_POINTS)
        data.append(
            {
                "type": "scatter",
                "mode": "lines" if len(points) > 1 else "markers",
                "name": text(stage, 24),
                "x": [round(point.seconds, 3) for point in points],
                "y": [point.objective for point in points],
                "line": {"color": colours[i % len(colours)], "width": 2, "dash": dashes[i % len(dashes)]},
                "marker": {"color": colours[i % len(colours)], "size": 8},
                "cliponaxis": False,
                "hovertemplate": "%{x:.1f} s: %{y:.5f}<extra></extra>",
            }
        )
    values = [point.objective for point in history if point.objective > 0]
    longest = max(point.seconds for point in history) or 1.0
    return chart(
        data,
        height=300,
        xaxis=axis(title={"text": "seconds", "font": {"size": 12}}, range=[-0.015 * longest, 1.015 * longest]),
        yaxis=axis(type="log", title={"text": "1 − accuracy", "font": {"size": 12}}, **_log_ticks(values)),
        margin={"l": 62, "r": 12, "t": 36, "b": 44},
        showlegend=len(data) > 1,
        legend=legend(),
    )


def _log_ticks(values: list[float]) -> Json:
    """Tick labels for a log axis over these values, also when they span less than a decade."""
    if not values:
        return {}
    low, high = 0.9 * min(values), 1.1 * max(values)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), tuple(np.arange(1, 10, 0.25))):
        ticks = [float(step * 10.0**decade) for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            break
    return {"tickvals": ticks, "ticktext": [f"{tick:.3g}" for tick in ticks], "range": np.log10([low, high]).tolist()}


def marginal(labels: tuple[str, ...], shares: dict[str, np.ndarray]) -> Chart:
    """One column's bins: the original as bars, the pool sample as ticks, the subset as dots.

    `shares[table]` is (n_bins,); bins that are empty in every table are left out.
    """
    shown = [i for i in range(len(labels)) if any(share[i] > 0 for share in shares.values())]
    rows = list(range(len(shown)))
    names = [text(labels[i], 40) for i in shown]

    def trace(table: str, **style: Any) -> Json:
        values = [round(float(shares[table][i]), 5) for i in shown]
        hover = f"%{{text}}<br>{TABLE_NAMES[table]}: %{{x:.2%}}<extra></extra>"
        return {"name": TABLE_NAMES[table], "x": values, "y": rows, "text": names, "hovertemplate": hover, **style}

    bars = {"type": "bar", "orientation": "h", "width": 0.82, "textposition": "none", "marker": {"color": "@original"}}
    dots = {"type": "scatter", "mode": "markers", "cliponaxis": False}
    ticks = {"symbol": "line-ns", "size": 11, "color": "@pool", "line": {"width": 2.5, "color": "@pool"}}
    data = [trace("original", **bars)]
    if "pool_sample" in shares:
        data.append(trace("pool_sample", **dots, marker=ticks))
    data.append(trace("subset", **dots, marker={"size": 7, "color": "@subset"}))
    short = [text(labels[i], 17) for i in shown]
    widest = max(max(each["x"]) for each in data)
    return chart(
        data,
        height=46 + max(3, len(rows)) * 17,
        xaxis=axis(tickformat=".0%", range=[-0.025 * widest, 1.06 * widest], nticks=4, tickfont={"size": 10}),
        yaxis=axis(tickvals=rows, ticktext=short, range=[len(rows) - 0.4, -0.6], tickfont={"size": 10.5}),
        margin={"l": 112, "r": 10, "t": 4, "b": 24},
        bargap=0.2,
        along=Along("y", "Bin", tuple(names)),
    )


def lengths(groups: GroupFindings) -> Chart:
    """Shares of groups by their number of rows: the original as bars, the other tables as marks."""
    places = list(range(len(groups.length_labels)))
    names = [f"{label} rows" for label in groups.length_labels]
    styles = {
        "pool_sample": {"symbol": "line-ew", "size": 11, "color": "@pool", "line": {"width": 2.5, "color": "@pool"}},
        "holdout": {"symbol": "diamond-open", "size": 8, "color": "@holdout", "line": {"width": 1.5}},
        "subset": {"symbol": "circle", "size": 7, "color": "@subset"},
    }

    def trace(table: str, **style: Any) -> Json:
        shares = [round(float(share), 5) for share in groups.lengths[table]]
        hover = f"%{{text}}<br>{TABLE_NAMES[table]}: %{{y:.2%}}<extra></extra>"
        return {"name": TABLE_NAMES[table], "x": places, "y": shares, "text": names, "hovertemplate": hover, **style}

    bars = {"type": "bar", "width": 0.82, "textposition": "none", "marker": {"color": "@original"}}
    dots = {"type": "scatter", "mode": "markers", "cliponaxis": False}
    data = [trace("original", **bars)]
    data += [trace(table, **dots, marker=marker) for table, marker in styles.items() if table in groups.lengths]
    step = -(-len(places) // MAX_LENGTH_TICKS)
    return chart(
        data,
        height=320,
        xaxis=axis(
            title={"text": "rows per group", "font": {"size": 12}},
            tickvals=places[::step],
            ticktext=list(groups.length_labels[::step]),
            showgrid=False,
        ),
        yaxis=axis(title={"text": "share of groups", "font": {"size": 12}}, tickformat=".0%", rangemode="tozero"),
        margin={"l": 62, "r": 12, "t": 40, "b": 44},
        showlegend=True,
        legend=legend(),
        along=Along("x", "Rows per group", groups.length_labels),
    )


def successors(found: SuccessorMap) -> dict[str, Chart]:
    """Maps of a bin and the bin in the next row: original and subset on one scale, and their difference.

    Rows and columns that are empty in every table are left out.
    """
    original, subset = found.shares["original"], found.shares["subset"]
    rows, columns = (np.flatnonzero(found.is_used.any(axis=axis)) for axis in (1, 0))
    labels = [found.labels[i] for i in rows], [found.next_labels[i] for i in columns]
    original, subset = original[np.ix_(rows, columns)], subset[np.ix_(rows, columns)]
    difference = subset - original
    highest = float(np.nanmax([original, subset]))
    furthest = float(np.nanmax(np.abs(difference))) or 1.0
    shares = {"zmin": 0, "zmax": highest, "colorscale": SHARES}
    return {
        "original": _map(original, labels, "%{z:.2%} of groups", **shares),
        "subset": _map(subset, labels, "%{z:.2%} of groups", **shares),
        "difference": _map(difference, labels, "%{z:+.2%}", zmin=-furthest, zmax=furthest, colorscale=DIFFERENCES),
    }


def _map(values: np.ndarray, labels: tuple[list[str], list[str]], value: str, **style: Any) -> Chart:
    rows, columns = labels
    data = {
        "type": "heatmap",
        "z": [[None if np.isnan(cell) else round(float(cell), 5) for cell in row] for row in values],
        "text": [[f"{text(row, 40)} → {text(column, 40)}" for column in columns] for row in rows],
        "hovertemplate": f"%{{text}}: {value}<extra></extra>",
        "colorbar": {"tickformat": ".1%", "thickness": 8, "outlinewidth": 0, "len": 1, "tickfont": {"size": 9}},
        "xgap": 1,
        "ygap": 1,
        **style,
    }
    ticks = {"tickfont": {"size": 9.5}, "showgrid": False}
    short = [[text(label, 12) for label in names] for names in labels]
    return chart(
        [data],
        height=310,
        xaxis=axis(**ticks, tickvals=list(range(len(columns))), ticktext=short[1], tickangle=-60),
        yaxis=axis(**ticks, tickvals=list(range(len(rows))), ticktext=short[0], autorange="reversed"),
        margin={"l": 82, "r": 4, "t": 6, "b": 78},
    )


def pairs(accuracy: Accuracy, lowest: float, columns: Sequence[int]) -> Chart:
    """Accuracy of every pair as a symmetric heatmap, the columns on the diagonal; colours run from `lowest` to 1.

    columns  the positions of those to show
    """
    grid = _grid(accuracy)[np.ix_(columns, columns)]
    n_columns = len(columns)
    few = n_columns <= MAX_NAMED_AXIS
    names = [text(accuracy.names[column], 14 if few else 30) for column in columns]
    ticks = {"tickvals": list(range(n_columns)), "ticktext": names, "tickfont": {"size": 10}, "showticklabels": few}
    data = {
        "type": "heatmap",
        "z": [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in grid],
        "hovertemplate": "%{y} × %{x}: %{z:.2%}<extra></extra>",
        "zmin": lowest,
        "zmax": 1,
        "colorscale": [[0, "@heat0"], [0.5, "@heat1"], [1, "@heat2"]],
        "colorbar": {"tickformat": ".1%", "thickness": 10, "outlinewidth": 0, "len": 1, "tickfont": {"size": 10}},
        "xgap": 1 if few else 0,
        "ygap": 1 if few else 0,
    }
    return chart(
        [data],
        height=470,
        xaxis=axis(**ticks, tickangle=-60, showgrid=False),
        yaxis=axis(**ticks, autorange="reversed", showgrid=False),
        margin={"l": 100 if few else 12, "r": 8, "t": 6, "b": 92 if few else 12},
    )


def _grid(accuracy: Accuracy) -> np.ndarray:
    """(columns, columns): of each pair, and of each column on the diagonal."""
    grid = np.diag(accuracy.by_clique[1].astype(float))
    first, second = accuracy.cliques[2].T
    grid[first, second] = grid[second, first] = accuracy.by_clique[2]
    return grid


def distances(privacy: Privacy) -> Chart:
    """Histograms of the distance to the closest record, as shares of rows, on common bins."""
    compared = {"Subset → original": (privacy.training, {"color": "@subset", "width": 2.5})}
    if privacy.holdout is not None and privacy.training_holdout is not None:
        compared["Subset → holdout"] = (privacy.holdout, {"color": "@holdout", "width": 2.5})
        compared["Holdout → original"] = (privacy.training_holdout, {"color": "@soft", "width": 1.5, "dash": "dot"})
    longest = max(float(np.quantile(neighbours.dcr, 0.999)) for neighbours, _ in compared.values())
    edges = np.linspace(0, longest or 1, 41)
    data = [_steps(name, neighbours, line, edges) for name, (neighbours, line) in compared.items()]
    return chart(
        data,
        height=320,
        xaxis=axis(title={"text": "distance to the closest record", "font": {"size": 12}}),
        yaxis=axis(title={"text": "share of rows", "font": {"size": 12}}, tickformat=".0%", rangemode="tozero"),
        margin={"l": 62, "r": 12, "t": 40, "b": 44},
        showlegend=True,
        legend=legend(),
    )


def _steps(name: str, neighbours: Neighbours, line: Json, edges: np.ndarray) -> Json:
    counts, _ = np.histogram(np.minimum(neighbours.dcr, edges[-1]), bins=edges)
    shares = np.append(counts, counts[-1]) / len(neighbours.dcr)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [round(float(edge), 6) for edge in edges],
        "y": [round(float(share), 5) for share in shares],
        "line": {**line, "shape": "hv"},
        "hovertemplate": f"{name}<br>distance %{{x:.3f}}: %{{y:.1%}}<extra></extra>",
    }
