"""What the engine is made to do otherwise: the same mathematics, and nothing outside of the context."""

import gc
import os
import subprocess
import sys

import pytest
import torch

from issodask.models.engine import engine_in, quicker_steps

pytestmark = pytest.mark.slow


def test_quicker_steps__dropout_takes_a_quarter_and_scales_the_rest():
    values = torch.ones(400, 1_000, requires_grad=True)
    torch.manual_seed(1)
    with quicker_steps():
        dropped = torch.nn.Dropout(0.25)(values)
    assert dropped.detach().unique().tolist() == pytest.approx([0.0, 4 / 3])
    is_zero = (dropped == 0).float()
    assert is_zero.mean().item() == pytest.approx(0.25, abs=0.003)
    assert is_zero.mean(0).std().item() == pytest.approx((0.25 * 0.75 / 400) ** 0.5, rel=0.1)  # of each column alike
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_quicker_steps__dropout_is_off_while_a_model_is_evaluated():
    with quicker_steps():
        assert torch.nn.Dropout(0.25).eval()(torch.ones(100)).sum() == 100


def test_quicker_steps__odd_shares_are_left_to_torch():
    torch.manual_seed(1)
    with quicker_steps():
        ours = torch.nn.Dropout(0.3)(torch.ones(100))
    torch.manual_seed(1)
    assert torch.equal(ours, torch.nn.Dropout(0.3)(torch.ones(100)))


def test_quicker_steps__updates_as_adam_does():
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2)]
    with quicker_steps():
        fused = torch.optim.AdamW([weights[0]], lr=0.1)
    usual = torch.optim.AdamW([weights[1]], lr=0.1)
    for i in range(5):
        for weight, optimizer in zip(weights, (fused, usual), strict=True):
            weight.grad = torch.arange(7.0) - i
            optimizer.step()
    assert fused.defaults["fused"]
    assert torch.allclose(*weights, atol=1e-6)


def test_quicker_steps__ends_with_the_context():
    before = torch.optim.AdamW, torch.nn.functional.dropout
    with pytest.raises(KeyError), quicker_steps():
        raise KeyError
    assert (torch.optim.AdamW, torch.nn.functional.dropout) == before


SEPARATELY = """
import sys
from issodask.models.engine import tabular_engine
engine = tabular_engine()
assert "transformers" not in sys.modules
assert tabular_engine() is engine
assert engine.TabularARGN.__module__ == "mostlyai.engine._tabular.interface"
assert not hasattr(engine, "another")

del sys.path[sys.path.index(FOLDER)]
sys.path_importer_cache.clear()
from mostlyai.engine import LanguageModel
from mostlyai.engine._language.interface import LanguageModel as itself
assert LanguageModel is itself is engine.LanguageModel
"""


def test_tabular_engine__is_there_without_models_of_language_until_these_are_asked_for(tmp_path):
    """A torchvision that was built for another torch makes transformers fail, but no training."""
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms is absent')")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    code = SEPARATELY.replace("FOLDER", repr(str(tmp_path)))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=[True, False], ids=["frozen", "not frozen"])
def is_frozen_before(request):
    """Whether garbage collection leaves anything out; all tests leave out what was collected, so it is put back."""
    gc.unfreeze()
    if request.param:
        gc.freeze()
    yield request.param
    gc.freeze()


def _is_looked_at(witness):
    return any(one is witness for one in gc.get_objects())


def test_engine_in__what_was_there_before_is_not_looked_at_for_garbage(tmp_path, is_frozen_before):
    witness = [[]]
    assert _is_looked_at(witness)
    with engine_in(tmp_path, 1):
        assert not _is_looked_at(witness)
    assert _is_looked_at(witness) != is_frozen_before
    assert (gc.get_freeze_count() > 0) == is_frozen_before
