"""The pool on disk: parts that are Parquet or CSV files, found by a manifest of ours or by looking into a folder.

Our own parts are named after their generator (`g00-part-0003.parquet`) and listed in manifest.json with rows, bytes,
hash, generator and seed. A folder that something else wrote needs no manifest: its parts count in order of their names.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from issodask.errors import InputError
from issodask.store.csv_files import csv_columns, is_csv
from issodask.store.files import read_json
from issodask.store.tables import list_parts, open_parquet, parquet_columns
from issodask.table.coerce import check_columns
from issodask.table.schema import Schema, check_names, quoted

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Part:
    """One file of a pool; `n_rows` is None for a CSV file whose rows nobody has counted yet."""

    name: str
    n_rows: int | None
    n_bytes: int
    xxh3: str | None = None
    generator: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Pool:
    """A pool: unit ids count its rows from 0, part after part."""

    folder: Path
    parts: tuple[Part, ...]
    columns: tuple[str, ...]

    @property
    def n_rows(self) -> int | None:
        """Rows of all parts; None while the rows of a CSV part are not counted (encoding counts them)."""
        counts = [part.n_rows for part in self.parts]
        return None if None in counts else sum(count for count in counts if count is not None)

    def path(self, part: Part) -> Path:
        return self.folder / part.name


def open_pool(path: str | Path) -> Pool:
    """Open a folder with a manifest of ours, or any folder or file of Parquet or CSV.

    Raises InputError when there is nothing, when a part is missing, truncated or lacks columns of the first part, for
    duplicate column names and for a pool without rows.
    """
    path = Path(path)
    manifest = read_json(path / MANIFEST)
    pool = _open_sealed(path, manifest) if isinstance(manifest, dict) and "parts" in manifest else _open_foreign(path)
    if pool.n_rows == 0:
        raise InputError(f"pool {path} is empty: its {len(pool.parts)} parts have no rows: generate some")
    return pool


def check_pool(pool: Pool, schema: Schema) -> None:
    """Raise InputError when the pool lacks columns of the original."""
    check_columns(pool.columns, schema, where=f"pool {pool.folder}")


def _open_sealed(folder: Path, manifest: Mapping[str, Any]) -> Pool:
    parts = tuple(Part(**part) for part in manifest["parts"])
    for part in parts:
        _check_bytes(folder / part.name, part)
    return Pool(folder, parts, tuple(manifest["columns"]))


def _check_bytes(path: Path, part: Part) -> None:
    if not path.is_file():
        raise InputError(f"part {part.name} of pool {path.parent} is missing: restore it, or generate the pool again")
    n_bytes = path.stat().st_size
    if n_bytes != part.n_bytes:
        raise InputError(
            f"part {part.name} of pool {path.parent} is damaged: {n_bytes:,} bytes, but the manifest says "
            f"{part.n_bytes:,}: restore it, or remove it and generate again"
        )


def _open_foreign(path: Path) -> Pool:
    files = list_parts(path)
    found = [_inspect(file) for file in files]
    columns = found[0][1]
    for part, names in found:
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(
                f"part {part.name} of pool {path} lacks columns that {found[0][0].name} has: {quoted(missing)}"
            )
    return Pool(files[0].parent, tuple(part for part, _ in found), columns)


def _inspect(path: Path) -> tuple[Part, tuple[str, ...]]:
    n_bytes = path.stat().st_size
    if is_csv(path):
        return Part(path.name, None, n_bytes), tuple(csv_columns(path))
    with open_parquet(path) as file:
        names = parquet_columns(file)
        check_names(names, where=str(path))
        return Part(path.name, file.metadata.num_rows, n_bytes), tuple(names)


def part_to_dict(part: Part) -> dict[str, Any]:
    return asdict(part)
