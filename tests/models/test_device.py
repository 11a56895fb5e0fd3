import os
import subprocess
import sys

import pytest

from issodask.errors import InputError
from issodask.models.device import ONE_THREAD_VALUES, Device, Environment, choose_device, pinned, visible_gpus

SMALL, LARGE = 1_000, ONE_THREAD_VALUES
TWO = ("GPU-a", "GPU-b")


@pytest.mark.parametrize(
    ("wanted", "environment", "n_values", "device"),
    [
        ("auto", Environment(8, 2), SMALL, Device("cpu", 1)),
        ("auto", Environment(8, 2), LARGE, Device("cpu", 4)),
        ("auto", Environment(2, 4), LARGE, Device("cpu", 1)),
        ("auto", Environment(8, 2, TWO), SMALL, Device("cuda", 4, TWO)),
        ("cuda", Environment(8, 2, TWO), SMALL, Device("cuda", 4, TWO)),
        ("cpu", Environment(8, 2, TWO), LARGE, Device("cpu", 4)),
    ],
)
def test_choose_device__follows_wish_and_environment(wanted, environment, n_values, device):
    assert choose_device(wanted, environment, n_values) == device


def test_choose_device__says_that_there_is_no_gpu():
    with pytest.raises(InputError, match="no GPU is visible"):
        choose_device("cuda", Environment(8, 2), SMALL)


@pytest.mark.parametrize(
    ("environ", "installed", "visible"),
    [
        ({}, TWO, TWO),
        ({"CUDA_VISIBLE_DEVICES": "1"}, TWO, ("1",)),
        ({"CUDA_VISIBLE_DEVICES": "0, 1"}, TWO, ("0", "1")),
        ({"CUDA_VISIBLE_DEVICES": ""}, TWO, ()),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, TWO, ()),
        ({"CUDA_VISIBLE_DEVICES": "0"}, (), ()),
    ],
)
def test_visible_gpus__are_the_listed_ones(environ, installed, visible):
    assert visible_gpus(environ, installed) == visible


@pytest.fixture
def own_locks(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")


@pytest.mark.usefixtures("own_locks")
def test_pinned__trainings_at_the_same_time_take_different_gpus():
    device = Device("cuda", 1, TWO)
    with pinned(device, 0):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a"
        with pinned(device, 0):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    with pinned(device, 0):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a"


@pytest.mark.usefixtures("own_locks")
def test_pinned__waits_for_a_gpu_that_is_taken(tmp_path):
    holder = (
        "import sys, time, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from issodask.models.device import Device, pinned\n"
        "with pinned(Device('cuda', 1, ('GPU-a',)), 0):\n"
        "    print('taken', flush=True); time.sleep(0.5); print('free', time.monotonic(), flush=True)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "taken\n"
    with pinned(Device("cuda", 1, ("GPU-a",)), 0):
        assert other.stdout.readline().startswith("free")
    other.communicate()


def test_pinned__processor_needs_no_lock(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pinned(Device("cpu", 1), 0):
        assert list(tmp_path.iterdir()) == []
