"""Pictures of what predictions go by, and of what values add to them; as in `figures.py`."""

from issodask.report.figures import TABLE_NAMES
from issodask.report.style import Along, Chart, axis, chart, legend, text
from issodask.report.use import Dependence, Prediction


def importances(prediction: Prediction) -> Chart:
    """The share of each feature in what predictions go by, for trees of each table: bars side by side."""
    names = list(next(iter(prediction.importances.values()), {}))[::-1]
    colors = {"original": "@original", "pool_sample": "@pool", "subset": "@subset"}
    shapes = {"original": "", "pool_sample": "/", "subset": ""}
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": TABLE_NAMES[table],
            "y": [text(name, 24) for name in names],
            "x": [round(shares[name], 5) for name in names],
            "marker": {"color": colors[table], "pattern": {"shape": shapes[table]}},
            "hovertemplate": f"{TABLE_NAMES[table]}<br>%{{y}}: %{{x:.1%}}<extra></extra>",
        }
        for table, shares in prediction.importances.items()
    ]
    return chart(
        data,
        height=110 + 42 * len(names),
        barmode="group",
        xaxis=axis(tickformat=".0%", rangemode="tozero"),
        yaxis=axis(automargin=True),
        margin={"l": 120, "r": 12, "t": 40, "b": 36},
        showlegend=True,
        legend={**legend(), "traceorder": "reversed"},
        along=Along("y", "Column", tuple(text(name, 40) for name in names), is_upwards=True),
    )


def dependence(found: Dependence) -> Chart:
    """What a feature's values add to predictions, on average, for trees of each table: a line each."""
    colors = {"original": "@ink", "pool_sample": "@pool", "subset": "@subset"}
    dashes = {"original": "dot", "pool_sample": "dash", "subset": "solid"}
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": TABLE_NAMES[table],
            "x": [text(label, 24) for label in found.labels],
            "y": [round(value, 5) for value in values],
            "line": {"color": colors[table], "width": 2, "dash": dashes[table]},
            "hovertemplate": f"{TABLE_NAMES[table]}<br>%{{x}}: %{{y:.3f}}<extra></extra>",
        }
        for table, values in found.by_table.items()
    ]
    return chart(
        data,
        height=340,
        xaxis=axis(type="category", tickangle=-35, automargin=True),
        yaxis=axis(title={"text": "added to the prediction", "font": {"size": 12}}),
        margin={"l": 62, "r": 12, "t": 40, "b": 90},
        showlegend=True,
        legend=legend(),
        along=Along("x", text(found.feature, 40), tuple(text(label, 40) for label in found.labels)),
    )
