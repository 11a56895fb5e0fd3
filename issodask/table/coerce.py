"""Bring the values of any frame to the types of the original: the same meaning first, then the same dtype.

`coerce` is what binning sees, `restore` what is written, and binning a restored value gives the bin of the coerced one.
What has no clear meaning in the original's type (text in a column of numbers) is an InputError that names the column.
"""

import datetime
import decimal
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from issodask.errors import InputError
from issodask.table.schema import STORED_TYPES, Column, Schema, quoted

_ZONE = re.compile(r"\d(Z|[+-]\d\d:?\d\d)$")
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_NULLABLE_TWINS = {"bool": "boolean"} | {
    f"{kind}int{bits}": f"{'U' if kind else ''}Int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)
}
_DTYPES_OF_CATEGORIES = {"integer": "int64", "floating": "float64", "boolean": "bool", "text": "object"}


def coerce(values: pd.Series, column: Column) -> pd.Series:
    """Give `values` the meaning of `column`: numbers, points in time in its unit, or text (plain or as a category).

    Raises InputError for values that can't be read that way, for infinite numbers and for numbers that don't fit.
    """
    if column.kind == "numeric":
        return _as_booleans(values, column) if column.dtype in ("bool", "boolean") else _as_numbers(values, column)
    if column.kind == "datetime":
        return _as_times(values, column)
    return _as_text(values, column)


def restore(values: pd.Series, column: Column) -> pd.Series:
    """Give `values` the dtype of `column`, or its nullable twin where it can't hold their missing values."""
    values = coerce(values, column)
    if column.dtype.startswith("decimal"):
        return _as_decimals(values, column)
    if column.dtype == "date":
        return _as_dates(values)
    if column.kind != "categorical":
        return _in_dtype(values, column.dtype)
    if column.dtype == "category":
        return _as_category(values, column)
    if column.values == "text":
        return (
            values.astype("object").where(values.notna(), None) if column.dtype == "object" else values.astype("string")  # type: ignore[call-overload]
        )
    read = _reader_of_values(column)
    return pd.Series([None if pd.isna(text) else read(text) for text in values], values.index, dtype=object)


