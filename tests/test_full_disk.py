"""A disk that is really full, in every stage of a selection: one clear line, and when there is room the run goes on."""

import subprocess

import pytest

from issodask.config import load_job
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.stages.run import run
from tests.clusters import quick_job, results, write_inputs

pytestmark = pytest.mark.slow

STAGES = ["encode", "ipf", "trim", "write"]


class _DiskThatFills(Events):
    """Events of a run; at the first one of a stage another file takes all room that is left on the disk."""

    def __init__(self, disk, stage):
        super().__init__(disk / "job" / "events.jsonl")
        self._disk = disk
        self._stage = stage

    def emit(self, event):
        super().emit(event)
        if self._stage == event.KIND and not (self._disk / "filler").exists():
            fill(self._disk)


def fill(disk):
    with (disk / "filler").open("wb", buffering=0) as filler:
        for size in (4096, 1):
            try:
                while filler.write(b"." * size):
                    pass
            except OSError:
                continue


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only who may mount can have a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roomy")
    write_inputs(folder)
    run(load_job(quick_job(folder, runtime={"scheduler": "serial"})))
    return results(folder / "job")


@pytest.mark.parametrize("stage", STAGES)
def test_run__on_a_full_disk_says_so_and_goes_on_when_there_is_room(disk, expected, stage):
    write_inputs(disk)
    job = load_job(quick_job(disk, runtime={"scheduler": "serial"}))
    with pytest.raises((InputError, OSError), match=r"disk full|No space left"):
        run(job, _DiskThatFills(disk, stage))
    (disk / "filler").unlink()
    run(job)
    assert results(disk / "job") == expected
