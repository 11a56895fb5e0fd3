"""How all of the report's pictures look, and labels that are safe to show in them."""

import html
import unicodedata
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Along:
    """What a chart shows along an axis, place by place; upwards: the first label is the lowest."""

    axis: str
    what: str
    labels: tuple[str, ...]
    is_upwards: bool = False


@dataclass(frozen=True)
class Chart:
    """A picture as plotly knows it, and what it shows along an axis, where a table can say the same."""

    data: list[Json]
    layout: Json
    along: Along | None = None

    @property
    def height_px(self) -> int:
        return int(self.layout["height"])


def chart(data: list[Json], *, height: int, along: Along | None = None, **layout: Any) -> Chart:
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
    return Chart(data, {**common, **layout}, along)


def axis(**settings: Any) -> Json:
    return {"gridcolor": "@rule", "zeroline": False, "fixedrange": True, "ticks": "", "automargin": False, **settings}


def legend() -> Json:
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
