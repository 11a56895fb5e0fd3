"""Codes on disk: one uint8 .npy file per part of the pool, cut into logical blocks.

Rows lie in the pool's order; those of groups group after group, and two small files say where each group begins and
which key it has (as a hash).

Beside each file lies a note of what it was made from; manifest.json lists all parts once they are whole. Where parts
are small and many, the codes of neighbouring ones are joined in a *pack*, since to open a file takes longer than to
read so few rows. Blocks follow from the parts alone, never from the number of workers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash

from issodask.errors import InputError
from issodask.store.arrays import loaded_array, mapped_array
from issodask.store.files import file_hash, read_json, whole_file, write_json
from issodask.store.places import is_file, is_remote, place
from issodask.table.blocks import SequenceCodes

BLOCK_UNITS = 131_072
MANIFEST = "manifest.json"
_MANY_PARTS = 100
_LONGEST_NAME = 200  # bytes; file systems allow 255, and a work name is longer


@dataclass(frozen=True)
class Block:
    """A stretch of the .npy file at `path` from row `start`; its units are first_unit, first_unit + 1, ...

    Units are rows; or groups, which begin at the rows that `starts_path` lists from its place `first_group` on.
    """

    path: Path
    start: int
    n_units: int
    first_unit: int
    starts_path: Path | None = None
    first_group: int = 0


@dataclass(frozen=True)
class PartCodes:
    """What is known of the codes of one part: what they were made from, their hash, and how often each code occurs.

    `coded_by` names the types and bins that its values were brought to.
    `groups_xxh3`: of the two files that say where groups begin and which keys they have; None for rows.
    """

    part: str
    part_xxh3: str
    coded_by: str
    n_rows: int
    codes_xxh3: str
    counts: tuple[tuple[int, ...], ...]
    n_units: int
    groups_xxh3: str | None = None


@dataclass(frozen=True)
class Codes:
    """The codes of a pool; `part_units` are the units of its parts, `packs` how many parts lie in one file each,
    `counts` how often each code of a column occurs, `key` changes with any of the codes."""

    folder: Path
    blocks: tuple[Block, ...]
    n_units: int
    n_columns: int
    part_units: tuple[int, ...] = ()
    packs: tuple[int, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    key: str = ""


@dataclass(frozen=True)
class Pack:
    """Neighbouring parts whose codes lie in one file; mostly one part alone, in its own.

    parts  their places in the pool
    """

    path: Path
    starts_path: Path
    parts: slice


def packs_of(folder: Path, names: Sequence[str], sizes: Sequence[int]) -> list[Pack]:
    """The packs of a pool whose parts have these names, of so many parts each."""
    packs = []
    for i, (first, last) in enumerate(pairwise(accumulate(sizes, initial=0))):
        stem = _flat(names[first]) if last - first == 1 else f"%pack-{i:06d}"
        packs.append(Pack(folder / f"{stem}.npy", folder / f"{stem}.starts.npy", slice(first, last)))
    return packs


def sizes_of_packs(n_rows: Sequence[int]) -> tuple[int, ...]:
    """How many parts, of so many rows each, lie in one file: of many small ones as many as make a block."""
    if len(n_rows) <= _MANY_PARTS:
        return (1,) * len(n_rows)
    sizes, n_packed = [0], 0
    for n in n_rows:
        if sizes[-1] and n_packed + n > BLOCK_UNITS:
            sizes.append(0)
            n_packed = 0
        sizes[-1] += 1
        n_packed += n
    return tuple(sizes)


def blocks_of_packs(codes: Codes, names: Sequence[str]) -> list[tuple[Pack, list[Block]]]:
    """Each pack of the pool, and its blocks: none of one without units."""
    by_path: dict[Path, list[Block]] = {}
    for block in codes.blocks:
        by_path.setdefault(block.path, []).append(block)
    return [(pack, by_path.get(pack.path, [])) for pack in packs_of(codes.folder, names, codes.packs)]


def open_codes(folder: str | Path) -> Codes:
    """Open the codes that `seal_codes` listed. Raises InputError when the folder has no manifest or lacks a file."""
    folder = place(folder)
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or "parts" not in manifest:
        raise InputError(f"{folder} holds no codes of a pool: encode the pool first")
    names = [str(part["part"]) for part in manifest["parts"]]
    has_groups = bool(manifest.get("has_groups"))
    packs = packs_of(folder, names, manifest["packs"])
    wanted = [codes_path(folder, name) for name in names] + [pack.path for pack in packs]
    if has_groups:
        wanted += [path for name in names for path in _group_paths(folder, name)] + [pack.starts_path for pack in packs]
    for path in wanted:
        if not is_file(path):
            raise InputError(f"codes {path} are missing: encode the pool again")
    n_units = [int(part.get("n_units", part["n_rows"])) for part in manifest["parts"]]
    return Codes(
        folder,
        tuple(_blocks(packs, n_units, has_groups)),
        n_units=sum(n_units),
        n_columns=len(manifest["counts"]),
        part_units=tuple(n_units),
        packs=tuple(manifest["packs"]),
        counts=tuple(tuple(counts) for counts in manifest["counts"]),
        key=manifest["key"],
    )


def load_block(block: Block) -> Any:
    """The codes of a block: uint8, (n_units, n_columns), C order, a read-only memory map; of groups SequenceCodes."""
    codes = mapped_array(block.path)
    if block.starts_path is None:
        return np.asarray(codes[block.start : block.start + block.n_units])
    all_starts = mapped_array(block.starts_path)
    starts = np.array(all_starts[block.first_group : block.first_group + block.n_units + 1])
    return SequenceCodes(np.asarray(codes[starts[0] : starts[-1]]), starts - starts[0])


def pack_codes(item: tuple[Pack, Sequence[PartCodes]], folder: Path) -> None:
    """Join the codes of a pack's parts in its file, unless they are there, as they were joined from the same ones."""
    pack, parts = item
    key, note_path = _hash_of(parts), pack.path.with_suffix(".json")
    paths = [pack.path, *([pack.starts_path] if parts[0].groups_xxh3 is not None else [])]
    if read_json(note_path) == [key, *(file_hash(path) for path in paths if is_file(path))]:
        return
    own = [mapped_array(codes_path(folder, part.part)) for part in parts]
    _write_array(pack.path, np.concatenate(own))
    if parts[0].groups_xxh3 is not None:
        starts, n_rows = [np.zeros(1, np.int64)], 0
        for part in parts:
            starts.append(loaded_array(_group_paths(folder, part.part)[0])[1:] + n_rows)
            n_rows += part.n_rows
        _write_array(pack.starts_path, np.concatenate(starts))
    write_json(note_path, [key, *(file_hash(path) for path in paths)])


