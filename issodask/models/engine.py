"""What mostlyai's engine is made to do otherwise, each within a context: outside of it the engine is as it was."""

import math
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
def quicker_steps() -> Iterator[None]:
    """Let a training step take less than two thirds of its time on a CPU (docs/measurements.md).

    A model has a few small arrays for each column. PyTorch updates them one operation and array at a time unless told
    to do it in one kernel, and draws a number of 24 bits for each value that dropout may take, where 8 would do.
    """
    import torch

    adam, dropout = torch.optim.AdamW, torch.nn.functional.dropout

    def quick_dropout(values: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if not training or inplace or values.device.type != "cpu" or (256 * p) % 1:
            return dropout(values, p, training, inplace)
        return values * _kept(torch, values.shape, p).to(values.dtype).div_(1 - p)

    torch.optim.AdamW = partial(adam, fused=True)
    torch.nn.functional.dropout = quick_dropout
    try:
        yield
    finally:
        torch.optim.AdamW, torch.nn.functional.dropout = adam, dropout


def _kept(torch: Any, shape: Any, p: float) -> Any:
    """True with a probability of 1 - p, a multiple of 1/256: whether a random byte is large enough."""
    n_values = math.prod(shape)
    words = torch.empty(-(-n_values // 8), dtype=torch.int64)
    words.random_(torch.iinfo(torch.int64).min, None)
    return words.view(torch.uint8)[:n_values].view(shape) >= round(256 * p)
