"""Names of bins, as mostlyai-qa writes them: for reports, and to compare with it in tests.

Source: mostlyai-qa 1.10, _accuracy.py: bin_numeric, bin_datetime, trim_labels.
"""

import math
import re
from collections.abc import Sequence
from datetime import timedelta, timezone, tzinfo

import numpy as np
import pandas as pd

MAX_LABEL = 20
_TIME_FORMATS = ("%Y", "%Y-%b", "%Y-%b-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")
_FIXED_OFFSET = re.compile(r"pytz\.FixedOffset\((-?\d+)\)")
_PREFIXES = {"ctx::": "context:", "tgt::": "", "nxt::": ""}


def number_labels(lower_edges: Sequence[float]) -> list[str]:
    """One label per bin from its lower edge, as whole numbers where all of them are."""
    if all(edge.is_integer() for edge in lower_edges):
        return [f"⪰ {int(edge)}" for edge in lower_edges]
    return [f"⪰ {edge}" for edge in lower_edges]


def time_labels(edges: Sequence[int], unit: str, zone: str | None) -> list[str]:
    """One label per bin (all edges but the last), in the shortest format that tells all edges apart."""
    times = np.array(edges, dtype=f"datetime64[{unit}]")
    index = pd.DatetimeIndex(times)
    if zone is not None:
        index = index.tz_localize("UTC").tz_convert(_zone(zone))
    for time_format in _TIME_FORMATS:
        try:
            texts = index.strftime(time_format)
        except (ValueError, NotImplementedError):  # years that Python's datetime doesn't reach
            break
        if texts.nunique() == len(edges):
            return [f"⪰ {text}" for text in texts[:-1]]
    return [f"⪰ {time}" for time in times[:-1]]


def _zone(name: str) -> str | tzinfo:
    """The zone of that name; of `pytz.FixedOffset(330)`, as pandas calls +05:30, the offset."""
    minutes = _FIXED_OFFSET.fullmatch(name)
    return name if minutes is None else timezone(timedelta(minutes=int(minutes[1])))


def category_labels(categories: Sequence[str]) -> list[str]:
    """Categories of at most 20 characters, with a number where two would look the same."""
    labels: list[str] = []
    for category in categories:
        short = _shortened(category)
        label, n_tried = short, 0
        while label in labels:
            label, n_tried = f"{short}{n_tried}", n_tried + 1
        labels.append(label)
    return labels


def _shortened(text: str) -> str:
    for prefix, shown in _PREFIXES.items():
        if text.startswith(prefix):
            text = shown + text.removeprefix(prefix)
            break
    if len(text) <= MAX_LABEL:
        return text
    n_kept = MAX_LABEL - 3
    return f"{text[: math.ceil(n_kept / 2)]}...{text[-(n_kept // 2) :]}"
