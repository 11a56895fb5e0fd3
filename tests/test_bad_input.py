"""Bad input through the command line: one clear line, exit code 2, and earlier results as they were."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import issodask
from issodask import InputError
from issodask.cli import main
from issodask.progress import STAGES
from tests.tables import biased_panel, biased_pool, mixed_table, narrow, panel_table, write_job, write_panel, write_pool

COMMAND = Path(sys.executable).with_name("issodask")
RESULTS = ["subset.parquet", "subset.lineage.parquet"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """original.parquet, a pool, and the subset of an earlier run."""
    folder = tmp_path_factory.mktemp("world")
    narrow(mixed_table()).to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", narrow(biased_pool()))
    assert select(folder).exit_code == 0
    return folder


@pytest.fixture
def folder(world, tmp_path):
    """A copy that a test may spoil."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    return tmp_path


def select(folder, *options, original="original.parquet", pool="pool", out="subset.parquet"):
    places = ["--original", folder / original, "--pool", folder / pool, "--out", folder / out, "--effort", 40]
    arguments = [str(argument) for argument in ("select", *places, "--workers", 1, *options)]
    return CliRunner().invoke(main, arguments)


def assert_one_line(result, *words):
    """Exactly one line of fault (what was found, needed, to do); before it, at most how far the work came."""
    assert result.exit_code == 2, result.stderr + repr(result.exception)
    assert result.stdout == ""
    *progress, fault = result.stderr.splitlines()
    assert fault.startswith("issodask: ")
    assert ": " in fault.removeprefix("issodask: ")
    assert all(line.split()[0] in STAGES for line in progress)
    for word in words:
        assert word in fault


def assert_untouched(folder, world):
    for name in RESULTS:
        assert (folder / name).read_bytes() == (world / name).read_bytes()
    assert [path.name for path in folder.glob(".*") if path.name != ".lock"] == []


def spoil_part(folder, **columns):
    path = folder / "pool" / "part-1.parquet"
    pd.read_parquet(path).assign(**columns).to_parquet(path)


def no_original(folder):
    (folder / "original.parquet").unlink()


def no_pool(folder):
    shutil.rmtree(folder / "pool")


def pool_without_files(folder):
    no_pool(folder)
    (folder / "pool").mkdir()


def empty_original(folder):
    narrow(mixed_table()).head(0).to_parquet(folder / "original.parquet")


def original_without_columns(folder):
    pd.DataFrame(index=range(5)).to_parquet(folder / "original.parquet")


def empty_pool(folder):
    no_pool(folder)
    write_pool(folder / "pool", narrow(biased_pool()).head(0), n_parts=2)


def no_common_columns(folder):
    no_pool(folder)
    write_pool(folder / "pool", pd.DataFrame({"x": range(900), "y": 1}))


def column_missing_in_pool(folder):
    no_pool(folder)
    write_pool(folder / "pool", narrow(biased_pool()).drop(columns="job"))


def column_missing_in_one_part(folder):
    path = folder / "pool" / "part-1.parquet"
    pd.read_parquet(path).drop(columns="job").to_parquet(path)


def small_pool(folder):
    no_pool(folder)
    write_pool(folder / "pool", narrow(biased_pool(599)))


def small_csv_pool(folder):
    no_pool(folder)
    (folder / "pool").mkdir()
    narrow(biased_pool(599)).to_csv(folder / "pool" / "a.csv", index=False)


def text_for_numbers(folder):
    spoil_part(folder, age="old")


def numbers_for_text(folder):
    spoil_part(folder, job=3.5)


def infinite_in_pool(folder):
    spoil_part(folder, age=np.inf)


def infinite_in_original(folder):
    table = narrow(mixed_table())
    table.assign(age=np.where(table["age"] > 60, np.inf, table["age"])).to_parquet(folder / "original.parquet")


def duplicate_names_in_pool(folder):
    no_pool(folder)
    (folder / "pool").mkdir()
    (folder / "pool" / "a.csv").write_text("age,children,job,is_new,age\n1,2,x,True,3\n", encoding="utf-8")


def truncated_part(folder):
    part = folder / "pool" / "part-1.parquet"
    part.write_bytes(part.read_bytes()[:-300])


def hole_in_a_part(folder):
    part = folder / "pool" / "part-1.parquet"
    data = bytearray(part.read_bytes())
    data[4:600] = bytes(596)
    part.write_bytes(data)


def two_encodings_in_pool(folder):
    no_pool(folder)
    (folder / "pool").mkdir()
    narrow(biased_pool()).to_csv(folder / "pool" / "a.csv", index=False)
    with (folder / "pool" / "a.csv").open("ab") as file:
        file.write("7,1,Köhler,True\n".encode("latin-1"))


