"""What every page has in common: one self-contained HTML file that asks the network for nothing.

In: the name of a template that extends `shell.html`, and charts by name. Out: HTML text with styles, script, charts and
plotly.js inside. plotly.js (4.8 MB) and the charts are packed; the browser unpacks them when a chart comes into view.

A template puts a chart where it calls `plot(name, label)` of `parts.html`, and a table in a call of its `table`.
"""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from issodask.report.formats import count, percent, plain, points
from issodask.report.numbers import numbers_of
from issodask.report.readings import rounded_up
from issodask.report.style import Chart, shorten

FILTERS: Mapping[str, Callable[..., Any]] = {
    "percent": percent,
    "points": points,
    "count": count,
    "short": shorten,
    "plain": plain,
    "at_most": rounded_up,
}
_INERT = str.maketrans("<>&", ",./")  # so that nothing of the 85 letters means anything to HTML


def render_shell(template: str, title: str, charts: Mapping[str, Chart], **content: Any) -> str:
    """The whole page.

    title    of the window
    charts   in the order in which they are packed
    content  what the template names beside `title`, `charts` and `numbers`
    """
    tables = {name: numbers_of(chart) for name, chart in charts.items()}
    return (
        environment()
        .get_template(template)
        .render(
            title=title,
            charts=charts,
            numbers={name: table for name, table in tables.items() if table is not None},
            packed_charts=packed(_json({name: {"data": c.data, "layout": c.layout} for name, c in charts.items()})),
            packed_plotly=packed_plotly(),
            **content,
        )
    )


def environment() -> jinja2.Environment:
    """Of all templates of pages; what they name and nobody gave is an error."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("issodask.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters.update(FILTERS)
    return found


def packed(text: str) -> Markup:
    """Text as gzip in base 85, a quarter longer than the bytes (base 64: a third); the same text, the same letters."""
    letters = base64.b85encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
    return Markup(letters.translate(_INERT))


@cache
def packed_plotly() -> Markup:
    from plotly.offline import get_plotlyjs

    return packed(get_plotlyjs())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