def restore_frame(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The columns of `schema` from `frame`, in its order and dtypes.

    Raises InputError when a column is missing, and whatever `coerce` raises.
    """
    check_columns(frame.columns, schema, where="the table")
    restored = {column.name: restore(frame[column.name], column) for column in schema.columns}
    return pd.DataFrame(restored, index=frame.index)


def check_columns(names: Any, schema: Schema, where: str) -> None:
    """Raise InputError when `names` lack a column of the original."""
    present = {str(name) for name in names}
    missing = [name for name in schema.names if name not in present]
    if len(missing) == len(schema.names):
        raise InputError(
            f"{where} has no columns in common with the original: found {quoted(list(names)) or 'none'}, "
            f"needed {quoted(schema.names)}: check that both belong to the same table"
        )
    if missing:
        raise InputError(
            f"{where} lacks {len(missing)} of the original's {len(schema.names)} columns: {quoted(missing)}: found "
            f"{quoted(list(names))}: add them, or leave them out of the original"
        )


def as_dates(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn objects that are dates, datetimes or decimals into datetime64 and float64, and note dates in the attrs."""
    schema = Schema.from_frame(frame)
    stored = dict(frame.attrs.get(STORED_TYPES, {}))
    source, frame = frame, frame.copy(deep=False)
    for column in schema.columns:
        if source[column.name].dtype == "object" and column.kind != "categorical":
            frame[column.name] = coerce(source[column.name], column)
        if column.dtype == "date":
            stored[column.name] = "date"
    if stored:
        frame.attrs[STORED_TYPES] = stored
    return frame


# numbers


def _as_numbers(values: pd.Series, column: Column) -> pd.Series:
    values = _parsed(values, column, pd.to_numeric, "a number")
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise _disagree(column, str(values.dtype))
    if pd.api.types.is_bool_dtype(values.dtype):
        values = _in_dtype(values, "int64")
    if pd.api.types.is_float_dtype(values.dtype):
        _check_finite(values, column)
    if column.dtype.lower().startswith(("int", "uint")):
        return _as_whole_numbers(values, column)
    if column.dtype.lower() in ("float32", "float16"):
        return _in_dtype(values, column.dtype)
    return values


def _check_finite(values: pd.Series, column: Column) -> None:
    numbers = values.to_numpy("float64", na_value=np.nan)
    n_infinite = int(np.isinf(numbers).sum())
    if n_infinite:
        raise InputError(
            f"column {column.name!r} has {n_infinite:,} infinite numbers, but finite ones are needed: "
            "make them missing or give them a bound"
        )


def _as_whole_numbers(values: pd.Series, column: Column) -> pd.Series:
    if pd.api.types.is_float_dtype(values.dtype):
        values = pd.Series(np.rint(values.to_numpy("float64", na_value=np.nan)), values.index)
    if values.notna().any() and not _fits(values.min(), values.max(), np.iinfo(column.dtype.lower())):
        raise InputError(
            f"column {column.name!r} holds {column.dtype} in the original, but here {values.min()} to {values.max()}, "
            "which don't fit: bound the values, or widen the original's type"
        )
    return _in_dtype(values, column.dtype.lower())


def _fits(low: Any, high: Any, limits: np.iinfo) -> bool:
    # As a float, the largest int64 is rounded up to the first number that doesn't fit.
    is_below = high < float(limits.max) + 1 if isinstance(high, float) else int(high) <= limits.max
    return bool(low >= limits.min and is_below)


def _as_booleans(values: pd.Series, column: Column) -> pd.Series:
    if values.dtype == bool or isinstance(values.dtype, pd.BooleanDtype):
        return values

    def truth(uniques: pd.Series) -> pd.Series:
        return uniques.map(lambda value: _TRUTH.get(str(value).strip().lower(), pd.NA)).astype("boolean")

    return _mapped(values, column, truth, "true or false")


# points in time


def _as_times(values: pd.Series, column: Column) -> pd.Series:
    unit, tz = unit_of(column.dtype), zone_of(column.dtype)
    if not pd.api.types.is_datetime64_any_dtype(values.dtype):
        if pd.api.types.is_numeric_dtype(values.dtype) and values.notna().any():
            raise _disagree(column, str(values.dtype))
        values = _mapped(values, column, lambda texts: _read_times(texts, tz is not None), "a date")
    zone = getattr(values.dtype, "tz", None)
    if tz is not None:
        # A generator that knows no time zones hands back UTC without saying so.
        values = (values.dt.tz_localize("UTC") if zone is None else values).dt.tz_convert(tz)
    elif zone is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    values = _in_unit(values, unit, column)
    return values.dt.normalize() if column.dtype == "date" else values


def unit_of(dtype: str) -> str:
    """The unit of a datetime dtype by name; dates are kept by the second, pandas' coarsest."""
    return "s" if dtype == "date" else dtype.removeprefix("datetime64[").split(",")[0].rstrip("]")


def zone_of(dtype: str) -> str | None:
    """The time zone in the name of a datetime dtype."""
    return dtype.rstrip("]").split(", ", 1)[1] if ", " in dtype else None


def _in_unit(values: pd.Series, unit: str, column: Column) -> pd.Series:
    if values.dt.unit == unit:
        return values
    try:
        return values.dt.as_unit(unit)
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise InputError(
            f"column {column.name!r} holds {column.dtype} in the original, which ends in the year 2262, but here dates "
            f"from {values.min()} to {values.max()}: drop those, or store the original in microseconds"
        ) from error


def _read_times(values: pd.Series, with_zone: bool) -> pd.Series:
    """Objects or text to datetime64; NaT where that fails."""
    texts = values.map(lambda value: value.isoformat() if isinstance(value, datetime.date) else value)
    if with_zone or any(_ZONE.search(str(text)) for text in texts):
        times = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
        return times if with_zone else times.dt.tz_localize(None)
    try:
        # NumPy reads ISO dates of any year, where pandas stops at 1677 and 2262.
        known = ["NaT" if pd.isna(text) else str(text) for text in texts]
        return pd.Series(np.array(known, dtype="datetime64[us]"), values.index)
    except ValueError:
        return pd.to_datetime(texts, errors="coerce", format="mixed")


def _as_dates(values: pd.Series) -> pd.Series:
    dates = values.to_numpy("datetime64[D]").astype(object)
    return pd.Series(dates, values.index, dtype=object).where(values.notna(), None)  # type: ignore[call-overload]


def _as_decimals(values: pd.Series, column: Column) -> pd.Series:
    scale = int(column.dtype.rstrip(")").split(", ")[1])
    exact = [None if pd.isna(value) else decimal.Decimal(f"{value:.{max(scale, 0)}f}") for value in values]
    return pd.Series(exact, values.index, dtype=object)


# text


def _as_text(values: pd.Series, column: Column) -> pd.Series:
    """Text, or a category of text, that is missing where `values` are."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        texts = _texts(pd.Series(values.cat.categories), column)
        codes = values.cat.codes.to_numpy()
        if texts.is_unique:
            return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(texts)), values.index)  # type: ignore[arg-type]
        lookup = np.array([*texts, None], dtype=object)
        return pd.Series(lookup[codes], values.index, dtype=object)
    return _texts(values, column)


def _texts(values: pd.Series, column: Column) -> pd.Series:
    if isinstance(values.dtype, pd.StringDtype) and column.values == "text":
        return values
    if values.dtype == "object":
        inferred = pd.api.types.infer_dtype(values, skipna=True)
        if inferred == "string" and column.values in ("text", "time"):
            return values
        if inferred == "bytes":
            raise _disagree(column, "bytes")
    elif values.notna().any() and not _may_be_text(values, column):
        raise _disagree(column, str(values.dtype))
    missing = values.isna()
    write = _writer_of_values(column)
    texts = [None if is_missing else write(value) for value, is_missing in zip(values, missing, strict=True)]
    return pd.Series(texts, values.index, dtype=object)


def _may_be_text(values: pd.Series, column: Column) -> bool:
    if isinstance(values.dtype, pd.StringDtype) or pd.api.types.is_bool_dtype(values.dtype):
        return True
    return pd.api.types.is_numeric_dtype(values.dtype) and column.values in ("integer", "floating", "boolean")


def _writer_of_values(column: Column) -> Callable[[Any], str]:
    """From a single value of any source to the text by which the original's value is known."""
    if column.values == "text" or column.values == "time":
        return lambda value: value.decode() if isinstance(value, bytes) else str(value)

    def write(value: Any) -> str:
        try:
            return str(_reader_of_values(column)(str(value)))
        except (ValueError, KeyError) as error:
            raise InputError(
                f"column {column.name!r} holds {column.values} values in the original, but here {value!r}: "
                "give both the same type"
            ) from error

    return write


def _reader_of_values(column: Column) -> Callable[[str], Any]:
    """From that text to the value."""
    if column.values == "integer":
        return _read_integer
    if column.values == "floating":
        return float
    if column.values == "boolean":
        return lambda text: _TRUTH[text.strip().lower()]
    return datetime.time.fromisoformat if column.values == "time" else str


def _read_integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)