def _hash_of(parts: Sequence[PartCodes]) -> str:
    return xxhash.xxh3_64("".join(part.codes_xxh3 + (part.groups_xxh3 or "") for part in parts).encode()).hexdigest()


def seal_codes(folder: Path, parts: Sequence[PartCodes]) -> Codes:
    """List the codes of all parts, in the pool's order; those of packs are joined already."""
    counts = [np.sum(column, axis=0).tolist() for column in zip(*(part.counts for part in parts), strict=True)]
    listed = [{"part": part.part, "n_rows": part.n_rows, "n_units": part.n_units} for part in parts]
    manifest = {
        "coded_by": parts[0].coded_by,
        "counts": counts,
        "key": _hash_of(parts),
        "packs": sizes_of_packs([part.n_rows for part in parts]),
        "has_groups": parts[0].groups_xxh3 is not None,
        "parts": listed,
    }
    write_json(folder / MANIFEST, manifest)
    return open_codes(folder)


def codes_path(folder: Path, part_name: str) -> Path:
    """Where the codes of a part lie; all parts have their codes in one folder, also those of nested ones."""
    return folder / f"{_flat(part_name)}.npy"


def _flat(part_name: str) -> str:
    """A file name that no other part has, and that no file system finds too long."""
    flat = part_name.replace("%", "%25").replace("/", "%2F")
    if len(flat.encode()) <= _LONGEST_NAME:
        return flat
    return f"%{xxhash.xxh3_128(part_name.encode()).hexdigest()}"


