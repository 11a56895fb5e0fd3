"""Filling gaps: observed values stay, none is missing then, and the values are drawn given the others."""

import json

import numpy as np
import pandas as pd
import pytest

import issodask
from issodask.config import GenerateConfig, OriginalConfig, load_job
from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.stages.impute import impute
from issodask.stages.run import run
from tests.tables import biased_pool, mixed_table, write_pool

BRIEF = GenerateConfig(max_epochs=1.0, max_training_time_min=1.0, model="MOSTLY_AI/Small", device="cpu")


def filled(table, names, folder, config=BRIEF, **more):
    with open_runtime(1, "serial") as runtime:
        return impute(table, names, config, folder, runtime, **more)


@pytest.mark.training
def test_impute__fills_and_keeps_what_was_observed(tmp_path):
    table = mixed_table(400)
    names = ["children", "job", "since"]
    first, second = (one.to_pandas() for one in filled(table, names, tmp_path / "work", draws=2))
    for one in (first, second):
        assert not one[names].isna().any().any()
        assert list(one.columns) == list(table.columns)
        for name in table.columns:
            is_known = table[name].notna()
            assert one[name][is_known].astype(str).tolist() == table[name][is_known].astype(str).tolist()
    assert not first["children"][table.children.isna()].equals(second["children"][table.children.isna()])
    assert set(first["job"]) <= set(table.job.dropna())
    again = filled(table, names, tmp_path / "other", draws=2)[0].to_pandas()
    assert again.equals(first)


@pytest.mark.training
def test_impute__draws_given_the_other_columns(tmp_path):
    random = np.random.default_rng(1)
    kind = random.choice(["a", "b"], 1_500)
    table = pd.DataFrame({"kind": kind, "size": np.where(kind == "a", "small", "large"), "noise": random.random(1_500)})
    truth = table["size"].copy()
    is_gone = random.random(1_500) < 0.4
    table["size"] = table["size"].mask(is_gone)
    config = BRIEF.model_copy(update={"max_epochs": 20.0})
    (found,) = filled(table, ["size"], tmp_path / "work", config)
    assert (found.to_pandas()["size"][is_gone] == truth[is_gone]).mean() > 0.9


@pytest.mark.training
def test_run__a_job_that_imputes(tmp_path):
    table = mixed_table(400)
    table.to_parquet(tmp_path / "original.parquet")
    pool = biased_pool(2_000)
    write_pool(tmp_path / "pool", pool)
    (tmp_path / "job.toml").write_text(
        f"""
out = {json.dumps(str(tmp_path / "out"))}
[original]
path = {json.dumps(str(tmp_path / "original.parquet"))}
impute = ["job"]
[generate]
source = {json.dumps(str(tmp_path / "pool"))}
max_epochs = 2.0
model = "MOSTLY_AI/Small"
[select]
aim = "original"
effort = 20.0
[rules]
rows = ["job is not None"]
"""
    )
    finished = run(load_job(tmp_path / "job.toml"))
    assert not pd.read_parquet(finished.subset).job.isna().any()
    assert finished.metrics["issodask"]["select"]["asked"]["rules"][0]["enforced"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], "0 columns"), (["jobs"], "did you mean 'job'"), (["empty"], "no value at all")],
)
def test_impute__what_can_not_be(tmp_path, names, expected):
    with pytest.raises(InputError, match=expected):
        filled(mixed_table(50).assign(empty=np.nan), names, tmp_path / "work")


def test_impute__nothing_to_fill(tmp_path):
    table = mixed_table(50)
    found = issodask.impute(table, "age", folder=tmp_path / "work", progress=False, runtime="serial")
    assert found.equals(table)


def test_impute__not_of_groups():
    with pytest.raises(ValueError, match="flat tables only"):
        OriginalConfig(path="x", group_key="who", impute=["a"])
