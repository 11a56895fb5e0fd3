"""Draws of the engine by the inverse transform: the same distribution, in a fraction of the time on a CPU.

The engine draws each value from the probabilities of all categories by `torch.multinomial`, which takes a random number
for each category, and hides rare ones by boolean masks: two thirds of its time where a column has thousands. One random
number for each row, and where the sums of the probabilities reach it, is the same (docs/measurements.md).

Only an engine that is known is made to do so. Any other draws in its own way, and so does any engine on a GPU.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np

from issodask.kernels.draws import draw

KNOWN_ENGINE = "2.7"
_PARAMETERS = ["probs", "temperature", "top_p", "fixed_probs"]


@contextmanager
def quicker_draws() -> Iterator[None]:
    """Let the engine draw by the inverse transform within this context, if it is one that is known."""
    if not knows_engine():
        yield
        return
    from mostlyai.engine._tabular import argn

    before = argn._sample

    def sample(
        probs: Any,
        temperature: float | None = None,
        top_p: float | None = None,
        fixed_probs: dict[int, float] | None = None,
    ) -> Any:
        drawn = drawn_from(argn, probs, temperature, top_p, fixed_probs) if probs.device.type == "cpu" else None
        return before(probs, temperature, top_p, fixed_probs) if drawn is None else drawn

    argn._sample = sample
    try:
        yield
    finally:
        argn._sample = before


def drawn_from(
    argn: ModuleType,
    probs: Any,
    temperature: float | None = None,
    top_p: float | None = None,
    fixed_probs: dict[int, float] | None = None,
) -> Any:
    """One category for each row of `probs`, as a column; None where a row has nothing that could be drawn.

    What temperature, `top_p` and fixed shares make of probabilities stays with the engine's module `argn`. Categories
    whose share is fixed at nothing, as those of rare values are, are passed over.
    """
    import torch

    if temperature is not None and temperature != 1.0:
        probs = argn._sampling_temperature(probs, temperature)
    if top_p is not None and top_p < 1.0:
        probs = argn._sampling_nucleus(probs, top_p)
    is_drawn = np.ones(probs.shape[-1], np.float32)
    if fixed_probs is not None and any(fixed_probs.values()):
        probs = argn._sampling_fixed_probs(probs, fixed_probs)
    elif fixed_probs is not None:
        is_drawn[list(fixed_probs)] = 0
    weights = probs.detach().to(torch.float32).contiguous().numpy()
    drawn = np.empty(len(weights), np.int64)
    draw(weights, is_drawn, torch.rand(len(weights), dtype=torch.float64).numpy(), drawn)
    return None if (drawn < 0).any() else torch.from_numpy(drawn).unsqueeze(-1)


def knows_engine() -> bool:
    """Whether the engine that is installed is the one whose draws are replaced here, in version and in what it does."""
    try:
        version = metadata.version("mostlyai-engine")
    except metadata.PackageNotFoundError:
        return False
    if version.split(".")[:2] != KNOWN_ENGINE.split("."):
        return False
    from mostlyai.engine._tabular import argn

    try:
        return _does_as_known(argn)
    except (AttributeError, TypeError, ValueError, IndexError, RuntimeError):
        return False


def _does_as_known(argn: ModuleType) -> bool:
    """Ask for what can have one answer only."""
    import torch

    state = torch.get_rng_state()
    probs = torch.tensor([[0.5, 0.125, 0.375], [0.0, 1.0, 0.0]])
    hidden = argn._sampling_fixed_probs(probs, {0: 0.0})
    cooled = argn._sampling_temperature(probs[:1], 0.5)
    nucleus = argn._sampling_nucleus(probs[:1], 0.4)
    found = argn._sample(probs[1:], fixed_probs={2: 0.0})
    torch.set_rng_state(state)
    return (
        list(inspect.signature(argn._sample).parameters) == _PARAMETERS
        and torch.allclose(hidden, torch.tensor([[0.0, 0.25, 0.75], [0.0, 1.0, 0.0]]))
        and torch.allclose(cooled, probs[:1] ** 2 / (probs[:1] ** 2).sum())
        and torch.allclose(nucleus, torch.tensor([[1.0, 0.0, 0.0]]))
        and found.dtype == torch.int64
        and found.tolist() == [[1]]
    )
