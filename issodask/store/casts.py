"""Bring the columns of any table to the original's types, exactly, by Arrow's kernels.

The same meaning first, then the same type: text becomes numbers, truth or dates where it says so, a naive time is UTC
where the original has a zone. What a generator can't know is rounded to what the original can hold (fractions of whole
numbers, times finer than its unit). What has no clear meaning there, or would not fit, is an InputError that names the
column.
"""

from contextlib import suppress
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from issodask.errors import InputError
from issodask.store.text_times import UnreadableError, read_clocks, read_times
from issodask.store.types import arrow_type, is_text, value_type
from issodask.table.columns import infinite
from issodask.table.schema import Column, Schema, check_columns

_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_EXACT = Context(prec=76, rounding=ROUND_HALF_EVEN)
_FLOORS = {"s": "second", "ms": "millisecond", "us": "microsecond"}


def stored_schema(schema: Schema) -> pa.Schema:
    """The types in which rows are kept until they are written: the original's, but single values for dictionaries."""
    return pa.schema([pa.field(column.name, stored_type(column)) for column in schema.columns])


def stored_type(column: Column) -> pa.DataType:
    single = value_type(arrow_type(column.dtype))
    if pa.types.is_string_view(single):
        return pa.large_string()
    return pa.string() if pa.types.is_null(single) else single


def cast_table(table: pa.Table, schema: Schema, where: str = "the table") -> pa.Table:
    """The columns of `schema`, in its order and `stored_schema`.

    Raises InputError when a column is missing, or for values that the original's type can't hold.
    """
    check_columns(table.column_names, schema.names, where)
    columns = [cast_column(table[column.name], column) for column in schema.columns]
    return pa.Table.from_arrays(columns, schema=stored_schema(schema))


