"""Select from CSV files as people have them: what is found in them, what has to be given, and what is kept."""

import numpy as np
import pandas as pd
import pytest

from issodask.config import CsvConfig, load_job
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.runtime import open_runtime
from issodask.stages.encode import encode_pool
from issodask.stages.plan import plan
from issodask.stages.run import read_original
from issodask.stages.select import select
from issodask.store.pool import open_pool
from tests.heard import of_records
from tests.tables import QUICK, write_job


@pytest.fixture
def choose(tmp_path):
    def run(original, pool, **given):
        with open_runtime(1, "serial") as runtime:
            select(original, pool, tmp_path / "subset.parquet", QUICK, runtime=runtime, **given)
        return pd.read_parquet(tmp_path / "subset.parquet")

    return run


def people(n_rows, seed):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": pd.Series(1577134800018226901 + random.integers(0, 10**6, n_rows), dtype="Int64"),
            "zip": random.choice(["01234", "00501", "90210"], n_rows),
            "city": random.choice(["Łódź", "NA", "None", "two\nlines"], n_rows),
            "size": random.choice([1.5, 2.25, 3.0], n_rows),
        }
    )


EXCEL = {"sep": ";", "decimal": ",", "index": False, "encoding": "cp1250", "lineterminator": "\r\n"}


def test_select__excel_of_another_country(tmp_path, choose):
    people(120, 1).to_csv(tmp_path / "original.csv", **EXCEL)
    people(600, 2).to_csv(tmp_path / "pool.csv", **EXCEL)
    encoding = {"encoding": "cp1250"}
    subset = choose(tmp_path / "original.csv", tmp_path / "pool.csv", csv=encoding, pool_csv=encoding)
    assert set(subset["city"]) == set(people(120, 1)["city"])
    assert set(subset["zip"]) == {"01234", "00501", "90210"}
    assert set(subset["size"]) == {1.5, 2.25, 3.0}


def test_select__says_how_unusual_files_are_read(tmp_path):
    table = people(120, 1).replace("Łódź", "Köln")
    table.to_csv(tmp_path / "original.csv", sep=";", index=False, encoding="cp1252")
    table.to_csv(tmp_path / "pool.csv", index=False)
    told = []
    events = Events(tmp_path / "events.jsonl", of_records(told.append))
    places = tmp_path / "original.csv", tmp_path / "pool.csv", tmp_path / "subset.parquet"
    with open_runtime(1, "serial") as runtime:
        select(*places, QUICK, runtime=runtime, events=events)
    (line,) = [event["text"] for event in told if event["event"] == "csv"]
    assert "original.csv is not UTF-8: read as cp1252; fields lie between ';'" in line


def test_select__words_of_a_pool_are_the_texts_of_a_parquet_original(tmp_path, choose):
    people(120, 1).to_parquet(tmp_path / "original.parquet")
    people(600, 2).to_csv(tmp_path / "pool.csv", index=False)
    subset = choose(tmp_path / "original.parquet", tmp_path / "pool.csv")
    assert set(subset["city"]) == set(people(120, 1)["city"])


def test_select__parts_share_their_decimal_sign(tmp_path, choose):
    rows = {"a": ["x;1,5\n", "y;2,25\n"], "b": ["x;1,125\n", "y;2,250\n"]}  # those of b might be thousands
    for folder in ("original", "pool"):
        (tmp_path / folder).mkdir()
        for name, own in rows.items():
            (tmp_path / folder / f"{name}.csv").write_text("t;n\n" + "".join(own * 20))
    subset = choose(tmp_path / "original", tmp_path / "pool")
    assert set(subset["n"]) == {1.125, 1.5, 2.25}
    assert "decimal commas" in open_pool(tmp_path / "pool").describe_csv()


def test_select__settings_that_no_file_can_have(tmp_path, choose):
    people(120, 1).to_csv(tmp_path / "original.csv", index=False)
    with pytest.raises(InputError, match="one character"):
        choose(tmp_path / "original.csv", tmp_path / "original.csv", csv={"separator": "and"})
    with pytest.raises(InputError, match="'klingon' is not known"):
        choose(tmp_path / "original.csv", tmp_path / "original.csv", pool_csv={"encoding": "klingon"})


def test_encode_pool__codes_are_made_again_when_a_file_is_read_otherwise(tmp_path):
    from tests.door import Binned

    table = people(60, 1)[["city", "size"]]
    table.to_csv(tmp_path / "pool.csv", **EXCEL)
    binned = Binned(table)
    states = []
    with open_runtime(1, "serial") as runtime:
        for given in ({"encoding": "cp1250"}, {"encoding": "cp1250"}, None):
            pool = open_pool(tmp_path / "pool.csv", given)
            encode_pool(
                pool, binned.bins, binned.schema, tmp_path / "codes", runtime, lambda part: states.append(part.state)
            )
    assert states == ["new", "intact", "outdated"]


def test_run__csv_settings_of_a_job_file(tmp_path):
    people(120, 1).to_csv(tmp_path / "original.csv", **EXCEL)
    people(600, 2).to_csv(tmp_path / "pool.csv", **EXCEL)
    path = write_job(
        tmp_path / "job.toml",
        out=tmp_path / "run",
        original={"path": tmp_path / "original.csv"},
        generate={"source": tmp_path / "pool.csv"},
    )
    text = path.read_text(encoding="utf-8").replace("[generate]", 'csv = {encoding = "cp1250"}\n[generate]')
    path.write_text(text + 'csv = {separator = ";"}\n', encoding="utf-8")
    job = load_job(path)
    assert (job.original.csv, job.generate.csv) == (CsvConfig(encoding="cp1250"), CsvConfig(separator=";"))
    original, holdout = read_original(job)
    assert "Łódź" in original["city"].to_pylist()
    assert holdout is None
    assert {estimate.stage for estimate in plan(job)} >= {"encode", "select"}


def test_load_job__csv_settings_are_checked(tmp_path):
    path = write_job(tmp_path / "job.toml", out="run", original={"path": "o.csv"})
    path.write_text(path.read_text(encoding="utf-8") + 'csv = {sep = ";"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown key \[original.csv\] sep"):
        load_job(path)
