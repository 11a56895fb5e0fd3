"""What mostlyai's engine is made to do otherwise, each within a context: outside of it the engine is as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pandas as pd


@contextmanager
def rare_by_group() -> Iterator[None]:
    """Let the engine count groups to find out what is rare, and which numbers are extreme.

    It can, by its `root_keys`, but takes each row of a table for a root of its own (seen in 2.7.3).
    """
    from mostlyai.engine import analysis

    analyze_column = analysis._analyze_col

    def analyze_column_by_group(
        *args: Any, root_keys: pd.Series, context_keys: pd.Series | None = None, **more: Any
    ) -> dict[str, Any]:
        if context_keys is not None:
            root_keys = context_keys.rename("root_keys")
        return analyze_column(*args, root_keys=root_keys, context_keys=context_keys, **more)

    analysis._analyze_col = analyze_column_by_group
    try:
        yield
    finally:
        analysis._analyze_col = analyze_column


@contextmanager
def fused_optimizer() -> Iterator[None]:
    """Let training update all parameters in one kernel.

    A model has a few small arrays for each column; on a CPU, PyTorch updates them one operation and array at a time
    unless told otherwise, which takes a third of a training step (docs/measurements.md).
    """
    import torch

    adam = torch.optim.AdamW
    torch.optim.AdamW = partial(adam, fused=True)  # type: ignore[misc]
    try:
        yield
    finally:
        torch.optim.AdamW = adam  # type: ignore[misc]