BAD = [
    (no_original, ["no such file", "original.parquet", "check the path"]),
    (no_pool, ["no such file or folder", "pool"]),
    (pool_without_files, ["pool holds no tables", ".parquet"]),
    (empty_original, ["original.parquet is empty", "0 rows"]),
    (original_without_columns, ["original.parquet is empty", "0 columns"]),
    (empty_pool, ["pool", "empty", "generate some"]),
    (no_common_columns, ["no columns in common", "'x', 'y'", "'age'"]),
    (column_missing_in_pool, ["pool", "lacks 1 of the original's 4 columns: 'job'"]),
    (column_missing_in_one_part, ["part-1.parquet", "'job'"]),
    (small_pool, ["has 599 units but the subset needs 600", "generate more, or lower units"]),
    (small_csv_pool, ["has 599 units but the subset needs 600"]),
    (text_for_numbers, ["part-1.parquet", "'age'", "'old'"]),
    (numbers_for_text, ["part-1.parquet", "types disagree", "'job'"]),
    (infinite_in_pool, ["part-1.parquet", "'age' has 2,000 infinite numbers", "make them missing"]),
    (infinite_in_original, ["'age'", "infinite numbers"]),
    (duplicate_names_in_pool, ["a.csv has duplicate column names 'age'", "rename"]),
    (truncated_part, ["part-1.parquet is not a whole Parquet file", "again"]),
    (hole_in_a_part, ["part-1.parquet is not a whole Parquet file", "again"]),
    (two_encodings_in_pool, ["a.csv is not UTF-8", "line"]),
]


@pytest.mark.parametrize(("spoil", "words"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_select__bad_tables(folder, world, spoil, words):
    spoil(folder)
    assert_one_line(select(folder), *words)
    assert_untouched(folder, world)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--units", 6_001], ["6,000 units but the subset needs 6,001"]),
        (["--rounds", "many"], ["rounds is 'many'", "give N"]),
        (["--rounds", "0"], ["rounds is '0'", "give N"]),
        (["--rounds", "3/4-5"], ["rounds names 2 plans", "16"]),
        (["--effort", 0], ["effort is 0", "greater than 0"]),
        (["--time-limit", -3], ["time_limit_s is -3", "greater than 0"]),
        (["--scheduler", "slurm"], ["scheduler 'slurm' is not known"]),
    ],
)
def test_select__bad_options_are_told_before_anything_starts(folder, world, options, words):
    result = select(folder, *options)
    assert_one_line(result, *words)
    assert len(result.stderr.splitlines()) == 1
    assert_untouched(folder, world)


@pytest.mark.parametrize("wrong", ["original", "pool"])
@pytest.mark.parametrize("name", ["nowhere.parquet", "subset.work/events.jsonl"])
def test_select__a_wrong_path_leaves_nothing_behind(folder, wrong, name):
    assert_one_line(select(folder, out="other.parquet", **{wrong: name}), name)
    with pytest.raises(InputError, match=name):
        issodask.select(
            **{"original": folder / "original.parquet", "pool": folder / "pool"} | {wrong: folder / name},
            out=folder / "other.parquet",
        )
    assert not list(folder.glob("other*"))


def test_select__a_pool_of_one_file_is_named(folder, monkeypatch):
    narrow(biased_pool()).drop(columns="job").to_parquet(folder / "one.parquet")
    monkeypatch.chdir(folder)
    places = ["--original", "original.parquet", "--pool", "one.parquet", "--out", "other.parquet"]
    assert_one_line(CliRunner().invoke(main, ["select", *places]), "pool one.parquet lacks 1 of the original's")
    narrow(biased_pool()).head(599).to_parquet(folder / "one.parquet")
    assert_one_line(CliRunner().invoke(main, ["select", *places]), "pool one.parquet has 599 units")


def test_select__csv_with_duplicate_names_as_original(folder, world):
    (folder / "o.csv").write_text("age,age\n1,2\n", encoding="utf-8")
    assert_one_line(select(folder, original="o.csv"), "duplicate column names 'age'")
    assert_untouched(folder, world)


@pytest.mark.parametrize("out", ["subset.csv", "original.parquet/subset.parquet"])
def test_select__no_place_for_the_subset(folder, world, out):
    assert_one_line(select(folder, out=out), out.split("/")[0])
    assert_untouched(folder, world)


def test_select__no_place_for_the_work(folder, world):
    assert_one_line(select(folder, "--work", folder / "original.parquet"), "can't use", "File exists", "check the path")
    assert_untouched(folder, world)


