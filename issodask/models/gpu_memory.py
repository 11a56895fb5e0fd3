"""What happens when a GPU has too little memory: samples are drawn in smaller batches, a training says what to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from issodask.errors import InputError

FEWEST_UNITS = 100


def in_batches_that_fit(draw: Callable[[int], None], batch_size: int) -> None:
    """Draw in batches of so many units or, where these take more memory than the GPU has, of half as many, and so on.

    `draw` begins anew each time. Raises InputError where the smallest batch is too large.
    """
    import torch

    while True:
        try:
            draw(batch_size)
            return
        except torch.cuda.OutOfMemoryError as error:
            if batch_size <= FEWEST_UNITS:
                raise InputError(
                    f"the GPU has too little memory to draw {batch_size} units at a time: free some, or set "
                    '[generate] device = "cpu"'
                ) from error
        batch_size = max(FEWEST_UNITS, batch_size // 2)
        torch.cuda.empty_cache()


@contextmanager
def memory_faults_of_training() -> Iterator[None]:
    """Say in one line that the GPU has too little memory."""
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(
            "the GPU has too little memory to train: set [generate] batch_size lower, take a smaller model, or set "
            'device = "cpu"; what was trained is kept'
        ) from error
