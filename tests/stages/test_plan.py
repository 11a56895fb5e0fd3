"""Plan: estimates that grow with the job, for any original and any source."""

import math

import pandas as pd
import pytest

from issodask.config import load_job
from issodask.errors import InputError
from issodask.fitting.schedule import TrimPlan
from issodask.stages.plan import _trimming_s, plan
from tests.tables import biased_pool, mixed_table, narrow, write_job, write_pool


@pytest.fixture
def job(tmp_path):
    mixed_table().to_parquet(tmp_path / "original.parquet")

    def make(**sections):
        settings = {"out": tmp_path / "out", "original": {"path": tmp_path / "original.parquet"}}
        return load_job(write_job(tmp_path / "job.toml", **settings | sections))

    return make


def by_stage(job):
    return {estimate.stage: estimate for estimate in plan(job)}


def test_plan__estimates_every_stage(job):
    estimates = by_stage(job())
    assert list(estimates) == ["generate", "encode", "select", "write"]
    for estimate in estimates.values():
        assert all(math.isfinite(x) and x > 0 for x in (estimate.seconds, estimate.memory_bytes, estimate.disk_bytes))


def test_plan__starts_nothing(job, tmp_path):
    plan(job())
    assert not (tmp_path / "out").exists()


def test_plan__columns_are_roles_by_name(job):
    with pytest.raises(InputError, match=r"columns is .'age', 'job'., but roles of columns by their names are needed"):
        plan(job(), columns=["age", "job"])


def test_plan__more_work_takes_longer(job):
    of_original = {"aim": "original"}  # trees take their time whatever the effort is
    little, much = (
        by_stage(job(select={**of_original, "effort": effort}))["select"].seconds for effort in (100.0, 5_000.0)
    )
    assert much > 5 * little


def test_plan__trees_take_time(job):
    aims = {
        aim: by_stage(job(select={"aim": aim, "effort": 1.0}))["select"].seconds for aim in ("original", "population")
    }
    assert aims["population"] > aims["original"]


def test_plan__counts_the_rounds_of_the_job(job):
    little, much = (by_stage(job(select={"rounds": rounds}))["select"].seconds for rounds in ("2", "38/2000"))
    assert much > 5 * little


def test_plan__a_time_limit_is_the_time(job):
    assert by_stage(job(select={"time_limit_s": 77.0}))["select"].seconds == 77


def test_plan__a_pool_that_is_there_needs_no_generating(job, tmp_path):
    write_pool(tmp_path / "pool", biased_pool())
    estimates = by_stage(job(generate={"source": tmp_path / "pool"}))
    assert estimates["generate"].seconds == 0
    assert "6,000" in estimates["select"].what


def test_plan__a_synthesizer_takes_as_long_as_it_takes(job):
    estimate = by_stage(job(generate={"source": "perturb:0.5"}))["generate"]
    assert estimate.seconds is None
    assert "perturb:0.5" in estimate.what


def test_plan__a_misspelt_synthesizer(job):
    with pytest.raises(InputError, match=r"neither a folder nor a synthesizer: did you mean cart\?"):
        plan(job(generate={"source": "card"}))


def test_plan__a_large_pool_takes_time_to_sample(job):
    generate = {"generators": 1, "max_training_time_min": 1.0}
    one, two = (
        by_stage(job(generate={**generate, "units": 10_000_000}, runtime={"workers": n}))["generate"] for n in (1, 2)
    )
    assert "10,000,000 rows sampled by 2" in two.what
    assert one.seconds - 60 == pytest.approx(2 * (two.seconds - 60))


def test_plan__serially_there_is_one_at_a_time(job):
    generate = {"generators": 4, "max_training_time_min": 1.0}
    estimate = by_stage(job(generate=generate, runtime={"scheduler": "serial", "workers": 4}))["generate"]
    assert "4 generators, 1 at a time" in estimate.what


def test_plan__memory_hardly_grows_with_a_large_pool(job):
    large, larger = (by_stage(job(generate={"units": n}))["select"] for n in (100_000_000, 200_000_000))
    assert larger.memory_bytes - large.memory_bytes == pytest.approx(100_000_000 * 8)


def test_plan__time_of_a_large_pool_grows_no_faster_than_it(job):
    large, larger = (by_stage(job(generate={"units": n}))["select"].seconds for n in (100_000_000, 200_000_000))
    assert large < larger < 2.1 * large


def test_trimming__more_threads_take_less_time_and_more_hosts_less_still():
    plan = TrimPlan.of(333_000, 100_000)
    one, two, many = (_trimming_s(plan, 1_000.0, *n) for n in ((1, 1), (2, 2), (2, 20)))
    assert 1.7 < one / two < 2
    assert 6 < one / many < 1 / 0.07


def test_trimming__helpers_that_would_only_be_waited_for_are_not_asked():
    plan = TrimPlan.of(333_000, 100_000)
    assert _trimming_s(plan, 10.0, 2, 200) == _trimming_s(plan, 10.0, 2, 2)


def test_plan__what_if_the_pool_were_larger(job, tmp_path):
    write_pool(tmp_path / "pool", biased_pool())
    there = job(generate={"source": tmp_path / "pool"}, select={"aim": "original"})
    estimates = {estimate.stage: estimate for estimate in plan(there, pool_units=10**10)}
    assert "10,000,000,000" in estimates["select"].what
    assert estimates["encode"].seconds > 1e3 * by_stage(there)["encode"].seconds


def test_plan__a_pool_of_csv(job, tmp_path):
    biased_pool().to_csv(tmp_path / "pool.csv", index=False)
    assert by_stage(job(generate={"source": tmp_path / "pool.csv"}))["select"].seconds > 0


@pytest.mark.parametrize("table", [narrow(mixed_table())[["age"]], pd.DataFrame({"k": [7]})])
def test_plan__tiny_originals(job, tmp_path, table):
    table.to_parquet(tmp_path / "original.parquet")
    assert all(estimate.seconds > 0 for estimate in plan(job()))


def test_plan__no_original(job, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        plan(job(original={"path": tmp_path / "none.parquet"}))
