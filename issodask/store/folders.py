"""Folders of tables, as Dask, Spark and people leave them: flat, nested, or one folder per value of a column.

In: a path. Out: its parts, in the order of their names. A folder named `state_code=01` (Hive's way) says that the
column state_code holds the text 01 in all rows below it, exactly as it is written there; a column that the files have
themselves goes before one of their folders.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from issodask.errors import InputError
from issodask.store.csv_files import is_csv, shared_dialect
from issodask.store.dialects import Dialect, describe_dialect
from issodask.store.files import is_hidden
from issodask.store.places import is_remote, listed, store_faults_of
from issodask.table.schema import quoted

PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_HIVE = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_OTHER_FORMATS = {"_delta_log": "Delta", ".hoodie": "Hudi", "metadata/version-hint.text": "Iceberg"}


@dataclass(frozen=True)
class PartFile:
    """One file of a table: its name is its path within the folder that was given.

    `values` are those of the folders in its name: {column: text, or None for a missing value}; `dialect` is what is
    known of a CSV.
    """

    path: Path
    name: str
    values: Mapping[str, str | None]
    dialect: Dialect | None = None


def find_parts(path: Path) -> list[PartFile]:
    """The file at `path`, or all tables in the folder at `path` and the folders below, by name, without hidden ones.

    Raises InputError when there is none, for folders that name different columns, and for tables of other formats,
    whose old files would be taken for rows.
    """
    with store_faults_of(path):
        is_file, is_folder = path.is_file(), path.is_dir()
    if is_file:
        if not (is_parquet(path) or is_csv(path)):
            raise InputError(f"{path} is neither Parquet nor CSV by its name: give a .parquet, .csv or .csv.gz file")
        return [PartFile(path, path.name, {})]
    if not is_folder:
        raise InputError(f"no such file or folder: {path}: check the path")
    files = _walk_store(path) if is_remote(path) else _walk(path)
    tables = [file for file in files if _is_table(file)]
    # Spark leaves CSV files without a byte where a partition has no rows.
    filled = [file for file in tables if not is_csv(file) or file.stat().st_size] or tables
    names = sorted(file.relative_to(path).as_posix() for file in filled)
    if not names:
        raise InputError(f"folder {path} holds no tables: put .parquet or .csv files into it")
    parts = [PartFile(path / name, name, _values(path, name)) for name in names]
    _check_same_folders(path, parts)
    return parts


def describe_csv(path: Path, given: Dialect | None) -> str | None:
    """How the CSV files at `path` are read, by the first one, where that is unusual (see `describe_dialect`)."""
    paths = [part.path for part in find_parts(path) if is_csv(part.path)]
    return describe_dialect(paths[0], shared_dialect(paths, given)) if paths else None


def folder_values(name: str) -> dict[str, str | None]:
    """{column: text} of the folders in a part's name."""
    return dict(pair for pair in map(_pair, name.split("/")[:-1]) if pair is not None)


def with_values(table: pa.Table, values: Mapping[str, str | None]) -> pa.Table:
    """The table and, after its own columns, those of its folders that it doesn't have itself."""
    for name, text in values.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(text, pa.string()), table.num_rows))
    return table


def is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(PARQUET_SUFFIXES)


def _walk(folder: Path) -> Iterator[Path]:
    """All visible files; links to folders are followed, but not in circles."""
    seen = {os.path.realpath(folder)}
    for place, folders, files in os.walk(folder, followlinks=True):
        _check_format(Path(place), folders)
        visible = [name for name in folders if not is_hidden(Path(name)) or _HIVE.fullmatch(name)]
        folders[:] = [name for name in visible if os.path.realpath(Path(place, name)) not in seen]
        seen.update(os.path.realpath(Path(place, name)) for name in folders)
        yield from (Path(place, name) for name in files if not is_hidden(Path(name)))


def _walk_store(folder: Path) -> Iterator[Path]:
    """All visible files of a folder in a store."""
    for file in listed(folder):
        above = file.relative_to(folder).as_posix().split("/")[:-1]
        for sign, kind in _OTHER_FORMATS.items():
            if sign in above or file.as_posix().endswith(f"/{sign}"):
                raise InputError(f"folder {folder} is a table of {kind} (it has {sign}): export it as Parquet files")
        if not any(is_hidden(Path(name)) and not _HIVE.fullmatch(name) for name in above) and not is_hidden(file):
            yield file


def _check_format(folder: Path, folders: Sequence[str]) -> None:
    for sign, kind in _OTHER_FORMATS.items():
        if sign in folders or ("/" in sign and (folder / sign).is_file()):
            raise InputError(f"folder {folder} is a table of {kind} (it has {sign}): export it as plain Parquet files")


def _is_table(path: Path) -> bool:
    """By its name; a file without an ending, as Hive writes them, by its first bytes."""
    if is_parquet(path) or is_csv(path):
        return True
    if path.suffix:
        return False
    with store_faults_of(path), path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _values(folder: Path, name: str) -> dict[str, str | None]:
    values = folder_values(name)
    if len(values) < sum(_pair(part) is not None for part in name.split("/")[:-1]):
        raise InputError(f"folders of {folder / name} name the same column twice: rename one of them")
    return values


def _pair(name: str) -> tuple[str, str | None] | None:
    found = _HIVE.fullmatch(name)
    if found is None:
        return None
    column, text = map(unquote, found.groups())
    return column, None if text == _NO_VALUE else text


def _check_same_folders(path: Path, parts: Sequence[PartFile]) -> None:
    first = parts[0]
    for part in parts:
        if set(part.values) != set(first.values):
            found = [f"{quoted(list(each.values)) or 'none'} for {each.name}" for each in (first, part)]
            raise InputError(
                f"the folders of {path} name different columns, {' but '.join(found)}: put all files below folders of "
                "the same kind"
            )
