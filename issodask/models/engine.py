"""mostlyai.engine in this process: prepared so that runs repeat, kept apart from all else, and quicker on a CPU.

The engine keeps state in its process (random numbers, threads, environment): one training per process at a time.
Whatever it is made to do otherwise holds within a context; outside of it the engine is as it was, but for its models of
language, which are imported only when they are asked for.
"""

import gc
import math
import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from issodask.host import temporary_folder

# The engine sizes its batches by the memory that is free at the moment; a fixed number makes runs repeatable.
_MEMORY_FOR_HEURISTICS = "16g"
_LANGUAGE = "mostlyai.engine._language.interface"
_CACHE = "issodask-engine-"  # the engine's reader copies the table there


@contextmanager
def engine_in(folder: Path, n_threads: int, is_trained: bool = False) -> Iterator[tuple[ModuleType, Path]]:
    """mostlyai.engine, and the workspace in `folder` for it; the process is as before once the block ends.

    Of a generator that is trained the workspace has the model, but is this process's own: many may sample at once.
    """
    with temporary_folder(_CACHE) as cache, warnings.catch_warnings(), _environment(str(cache)):
        warnings.simplefilter("ignore")
        import datasets  # type: ignore[import-untyped]
        import torch

        engine = tabular_engine()
        datasets.config.HF_DATASETS_CACHE = cache  # read from the environment at the first import only
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        n_threads_before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        is_frozen = gc.get_freeze_count() > 0
        gc.freeze()  # the engine collects garbage again and again, and none of what is there by now is any
        try:
            yield engine, (_own if is_trained else _plainly_named)(workspace_of(folder), cache)
        finally:
            if not is_frozen:
                gc.unfreeze()
            torch.set_num_threads(n_threads_before)
            torch.set_flush_denormal(False)  # the engine's training turns it on, for all that this thread does later
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


def tabular_engine() -> ModuleType:
    """mostlyai.engine, without its models of language until somebody asks for them.

    Those import transformers, which takes longer than all the rest, and fails where torchvision was built for another
    torch.
    """
    if "mostlyai.engine" not in sys.modules:
        placeholder = ModuleType(_LANGUAGE)
        placeholder.__dict__["LanguageModel"] = None
        sys.modules[_LANGUAGE] = placeholder
        try:
            from mostlyai import engine
        finally:
            del sys.modules[_LANGUAGE]
        del engine.LanguageModel
        engine.__dict__["__getattr__"] = _language_model
    from mostlyai import engine

    return engine


def _language_model(name: str) -> Any:
    if name != "LanguageModel":
        raise AttributeError(f"module 'mostlyai.engine' has no attribute {name!r}")
    return import_module(_LANGUAGE).LanguageModel


def workspace_of(folder: Path) -> Path:
    return folder / "workspace"


def _plainly_named(workspace: Path, cache: Path) -> Path:
    """A link to the workspace; the engine's reader takes [, * and :: in a path for patterns."""
    workspace.mkdir(parents=True, exist_ok=True)
    link = cache / "workspace"
    link.symlink_to(workspace.absolute())
    return link


def _own(workspace: Path, cache: Path) -> Path:
    """A workspace whose model is that of another."""
    own = cache / "workspace"
    own.mkdir()
    (own / "ModelStore").symlink_to((workspace / "ModelStore").absolute())
    return own


@contextmanager
def _environment(cache: str) -> Iterator[None]:
    settings = {
        "HF_DATASETS_CACHE": cache,
        "HF_HUB_OFFLINE": "1",
        "LOKY_MAX_CPU_COUNT": "1",  # no child processes: they would draw other numbers, and outlive a killed worker
        "MOSTLY_ENGINE_AVAILABLE_RAM_FOR_HEURISTICS": _MEMORY_FOR_HEURISTICS,
        "MOSTLYAI_ENGINE_SEED": "0",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


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
