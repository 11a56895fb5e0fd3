"""The one place that says how kernels are compiled.

`nogil` lets threads run them side by side; `cache` compiles once per installation. `NUMBA_DISABLE_JIT=1` runs them as
plain Python (the tests do both).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile `function` in nopython mode, without the GIL, cached on disk."""
    return numba.njit(nogil=True, cache=True)(function)
