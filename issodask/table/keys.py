"""New group keys for a synthetic table: unique, of the original's type, and none that a real group has."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from issodask import seeds
from issodask.errors import InputError
from issodask.table.schema import Column
from issodask.table.shapes import TextShapes

_CATEGORY = re.compile(r"dictionary<values=(.*), indices=\w+, ordered=[01]>")
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}


def new_keys(column: Column, taken: pd.Series, n_keys: int) -> pd.Series:
    """`n_keys` keys that are not in `taken`, the original's: whole numbers, dates or texts in ascending order.

    Raises InputError when the column's type has too few values (booleans, small whole numbers).
    """
    if column.kind == "categorical":
        return _texts(column, {str(key) for key in taken.dropna()}, n_keys)
    if column.dtype == "bool":
        raise InputError(f"the group key {column.name!r} is true or false, but more keys are needed: number the groups")
    known = taken.dropna()
    if column.kind == "datetime":
        return _days(column, known, n_keys)
    return pd.Series(_numbers(column, known.tolist(), n_keys), name=column.name)


def _texts(column: Column, taken: set[str], n_keys: int) -> pd.Series:
    """In the shape of the original's (table/shapes.py), or where there are none g1, g2, ..."""
    if column.values in ("integer", "floating"):
        found = _CATEGORY.fullmatch(column.dtype)
        single = replace(column, dtype=found[1] if found else column.dtype)
        numbers = [int(key) if column.values == "integer" else float(key) for key in taken]
        return pd.Series(_numbers(single, numbers, n_keys), name=column.name)
    if column.values != "text":
        raise InputError(f"the group key {column.name!r} holds {column.values} values: turn them into text or numbers")
    known = sorted(taken) or ["g1"]
    shapes = TextShapes.learn(known, np.ones(len(known), np.int64))
    new = shapes.draw(n_keys, {*taken, *known}, seeds.generator(0, "keys"))
    return pd.Series(sorted(new), name=column.name, dtype="object")


def _days(column: Column, known: pd.Series, n_keys: int) -> pd.Series:
    """Days after the last of the original's; where the calendar ends, the first ones since 1700 that are free."""
    zone, unit = known.dt.tz, known.dt.unit
    if zone is not None:
        known = known.dt.tz_convert("UTC").dt.tz_localize(None)
    taken = known.to_numpy().astype("datetime64[D]")
    end = np.datetime64("2262-01-01" if unit == "ns" else "9999-12-31")
    first = taken.max() + 1 if len(taken) else np.datetime64("1970-01-01")
    days = np.arange(first, max(first, end))
    if len(days) < n_keys:
        days = np.setdiff1d(np.arange(np.datetime64("1700-01-01"), end), taken)
    if len(days) < n_keys:
        raise InputError(_too_few(column, n_keys))
    keys = pd.Series(days[:n_keys].astype(f"datetime64[{unit}]"), name=column.name)
    return keys if zone is None else keys.dt.tz_localize("UTC").dt.tz_convert(zone)


def _numbers(column: Column, known: Sequence[Any], n_keys: int) -> np.ndarray:
    """Counting on after the largest of the original's; where the type ends, the smallest that are free.

    They are compared as Python's whole numbers: floating ones tell few neighbours apart from 2**53 on.
    """
    dtype, limit = _range(column.dtype)
    whole = [math.floor(key) for key in known if math.isfinite(key)]
    first = max(max(whole, default=0) + 1, -limit)
    if first + n_keys - 1 <= limit:
        return np.array(range(first, first + n_keys), dtype)
    taken = set(whole)
    free = (number for number in range(limit + 1) if number not in taken)
    keys = list(itertools.islice(free, n_keys))
    if len(keys) < n_keys:
        raise InputError(_too_few(column, n_keys))
    return np.array(keys, dtype)


def _too_few(column: Column, n_keys: int) -> str:
    return (
        f"the group key {column.name!r} is {column.dtype}, which has no {n_keys:,} values that the original does not "
        "use: give it a wider type"
    )


def whole_limits(name: str) -> tuple[int, int]:
    """The lowest and highest of the whole numbers that an Arrow type holds, every one of them."""
    dtype, limit = _range(name)
    return int(np.iinfo(dtype).min) if name == dtype.name else -limit, int(limit)


def _range(name: str) -> tuple[np.dtype, int]:
    """NumPy's dtype for keys of an Arrow type, and the largest number up to which it holds every whole one."""
    if found := re.fullmatch(r"decimal\d+\((\d+), (-?\d+)\)", name):
        whole_digits = max(0, int(found[1]) - int(found[2]))
        return np.dtype(np.int64), min(2**53, 10**whole_digits - 1)
    dtype = np.dtype(_FLOATS.get(name, name))
    return dtype, np.iinfo(dtype).max if dtype.kind in "iu" else 2 ** (np.finfo(dtype).nmant + 1)
