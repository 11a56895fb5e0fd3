"""Values that tasks share: small ones travel, large ones lie in a file as long as the driver needs them."""

import gc
import pickle

import numpy as np
import pytest

from issodask.runtime.shared import SharedFile, received, share_in
from tests.runtime import tasks

LARGE = np.arange(100_000)


def test_share_in__a_small_value_travels(tmp_path):
    assert share_in(tmp_path / "shared", [1, 2]) == [1, 2]
    assert not (tmp_path / "shared").exists()


def test_share_in__a_large_value_lies_in_a_file(tmp_path):
    shared = share_in(tmp_path / "shared", LARGE)
    assert isinstance(shared, SharedFile)
    assert len(pickle.dumps(shared)) < 1_000
    assert [path.suffix for path in (tmp_path / "shared").iterdir()] == [".pickle"]
    small, large = received(("small", pickle.loads(pickle.dumps(shared))))
    assert small == "small"
    assert np.array_equal(large, LARGE)


def test_share_in__the_driver_may_use_it_too(tmp_path):
    (value,) = received((share_in(tmp_path, LARGE),))
    assert np.array_equal(value, LARGE)


@pytest.mark.slow
def test_share_in__the_file_goes_when_the_driver_forgets_it(tmp_path):
    shared = share_in(tmp_path, LARGE)
    travelled = pickle.loads(pickle.dumps(shared))
    assert shared.path.exists()
    del shared
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    del travelled


@pytest.mark.slow
def test_share_in__what_a_worker_forgets_stays(tmp_path):
    shared = share_in(tmp_path, LARGE)
    travelled = pickle.loads(pickle.dumps(shared))
    del travelled
    gc.collect()
    assert shared.path.exists()


def test_share_in__the_same_value_twice_has_two_files(tmp_path):
    first, second = share_in(tmp_path, LARGE), share_in(tmp_path, LARGE)
    assert first.path != second.path


def test_received__reads_a_file_once(tmp_path):
    shared = share_in(tmp_path, LARGE)
    (first,) = received((shared,))
    shared.path.write_bytes(b"")
    (second,) = received((shared,))
    assert second is first


def test_received__forgets_what_was_used_longest_ago(tmp_path):
    """So that a worker's memory stays bounded; what was forgotten is read again."""
    shared = [share_in(tmp_path, LARGE + i) for i in range(6)]
    (first,) = received((shared[0],))
    for other in shared[1:]:
        received((other,))
    (again,) = received((shared[0],))
    assert again is not first
    assert np.array_equal(again, first)


def test_keep_in__large_values_lie_in_the_runs_folder_until_the_end(two_processes, tmp_path):
    left_behind = tmp_path / ".shared" / "of-a-run-that-was-killed.pickle"
    left_behind.parent.mkdir()
    left_behind.touch()
    two_processes.keep_in(tmp_path)
    try:
        weights = two_processes.share(np.ones(LARGE.size))
        assert not left_behind.exists()
        assert len(list((tmp_path / ".shared").iterdir())) == 1
        assert list(two_processes.map(tasks.weighted_sum, [2], weights, 1, label="sum")) == [2 * LARGE.size + 1]
    finally:
        two_processes.keep_in(tmp_path / "elsewhere")