def cast_column(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """The values in the `stored_type` of `column`."""
    wanted = stored_type(column)
    if values.type == wanted:
        _check_finite(values, column)
        return values
    if not pa.types.is_floating(wanted):
        values = without_nan(values)
    if values.null_count == len(values):
        return pa.chunked_array([pa.nulls(len(values), wanted)])
    if pa.types.is_dictionary(values.type) or (is_text(values.type) and not is_text(wanted)):
        return _by_distinct(values, column, wanted)
    chunks = [_cast(chunk, column, wanted) for chunk in values.chunks]
    return pa.chunked_array(chunks, wanted)


def without_nan(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """NaN among floating numbers is a missing value like any other."""
    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _by_distinct(values: pa.ChunkedArray, column: Column, wanted: pa.DataType) -> pa.ChunkedArray:
    """Each distinct value once, those of all chunks together: one shows how another is to be read."""
    encoded = values if pa.types.is_dictionary(values.type) else _narrow(values).dictionary_encode()
    encoded = encoded.unify_dictionaries()
    distinct = _cast(encoded.chunk(0).dictionary, column, wanted)
    return pa.chunked_array([distinct.take(chunk.indices) for chunk in encoded.chunks], wanted)


def _narrow(values: Any) -> Any:
    """Arrow has few kernels for views of text."""
    return values.cast(pa.large_string()) if pa.types.is_string_view(values.type) else values


def _cast(values: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    types = pa.types
    if is_text(wanted):
        return _to_text(values, column, wanted)
    if types.is_boolean(wanted):
        return _to_truth(values, column)
    if types.is_timestamp(wanted) or types.is_date(wanted):
        return _to_time(values, column, wanted)
    if types.is_time(wanted):
        return _to_clock(values, column, wanted)
    return _to_number(values, column, wanted)


# numbers


def _to_number(values: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    types = pa.types
    if is_text(values.type):
        values = _parsed(values, column, wanted)
    elif types.is_boolean(values.type):
        values = values.cast(pa.int8())
    is_number = types.is_integer(values.type) or types.is_floating(values.type) or types.is_decimal(values.type)
    if not is_number and not types.is_null(values.type):
        raise _disagree(column, values.type)
    _check_finite(values, column)
    if types.is_integer(wanted) and not types.is_integer(values.type):
        values = pc.round(values, round_mode="half_to_even")
    try:
        found = _cast_number(values, wanted)
    except pa.ArrowInvalid as error:
        extremes = pc.min_max(values).as_py()
        raise InputError(
            f"column {column.name!r} holds {column.dtype} in the original, but here {extremes['min']} to "
            f"{extremes['max']}, which don't fit: bound or round the values, or widen the original's type"
        ) from error
    _check_finite(found, column)
    return found


def _cast_number(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_floating(wanted):
        is_exact = pa.types.is_integer(values.type)  # floating numbers and decimals are rounded to the nearest
        return values.cast(wanted, safe=is_exact)
    if pa.types.is_floating(values.type) and pa.types.is_integer(wanted):
        limits = np.iinfo(wanted.to_pandas_dtype())
        found = pc.min_max(values).as_py()
        # As a float, the largest int64 is rounded up to the first number that doesn't fit.
        if found["min"] is not None and not (found["min"] >= limits.min and int(found["max"]) <= limits.max):
            raise pa.ArrowInvalid("out of range")
    if pa.types.is_floating(values.type) and pa.types.is_decimal(wanted):
        return _round_to_decimal(values, wanted)
    if pa.types.is_integer(values.type) and pa.types.is_decimal(wanted):
        values = values.cast(pa.decimal256(76, wanted.scale))
    return values.cast(wanted)


def _round_to_decimal(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The nearest decimals; the largest one is also that of the floating number it is rounded up to."""
    largest = Decimal((0, (9,) * wanted.precision, -wanted.scale))
    is_largest = pc.equal(pc.abs(values), float(largest))
    if Decimal(float(largest)) <= largest or not pc.any(is_largest).as_py():
        return values.cast(wanted)
    exact = pa.decimal256(76, wanted.scale)
    ends = pc.if_else(pc.less(values, 0), pa.scalar(largest.copy_negate(), exact), pa.scalar(largest, exact))
    others = pc.if_else(is_largest, None, values).cast(wanted).cast(exact)
    return pc.if_else(is_largest, ends, others).cast(wanted)


def _parsed(values: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    """Texts as numbers, exactly; where the original's are floating ones, as those."""
    texts = _trimmed(values)
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return texts.cast(wanted)
    if pa.types.is_floating(wanted):
        with suppress(pa.ArrowInvalid):
            return texts.cast(pa.float64())
    numbers = [None if text is None else _read_number(text, column) for text in texts.to_pylist()]
    if not pa.types.is_floating(wanted):
        unit = Decimal(1).scaleb(-getattr(wanted, "scale", 0))
        with suppress(pa.ArrowInvalid, InvalidOperation):
            exact = [None if number is None else number.quantize(unit, context=_EXACT) for number in numbers]
            return pa.array(exact, pa.decimal256(76, max(0, -int(unit.as_tuple().exponent))))
    return pa.array([None if number is None else float(number) for number in numbers], pa.float64())


def _read_number(text: str, column: Column) -> Decimal | None:
    """None for NaN."""
    try:
        number = Decimal(text.replace("_", "-"))  # which Python would take for thousands
    except InvalidOperation as error:
        raise _unreadable(column, text, "a number") from error
    return None if number.is_nan() else number


def _trimmed(values: pa.Array) -> pa.Array:
    """Texts without blanks around them; empty ones are missing."""
    texts = pc.utf8_trim_whitespace(_narrow(values))
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)


def _check_finite(values: Any, column: Column) -> None:
    if not pa.types.is_floating(values.type):
        return
    n_infinite = pc.sum(pc.is_inf(values)).as_py()
    if n_infinite:
        raise InputError(infinite(column.name, n_infinite))


def _to_truth(values: pa.Array, column: Column) -> pa.Array:
    if pa.types.is_boolean(values.type):
        return values
    if is_text(values.type):
        texts = [None if text is None else text.lower() for text in _trimmed(values).to_pylist()]
        unknown = [text for text in texts if text is not None and text not in _TRUTH]
        if unknown:
            raise _unreadable(column, unknown[0], "true or false")
        return pa.array([None if text is None else _TRUTH[text] for text in texts], pa.bool_())
    numbers = _to_number(values, column, pa.float64())
    other = numbers.filter(pc.invert(pc.is_in(numbers, pa.array([0.0, 1.0, None]))))
    if len(other):
        raise _unreadable(column, other[0].as_py(), "true or false")
    return numbers.cast(pa.bool_())


# points in time


def _to_time(values: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    if is_text(values.type):
        values = _read_times(values, column, "ns" if getattr(wanted, "unit", None) == "ns" else "us")
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s" if pa.types.is_date32(values.type) else "ms"))
    if not pa.types.is_timestamp(values.type):
        raise _disagree(column, values.type)
    utc = values.view(pa.int64()).view(pa.timestamp(values.type.unit))
    if pa.types.is_date(wanted):
        return pc.floor_temporal(utc, unit="day").cast(wanted)
    if wanted.unit in _FLOORS:
        utc = pc.floor_temporal(utc, unit=_FLOORS[wanted.unit])
    try:
        found = utc.cast(pa.timestamp(wanted.unit))
    except pa.ArrowInvalid as error:
        extremes = pc.min_max(utc).as_py()
        raise InputError(
            f"column {column.name!r} holds {column.dtype} in the original, which ends in the year 2262, but here dates "
            f"from {extremes['min']} to {extremes['max']}: drop those, or store the original in microseconds"
        ) from error
    return found.view(pa.int64()).view(wanted)


def _read_times(values: pa.Array, column: Column, unit: str) -> pa.Array:
    """Texts as times without a zone, in UTC where they name one."""
    try:
        return read_times(_trimmed(values), unit)
    except UnreadableError as error:
        raise _unreadable(column, error.text, error.needed) from error


def _to_clock(values: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    if is_text(values.type):
        try:
            values = read_clocks(_trimmed(values))
        except UnreadableError as error:
            raise _unreadable(column, error.text, error.needed) from error
    if not pa.types.is_time(values.type):
        raise _disagree(column, values.type)
    return values.cast(wanted, safe=False)


# text


def _to_text(values: pa.Array, column: Column, wanted: pa.DataType) -> pa.Array:
    if is_text(values.type):
        return _narrow(values).cast(wanted)
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, "True", "False").cast(wanted)
    if pa.types.is_null(values.type):
        return values.cast(wanted)
    raise _disagree(column, values.type)


def _unreadable(column: Column, found: Any, needed: str) -> InputError:
    return InputError(
        f"column {column.name!r} holds {column.dtype} in the original, but here {found!r}, which is not {needed}: "
        "give both the same type"
    )


def _disagree(column: Column, found: pa.DataType) -> InputError:
    return InputError(
        f"types disagree: column {column.name!r} holds {column.dtype} in the original, but {found} here: give both the "
        "same type"
    )


# what is written


def written_table(table: pa.Table, schema: Schema) -> pa.Table:
    """A table in `stored_schema` in the original's types: with dictionaries, and null where nothing has a value."""
    columns = [written(table[column.name], column) for column in schema.columns]
    return pa.table(columns, names=list(schema.names))


def written(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """One column of `written_table`."""
    wanted = arrow_type(column.dtype)
    if pa.types.is_null(wanted):
        return pa.chunked_array([pa.nulls(len(values))]) if values.null_count == len(values) else values
    return _as_category(values, column, wanted) if pa.types.is_dictionary(wanted) else values.cast(wanted)


def _as_category(values: pa.ChunkedArray, column: Column, wanted: pa.DictionaryType) -> pa.ChunkedArray:
    """The original's categories in its order, and after them, sorted, those that only `values` have."""
    known = _cast(pa.array(column.categories or (), pa.string()), column, wanted.value_type)
    found = pc.unique(values).drop_null()
    new = found.filter(pc.invert(pc.is_in(found, known)))
    categories = pa.concat_arrays([known, new.take(pc.sort_indices(new))])
    places = pc.index_in(values, categories).combine_chunks()
    return pa.chunked_array([pa.DictionaryArray.from_arrays(places, categories, ordered=wanted.ordered)])
