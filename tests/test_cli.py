"""The command line: every verb does its work, says where the results are, and asks for help without loading much."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from issodask.cli import main
from tests.tables import biased_pool, mixed_table, narrow, write_job, write_pool

VERBS = ["run", "generate", "select", "evaluate", "plan", "submit", "status", "logs", "cancel", "result", "cluster"]
CLUSTER_VERBS = ["up", "join", "down", "status", "keys"]
COMMAND = str(Path(sys.executable).with_name("issodask"))


@pytest.fixture
def folder(tmp_path):
    """original.parquet and a pool."""
    narrow(mixed_table()).to_parquet(tmp_path / "original.parquet")
    write_pool(tmp_path / "pool", narrow(biased_pool()))
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def select(folder, *options, out="subset.parquet"):
    places = ["--original", folder / "original.parquet", "--pool", folder / "pool", "--out", folder / out]
    return call("select", *places, "--workers", 1, *options)


@pytest.mark.parametrize("verb", VERBS)
def test_help__says_what_the_verb_does(verb):
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {verb}")


@pytest.mark.parametrize("verb", CLUSTER_VERBS)
def test_help__says_what_the_verb_does_to_the_cluster(verb):
    result = call("cluster", verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main cluster {verb}")


def test_help__lists_the_verbs():
    result = call("--help")
    assert all(re.search(rf"^  {verb} ", result.stdout, re.MULTILINE) for verb in VERBS)


def test_help__loads_neither_pandas_nor_dask():
    heavy = {
        "bokeh",
        "cryptography",
        "dask",
        "distributed",
        "mostlyai",
        "numba",
        "numpy",
        "pandas",
        "pydantic",
        "pyarrow",
        "rich",
        "supervisor",
        "torch",
    }
    check = (
        "import sys\nfrom issodask.cli import main\n"
        f"try: main(['--help'])\nfinally: print(sorted({heavy!r} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_version():
    assert re.search(r"version \d", call("--version").stdout)


@pytest.mark.slow
def test_select__says_where_the_subset_is_and_how_to_repeat_it(folder):
    result = select(folder, "--units", 300, "--effort", 60)
    assert result.exit_code == 0
    subset, stopped, accuracy, aim = result.stdout.splitlines()
    assert aim.startswith("aim       the population: of what is peculiar to the original 70% or more was kept")
    assert subset == f"subset    {folder / 'subset.parquet'}: 300 units"
    rounds = re.fullmatch(r"stopped   \D+; --rounds (\S+) repeats it", stopped)[1]
    before, after = map(float, re.findall(r"0\.\d{5}", accuracy))
    assert before < after
    again = select(folder, "--units", 300, "--rounds", rounds, out="again.parquet")
    assert again.exit_code == 0
    assert (folder / "again.parquet").read_bytes() == (folder / "subset.parquet").read_bytes()


@pytest.mark.slow
def test_select__time_limit_names_its_rounds(folder):
    rounds = re.search(r"--rounds (\S+)", select(folder, "--time-limit", 0.3).stdout)[1]
    assert select(folder, "--rounds", rounds, out="again.parquet").exit_code == 0
    assert (folder / "again.parquet").read_bytes() == (folder / "subset.parquet").read_bytes()


@pytest.mark.slow
def test_select__seed_and_work_folder(folder):
    select(folder, "--effort", 60, "--seed", 2, "--work", folder / "here")
    select(folder, "--effort", 60, out="other.parquet")
    assert (folder / "here" / "select" / "state.npz").is_file()
    assert not (folder / "subset.work").exists()
    assert (folder / "subset.parquet").read_bytes() != (folder / "other.parquet").read_bytes()


@pytest.mark.slow
def test_select__names_damaged_codes(folder):
    select(folder, "--effort", 60)
    codes = folder / "subset.work" / "codes" / "part-1.parquet.npy"
    codes.write_bytes(codes.read_bytes()[:-1])
    result = select(folder, "--effort", 60)
    assert result.exit_code == 0
    assert "codes of part part-1.parquet are damaged: made again" in result.stderr


def test_generate__from_a_callable(folder):
    options = ["--original", folder / "original.parquet", "--pool", folder / "made", "--units", 900]
    result = call("generate", *options, "--source", "python:tests/tables.py:draw", "--scheduler", "serial")
    assert result.exit_code == 0
    assert result.stdout == f"pool      {folder / 'made' / 'pool'}: 900 rows in 2 parts\n"
    assert call("select", *options[:2], "--pool", folder / "made", "--out", folder / "s.parquet", "--effort", 40)


@pytest.mark.slow
def test_evaluate__prints_and_writes(folder):
    narrow(mixed_table(seed=7)).to_csv(folder / "subset.csv.gz", index=False)
    files = ["--json", folder / "metrics.json", "--html", folder / "report.html", "--card", folder / "card.md"]
    result = call("evaluate", "--original", folder / "original.parquet", "--subset", folder / "subset.csv.gz", *files)
    assert result.exit_code == 0
    assert re.match(r"accuracy  0\.\d{5} subset, against the original\n", result.stdout)
    assert f"written   {folder / 'report.html'}" in result.stdout
    assert f"written   {folder / 'card.md'}" in result.stdout
    assert (folder / "metrics.json").is_file()


def test_plan__prints_a_table(folder):
    original = {"path": folder / "original.parquet"}
    job = write_job(folder / "job.toml", out=folder / "out", original=original, generate={"source": folder / "pool"})
    result = call("plan", job)
    assert result.exit_code == 0
    assert all(stage in result.stdout for stage in ("generate", "encode", "select", "write"))


def test_plan__lists_roles_and_why(folder):
    with_ids = pd.read_parquet(folder / "original.parquet").assign(id=range(1_000, 1_600))
    with_ids.to_parquet(folder / "original.parquet")
    original = {"path": folder / "original.parquet"}
    job = write_job(folder / "job.toml", out=folder / "out", original=original, generate={"source": folder / "pool"})
    lines = call("plan", job).stdout.splitlines()
    assert any(re.search(r"id\s.*\sid\s.*all 600 values differ", line) for line in lines)
    named = call("plan", job, "--column", "id=number").stdout
    assert re.search(r"id\s.*number\s.*named by the user", named)


def test_column__roles_are_named_by_option(folder):
    result = select(folder, "--effort", 40, "--column", "job=key")
    assert result.exit_code == 2
    assert "[columns] job is 'key', but a role is one of number, time, category, text, id, constant" in result.stderr
    result = select(folder, "--effort", 40, "--column", "job")
    assert "'job' names no role: give NAME=ROLE" in result.stderr


def test_column__has_one_role(folder):
    result = select(folder, "--effort", 40, "--column", "age=number", "--column", "job=text", "--column", "age=id")
    assert result.exit_code == 2
    assert "'age' is number and id: give each column one role" in result.stderr
    assert select(folder, "--effort", 40, "--column", "age=number", "--column", "age=number").exit_code == 0


@pytest.mark.slow
def test_select__says_which_columns_are_ids(folder):
    with_ids = pd.read_parquet(folder / "original.parquet").assign(id=range(1_000, 1_600))
    with_ids.to_parquet(folder / "original.parquet")
    result = select(folder, "--effort", 40)
    assert result.exit_code == 0
    assert "ids, new in the subset, neither learnt nor matched nor scored: id (all 600 values differ" in result.stderr


@pytest.mark.slow
def test_run__in_a_process_of_its_own_again_and_again(folder):
    """Also from another directory, with names relative to it."""
    write_job(
        folder / "job.toml",
        out="out",
        original={"path": "original.parquet"},
        generate={"source": "pool"},
        select={"effort": 60.0, "ipf_passes": 2},
        evaluate={"distance_rows": 100},
    )
    runs = [
        subprocess.run([COMMAND, "run", "job.toml", "--workers", "1"], cwd=folder, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [done.returncode for done in runs] == [0, 0]
    assert runs[0].stdout == runs[1].stdout
    told = runs[0].stdout.splitlines()
    assert [line.split()[0] for line in told] == ["subset", "stopped", "accuracy", "accuracy", "report"]
    assert len(pd.read_parquet(folder / "out" / "subset.parquet")) == 600


def test_select__on_a_running_scheduler_same_bytes(folder, two_processes):
    select(folder, "--effort", 60)
    done = select(folder, "--effort", 60, "--scheduler", two_processes.client.scheduler.address, out="again.parquet")
    assert done.exit_code == 0
    assert (folder / "again.parquet").read_bytes() == (folder / "subset.parquet").read_bytes()


def test_select__says_what_to_know_before_sharing(tmp_path):
    """The pool is the original, but for one category: copies, and cells that nothing fills."""
    original = narrow(mixed_table()).assign(kind=["rare" if i % 9 == 0 else "usual" for i in range(len(mixed_table()))])
    original.to_parquet(tmp_path / "original.parquet")
    (tmp_path / "pool").mkdir()
    original[original["kind"] == "usual"].to_parquet(tmp_path / "pool" / "part.parquet")
    told = select(tmp_path, "--effort", 40, "--units", 100).stdout.splitlines()
    assert re.match(r"copies    \d+ of 100 rows equal a row that the original has only once; chance", told[2])
    assert re.match(r"unfilled  [\d,]+ cells of pairs of columns .*, such as .*kind = rare", told[3])


def test_select__of_an_honest_pool_says_nothing_of_copies(folder):
    told = select(folder, "--effort", 40).stdout.splitlines()
    assert "copies" not in [line.split()[0] for line in told]
