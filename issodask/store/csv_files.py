"""CSV as Arrow tables: whole files for originals, record batches for the parts of a pool.

In: paths and what is given of its dialect. Out: tables; faults are told in one line. All fields are read as text by
Arrow's parser and turned into values afterwards (csv_values.py), since a type that Arrow infers would round long
numbers and drop leading zeros.
"""

import csv
import io
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from issodask.errors import InputError
from issodask.store.csv_values import Reading, as_reading, infer, uses_decimal_commas
from issodask.store.dialects import Dialect, find_dialect
from issodask.store.utf8 import CHUNK_BYTES, one_line, open_text, open_utf8
from issodask.table.schema import check_names, quoted

BATCH_ROWS = 65_536
BLOCK_BYTES = 8 << 20
_RELEASE_S = 5.0
CSV_SUFFIXES = (".csv", ".tsv")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip", ".zst")
_DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def is_csv(path: Path) -> bool:
    """Whether the name says CSV or TSV, perhaps compressed."""
    name = path.name.lower()
    plain = next((name.removesuffix(suffix) for suffix in COMPRESSIONS if name.endswith(suffix)), name)
    return plain.endswith(CSV_SUFFIXES)


def csv_columns(path: Path, given: Dialect | None = None) -> list[str]:
    """The header, with pandas' names for columns that have none.

    Raises InputError for an empty file and for duplicate names.
    """
    return _columns(path, find_dialect(path, given))


def read_csvs(paths: Sequence[Path], given: Dialect | None = None) -> list[pa.Table]:
    """The whole files of one table, each column with the type that all its values in all files have (see csv_values).

    Raises InputError for what can't be read.
    """
    dialects = [find_dialect(path, given) for path in paths]
    texts = [_read_texts(path, dialect) for path, dialect in zip(paths, dialects, strict=True)]
    whole = pa.concat_tables(texts, promote_options="default")
    decimal = (given and given.decimal) or _decimal_of(whole, {dialect.separator for dialect in dialects})
    whole = pa.table([infer(column, decimal) for column in whole.columns], names=whole.column_names)
    starts = accumulate(map(len, texts), initial=0)
    return [whole.slice(start, len(own)).select(own.column_names) for start, own in zip(starts, texts, strict=False)]


def shared_dialect(paths: Iterable[Path], given: Dialect | None = None) -> Dialect:
    """What is `given`, and the decimal sign that any of the files shows, for all of them.

    In one file alone, numbers such as 1,125 might be thousands. Raises InputError as `find_dialect` does.
    """
    given = given or Dialect()
    if given.decimal is None and any(find_dialect(path, given).decimal == "," for path in paths):
        return replace(given, decimal=",")
    return given


def iter_csv(
    path: Path, readings: Mapping[str, Reading], given: Dialect | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.Table]:
    """Tables of at most `batch_rows` rows, in order, with the columns named in `readings` and what each is to be.

    Texts are dictionaries, numbers int64, uint64 or float64, whichever a batch needs. Raises InputError for what can't
    be read.
    """
    dialect = find_dialect(path, given)
    names = _columns(path, dialect)
    missing = [name for name in readings if name not in names]
    if missing:
        raise InputError(f"{path} lacks the columns {quoted(missing)}: found {quoted(names)}")
    decimal = dialect.decimal or "."
    types = {name: pa.string() if reading == "number" else _DICTIONARY for name, reading in readings.items()}
    with _parsed(path, dialect, names, types) as batches:
        for batch in batches:
            for start in range(0, len(batch), batch_rows):
                part = batch.slice(start, batch_rows)
                yield pa.table({name: as_reading(part[name], reading, decimal) for name, reading in readings.items()})


def count_csv_rows(path: Path, given: Dialect | None = None) -> int:
    """Rows as `iter_csv` finds them."""
    dialect = find_dialect(path, given)
    names = _columns(path, dialect)
    with _parsed(path, dialect, names, {names[0]: pa.string()}) as batches:
        return sum(len(batch) for batch in batches)


def _read_texts(path: Path, dialect: Dialect) -> pa.Table:
    names = _columns(path, dialect)
    with _parsed(path, dialect, names, dict.fromkeys(names, pa.string())) as batches:
        return pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in names]))


