"""How tasks read what they need of a block, wherever they run: memory maps, opened once per process and selection."""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.store.arrays import loaded_array, mapped_array
from issodask.store.codes import Block, load_block
from issodask.store.files import file_hash, whole_file
from issodask.table.blocks import Sample

MAPPED_BLOCKS = 64


@dataclass(frozen=True)
class Marks:
    """The class of each unit of the pool, where units are chosen class by class.

    folder   has a number for each unit, int64, in files as weights; -1: may not be chosen
    numbers  int64, (c,), ascending: those that occur; a class is the place of its number here
    factors  float64, (c,): what the units of each class begin with; None: all alike
    """

    folder: Path
    numbers: NDArray[np.int64]
    factors: NDArray[np.float64] | None = None

    def classes(self, block: Block) -> NDArray[np.int32]:
        """int32, (n_units,); -1 for units that may not be chosen."""
        found = loaded_array(weights_path(self.folder, block))
        return np.where(found < 0, -1, np.searchsorted(self.numbers, found)).astype(np.int32)


class BlockReader:
    """Reads codes, and the weights that `save_weights` wrote to `weights_folder`. Travels without its memory maps.

    `odds_folder` has the logarithms of odds, which count as `tempered` says: an exponent, and what they are divided by.
    It keeps the maps of so many blocks that it used last, so that a process never holds a large pool's pages.
    """

    def __init__(
        self,
        weights_folder: Path,
        odds_folder: Path | None = None,
        tempered: tuple[float, float] = (1.0, 1.0),
        marks: Marks | None = None,
    ) -> None:
        self._weights_folder = weights_folder
        self._odds_folder = odds_folder
        self._tempered = tempered
        self._marks = marks
        self._codes = lru_cache(MAPPED_BLOCKS)(load_block)
        self._weights = lru_cache(MAPPED_BLOCKS)(self._load_weights)

    def codes(self, block: Block) -> Any:
        """The block's codes: uint8, (n_units, n_columns), read-only; of groups SequenceCodes."""
        return self._codes(block)

    def sample(self, sample: Sample) -> NDArray[np.uint8]:
        """The codes of a sample, of rows: uint8, (n_units, n_columns)."""
        strips = [self.codes(block)[start : start + n_rows] for block, start, n_rows in sample.strips]
        return strips[0] if len(strips) == 1 else np.concatenate(strips)

    def odds(self, block: Block) -> NDArray[np.float64]:
        """How much likelier each unit is among the original's than in the pool; 1 where nobody looked: (n_units,)."""
        if self._odds_folder is None:
            return np.ones(block.n_units)
        exponent, divisor = self._tempered
        return np.exp(exponent * loaded_array(weights_path(self._odds_folder, block))) / divisor

    def classes(self, block: Block) -> NDArray[np.int32]:
        """The class of each unit, -1 for those that may not be chosen: int32, (n_units,)."""
        return np.zeros(block.n_units, np.int32) if self._marks is None else self._marks.classes(block)

    def first(self, block: Block) -> NDArray[np.float64]:
        """What the block's units count before weights are fitted, by their odds and classes: (n_units,)."""
        odds = self.odds(block)
        if self._marks is None or self._marks.factors is None:
            return odds
        return odds * np.append(self._marks.factors, 0.0)[self._marks.classes(block)]

    def first_of_sample(self, sample: Sample) -> NDArray[np.float64]:
        """The same of a sample: (n_units,)."""
        return np.concatenate([self.first(block)[start : start + n_rows] for block, start, n_rows in sample.strips])

    def weights(self, block: Block) -> NDArray[np.float64]:
        """The block's weights: float64, (n_units,), read-only."""
        return self._weights(block)

    def _load_weights(self, block: Block) -> NDArray[np.float64]:
        return mapped_array(weights_path(self._weights_folder, block))

    def __reduce__(self) -> Any:
        return BlockReader, (self._weights_folder, self._odds_folder, self._tempered, self._marks)


def save_weights(folder: Path, block: Block, weights: NDArray[Any]) -> str:
    """Write the weights of a block, or other numbers of its units, for `BlockReader`. Returns the file's hash."""
    data = BytesIO()
    np.save(data, weights)
    path = weights_path(folder, block)
    with whole_file(path) as work:
        work.write_bytes(data.getvalue())  # np.save itself would not say that the disk is full
    return file_hash(path)


def weights_path(folder: Path, block: Block) -> Path:
    """Where the weights of a block lie."""
    return folder / f"{block.first_unit:012d}.npy"