def read_note(folder: Path, part_name: str) -> PartCodes | None:
    """The note beside the codes of a part; None when there is none that can be read."""
    note = read_json(_note_path(folder, part_name))
    if not isinstance(note, dict) or set(note) != set(PartCodes.__dataclass_fields__):
        return None
    return PartCodes(**{**note, "counts": tuple(tuple(counts) for counts in note["counts"])})


def is_intact(folder: Path, note: PartCodes) -> bool:
    """Whether the codes are still the bytes that the note was written for."""
    path = codes_path(folder, note.part)
    if not is_file(path) or file_hash(path) != note.codes_xxh3:
        return False
    return note.groups_xxh3 is None or _hash_groups(folder, note.part) == note.groups_xxh3


def write_groups(folder: Path, part_name: str, starts: np.ndarray, keys: np.ndarray) -> str:
    """Write where the groups of a part begin (int64, n + 1) and hashes of their keys (uint64, n); return a hash."""
    for path, array in zip(_group_paths(folder, part_name), (starts, keys), strict=True):
        _write_array(path, array)
    return _hash_groups(folder, part_name) or ""


def _write_array(path: Path, array: np.ndarray) -> None:
    data = BytesIO()
    np.save(data, array)
    with whole_file(path) as work:
        work.write_bytes(data.getvalue())  # np.save itself would not say that the disk is full


def read_keys(folder: Path, part_name: str) -> np.ndarray:
    """The hashes of a part's group keys: uint64, (n_units,)."""
    return loaded_array(_group_paths(folder, part_name)[1])


def _group_paths(folder: Path, part_name: str) -> tuple[Path, Path]:
    return folder / f"{_flat(part_name)}.starts.npy", folder / f"{_flat(part_name)}.keys.npy"


def _hash_groups(folder: Path, part_name: str) -> str | None:
    paths = _group_paths(folder, part_name)
    return "".join(file_hash(path) for path in paths) if all(is_file(path) for path in paths) else None


def write_codes(folder: Path, part_name: str, arrays: Iterable[np.ndarray], n_columns: int) -> tuple[int, str]:
    """Write the codes of one part as they come. Returns the number of rows and the file's hash."""
    path = codes_path(folder, part_name)
    with whole_file(path) as work:
        with work.open("wb") as file:
            n_rows = _write_growing_array(file, arrays, n_columns)
        codes_xxh3 = file_hash(work)
    return n_rows, file_hash(path) if is_remote(path) else codes_xxh3


def write_note(folder: Path, note: PartCodes) -> None:
    write_json(_note_path(folder, note.part), asdict(note))


def _note_path(folder: Path, part_name: str) -> Path:
    return folder / f"{_flat(part_name)}.json"


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


def _blocks(packs: Sequence[Pack], n_units: Sequence[int], has_groups: bool) -> Iterator[Block]:
    first_unit = 0
    for pack in packs:
        path, n_own = pack.path, sum(n_units[pack.parts])
        if has_groups:
            yield from _blocks_of_groups(path, pack.starts_path, first_unit)
        else:
            for start in range(0, n_own, BLOCK_UNITS):
                yield Block(path, start, min(BLOCK_UNITS, n_own - start), first_unit + start)
        first_unit += n_own


def _blocks_of_groups(path: Path, starts_path: Path, first_unit: int) -> Iterator[Block]:
    """Blocks of whole groups, of at most BLOCK_UNITS rows each unless one group alone has more."""
    starts = loaded_array(starts_path)
    first = 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + BLOCK_UNITS, side="right")) - 1
        last = max(last, first + 1)
        yield Block(path, int(starts[first]), last - first, first_unit + first, starts_path, first)
        first = last
