"""Codes on disk: one uint8 .npy file per part of the pool, rows in the pool's order, cut into logical blocks.

Beside each file lies a note of what it was made from; manifest.json lists all parts once they are whole. Blocks follow
from the manifest alone, never from the number of workers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xxhash

from issodask.errors import InputError
from issodask.store.files import file_hash, read_json, whole_file, write_json

BLOCK_UNITS = 131_072
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Block:
    """Rows [start, start + n_units) of the .npy file at `path`; its units are first_unit, first_unit + 1, ..."""

    path: str
    start: int
    n_units: int
    first_unit: int


@dataclass(frozen=True)
class PartCodes:
    """What is known of the codes of one part: what they were made from, their hash, and how often each code occurs."""

    part: str
    part_xxh3: str
    bins_hash: str
    n_rows: int
    codes_xxh3: str
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Codes:
    """The codes of a pool; `part_rows` are the rows of its parts, `counts` how often each code of a column
    occurs, `key` changes with any of the codes."""

    folder: Path
    blocks: tuple[Block, ...]
    n_units: int
    n_columns: int
    part_rows: tuple[int, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    key: str = ""


def open_codes(folder: str | Path) -> Codes:
    """Open the codes that `seal_codes` listed. Raises InputError when the folder has no manifest or lacks a file."""
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or "parts" not in manifest:
        raise InputError(f"{folder} holds no codes of a pool: encode the pool first")
    parts = [(codes_path(folder, part["part"]), int(part["n_rows"])) for part in manifest["parts"]]
    for path, _ in parts:
        if not path.is_file():
            raise InputError(f"codes {path} are missing: encode the pool again")
    return Codes(
        folder,
        tuple(_blocks(parts)),
        n_units=sum(n_rows for _, n_rows in parts),
        n_columns=len(manifest["counts"]),
        part_rows=tuple(n_rows for _, n_rows in parts),
        counts=tuple(tuple(counts) for counts in manifest["counts"]),
        key=manifest["key"],
    )


def load_block(block: Block) -> np.ndarray:
    """The codes of a block: uint8, (n_units, n_columns), C order, a read-only memory map."""
    return np.load(block.path, mmap_mode="r")[block.start : block.start + block.n_units]


def seal_codes(folder: Path, parts: Sequence[PartCodes]) -> Codes:
    """List the codes of all parts, in the pool's order."""
    counts = [np.sum(column, axis=0).tolist() for column in zip(*(part.counts for part in parts), strict=True)]
    listed = [{"part": part.part, "n_rows": part.n_rows} for part in parts]
    key = xxhash.xxh3_64("".join(part.codes_xxh3 for part in parts).encode()).hexdigest()
    write_json(folder / MANIFEST, {"bins_hash": parts[0].bins_hash, "counts": counts, "key": key, "parts": listed})
    return open_codes(folder)


def codes_path(folder: Path, part_name: str) -> Path:
    return folder / f"{part_name}.npy"


def read_note(folder: Path, part_name: str) -> PartCodes | None:
    """The note beside the codes of a part; None when there is none that can be read."""
    note = read_json(_note_path(folder, part_name))
    if not isinstance(note, dict) or set(note) != set(PartCodes.__dataclass_fields__):
        return None
    return PartCodes(**{**note, "counts": tuple(tuple(counts) for counts in note["counts"])})


def is_intact(folder: Path, note: PartCodes) -> bool:
    """Whether the codes are still the bytes that the note was written for."""
    path = codes_path(folder, note.part)
    return path.is_file() and file_hash(path) == note.codes_xxh3


def write_codes(folder: Path, part_name: str, arrays: Iterable[np.ndarray], n_columns: int) -> tuple[int, str]:
    """Write the codes of one part as they come. Returns the number of rows and the file's hash."""
    path = codes_path(folder, part_name)
    with whole_file(path) as work:
        with work.open("wb") as file:
            n_rows = _write_growing_array(file, arrays, n_columns)
        codes_xxh3 = file_hash(work)
    return n_rows, codes_xxh3


def write_note(folder: Path, note: PartCodes) -> None:
    write_json(_note_path(folder, note.part), asdict(note))


def _note_path(folder: Path, part_name: str) -> Path:
    return folder / f"{part_name}.json"


def _write_growing_array(file: BinaryIO, arrays: Iterable[np.ndarray], n_columns: int) -> int:
    """NumPy leaves room in the header for the number of rows to grow, so the header is written first and again last."""
    _write_header(file, 0, n_columns)
    start = file.tell()
    n_rows = 0
    for array in arrays:
        file.write(np.ascontiguousarray(array, dtype=np.uint8).data)
        n_rows += len(array)
    file.seek(0)
    _write_header(file, n_rows, n_columns)
    if file.tell() != start:
        raise RuntimeError(f"the header of {n_rows:,} rows needs {file.tell()} bytes, but {start} are reserved")
    return n_rows


def _write_header(file: BinaryIO, n_rows: int, n_columns: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, n_columns)}
    np.lib.format.write_array_header_1_0(file, header)


def _blocks(parts: Iterable[tuple[Path, int]]) -> Iterator[Block]:
    first_unit = 0
    for path, n_rows in parts:
        for start in range(0, n_rows, BLOCK_UNITS):
            n_units = min(BLOCK_UNITS, n_rows - start)
            yield Block(str(path), start, n_units, first_unit + start)
        first_unit += n_rows
