"""Arrow types and how a table is described by them: from a table to its `Schema`, and back to Arrow.

What can't be kept is refused here, by the column's name: nested values, durations, bytes, intervals, zones that nobody
knows, decimals that Parquet has no place for.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from issodask.errors import InputError
from issodask.table.schema import Column, Kind, Schema, Values, check_names

_DICTIONARY = re.compile(r"dictionary<values=(.*), indices=\w+, ordered=([01])>")
_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)")
_TIMESTAMP = re.compile(r"timestamp\[(\w+), tz=(.*)\]")
_DECIMALS = {"32": pa.decimal32, "64": pa.decimal64, "128": pa.decimal128, "256": pa.decimal256}

_NULLABLE_TWINS = {"bool": "boolean"} | {
    f"{sign}int{bits}": f"{sign and 'U'}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
_PANDAS_TYPES = {"string": "unicode", "double": "float64", "float": "float32", "halffloat": "float16", "null": "empty"}


def schema_of(table: pa.Table) -> Schema:
    """Describe a table.

    Raises InputError for column names that occur twice and for columns of a type that can't be binned or kept.
    """
    check_names(table.column_names, where="the table")
    dtypes = pandas_dtypes(table.schema)
    return Schema(tuple(_describe(table[name], name, dtypes.get(name, "")) for name in table.column_names))


def arrow_type(name: str) -> pa.DataType:
    """The type that Arrow prints as `name`; dictionaries have indices of 32 bits, the only ones that Parquet knows."""
    if found := _DICTIONARY.fullmatch(name):
        return pa.dictionary(pa.int32(), arrow_type(found[1]), ordered=found[2] == "1")
    if found := _DECIMAL.fullmatch(name):
        return _DECIMALS[found[1]](int(found[2]), int(found[3]))
    if found := _TIMESTAMP.fullmatch(name):
        return pa.timestamp(found[1], found[2])
    return pa.type_for_alias(name)


def is_text(arrow_type: pa.DataType) -> bool:
    return pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type)


def value_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type of the single values: a dictionary's, or the type itself."""
    return arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type


def take(table: pa.Table, rows: Any) -> pa.Table:
    """The given rows (positions, may repeat), for which Arrow has no kernel where text is a view."""
    return takeable(table).take(pa.array(rows)).cast(table.schema)


def takeable(table: pa.Table) -> pa.Table:
    """The table, with views of text as large texts."""
    if not any(pa.types.is_string_view(field.type) for field in table.schema):
        return table
    is_view = pa.types.is_string_view
    fields = [field.with_type(pa.large_string()) if is_view(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))


def with_usual_dictionaries(table: pa.Table) -> pa.Table:
    """The table with dictionaries as others write and read them: of texts that are no views, each value once, no null.

    Values that a dictionary has as null, or NaN, are missing.
    """
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            chunks = [_usual_dictionary(chunk) for chunk in table.column(i).chunks]
            kind = pa.dictionary(field.type.index_type, _usual_text(field.type.value_type), field.type.ordered)
            table = table.set_column(i, field.with_type(kind), pa.chunked_array(chunks, kind))
    return table


def _usual_dictionary(values: pa.DictionaryArray) -> pa.DictionaryArray:
    known = values.dictionary.cast(_usual_text(values.dictionary.type))
    if pa.types.is_floating(known.type):
        known = pc.if_else(pc.is_nan(known), None, known)
    try:
        encoded = known.dictionary_encode()
    except pa.ArrowNotImplementedError:  # nested values and others, which are refused, or narrow decimals
        return values
    indices = encoded.indices.take(values.indices).cast(values.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, encoded.dictionary, ordered=values.type.ordered)


