"""One job, one seed, one result, wherever it runs and on however many workers.

`make test-faults` does the same from training on, with larger tables.
"""

import pytest

from issodask.config import load_job
from issodask.service.client import open_service
from issodask.stages.run import run
from issodask.stages.submit import submit
from tests.clusters import ended, quick_job, results, write_inputs
from tests.tables import biased_panel, panel_table, write_panel

pytestmark = pytest.mark.cluster

PLACES = [("threads", 2), ("processes", 1), ("processes", 2), ("processes", 4)]


@pytest.fixture(scope="module", params=["flat", "groups"])
def world(request, tmp_path_factory):
    """A folder with a pool, the sections of a job on it, and what a serial run makes of it."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "flat":
        write_inputs(folder)
        sections = {}
    else:
        panel_table(300, seed=3).to_parquet(folder / "original.parquet", index=False)
        write_panel(folder / "pool", biased_panel(3_000))
        sections = {"original": {"path": folder / "original.parquet", "group_key": "who"}}
    run(load_job(quick_job(folder, "serial", runtime={"scheduler": "serial"}, **sections)))
    return folder, sections, results(folder / "serial")


@pytest.mark.parametrize(("scheduler", "workers"), PLACES)
def test_run__ends_in_the_bytes_of_the_serial_one(world, scheduler, workers):
    folder, sections, expected = world
    name = f"{scheduler}-{workers}"
    run(load_job(quick_job(folder, name, runtime={"scheduler": scheduler, "workers": workers}, **sections)))
    assert results(folder / name) == expected


def test_submit__ends_in_the_bytes_of_the_serial_run(world, home):
    folder, sections, expected = world
    with open_service(None) as service:
        id = submit(load_job(quick_job(folder, "submitted", **sections)), service, "submitted")
    assert ended(id)["state"] == "finished"
    assert results(folder / "submitted") == expected
