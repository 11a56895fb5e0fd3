"""What an Arrow table shows of its columns' roles: see table/profiles.py."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from issodask.store.casts import without_nan
from issodask.table.profiles import Units, profile_of_others, profile_of_texts, profile_of_whole_numbers
from issodask.table.roles import Profile, ValueKind

_LOOKED_AT = 100


def profiles_of(table: pa.Table, group_key: str | None = None) -> dict[str, Profile]:
    """The profile of each column but the group key."""
    units = None if group_key is None else _codes(table[group_key])[0].astype(np.int64)
    return {name: _profile(name, table[name], units) for name in table.column_names if name != group_key}


def _profile(name: str, values: pa.ChunkedArray, units: Units) -> Profile:
    kind = _kind(values.type)
    if kind == "text":
        codes, texts = _codes(values)
        return profile_of_texts(name, texts.cast(pa.string()).to_pylist(), codes, units)
    is_missing = values.is_null(nan_is_null=True).to_numpy()
    if kind == "whole number":
        numbers = pc.fill_null(values, 0).to_numpy()
        return profile_of_whole_numbers(name, numbers, is_missing, units)
    whole = _whole_numbers(values) if kind == "number" else None
    if whole is not None:
        return profile_of_whole_numbers(name, whole, is_missing, units, kind)
    return profile_of_others(name, kind, _n_distinct(values), is_missing)


def _whole_numbers(values: pa.ChunkedArray) -> NDArray[np.int64] | None:
    """Floating numbers or decimals as whole ones, 0 where they are missing; None unless all of them are, exactly."""
    known = without_nan(values).drop_null()
    exact = pa.decimal256(76, values.type.scale) if pa.types.is_decimal(values.type) else pa.float64()
    try:
        for some in (known.slice(0, _LOOKED_AT), known):
            if not len(some) or pc.max(pc.abs(some.cast(exact))).as_py() >= 2**53:
                return None
            some.cast(exact).cast(pa.int64())
        return pc.fill_null(without_nan(values).cast(exact).cast(pa.int64()), 0).to_numpy()
    except pa.ArrowInvalid:
        return None


def _kind(kind: pa.DataType) -> ValueKind:
    types = pa.types
    if types.is_dictionary(kind):
        return "truth" if types.is_boolean(kind.value_type) else "text"
    if types.is_boolean(kind):
        return "truth"
    if types.is_integer(kind):
        return "whole number"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    return "time" if types.is_temporal(kind) else "text"


def _codes(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], pa.Array]:
    """Where each value stands among the distinct ones, which are in the order of their first rows; -1 where missing."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_null(values.type):
        values = values.cast(pa.string())
    encoded = pc.dictionary_encode(values).unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], encoded.type)
    return pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary


def _n_distinct(values: pa.ChunkedArray) -> int:
    """0, 1, or 2 for more."""
    if pa.types.is_dictionary(values.type) or pa.types.is_time(values.type) or pa.types.is_float16(values.type):
        return min(2, len(pc.unique(values).drop_null()))
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.decimal256(76, values.type.scale))  # narrow ones have no kernels
    known: Any = pc.min_max(
        pc.if_else(pc.is_nan(values), None, values) if pa.types.is_floating(values.type) else values
    )
    low, high = known["min"], known["max"]
    return 0 if not low.is_valid else 1 + (low != high)
