"""What is looked at to find the roles of a table's columns.

In: values as plain arrays (distinct texts and each row's position among them, or numbers), and the unit of each row.
Out: a `Profile` per column. A column that never changes within a group counts once per group.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.table.roles import Profile, ValueKind

Units = NDArray[np.int64] | None
"""The number of each row's group, from 0, each of which occurs; None where rows are units."""


def profile_of_texts(name: str, texts: Sequence[str], codes: NDArray[np.integer[Any]], units: Units) -> Profile:
    """`codes`: the position of each row's text among `texts`, which all differ; below 0 where it is missing."""
    codes, units, of_group = once_per_group(codes, units)
    is_used = count_sharing(codes, len(texts), None) > 0
    values = np.array(texts, dtype=object)[is_used]
    codes = np.append(np.cumsum(is_used) - 1, -1)[np.maximum(codes, -1)]
    known = codes[codes >= 0]
    is_ascending = len(known) == len(values) and _is_ascending(values[known].tolist())
    return _profile(name, "text", values, codes, units, is_ascending, of_group)


def profile_of_whole_numbers(
    name: str,
    numbers: NDArray[Any],
    is_missing: NDArray[np.bool_],
    units: Units,
    kind: ValueKind = "whole number",
) -> Profile:
    """`numbers`: int64 or uint64, one per row; any number where it is missing. `kind`: that of the column."""
    known = numbers[~is_missing]
    values, known_codes = np.unique(known, return_inverse=True)
    codes = np.full(len(numbers), -1)
    codes[~is_missing] = known_codes
    codes, units, of_group = once_per_group(codes, units)
    is_ascending = bool((np.diff(codes) > 0).all())
    return _profile(name, kind, values, codes, units, is_ascending, of_group)


def _profile(
    name: str,
    kind: ValueKind,
    values: NDArray[Any],
    codes: NDArray[np.integer[Any]],
    units: Units,
    is_ascending: bool,
    of_group: bool,
) -> Profile:
    n_missing = int((codes < 0).sum())
    n_sharing, counts = count_sharing(codes, len(values), units), count_sharing(codes, len(values), None)
    n_values = len(codes) - n_missing
    return Profile(name, kind, n_values, n_missing, values, n_sharing, counts, len(values), is_ascending, of_group)


def profile_of_others(name: str, kind: ValueKind, n_distinct: int, is_missing: NDArray[np.bool_]) -> Profile:
    """Of values whose role follows from their kind; `n_distinct` may end at 2."""
    n_missing = int(is_missing.sum())
    nothing = np.zeros(0, np.int64)
    return Profile(name, kind, len(is_missing) - n_missing, n_missing, nothing, nothing, nothing, n_distinct)


def once_per_group(codes: NDArray[np.integer[Any]], units: Units) -> tuple[NDArray[np.integer[Any]], Units, bool]:
    """The codes and units as they are, or where the codes never change within a group: one of each, and no units.

    Also whether that is so.
    """
    if units is None or not len(units):
        return codes, None, False
    firsts = np.unique(units, return_index=True)[1]
    if not (codes == codes[firsts][units]).all():
        return codes, units, False
    return codes[np.sort(firsts)], None, True


def count_sharing(codes: NDArray[np.integer[Any]], n_values: int, units: Units) -> NDArray[np.int64]:
    """How many units have each of `n_values` values: int64."""
    is_known = codes >= 0
    if units is None:
        return np.bincount(codes[is_known], minlength=n_values)
    pairs = np.unique(units[is_known] * max(1, n_values) + codes[is_known])
    return np.bincount(pairs % max(1, n_values), minlength=n_values)


def _is_ascending(texts: Sequence[str]) -> bool:
    return all(text < following for text, following in itertools.pairwise(texts))
