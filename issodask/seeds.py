"""Random numbers that depend on the job alone: seeds derive from (job seed, stage, round, block), not from workers."""

import zlib

import numpy as np


def derive(seed: int, stage: str, *numbers: int) -> np.random.SeedSequence:
    """The seed of one piece of work of the job; `numbers` are at least 0.

    They go in as a spawn key: NumPy fills a short list of entropy up with zeros, so (1, 0) there is the same as (1,).
    """
    return np.random.SeedSequence([seed, zlib.crc32(stage.encode())], spawn_key=numbers)


def generator(seed: int, stage: str, *numbers: int) -> np.random.Generator:
    """A generator of its own for one piece of work of the job."""
    return np.random.Generator(np.random.PCG64(derive(seed, stage, *numbers)))


def integer(seed: int, stage: str, *numbers: int) -> int:
    """A seed below 2**31 for libraries that take one number."""
    return int(derive(seed, stage, *numbers).generate_state(1)[0]) >> 1
