"""Numbers and settings as a reader wants to see them: in pages, and in the card."""

from collections.abc import Mapping
from typing import Any

import numpy as np

NOTHING = "–"


def percent(value: float | None, digits: int = 2) -> str:
    """0.99304 as 99.30%; a dash for what could not be measured; 100% only for what is exactly that."""
    if value is None:
        return NOTHING
    scale = 10**digits
    rounded = round(100 * scale * value) / scale
    if rounded == 100 and value < 1:
        rounded = (100 * scale - 1) / scale
    return f"{rounded:.{digits}f}%"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.2f} points".replace("-", "−")


def count(value: Any) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}" if isinstance(value, int | np.integer) else plain(value)


def plain(value: Any) -> str:
    """Any setting as a reader wants to see it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        given = [f"{key} {plain(item)}" for key, item in value.items() if item is not None]
        return ", ".join(given) or NOTHING
    return ", ".join(plain(item) for item in value) if isinstance(value, list | tuple) else str(value)
