"""SDV in this process: quiet, on one thread, from a seed; outside of the context all is as it was."""

import io
import logging
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import numpy as np

_LOGGERS = ("sdv", "rdt", "copulas", "ctgan")


@contextmanager
def prepared(seed: int) -> Iterator[None]:
    """Whatever SDV draws within this context follows from `seed`; it prints, warns and logs nothing.

    Another number of threads would give other last digits; child processes would outlive a worker that is killed.
    """
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), _no_logs():
        warnings.simplefilter("ignore")
        import joblib
        import torch

        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            with joblib.parallel_config(backend="sequential"):
                yield
        finally:
            torch.set_num_threads(n_threads)
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


def reseed(model: Any, seed: int) -> None:
    """Let what a fitted model draws next follow from `seed`: by itself SDV begins with a number of its own."""
    for i, transformer in enumerate(model.get_transformers().values()):
        if transformer is not None:
            transformer.random_seed = (seed + i) % 2**31
    model._data_processor.reset_sampling()  # its transformers begin anew, with these
    if hasattr(model._model, "set_random_state"):  # PAR draws from torch's own numbers
        model._set_random_state(seed)


def first_line(error: Exception) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


@contextmanager
def _no_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
