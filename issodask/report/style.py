"""How all of the report's pictures look, and labels that are safe to show in them."""

import html
import unicodedata
from typing import Any

Figure = dict[str, Any]


def figure(data: list[Figure], *, height: int, **layout: Any) -> Figure:
    common = {
        "height": height,
        "autosize": True,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "@sans", "size": 12, "color": "@soft"},
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@rule", "font": {"color": "@ink", "size": 12}},
        "hovermode": "closest",
        "dragmode": False,
        "showlegend": False,
    }
    return {"data": data, "layout": {**common, **layout}}


def axis(**settings: Any) -> Figure:
    return {"gridcolor": "@rule", "zeroline": False, "fixedrange": True, "ticks": "", "automargin": False, **settings}


def legend() -> Figure:
    return {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "font": {"size": 12.5}}


def text(label: Any, limit: int) -> str:
    """A label for plotly: control characters gone, cut in the middle beyond `limit`, and its own markup inert."""
    return html.escape(shorten(label, limit), quote=False)


def shorten(label: Any, limit: int) -> str:
    """At most `limit` characters of a label, both ends kept; control and direction characters become spaces."""
    clean = "".join(" " if _disturbs(mark) else mark for mark in str(label))
    if len(clean) <= limit:
        return clean
    tail = (limit - 1) // 3
    return f"{clean[: limit - 1 - tail]}…{clean[len(clean) - tail :]}"


def _disturbs(mark: str) -> bool:
    return unicodedata.category(mark) in ("Cc", "Cs") or "\u202a" <= mark <= "\u202e" or "\u2066" <= mark <= "\u2069"
