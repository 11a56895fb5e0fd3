"""Between pandas and Arrow: what users hand over and get, what generators learn, what mostlyai-qa computes on.

From pandas nothing is lost that Arrow can hold. To pandas, decimals become float64 and dates datetime64, since that is
how they are computed with; whole numbers with missing values get the nullable dtypes, and times of day end at
microseconds.
"""

import datetime
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from issodask.errors import InputError
from issodask.store.casts import without_nan
from issodask.store.types import noted, pandas_dtypes, unusable_keys
from issodask.table.groups import check_group_key
from issodask.table.schema import Schema, check_names

_INTEGERS = {
    getattr(pa, f"{sign}int{bits}")(): getattr(pd, f"{sign and 'U'}Int{bits}Dtype")()
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}


def from_frame(frame: pd.DataFrame, where: str = "the table") -> pa.Table:
    """A pandas frame as Arrow, without its index; names become text.

    Raises InputError for duplicate names and names of several levels, and for a column whose values Arrow can't hold.
    """
    if frame.columns.nlevels > 1:
        raise InputError(
            f"{where} has column names of {frame.columns.nlevels} levels, but each column needs one name: join them, "
            'such as frame.columns = ["_".join(map(str, name)) for name in frame.columns]'
        )
    check_names(frame.columns, where)
    names = [str(name) for name in frame.columns]
    arrays = [_to_array(frame.iloc[:, i], name) for i, name in enumerate(names)]
    dtypes = {name: str(dtype) for name, dtype in zip(names, frame.dtypes, strict=True)}
    return noted(pa.table(arrays, names=names), dtypes)


def to_frame(table: pa.Table, schema: Schema | None = None) -> pd.DataFrame:
    """Arrow to pandas, in the dtypes that pandas noted, if it did.

    Booleans with missing values are objects, as pandas reads them: mostlyai-qa bins those as text. Where `schema`, the
    original's, says that they are numbers, they are nullable.
    """
    dtypes = pandas_dtypes(table.schema)
    numbers = {column.name for column in schema.columns if column.kind == "numeric"} if schema else set()
    table = _in_microseconds(table)
    usual = table.unify_dictionaries().to_pandas(date_as_object=False, use_threads=False, ignore_metadata=True)
    usual = usual.set_axis(table.column_names, axis="columns")
    changed = {}
    for name in table.column_names:
        values = table[name]
        is_number = name in numbers
        dtype = dtypes.get(name, "")
        if pa.types.is_decimal(values.type):
            changed[name] = pc.cast(values, pa.float64()).to_pandas()
        elif values.type in _INTEGERS and (values.null_count or dtype[:1] in ("I", "U")):
            changed[name] = values.to_pandas(types_mapper=_INTEGERS.get)
        elif pa.types.is_boolean(values.type) and (dtype == "boolean" or (is_number and values.null_count)):
            changed[name] = values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
        elif dtype.startswith(("Float", "string")) and "pyarrow]" not in dtype:
            changed[name] = usual[name].astype(pd.api.types.pandas_dtype(dtype))
    for name, column in changed.items():
        usual[name] = column
    return usual


def _in_microseconds(table: pa.Table) -> pa.Table:
    """The table with times of day as fine as Python's: what is finer is cut off."""
    for i, field in enumerate(table.schema):
        if field.type == pa.time64("ns"):
            cut = table.column(i).cast(pa.time64("us"), safe=False)
            table = table.set_column(i, field.with_type(cut.type), cut)
    return table


def table_hash(table: pa.Table) -> str:
    """Names the content of a table: equal values, equal text."""
    return xxhash.xxh3_64(pd.util.hash_pandas_object(to_frame(table), index=False).to_numpy().tobytes()).hexdigest()


def key_codes(table: pa.Table, group_key: str, where: str = "the table") -> pd.Series:
    """The number of the group that each row belongs to, missing where its key is; equal keys, equal numbers.

    Raises InputError when there is no such column, or one whose values can't be compared.
    """
    check_group_key(table.column_names, group_key, where)
    keys = without_nan(table[group_key])
    try:
        encoded = keys if pa.types.is_dictionary(keys.type) else keys.dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise InputError(unusable_keys(keys.type, where)) from error
    codes = encoded.unify_dictionaries().combine_chunks().indices
    return codes.to_pandas(types_mapper=_INTEGERS.get).rename(group_key)


def _to_array(values: pd.Series, name: str) -> pa.ChunkedArray:
    if isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(values.sparse.to_dense())  # type: ignore[attr-defined]
    try:
        if values.dtype == object:
            return _of_objects(values)
        return _chunked(pa.array(values, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"column {name!r} holds {_found(values)}, but values of one type are needed: numbers, booleans, dates, "
            "times or text: convert it or leave it out"
        ) from error


def _of_objects(values: pd.Series) -> pa.ChunkedArray:
    times = [value for value in values if isinstance(value, datetime.datetime) and pd.notna(value)]
    return _of_times(values, times) if times else _chunked(pa.array(values, from_pandas=True))


def _of_times(values: pd.Series, times: Sequence[datetime.datetime]) -> pa.ChunkedArray:
    """In their zone, or in UTC where there are several; nanoseconds are kept, a day is its midnight.

    Arrow itself takes its type from the first value, and cuts the others down to it.
    """
    zones = {time.tzinfo and str(time.tzinfo) for time in times}
    is_mixed = None in zones and len(zones) > 1
    if is_mixed or (None not in zones and len(times) < values.notna().sum()):
        raise ValueError("some times have a zone, others have none")
    unit = "ns" if any(getattr(time, "nanosecond", 0) for time in times) else "us"
    if len(zones) > 1:
        in_utc = [value.astimezone(datetime.UTC) if pd.notna(value) else None for value in values]
        return _chunked(pa.array(in_utc, pa.timestamp(unit, "UTC")))
    zone = pa.infer_type(times[:1]).tz
    return _chunked(pa.array(list(map(_midnight, values)), pa.timestamp(unit, zone), from_pandas=True))


def _midnight(value: Any) -> Any:
    return datetime.datetime.combine(value, datetime.time()) if type(value) is datetime.date else value


def _chunked(values: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _found(values: pd.Series) -> str:
    """What a column holds, for an error message."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return f"category of {pd.api.types.infer_dtype(values.cat.categories)} values"
    if values.dtype != object:
        return f"{values.dtype} values"
    kinds = sorted({type(value).__name__ for value in values.dropna().head(10_000)})
    return f"values of several types ({', '.join(kinds[:4])})" if len(kinds) > 1 else f"{kinds[0]} values"
