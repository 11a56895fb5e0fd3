"""CSV, also compressed, read the way pandas.read_csv reads it, with faults told in one line.

A whole file for originals, chunks for the parts of a pool. Text columns of a pool stay text even if they look like
numbers, since the original says that they are text.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from issodask.errors import InputError
from issodask.table.schema import Schema, check_names

CHUNK_ROWS = 65_536
CSV_SUFFIXES = (".csv", ".tsv")
_OPENERS: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSIONS = (*_OPENERS, ".zip", ".zst")


def is_csv(path: Path) -> bool:
    """Whether the name says CSV or TSV, perhaps compressed."""
    name = path.name.lower()
    plain = next((name.removesuffix(suffix) for suffix in COMPRESSIONS if name.endswith(suffix)), name)
    return plain.endswith(CSV_SUFFIXES)


def csv_columns(path: Path) -> list[str]:
    """The header, with pandas' names for columns that have none.

    Raises InputError for an empty file and for duplicate names, which pandas would silently number.
    """
    with _faults_of(path):
        raw = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, sep=_separator(path))
        check_names([name for name in raw.iloc[0] if name], where=str(path))
        return [str(name) for name in pd.read_csv(path, nrows=0, sep=_separator(path)).columns]


def read_csv(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """The whole file, with the types that pandas finds. Raises InputError for what can't be read."""
    csv_columns(path)
    with _faults_of(path):
        frame = pd.read_csv(path, usecols=columns, low_memory=False, sep=_separator(path))
    _check_index(frame, path)
    return frame


def iter_csv(path: Path, schema: Schema, chunk_rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """Chunks of rows, in order, with the columns of `schema`; its texts and dates as categories of text."""
    csv_columns(path)
    as_text = {column.name: "category" for column in schema.columns if column.kind != "numeric"}
    with _faults_of(path):
        chunks = pd.read_csv(  # type: ignore[call-overload]
            path,
            usecols=list(schema.names),
            dtype=as_text,
            dtype_backend="numpy_nullable",  # whole numbers with missing values are exact only there
            chunksize=chunk_rows,
            low_memory=False,
            sep=_separator(path),
        )
        with chunks:
            for i_chunk, chunk in enumerate(chunks):
                if i_chunk == 0:
                    _check_index(chunk, path)
                yield chunk.reset_index(drop=True)


def count_csv_rows(path: Path) -> int:
    """Rows as `iter_csv` finds them."""
    first = csv_columns(path)[:1]
    with (
        _faults_of(path),
        pd.read_csv(path, usecols=first, dtype=str, chunksize=CHUNK_ROWS, sep=_separator(path)) as chunks,
    ):
        return sum(len(chunk) for chunk in chunks)


def _separator(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes else ","


def _check_index(frame: pd.DataFrame, path: Path) -> None:
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(f"{path}: rows have more fields than the header has names: name every column in the header")


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Turn what pandas and the decompressors raise into one line that names the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(_describe_bad_bytes(path, error)) from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path} is empty: a CSV file needs a header line and rows") from error
    except (pd.errors.ParserError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} can't be read as CSV ({_one_line(error)}): mend that line") from error
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is not a whole compressed file ({_one_line(error)}): copy it again") from error


def _describe_bad_bytes(path: Path, error: UnicodeDecodeError) -> str:
    found = f"{path} is not UTF-8: byte 0x{error.object[error.start]:02x}"
    open_bytes = _OPENERS.get(path.suffix.lower(), lambda plain: plain.open("rb"))
    with open_bytes(path) as lines:
        for i_line, line in enumerate(lines, start=1):
            bad = _first_bad_byte(line)
            if bad is not None:
                found = f"{path} is not UTF-8: byte 0x{line[bad]:02x} in line {i_line:,}, position {bad + 1:,}"
                break
    return f"{found}: convert it, for example with `iconv -f ISO-8859-1 -t UTF-8`"


def _first_bad_byte(line: bytes) -> int | None:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())
