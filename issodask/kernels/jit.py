"""The one place that says how kernels are compiled.

`nogil` lets threads run them side by side; `cache` compiles once per installation. `NUMBA_DISABLE_JIT=1` runs them as
plain Python (the tests do both).
"""

from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import Any, TypeVar
from zlib import crc32

import numba
from numba.core.caching import IndexDataCacheFile

Function = TypeVar("Function", bound=Callable[..., Any])


def _stamp() -> tuple[tuple[str, int], ...]:
    """All kernels' files, and what is in them."""
    sources = [path for path in files(__package__).iterdir() if path.name.endswith(".py")]
    return tuple(sorted((path.name, crc32(path.read_bytes())) for path in sources))


STAMP = _stamp()


class CacheFile(IndexDataCacheFile):
    """Where numba keeps what it compiled of one function; safe for processes that compile at once.

    Numba's own numbers the files of a function's signatures. Two processes that compile different ones (of rows and of
    groups, say) take the same number, and who comes later runs code that was made for other types. Here a file is named
    by what it is for, so all that a race can cost is an entry of the index, and compiling again.
    """

    def save(self, key: Any, data: Any) -> None:
        name = sha256(repr((self._source_stamp, key)).encode()).hexdigest()[:16]
        data_name = self._data_name_pattern.format(number=int(name, 16))
        self._save_data(data_name, data)
        self._save_index({**self._load_index(), key: data_name})


def kernel(function: Function) -> Function:
    """Compile `function` in nopython mode, without the GIL, cached on disk.

    Numba takes what it cached for good as long as the function's own file has not changed, though it holds what the
    function calls in other files too. So a change of any kernel's file makes all of them be compiled anew.
    """
    compiled = numba.njit(nogil=True, cache=True)(function)
    cache = getattr(compiled, "_cache", None)
    if cache is not None:
        cache._cache_file = CacheFile(cache.cache_path, cache._impl.filename_base, STAMP)
    return compiled