def _as_category(values: pd.Series, column: Column) -> pd.Series:
    """The original's categories in its order, and after them, sorted, those that only `values` have."""
    known = list(column.categories or ())
    found_codes, found = pd.factorize(values.astype(object))
    texts = known + sorted(set(found) - set(known))
    positions = {text: i for i, text in enumerate(texts)}
    codes = np.array([*(positions[text] for text in found), -1])[found_codes]
    read = _reader_of_values(column)
    categories = pd.Index([read(text) for text in texts], dtype=_DTYPES_OF_CATEGORIES[column.values])
    return pd.Series(pd.Categorical.from_codes(codes, categories=categories, ordered=column.ordered), values.index)  # type: ignore[arg-type]


# shared


def _parsed(values: pd.Series, column: Column, read: Callable[..., Any], needed: str) -> pd.Series:
    """Numbers as they are; anything else through `read`, once per distinct value."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise _disagree(column, str(values.dtype))
    return _mapped(values, column, lambda uniques: read(uniques.map(_plain), errors="coerce"), needed)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, decimal.Decimal) else value


def _mapped(values: pd.Series, column: Column, read: Callable[[pd.Series], pd.Series], needed: str) -> pd.Series:
    """Each distinct value through `read`, which returns missing for what it can't read."""
    codes, found = pd.factorize(values)
    distinct = [None if isinstance(value, str) and not value.strip() else value for value in found]
    uniques = pd.Series(distinct, dtype=object)
    try:
        read_values = read(uniques)
    except (TypeError, ValueError) as error:
        raise _disagree(column, str(values.dtype)) from error
    failed = read_values.isna() & uniques.notna()
    if failed.any():
        raise InputError(
            f"column {column.name!r} holds {column.dtype} in the original, but here {uniques[failed].iloc[0]!r}, "
            f"which is not {needed}: give both the same type"
        )
    taken = read_values.reindex(np.where(codes < 0, len(uniques), codes))
    return taken.set_axis(values.index)


def _disagree(column: Column, found: str) -> InputError:
    return InputError(
        f"types disagree: column {column.name!r} holds {_in_words(column)} in the original, but {found} here: "
        "give both the same type"
    )


def _in_words(column: Column) -> str:
    return f"{column.values} values" if column.kind == "categorical" else column.dtype


def _in_dtype(values: pd.Series, dtype: str) -> pd.Series:
    """`values` in the dtype of that name, or in its nullable twin where it can't hold their missing values."""
    if values.isna().any():
        dtype = _NULLABLE_TWINS.get(dtype, dtype)
    return values.astype(pd.api.types.pandas_dtype(dtype))
