"""Parts of the pool as tasks look at them whose units are numbered as in the codes.

In: a pool and its codes. Out: a `PartTask` for each part: its file, its units, and the blocks that its codes are cut
into, and so the files of whatever is known of each unit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.store.codes import Block, Codes, blocks_of_parts
from issodask.store.folders import PartFile
from issodask.store.parts import hash_keys
from issodask.store.pool import Pool
from issodask.store.reader import save_weights
from issodask.table.groups import Groups


@dataclass(frozen=True)
class PartTask:
    """One part of the pool."""

    file: PartFile
    group_key: str | None
    first_unit: int
    n_units: int
    blocks: Sequence[Block]

    def groups(self) -> Groups | None:
        """Which of its rows belong together; None where units are rows."""
        if self.group_key is None:
            return None
        return Groups.of(hash_keys(self.file, self.group_key), where=f"part {self.file.name}")

    def save(self, folder: Path, numbers: NDArray[Any]) -> list[str]:
        """Write a number for each unit (n_units,), as BlockReader finds them. Returns the hashes of the files."""
        return [
            save_weights(folder, block, numbers[block.first_unit - self.first_unit :][: block.n_units])
            for block in self.blocks
        ]

    @contextmanager
    def named(self) -> Iterator[None]:
        """Within this context errors name the part."""
        try:
            yield
        except InputError as error:
            told = str(error)
            raise InputError(told if self.file.name in told else f"part {self.file.name}: {error}") from error


def part_tasks(pool: Pool, codes: Codes, group_key: str | None) -> list[PartTask]:
    """One for each part, in the pool's order."""
    tasks, first = [], 0
    blocks = blocks_of_parts(codes, [part.name for part in pool.parts])
    for part, n_units, own in zip(pool.parts, codes.part_units, blocks, strict=True):
        tasks.append(PartTask(pool.file(part), group_key, first, n_units, own))
        first += n_units
    return tasks
