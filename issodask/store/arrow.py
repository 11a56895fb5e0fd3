"""Between Arrow and pandas: whole numbers stay whole, dates stay dates, decimals become numbers.

Types are those that pandas.read_parquet gives, but for what it loses: whole numbers with missing values get the
nullable dtypes, dates become datetime64 and decimals float64; the latter two are noted in the frame's attrs.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from issodask.table.schema import STORED_TYPES, Column, Schema, Values, check_names

_NULLABLE = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}
_NULLABLE_TOO = _NULLABLE | {pa.bool_(): pd.BooleanDtype()}
_TYPE_OF_VALUES: dict[Values, pa.DataType] = {
    "text": pa.string(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "floating": pa.float64(),
    "time": pa.time64("us"),
}
_TYPE_OF_DTYPE = {"date": pa.date32(), "string": pa.string(), "boolean": pa.bool_(), "bool": pa.bool_()}


def to_frame(table: pa.Table, where: str = "the table", keep_dtypes: bool = True) -> pd.DataFrame:
    """Arrow to pandas; `keep_dtypes` follows the pandas dtypes that the file's writer noted.

    With it, booleans with missing values are objects, as pandas reads them: mostlyai-qa bins those as text.
    Raises InputError for duplicate column names.
    """
    check_names(table.column_names, where)
    stored = {field.name: _stored_type(field.type) for field in table.schema}
    table = _without_decimals(table)
    frame = table.to_pandas(date_as_object=False, use_threads=False, ignore_metadata=not keep_dtypes)
    frame = frame.reset_index(drop=True).set_axis(table.column_names, axis="columns")
    for name in table.column_names:
        nullable = (_NULLABLE if keep_dtypes else _NULLABLE_TOO).get(table[name].type)
        if nullable is not None and table[name].null_count and not _is_nullable(frame[name]):
            frame[name] = table[name].to_pandas(types_mapper={table[name].type: nullable}.get)
    known = {name: text for name, text in stored.items() if text is not None}
    if known:
        frame.attrs[STORED_TYPES] = known
    return frame


def index_columns(schema: pa.Schema) -> set[str]:
    """Names of the columns that pandas stored its index in; they are no columns of the table."""
    noted = (schema.pandas_metadata or {}).get("index_columns", [])
    return {name for name in noted if isinstance(name, str)}


def text_columns(schema: pa.Schema) -> list[str]:
    """Columns worth reading as dictionaries."""
    return [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]


def arrow_schema(schema: Schema) -> pa.Schema:
    """The one Arrow schema that all parts of a pool share; every column may have missing values."""
    return pa.schema([pa.field(column.name, _arrow_type(column)) for column in schema.columns])


def file_schema(schema: Schema, frame: pd.DataFrame) -> pa.Schema:
    """The Arrow schema of a file that pandas reads back as `frame`: categories are dictionaries there."""
    fields = []
    for field, column in zip(arrow_schema(schema), schema.columns, strict=True):
        if isinstance(frame[column.name].dtype, pd.CategoricalDtype):
            field = field.with_type(pa.dictionary(pa.int32(), field.type, ordered=column.ordered))
        fields.append(field)
    return pa.schema(fields)


def to_arrow(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """pandas to Arrow in exactly this schema, without notes on pandas."""
    arrays = [_to_array(frame[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _to_array(values: pd.Series, arrow_type: pa.DataType) -> pa.Array:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype("object")
    return pa.Array.from_pandas(values, type=arrow_type)


def _arrow_type(column: Column) -> pa.DataType:
    if column.kind == "categorical":
        return _TYPE_OF_VALUES[column.values]
    if column.dtype in _TYPE_OF_DTYPE:
        return _TYPE_OF_DTYPE[column.dtype]
    if column.dtype.startswith("decimal"):
        precision, scale = column.dtype.removeprefix("decimal(").rstrip(")").split(", ")
        return (
            pa.decimal128(int(precision), int(scale))
            if int(precision) <= 38
            else pa.decimal256(int(precision), int(scale))
        )
    dtype = pd.api.types.pandas_dtype(column.dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pa.timestamp(dtype.unit, str(dtype.tz).removeprefix("UTC") or "UTC")
    return pa.from_numpy_dtype(getattr(dtype, "numpy_dtype", dtype))


def _stored_type(arrow_type: pa.DataType) -> str | None:
    if pa.types.is_date(arrow_type):
        return "date"
    if pa.types.is_decimal(arrow_type):
        return f"decimal({arrow_type.precision}, {arrow_type.scale})"
    return None


def _without_decimals(table: pa.Table) -> pa.Table:
    for i_column, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            numbers = pc.cast(table.column(i_column), pa.float64())
            table = table.set_column(i_column, pa.field(field.name, pa.float64()), numbers)
    return table


def _is_nullable(values: pd.Series) -> bool:
    return pd.api.types.is_extension_array_dtype(values.dtype)
