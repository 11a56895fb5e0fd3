"""Receipts: what proves that a step is done, from the same inputs, and that the files it left are intact.

In: a key that names all that a step follows from, and the files that it leaves. Out: a small JSON file, written when
the step is done; whoever would repeat the step reads it first.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from issodask.store.files import file_hash, read_json, write_json
from issodask.store.places import is_file


@dataclass(frozen=True)
class Receipt:
    """The receipt at `path` of a step that leaves `files` and follows from all that `key` names."""

    path: Path
    key: str
    files: Sequence[Path] = ()

    def write(self, facts: Any = None, hashes: Sequence[str] | None = None) -> None:
        """The step is done; `facts` (JSON) is what it found, `hashes` are those of the files where they are known."""
        known = [_hash(path) for path in self.files] if hashes is None else hashes
        files = [[path.name, xxh3] for path, xxh3 in zip(self.files, known, strict=True)]
        write_json(self.path, {"key": self.key, "files": files, "facts": facts, "seal": self._seal(files, facts)})

    def is_valid(self, on_damage: Callable[[Path], None] = lambda path: None) -> bool:
        """Whether the step is done, and the files are what it left; `on_damage` hears of one that is not."""
        note = self._read()
        return note is not None and self._are_intact(note["files"], on_damage)

    def facts(self, on_damage: Callable[[Path], None] = lambda path: None) -> Any:
        """What the step found; None unless the receipt is valid."""
        note = self._read()
        return note["facts"] if note is not None and self._are_intact(note["files"], on_damage) else None

    def _read(self) -> dict[str, Any] | None:
        note = read_json(self.path)
        if not isinstance(note, dict) or set(note) != {"key", "files", "facts", "seal"} or note["key"] != self.key:
            return None
        return note if note["seal"] == self._seal(note["files"], note["facts"]) else None

    def _are_intact(self, files: Any, on_damage: Callable[[Path], None]) -> bool:
        if [name for name, _ in files] != [path.name for path in self.files]:
            return False
        for path, (_, xxh3) in zip(self.files, files, strict=True):
            if _hash(path) != xxh3:
                on_damage(path)
                return False
        return True

    def _seal(self, files: Any, facts: Any) -> str:
        return key_of(self.key, files, facts)


def _hash(path: Path) -> str | None:
    """None for a file that a step did not leave this time."""
    return file_hash(path) if is_file(path) else None


def key_of(*values: Any) -> str:
    """Names plain values: equal ones, equal text."""
    return xxhash.xxh3_128(json.dumps(values, sort_keys=True).encode()).hexdigest()
