"""A GPU that has too little memory, played by torch's own error."""

import pytest
import torch

from issodask.errors import InputError
from issodask.models.gpu_memory import in_batches_that_fit, memory_faults_of_training

pytestmark = pytest.mark.slow


def drawing(most):
    """Draws batches of so many units at most; and which were tried."""
    tried = []

    def draw(batch_size):
        tried.append(batch_size)
        if batch_size > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    return draw, tried


@pytest.mark.parametrize(("most", "tried"), [(9_000, [800]), (300, [800, 400, 200]), (100, [800, 400, 200, 100])])
def test_batches__smaller_until_they_fit(most, tried):
    draw, found = drawing(most)
    in_batches_that_fit(draw, 800)
    assert found == tried


def test_batches__that_never_fit():
    draw, tried = drawing(0)
    with pytest.raises(InputError, match="too little memory to draw 100 units at a time: free some, or set"):
        in_batches_that_fit(draw, 150)
    assert tried == [150, 100]


def test_batches__other_errors_stay():
    def draw(_):
        raise RuntimeError("another")

    with pytest.raises(RuntimeError, match="another"):
        in_batches_that_fit(draw, 800)


def test_training__says_what_to_do():
    with pytest.raises(InputError, match="too little memory to train: set"), memory_faults_of_training():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")