@pytest.mark.parametrize(
    "kilobytes",
    [64, 100],
)
@pytest.mark.slow
def test_select__full_disk(folder, kilobytes):
    """A real one, mounted where only the command sees it: too small for the weights, or for what follows."""
    (folder / "disk").mkdir()
    command = f"""
        mount -t tmpfs -o size={kilobytes}k none disk || exit 77
        printf earlier > disk/subset.parquet
        {COMMAND} select --original original.parquet --pool pool --out disk/subset.parquet --workers 1 --effort 40
        status=$?
        cat disk/subset.parquet
        exit $status
    """
    private = ["unshare", "--mount", "--map-root-user", "sh", "-c", command]
    try:
        done = subprocess.run(private, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip("no disk can be mounted here")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("issodask: disk full")
    assert "Traceback" not in done.stderr
    assert done.stdout == "earlier"


@pytest.mark.parametrize("name", ["part-1.parquet.npy", "state.npz", "subset.parquet", "events.jsonl"])
def test_select__full_disk_anywhere(folder, world, monkeypatch, name):
    """Then, with space again, the same command goes on."""
    shutil.rmtree(folder / "subset.work" / "codes")

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    replace, open_path = os.replace, Path.open

    def open_for(path, mode="r", **options):
        return fail() if path.name == name and mode[0] in "wa" else open_path(path, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda work, path: fail() if Path(path).name == name else replace(work, path))
        patch.setattr(Path, "open", open_for)
        assert_one_line(select(folder, "--seed", 2), "disk full", "free some space")
    assert_untouched(folder, world)
    assert select(folder, "--seed", 2).exit_code == 0


def job(folder, **sections):
    settings = {
        "out": folder,
        "original": {"path": folder / "original.parquet"},
        "generate": {"source": folder / "pool"},
        "runtime": {"workers": 1},
    }
    return write_job(folder / "job.toml", **settings | sections)


def run(path):
    return CliRunner().invoke(main, ["run", str(path)])


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"select": {"unit": 5}}, ["job.toml", "unknown key [select] unit"]),
        ({"speed": 5}, ["unknown key speed"]),
        ({"select": {"units": "many"}}, ["[select] units is 'many'"]),
        ({"original": {"path": "nowhere.parquet"}}, ["no such file", "nowhere.parquet"]),
        ({"original": {}}, ["[original] path is missing"]),
        ({"generate": {"source": "nowhere"}}, ["no such file", "nowhere"]),
        ({"generate": {"source": "python:nowhere:draw"}}, ["'nowhere' can't be imported"]),
        ({"select": {"units": 7_000}}, ["6,000 units but the subset needs 7,000"]),
    ],
)
def test_run__bad_jobs(folder, world, sections, words):
    result = run(job(folder, **sections))
    assert_one_line(result, *words)
    assert len(result.stderr.splitlines()) == 1
    assert_untouched(folder, world)


@pytest.mark.parametrize(
    "sections",
    [
        {"original": {"path": "nowhere.parquet"}},
        {"original": {"path": "original.parquet", "holdout": "nowhere.parquet"}},
        {"generate": {"source": "nowhere"}},
    ],
)
def test_run__a_wrong_path_leaves_nothing_behind(folder, monkeypatch, sections):
    monkeypatch.chdir(folder)
    assert_one_line(run(job(folder, out=folder / "new", **sections)), "no such file or folder: nowhere")
    assert not (folder / "new").exists()


@pytest.mark.parametrize("text", [b"out = ", b"out = '\xff'", None])
def test_run__no_job(folder, world, text):
    if text is not None:
        (folder / "job.toml").write_bytes(text)
    assert_one_line(run(folder / "job.toml"), "job.toml")
    assert_untouched(folder, world)


def test_plan__bad_job(folder):
    assert_one_line(CliRunner().invoke(main, ["plan", str(job(folder, speed=5))]), "unknown key speed")


def test_evaluate__column_missing(folder):
    narrow(mixed_table()).drop(columns="job").to_parquet(folder / "other.parquet")
    places = ["--original", str(folder / "original.parquet"), "--subset", str(folder / "other.parquet")]
    assert_one_line(CliRunner().invoke(main, ["evaluate", *places]), "'job'")


def test_generate__no_place_for_the_pool(folder):
    places = ["--original", folder / "original.parquet", "--pool", folder / "original.parquet", "--units", 9]
    options = ["--source", "python:tests/tables.py:draw", "--scheduler", "serial"]
    assert_one_line(CliRunner().invoke(main, ["generate", *map(str, places), *options]), "original.parquet")


@pytest.mark.parametrize("spoil", [infinite_in_pool, truncated_part])
@pytest.mark.slow
def test_select__bad_tables_in_a_process_of_its_own(folder, world, spoil):
    spoil(folder)
    command = [str(COMMAND), "select", "--workers", "2"]
    places = ["--original", "original.parquet", "--pool", "pool", "--out", "subset.parquet"]
    done = subprocess.run([*command, *places], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if not line.startswith("encode ")] == [
        done.stderr.splitlines()[-1]
    ]
    assert done.stderr.splitlines()[-1].startswith("issodask: ")
    assert_untouched(folder, world)


