"""The pool on disk: parts that are Parquet or CSV files, found by a manifest of ours or by looking into a folder.

Our own parts (see pool_writer.py) are named after their generator (`g00-part-0003.parquet`), and manifest.json lists
them all. A folder that something else wrote needs no manifest: its parts count in order of their names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issodask.errors import InputError
from issodask.store.csv_files import csv_columns, is_csv, shared_dialect
from issodask.store.dialects import Dialect, describe_dialect
from issodask.store.files import read_json
from issodask.store.folders import PartFile, find_parts, folder_values
from issodask.store.places import place, store_faults_of
from issodask.store.run_folder import RunFolder
from issodask.store.tables import open_parquet, parquet_columns
from issodask.table.schema import Schema, check_columns, check_names, quoted

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Part:
    """One file of a pool; `n_rows` is None for a CSV file whose rows nobody has counted yet.

    `n_units` is the number of groups of a part of ours that has groups; of all others nobody has counted them.
    """

    name: str
    n_rows: int | None
    n_bytes: int
    xxh3: str | None = None
    generator: int | None = None
    seed: int | None = None
    n_units: int | None = None


@dataclass(frozen=True)
class Pool:
    """A pool: unit ids count its rows, or its groups, from 0, part after part.

    `group_key` is what a pool of ours was made with; others may have any. `dialect` is what was given of CSV parts,
    and the decimal sign that they share. `place` is the folder, or the one file that is the pool: errors name it.
    """

    folder: Path
    parts: tuple[Part, ...]
    columns: tuple[str, ...]
    group_key: str | None = None
    dialect: Dialect | None = None
    is_file: bool = False

    @property
    def place(self) -> Path:
        return self.path(self.parts[0]) if self.is_file else self.folder

    @property
    def n_rows(self) -> int | None:
        """Rows of all parts; None while the rows of a CSV part are not counted (encoding counts them)."""
        counts = [part.n_rows for part in self.parts]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def n_units(self) -> int | None:
        """Groups of all parts; None where nobody has counted them."""
        counts = [part.n_units for part in self.parts]
        return None if None in counts else sum(count for count in counts if count is not None)

    def path(self, part: Part) -> Path:
        return self.folder / part.name

    def file(self, part: Part) -> PartFile:
        """What it takes to read a part."""
        return PartFile(self.path(part), part.name, folder_values(part.name), self.dialect)

    def describe_csv(self) -> str | None:
        """How the first CSV part is read, where that is unusual."""
        first = next((self.path(part) for part in self.parts if is_csv(self.path(part))), None)
        return None if first is None else describe_dialect(first, self.dialect)


def open_pool(path: str | Path, csv: Dialect | Mapping[str, Any] | None = None) -> Pool:
    """Open a folder with a manifest of ours, the `pool/` of a run's directory, or any folder or file of Parquet or CSV.

    `csv` is what is known of CSV files. Raises InputError when there is nothing, when a part is missing, truncated or
    lacks columns of the first part, for duplicate column names and for a pool without rows.
    """
    path = place(path)
    of_run = RunFolder(path).pool
    with store_faults_of(path):
        if (of_run / MANIFEST).is_file():
            path = of_run
        manifest = read_json(path / MANIFEST)
    pool = (
        _open_sealed(path, manifest)
        if isinstance(manifest, dict) and "parts" in manifest
        else _open_foreign(path, Dialect.given(csv))
    )
    if pool.n_rows == 0:
        raise InputError(f"pool {path} is empty: its {len(pool.parts)} parts have no rows: generate some")
    return pool


def check_pool(pool: Pool, schema: Schema, group_key: str | None = None) -> None:
    """Raise InputError when the pool lacks columns of the original, or was made of groups of another key."""
    check_columns(pool.columns, schema.names, where=f"pool {pool.place}")
    if group_key is not None and pool.group_key not in (None, group_key):
        raise InputError(
            f"pool {pool.place} was made of groups by {pool.group_key!r}, but the group key is {group_key!r}: "
            "take the pool's, or generate another pool"
        )


def part_name(generator: int, i_part: int) -> str:
    """File name of a generator's part: `g00-part-0003.parquet`."""
    return f"{part_prefix(generator)}{i_part:04d}.parquet"


def part_prefix(generator: int) -> str:
    return f"g{generator:02d}-part-"


def _open_sealed(folder: Path, manifest: Mapping[str, Any]) -> Pool:
    parts = tuple(Part(**part) for part in manifest["parts"])
    for part in parts:
        _check_bytes(folder / part.name, part)
    return Pool(folder, parts, tuple(manifest["columns"]), manifest.get("group_key"))


def _check_bytes(path: Path, part: Part) -> None:
    with store_faults_of(path):
        n_bytes = path.stat().st_size if path.is_file() else None
    if n_bytes is None:
        raise InputError(f"part {part.name} of pool {path.parent} is missing: restore it, or generate the pool again")
    if n_bytes != part.n_bytes:
        raise InputError(
            f"part {part.name} of pool {path.parent} is damaged: {n_bytes:,} bytes, but the manifest says "
            f"{part.n_bytes:,}: restore it, or remove it and generate again"
        )


def _open_foreign(path: Path, dialect: Dialect) -> Pool:
    if any(path.glob(f"pool/{part_prefix(0)}*.parquet")):
        raise InputError(f"the pool in {path} is not finished: generate it to its end")
    files = find_parts(path)
    dialect = shared_dialect([file.path for file in files if is_csv(file.path)], dialect)
    found = [_inspect(file, dialect) for file in files]
    columns = found[0][1]
    for part, names in found:
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(
                f"part {part.name} of pool {path} lacks columns that {found[0][0].name} has: {quoted(missing)}"
            )
    is_file = len(files) == 1 and files[0].path == path
    folder = path.parent if is_file else path
    return Pool(folder, tuple(part for part, _ in found), columns, dialect=dialect, is_file=is_file)


def _inspect(file: PartFile, dialect: Dialect) -> tuple[Part, tuple[str, ...]]:
    n_rows, names = None, []
    if is_csv(file.path):
        names = csv_columns(file.path, dialect)
    else:
        with open_parquet(file.path) as opened:
            n_rows, names = opened.metadata.num_rows, parquet_columns(opened)
        check_names(names, where=str(file.path))
    own = [*names, *(name for name in file.values if name not in names)]
    return Part(file.name, n_rows, file.path.stat().st_size), tuple(own)
