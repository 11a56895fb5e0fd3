"""Parts of the pool as tasks look at them whose units are numbered as in the codes.

In: a pool and its codes. Out: a `PackTask` for each file of codes: the parts that it has the codes of, mostly one, and
the blocks that it is cut into, and so the files of whatever is known of each unit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.store.codes import Block, Codes, blocks_of_packs
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

    def groups(self) -> Groups | None:
        """Which of its rows belong together; None where units are rows."""
        if self.group_key is None:
            return None
        return Groups.of(hash_keys(self.file, self.group_key), where=f"part {self.file.name}")

    @contextmanager
    def named(self) -> Iterator[None]:
        """Within this context errors name the part."""
        try:
            yield
        except InputError as error:
            told = str(error)
            raise InputError(told if self.file.name in told else f"part {self.file.name}: {error}") from error


@dataclass(frozen=True)
class PackTask:
    """The parts of the pool whose codes lie in one file."""

    parts: tuple[PartTask, ...]
    blocks: Sequence[Block]

    @property
    def first_unit(self) -> int:
        return self.parts[0].first_unit

    @property
    def n_units(self) -> int:
        return sum(part.n_units for part in self.parts)

    def save(self, folder: Path, numbers: NDArray[Any]) -> list[str]:
        """Write a number for each unit (n_units,), as BlockReader finds them. Returns the hashes of the files."""
        return [
            save_weights(folder, block, numbers[block.first_unit - self.first_unit :][: block.n_units])
            for block in self.blocks
        ]


def pack_tasks(pool: Pool, codes: Codes, group_key: str | None) -> list[PackTask]:
    """One for each file of codes, in the pool's order."""
    firsts = np.cumsum([0, *codes.part_units]).tolist()
    parts = [
        PartTask(pool.file(part), group_key, first, n_units)
        for part, first, n_units in zip(pool.parts, firsts[:-1], codes.part_units, strict=True)
    ]
    packs = blocks_of_packs(codes, [part.name for part in pool.parts])
    return [PackTask(tuple(parts[pack.parts]), blocks) for pack, blocks in packs]