# groups


@pytest.fixture(scope="module")
def panels(tmp_path_factory):
    """The same with groups: original.parquet, a pool, and the subset of an earlier run."""
    folder = tmp_path_factory.mktemp("panels")
    panel_table(60, 1).to_parquet(folder / "original.parquet")
    write_panel(folder / "pool", biased_panel(300))
    assert select_groups(folder).exit_code == 0
    return folder


@pytest.fixture
def panel(panels, tmp_path):
    """A copy that a test may spoil."""
    shutil.copytree(panels, tmp_path, dirs_exist_ok=True)
    return tmp_path


def select_groups(folder, *options):
    return select(folder, "--group-key", "who", *options)


def change(path, changed):
    changed(pd.read_parquet(path)).to_parquet(path)


def no_key_in_original(folder):
    change(folder / "original.parquet", lambda table: table.drop(columns="who"))


def no_key_in_pool(folder):
    for part in (folder / "pool").iterdir():
        change(part, lambda table: table.drop(columns="who"))


def no_key_in_one_part(folder):
    change(folder / "pool" / "part-1.parquet", lambda table: table.drop(columns="who"))


def missing_keys_in_original(folder):
    change(folder / "original.parquet", lambda table: table.assign(who=table["who"].mask(table.index % 50 == 3)))


def missing_keys_in_pool(folder):
    change(
        folder / "pool" / "part-1.parquet", lambda table: table.assign(who=table["who"].mask(table.index % 100 == 3))
    )


def few_groups_in_pool(folder):
    shutil.rmtree(folder / "pool")
    write_panel(folder / "pool", biased_panel(59))


def group_in_two_parts(folder):
    for i in (0, 2):
        change(
            folder / "pool" / f"part-{i}.parquet",
            lambda table: table.assign(who=table["who"].mask(table.index == 0, "x")),
        )


def sequence_length_in_original(folder):
    for path in (folder / "original.parquet", *(folder / "pool").iterdir()):
        change(path, lambda table: table.rename(columns={"children": "Sequence Length"}))


def boolean_keys(folder):
    change(folder / "original.parquet", lambda table: table.assign(who=table.index > 50))


def nothing_but_keys(folder):
    change(folder / "original.parquet", lambda table: table[["who"]])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_key_in_original, ["the original", "no column 'who'", "'wage', 'children', 'job'"]),
        (no_key_in_pool, ["pool", "'who'"]),
        (no_key_in_one_part, ["part-1.parquet", "'who'"]),
        (missing_keys_in_original, ["the original has no group key ('who') in ", "the first of them row 3"]),
        (missing_keys_in_pool, ["part-1.parquet", "no group key ('who') in ", "the first of them row 3"]),
        (few_groups_in_pool, ["59 units but the subset needs 60", "generate more, or lower units"]),
        (group_in_two_parts, ["'x'", "part-0.parquet and part-2.parquet", "one part"]),
        (sequence_length_in_original, ["'Sequence Length'", "rename it"]),
        (boolean_keys, ["'who' is true or false", "number the groups"]),
        (nothing_but_keys, ["the original", "0 columns"]),
    ],
)
def test_select_groups__bad_tables(panel, panels, spoil, words):
    spoil(panel)
    assert_one_line(select_groups(panel), *words)
    assert_untouched(panel, panels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "coherence"], ["only groups have coherence", "give a group_key"]),
        (["--group-key", "who", "--start", "warm"], ["start is 'warm'"]),
        (["--group-key", "whom"], ["the original has no column 'whom'"]),
        (["--group-key", "who", "--units", 301], ["300 units but the subset needs 301"]),
    ],
)
def test_select_groups__bad_options(panel, panels, options, words):
    assert_one_line(select(panel, *options), *words)
    assert_untouched(panel, panels)


def first_rows(table):
    return table.drop_duplicates("who")


def with_one_huge_group(table):
    huge = table.sample(20_000, replace=True, random_state=1).assign(who="huge")
    return pd.concat([table, huge], ignore_index=True)


@pytest.mark.parametrize("start", ["trim", "coherence"])
@pytest.mark.parametrize("changed", [first_rows, with_one_huge_group])
def test_select_groups__lengths_at_the_ends(panel, changed, start):
    change(panel / "original.parquet", changed)
    change(panel / "pool" / "part-0.parquet", changed)
    if changed is first_rows:
        for i in (1, 2):
            change(panel / "pool" / f"part-{i}.parquet", changed)
    result = select_groups(panel, "--start", start)
    assert result.exit_code == 0, result.stderr + repr(result.exception)
    original, subset = (pd.read_parquet(panel / name) for name in ("original.parquet", "subset.parquet"))
    assert subset["who"].nunique() == original["who"].nunique()
    if changed is first_rows:
        assert subset["who"].is_unique