def _usual_text(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_string_view(kind) else kind


def index_columns(schema: pa.Schema) -> set[str]:
    """Names of the columns that pandas stored its index in; they are no columns of the table."""
    noted = (schema.pandas_metadata or {}).get("index_columns", [])
    return {name for name in noted if isinstance(name, str)}


def noted_as(table: pa.Table, schema: Schema) -> pa.Table:
    """A table of the original's columns with the note by which pandas reads it in the original's dtypes.

    Whole numbers and truth values with missing ones, of which the original had none, are noted as nullable.
    """
    dtypes = {}
    for column in schema.columns:
        dtype = column.pandas or _numpy_name(table[column.name].type)
        if column.kind == "numeric" and table[column.name].null_count:
            dtype = _NULLABLE_TWINS.get(dtype, dtype)
        dtypes[column.name] = dtype
    return noted(table, dtypes)


def noted(table: pa.Table, dtypes: Mapping[str, str]) -> pa.Table:
    """The table with the note in which pandas keeps the `dtypes` of its columns; of an index it knows nothing."""
    note = {
        "index_columns": [],
        "column_indexes": [],
        "columns": [_pandas_note(name, table[name], dtypes[name]) for name in table.column_names],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": None,
    }
    return table.replace_schema_metadata({b"pandas": json.dumps(note).encode()})


def pandas_dtypes(schema: pa.Schema) -> dict[str, str]:
    """The dtypes that pandas noted and that say more than the Arrow types: the nullable and Arrow-backed ones."""
    noted = (schema.pandas_metadata or {}).get("columns", [])
    dtypes = {str(column.get("field_name") or column["name"]): str(column["numpy_type"]) for column in noted}
    return {field.name: dtypes[field.name] for field in schema if _is_of_type(dtypes.get(field.name, ""), field.type)}


def _is_of_type(dtype: str, arrow_type: pa.DataType) -> bool:
    """Whether the note is of this very type: who changes a table with Arrow may leave the note as it was."""
    if dtype.startswith("string") or dtype == "str":
        return is_text(arrow_type)
    if dtype.endswith("[pyarrow]"):
        return dtype.removesuffix("[pyarrow]") == str(arrow_type) and not pa.types.is_dictionary(arrow_type)
    known = {"boolean": "bool", "Float64": "double", "Float32": "float"}
    is_nullable = dtype in known or dtype.startswith(("Int", "UInt"))
    return is_nullable and known.get(dtype, dtype.lower()) == str(arrow_type)


def _pandas_note(name: str, values: pa.ChunkedArray, dtype: str) -> dict[str, Any]:
    arrow_type, metadata = values.type, None
    pandas_type = _PANDAS_TYPES.get(str(arrow_type), str(arrow_type))
    if pa.types.is_dictionary(arrow_type):
        n_categories = len(values.chunk(0).dictionary) if values.num_chunks else 0
        pandas_type, dtype = "categorical", "int32"
        metadata = {"num_categories": n_categories, "ordered": arrow_type.ordered}
    elif pa.types.is_timestamp(arrow_type):
        pandas_type = "datetime" if arrow_type.tz is None else "datetimetz"
        metadata = None if arrow_type.tz is None else {"timezone": arrow_type.tz}
    elif pa.types.is_decimal(arrow_type):
        pandas_type, metadata = "decimal", {"precision": arrow_type.precision, "scale": arrow_type.scale}
    elif pa.types.is_date(arrow_type):
        pandas_type = "date"
    return {
        "name": name,
        "field_name": name,
        "pandas_type": pandas_type,
        "numpy_type": dtype,
        "metadata": metadata,
    }


def _numpy_name(arrow_type: pa.DataType) -> str:
    """The dtype that pandas gives a column of this type."""
    if pa.types.is_timestamp(arrow_type):
        return f"datetime64[{arrow_type.unit}]"
    if pa.types.is_integer(arrow_type) or pa.types.is_boolean(arrow_type) or pa.types.is_floating(arrow_type):
        return str(arrow_type.to_pandas_dtype().__name__)
    return "object"


def _describe(values: pa.ChunkedArray, name: str, pandas: str) -> Column:
    arrow_type = values.type
    single = value_type(arrow_type)
    kind, found = _kind(single)
    if kind is None:
        raise InputError(
            f"column {name!r} holds {_in_words(arrow_type)} values, but numbers, booleans, dates, times and text are "
            "needed: convert it (durations to seconds, uuids to text, nested values to columns of their own) or leave "
            "it out"
        )
    _check_zone(single, name)
    _check_scale(single, name)
    if pa.types.is_dictionary(arrow_type):
        if found == "time" or kind == "datetime":
            raise InputError(
                f"column {name!r} is a category of {single}, but categories of text, numbers or booleans are needed: "
                "convert it to its values"
            )
        whole = pa.dictionary(pa.int32(), single, ordered=arrow_type.ordered)
        categories = tuple(str(value) for value in _dictionary(values).to_pylist() if value is not None)
        return Column(name, str(whole), "categorical", found, categories, arrow_type.ordered, pandas)
    if pa.types.is_boolean(arrow_type) and values.null_count and pandas not in ("boolean", "bool[pyarrow]"):
        kind = "categorical"  # pandas has objects there, which mostlyai-qa bins as text
    return Column(name, str(arrow_type), kind, found, None, False, pandas)


def _check_zone(single: pa.DataType, name: str) -> None:
    zone = single.tz if pa.types.is_timestamp(single) else None
    if zone is None:
        return
    try:
        pa.lib.string_to_tzinfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"column {name!r} has the time zone {zone!r}, which is not known here: give it one of the tz database, "
            "such as 'Europe/Vienna' or 'UTC'"
        ) from error


def _check_scale(single: pa.DataType, name: str) -> None:
    if pa.types.is_decimal(single) and single.scale < 0:
        raise InputError(
            f"column {name!r} is {single}, but Parquet has no decimals of a negative scale: convert it to scale 0"
        )


def _dictionary(values: pa.ChunkedArray) -> pa.Array:
    """The values of a dictionary column, unified over its chunks."""
    if not values.num_chunks:
        return pa.array([], values.type.value_type)
    return values.unify_dictionaries().chunk(0).dictionary


def _kind(single: pa.DataType) -> tuple[Kind | None, Values]:
    """How a column of such single values is binned, None if it can't be, and what they are called."""
    types = pa.types
    if types.is_boolean(single):
        return "numeric", "boolean"
    if types.is_integer(single):
        return "numeric", "integer"
    if types.is_floating(single) or types.is_decimal(single):
        return "numeric", "floating"
    if types.is_timestamp(single) or types.is_date(single):
        return "datetime", "text"
    if types.is_time(single):
        return "categorical", "time"
    if is_text(single) or types.is_null(single):
        return "categorical", "text"
    return None, "text"


def unusable_keys(found: pa.DataType, where: str) -> str:
    """What to say of group keys that can't be compared."""
    return f"{where}: group keys are {_in_words(found)}, but numbers, dates or texts are needed: make them text"


def _in_words(arrow_type: pa.DataType) -> str:
    types = pa.types
    if types.is_dictionary(arrow_type):
        return f"category of {_in_words(arrow_type.value_type)}"
    if types.is_nested(arrow_type):
        return f"nested ({arrow_type})"
    if types.is_duration(arrow_type):
        return f"duration ({arrow_type})"
    is_bytes = (
        types.is_binary(arrow_type) or types.is_large_binary(arrow_type) or types.is_fixed_size_binary(arrow_type)
    )
    if is_bytes or types.is_binary_view(arrow_type):
        return "bytes"
    name = getattr(arrow_type, "extension_name", str(arrow_type))
    return str(name).removeprefix("pandas.").removeprefix("arrow.")
