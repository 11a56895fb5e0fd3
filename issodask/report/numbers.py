"""The numbers behind a picture as a table, for who can't see the picture or wants to copy them.

In: a chart that names what it shows along one axis (`chart(..., along=...)`). Out: `Numbers`, all of it text.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from issodask.report.formats import NOTHING, percent
from issodask.report.style import Chart, Json


@dataclass(frozen=True)
class Numbers:
    """A table: the first column names the rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def numbers_of(chart: Chart) -> Numbers | None:
    """A row for each label, a column for each table that the chart compares; None where it names no labels."""
    along = chart.along
    if along is None:
        return None
    named = [trace for trace in chart.data if "name" in trace]
    across = "x" if along.axis == "y" else "y"
    shares = "%" in _axis(chart, across).get("tickformat", "")
    values = [_texts(trace[across], shares) for trace in named]
    head = (along.what, *(str(trace["name"]) for trace in named))
    rows = zip(map(html.unescape, along.labels), *values, strict=True)
    return Numbers(head, tuple(reversed([*rows])) if along.is_upwards else tuple(rows))


def _axis(chart: Chart, name: str) -> Json:
    found: Json = chart.layout[f"{name}axis"]
    return found


def _texts(values: Sequence[Any], shares: bool) -> list[str]:
    return [NOTHING if value is None else percent(value) if shares else f"{value:.4g}" for value in values]