def _decimal_of(whole: pa.Table, separators: Collection[str | None]) -> str:
    """The decimal sign that all rows show; where some files have commas between the fields, numbers have points."""
    separator = "," if "," in separators else next(iter(separators)) or ","
    return "," if uses_decimal_commas(whole.columns, separator) else "."


def _columns(path: Path, dialect: Dialect) -> list[str]:
    with open_utf8(path, dialect.encoding) as stream, _faults_of(path, dialect):
        records = csv.reader(open_text(stream), delimiter=dialect.separator or ",")
        header = next((record for record in records if record), [])
    check_names([name for name in header if name], where=str(path))
    return [name or f"Unnamed: {i}" for i, name in enumerate(header)]


@contextmanager
def _parsed(
    path: Path, dialect: Dialect, names: Sequence[str], types: Mapping[str, pa.DataType]
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Within this context: the record batches of the columns in `types`; faults anywhere in it are told of the file."""
    options = {
        "read_options": pacsv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=list(names), skip_rows_after_names=1
        ),
        "parse_options": pacsv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
        "convert_options": pacsv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,
        ),
    }
    with open_utf8(path, dialect.encoding) as stream, _faults_of(path, dialect, stream.raw):
        yield _iter_batches(stream, options, path)


def _iter_batches(stream: Any, options: dict[str, Any], path: Path) -> Iterator[pa.RecordBatch]:
    last = None
    with _released_by_arrow(stream) as open_source:
        batches = open_source(options)
        try:
            for batch in batches:
                if len(batch):
                    last = batch
                    yield batch
        finally:
            del batches
    if stream.raw.n_quotes % 2 and last is not None and _ends_within_quotes(last):
        raise InputError(f"{path} ends within a quoted field: close the quote")


@contextmanager
def _released_by_arrow(stream: Any) -> Iterator[Any]:
    """Within this context, Arrow may read the stream; after it, none of its threads knows the stream any more.

    A thread that lets go of a Python object when the interpreter is ending would abort the process.
    """
    released = []

    def open_source(options: dict[str, Any]) -> pacsv.CSVStreamingReader:
        source = io.BufferedReader(stream.raw, CHUNK_BYTES)
        released.append(weakref.ref(source))
        try:
            return pacsv.open_csv(source, **options)
        finally:
            del source

    try:
        yield open_source
    finally:
        deadline = time.monotonic() + _RELEASE_S
        while any(source() is not None for source in released) and time.monotonic() < deadline:
            time.sleep(0.001)


def _ends_within_quotes(batch: pa.RecordBatch) -> bool:
    # Arrow takes the rest of the file for the field.
    return any("\n" in str(column[-1]) for column in batch.columns)


@contextmanager
def _faults_of(path: Path, dialect: Dialect, stream: Any = None) -> Iterator[None]:
    """Turn what Arrow and Python's csv raise into one line that names the file, and the line if it can be found."""
    try:
        yield
    except (pa.ArrowInvalid, csv.Error) as error:
        if getattr(stream, "fault", None) is not None:
            raise stream.fault from error
        raise InputError(_describe(path, dialect, one_line(error))) from error


def _describe(path: Path, dialect: Dialect, reason: str) -> str:
    if "straddl" in reason:
        return f"{path} has a row without an end, or of more than {BLOCK_BYTES >> 20} MB: close the quote before it"
    with open_utf8(path, dialect.encoding) as stream:
        reader = csv.reader(open_text(stream), delimiter=dialect.separator or ",")
        records = (record for record in reader if record)
        n_names = len(next(records, []))
        with suppress(csv.Error):  # a field of more than 131,072 characters
            for i_record, record in enumerate(records):
                if len(record) > n_names and i_record == 0:
                    return f"{path}: rows have more fields than the header has names: name every column in the header"
                if len(record) != n_names:
                    return (
                        f"{path} has {len(record)} fields in line {reader.line_num:,}, but the header names {n_names}: "
                        "mend that line, or give another csv separator"
                    )
    return f"{path} can't be read as CSV ({reason}): mend that line"
