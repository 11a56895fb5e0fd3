"""The one place that says how kernels are compiled.

`nogil` lets threads run them side by side; `cache` compiles once per installation. `NUMBA_DISABLE_JIT=1` runs them as
plain Python (the tests do both).
"""

from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar
from zlib import crc32

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def _stamp() -> tuple[tuple[str, int], ...]:
    """All kernels' files, and what is in them."""
    sources = [path for path in files(__package__).iterdir() if path.name.endswith(".py")]
    return tuple(sorted((path.name, crc32(path.read_bytes())) for path in sources))


STAMP = _stamp()


def kernel(function: Function) -> Function:
    """Compile `function` in nopython mode, without the GIL, cached on disk.

    Numba takes what it cached for good as long as the function's own file has not changed, though it holds what the
    function calls in other files too. So a change of any kernel's file makes all of them be compiled anew.
    """
    compiled = numba.njit(nogil=True, cache=True)(function)
    cache = getattr(compiled, "_cache", None)
    if cache is not None:
        cache._cache_file._source_stamp = STAMP
    return compiled
