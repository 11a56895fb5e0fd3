"""What tests of generators share."""

import sys

import pytest

from issodask.models import mostly
from issodask.stages import generator_work
from tests.stages.generating import FakeEngine


@pytest.fixture
def engine(monkeypatch):
    """A stand-in for the engine, which trains and samples in no time."""
    fake = FakeEngine()
    monkeypatch.setattr(mostly, "train", fake.train)
    monkeypatch.setattr(mostly, "sample", fake.sample)
    monkeypatch.setattr(mostly, "preload", lambda folder, device: None)
    monkeypatch.setattr(generator_work, "knows_engine", lambda: True)
    return fake


@pytest.fixture
def own_source(tmp_path, monkeypatch):
    lines = ["def drawn(original, n, seed):", "    return original.sample(n, replace=True, random_state=seed)"]
    (tmp_path / "own_generator.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield "python:own_generator:drawn"
    sys.modules.pop("own_generator", None)
