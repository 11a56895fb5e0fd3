"""Arrays of files, wherever these lie."""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.store.copies import local

_parsing = Lock()


def mapped_array(path: Path) -> NDArray[Any]:
    """The array of an .npy file as a read-only memory map. Raises InputError when a store has no such file.

    Two threads of Python 3.11 can't read headers at once: `ast.literal_eval`, which NumPy calls, fails now and then
    (python/cpython#106905).
    """
    here = local(path)
    with _parsing:
        return np.asarray(np.load(here, mmap_mode="r"))


def loaded_array(path: Path) -> NDArray[Any]:
    """The same in memory."""
    return np.array(mapped_array(path))
