"""What is asked of a subset, from end to end: shares, totals and rules, of rows and of groups."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import issodask
from issodask.config import RulesConfig, SelectConfig, TargetConfig, load_job
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.events import PoolMarked, Resumed, RulesKnown, StratumFound, Unmet
from issodask.runtime import open_runtime
from issodask.stages.plan import plan
from issodask.stages.run import run
from issodask.stages.select import select
from tests.stages.test_never_worse import NASTY, nasty_rows
from tests.strategies import seeds
from tests.tables import QUICK, biased_panel, biased_pool, mixed_table, panel_table, write_panel, write_pool

POPULATION = QUICK.model_copy(update={"aim": "population"})
TOTALS = {
    "totals": [
        {
            "rows": [
                {"age": "18-39", "is_new": True, "count": 90},
                {"age": "18-39", "is_new": False, "count": 160},
                {"age": "40-90", "is_new": True, "count": 50},
                {"age": "40-90", "is_new": False, "count": 300},
            ]
        }
    ],
    "shares": [{"column": "job", "shares": {"smith": 0.25, "": 0.1}}, {"column": "size", "shares": {"L": 0.2}}],
}


def with_town(frame):
    """A column that never changes within a group, and one that counts its rows."""
    numbers = pd.factorize(frame["who"])[0]
    return frame.assign(
        town=np.array(["Graz", "Linz", "Wels"])[numbers % 7 % 3], year=2000 + frame.groupby("who").cumcount()
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    mixed_table().to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", biased_pool())
    with_town(panel_table(150, 1)).to_parquet(folder / "panel.parquet")
    panel = with_town(biased_panel(1_200))
    panel.loc[panel.index % 11 == 0, "year"] -= 2
    write_panel(folder / "panel", panel.sort_values("who", kind="stable"), shuffled=False)
    return folder


def selected(world, out, target=None, rules=None, config=QUICK, scheduler="serial", names=("original", "pool"), **more):
    original, pool = names
    asked = {"target": TargetConfig(**(target or {})), "rules": RulesConfig(**(rules or {}))}
    with open_runtime(2, scheduler) as runtime:
        return select(world / f"{original}.parquet", world / pool, out, config, runtime=runtime, **asked, **more)


def groups(*args, **more):
    return selected(*args, names=("panel", "panel"), group_key="who", **more)


def check_totals(frame):
    assert len(frame) == 600
    young = frame.age < 40
    counts = [(young & frame.is_new).sum(), (young & ~frame.is_new).sum(), (~young & frame.is_new).sum()]
    assert counts == [90, 160, 50]
    assert (frame.job == "smith").sum() == 150
    assert frame.job.isna().sum() == 60
    assert (frame["size"] == "L").sum() == 120


@pytest.mark.slow
@pytest.mark.parametrize("config", [QUICK, POPULATION], ids=["original", "population"])
def test_totals__are_met_exactly(world, tmp_path, config):
    found = selected(world, tmp_path / "subset.parquet", TOTALS, config=config)
    check_totals(pd.read_parquet(found.out))
    assert found.facts.asked.unmet == ()
    assert 100 < found.facts.asked.effective_units < 600
    assert found.accuracy > found.random_accuracy


def test_totals__what_is_not_named_keeps_its_proportions(world, tmp_path):
    found = selected(world, tmp_path / "subset.parquet", {"shares": [{"column": "job", "shares": {"cook": 0.5}}]})
    original, subset = (pd.read_parquet(path).job.fillna("(n/a)") for path in (world / "original.parquet", found.out))
    assert (subset == "cook").sum() == 300
    others = (table[table != "cook"].value_counts(normalize=True) for table in (original, subset))
    assert max(abs(next(others) - next(others))) < 0.02


def test_totals__say_how_many_units_there_are(world, tmp_path):
    rows = [{"is_new": True, "count": 70}, {"is_new": False, "count": 130}]
    found = selected(world, tmp_path / "subset.parquet", {"totals": [{"rows": rows}]})
    assert found.n_units == 200
    assert pd.read_parquet(found.out).is_new.sum() == 70


def test_totals__from_a_file(world, tmp_path):
    (tmp_path / "totals.csv").write_text("age,share\n18-39,0.5\n40-59,0.25\n")
    found = selected(world, tmp_path / "subset.parquet", {"totals": [{"table": str(tmp_path / "totals.csv")}]})
    ages = pd.read_parquet(found.out).age
    assert ((ages < 40).sum(), ages.between(40, 59).sum(), (ages > 59).sum()) == (300, 150, 150)


@pytest.mark.slow
def test_totals__of_groups(world, tmp_path):
    target = {"shares": [{"column": "town", "shares": {"Graz": 0.1, "Linz": 0.6}}]}
    for config in (QUICK, POPULATION):
        found = groups(world, tmp_path / "subset.parquet", target, config=config)
        towns = pd.read_parquet(found.out).groupby("who").town.first().value_counts()
        assert towns.to_dict() == {"Linz": 90, "Wels": 45, "Graz": 15}
        assert found.accuracy > found.random_accuracy


def test_totals__of_a_column_that_changes_within_groups(world, tmp_path):
    with pytest.raises(InputError, match="change within groups"):
        groups(world, tmp_path / "subset.parquet", {"shares": [{"column": "job", "shares": {"cook": 0.5}}]})


@pytest.mark.slow
def test_totals__that_the_pool_can_not_fill_are_named(world, tmp_path):
    pool = biased_pool()
    few = pool[(pool.job != "cook") | (pool.index < 300)]
    told = []
    target = TargetConfig(shares=[{"column": "job", "shares": {"cook": 0.5}}])
    found = select(
        world / "original.parquet", few, tmp_path / "subset.parquet", QUICK, target=target,
        events=Events(None, told.append),
    )  # fmt: skip
    n_cooks = int((few.job == "cook").sum())
    assert n_cooks < 300
    subset = pd.read_parquet(found.out)
    assert (subset.job == "cook").sum() == n_cooks
    assert found.n_units == len(subset) == 600
    (unmet,) = [event for event in told if isinstance(event, Unmet)]
    assert f"job cook ({n_cooks} of 300)" in unmet.cells


@pytest.mark.slow
def test_totals__repeats_fill_what_is_short(world, tmp_path):
    pool = biased_pool()
    few = pool[(pool.job != "cook") | (pool.index < 300)]
    target = TargetConfig(shares=[{"column": "job", "shares": {"cook": 0.5}}])
    config = QUICK.model_copy(update={"allow_repeats": True})
    found = select(world / "original.parquet", few, tmp_path / "subset.parquet", config, target=target)
    assert (pd.read_parquet(found.out).job == "cook").sum() == 300


@pytest.mark.slow
def test_rules__are_never_broken(world, tmp_path):
    rules = {"rows": ["age >= 25 or not is_new", "`wage (€)` < 4000"], "dependencies": False, "strict": True}
    pool = biased_pool()
    assert (pool["wage (€)"] >= 4000).any()
    found = selected(world, tmp_path / "subset.parquet", rules=rules)
    frame = pd.read_parquet(found.out)
    assert ((frame.age >= 25) | ~frame.is_new).all()
    assert (frame["wage (€)"] < 4000).all()
    kept = found.facts.asked.rules
    assert [rule.subset for rule in kept] == [1, 1]
    assert kept[0].pool < 1


@pytest.mark.slow
def test_rules__that_the_original_breaks_are_told_and_not_enforced(world, tmp_path):
    told = []
    found = selected(world, tmp_path / "a.parquet", rules={"rows": ["age >= 30"]}, events=Events(None, told.append))
    assert (pd.read_parquet(found.out).age < 30).any()
    assert not found.facts.asked.rules[0].enforced
    (event,) = [event for event in told if isinstance(event, RulesKnown)]
    assert "not enforced" in event.said()[0]
    found = selected(world, tmp_path / "b.parquet", rules={"rows": ["age >= 30"], "strict": True})
    assert (pd.read_parquet(found.out).age >= 30).all()


@pytest.mark.slow
def test_rules__dependencies_go_on(world, tmp_path):
    original = mixed_table().assign(level=lambda frame: frame["size"].map({"S": 1, "M": 2, "L": 3}).astype(int))
    pool = biased_pool().assign(level=lambda frame: frame["size"].map({"S": 1, "M": 2, "L": 3}).astype(int))
    wrong = np.random.default_rng(1).random(len(pool)) < 0.3
    pool.loc[wrong, "level"] = 2
    rules = RulesConfig(dependencies=True)
    found = select(original, pool, tmp_path / "subset.parquet", QUICK, rules=rules)
    assert {rule.text for rule in found.facts.asked.rules} == {"size -> level", "level -> size"}
    assert (pd.read_parquet(found.out).groupby("size", observed=True)["level"].nunique() == 1).all()
    rules = RulesConfig(dependencies=["size -> level"])
    assert len(select(original, pool, tmp_path / "b.parquet", QUICK, rules=rules).facts.asked.rules) == 1
    rules = RulesConfig(dependencies=True, independent=["size→level"])
    (rule,) = select(original, pool, tmp_path / "c.parquet", QUICK, rules=rules).facts.asked.rules
    assert rule.text == "level -> size"


def test_rules__of_groups(world, tmp_path):
    pool = pd.concat([pd.read_parquet(path) for path in sorted((world / "panel").glob("*.parquet"))])
    found = groups(world, tmp_path / "subset.parquet", rules={"groups": ["year increases", "town stays the same"]})
    subset = pd.read_parquet(found.out)
    assert (subset.groupby("who").year.diff().dropna() > 0).all()
    assert not (pool.groupby("who").year.diff().dropna() > 0).all()
    rule = found.facts.asked.rules[0]
    assert rule.subset == 1
    assert rule.pool < 1


@pytest.mark.slow
def test_rules__functions_of_ones_own(world, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def adult(frame):\n    return frame['age'] >= 21\n\n\ndef short(group):\n    return len(group) < 6\n\n\n"
        "def wrong(frame):\n    return 3\n\n\ndef fails(frame):\n    return frame['nothing']\n"
    )
    rule = f"python:{tmp_path}/mine.py:"
    found = selected(world, tmp_path / "a.parquet", rules={"rows": [f"{rule}adult"], "strict": True})
    assert (pd.read_parquet(found.out).age >= 21).all()
    found = groups(world, tmp_path / "b.parquet", rules={"groups": [f"{rule}short"], "strict": True})
    assert (pd.read_parquet(found.out).groupby("who").size() < 6).all()
    for name, expected in (("wrong", "return a truth value"), ("fails", "fails"), ("nothing", "no function")):
        with pytest.raises(InputError, match=expected):
            selected(world, tmp_path / "c.parquet", rules={"rows": [rule + name]})


@pytest.mark.slow
def test_rules__a_function_that_has_changed_is_asked_again(world, tmp_path):
    mine = tmp_path / "mine.py"
    for least in (21, 30):
        mine.write_text(f"def adult(frame):\n    return frame['age'] >= {least}\n")
        rules = {"rows": [f"python:{mine}:adult"], "strict": True}
        found = selected(world, tmp_path / "subset.parquet", rules=rules, folder=tmp_path / "work")
        assert pd.read_parquet(found.out).age.min() >= least


@pytest.mark.slow
def test_rules__too_few_units_left(world, tmp_path):
    with pytest.raises(InputError, match=r"only [\d,]+ of the pool's 6,000 units .* 'age == 33' costs most"):
        selected(world, tmp_path / "subset.parquet", rules={"rows": ["age == 33", "is_new"], "strict": True})
    assert not (tmp_path / "subset.parquet").exists()


@pytest.mark.parametrize(
    ("target", "rules", "expected"),
    [
        ({"shares": [{"column": "jobs", "shares": {"cook": 0.5}}]}, {}, "did you mean 'job'"),
        ({"shares": [{"column": "job", "shares": {"Cook": 0.5}}]}, {}, "did you mean 'cook'"),
        ({"shares": [{"column": "age", "shares": {"3-5": 0.5}}]}, {}, "no unit of the original"),
        ({"totals": [{"rows": [{"age": "18-39", "count": 9_000}]}]}, {}, "has 6,000 units but"),
        (
            {"totals": [{"rows": [{"job": "cook", "count": 3}]}, {"rows": [{"is_new": True, "count": 4}]}]},
            {},
            "totals disagree",
        ),
        ({"totals": [{"rows": [{"job": "cook"}]}]}, {}, "'count' or 'share'"),
        ({"totals": [{"rows": [{"job": "cook", "count": 1, "share": 1}]}]}, {}, "'count' or 'share'"),
        (
            {
                "shares": [
                    {"column": "age", "shares": {"18-39": 1.0}},
                    {"column": "age", "shares": {"40-90": 0.5}},
                ]
            },
            {},
            "can't all be",
        ),
        ({}, {"rows": ["agee > 3"]}, "did you mean 'age'"),
        ({}, {"rows": ["__import__('os')"]}, "no rule may have"),
        ({}, {"groups": ["age increases"]}, "no group_key"),
        ({}, {"dependencies": ["age -> job"]}, "no dependency"),
        ({}, {"independent": ["age -> job"]}, "set dependencies"),
    ],
)
def test_asked__what_can_not_be_is_an_error_in_a_line(world, tmp_path, target, rules, expected):
    out = tmp_path / "subset.parquet"
    out.write_bytes(b"an earlier one")
    with pytest.raises(InputError, match=expected) as told:
        selected(world, out, target, rules)
    assert "\n" not in str(told.value)
    assert out.read_bytes() == b"an earlier one"


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["threads", "processes"], indirect=True)
def test_asked__same_bytes_wherever_it_runs(world, tmp_path, runtime):
    rules = {"rows": ["`wage (€)` < 4000"], "strict": True}
    of_groups = {"shares": [{"column": "town", "shares": {"Graz": 0.1}}]}, {"groups": ["year increases"]}
    for choose, asked in ((selected, (TOTALS, rules)), (groups, of_groups)):
        once, again = tmp_path / "once.parquet", tmp_path / "again.parquet"
        choose(world, once, *asked, config=POPULATION, folder=tmp_path / "a")
        choose(world, again, *asked, config=POPULATION, scheduler=runtime, folder=tmp_path / "b")
        assert once.read_bytes() == again.read_bytes()
        (tmp_path / "a").rename(tmp_path / f"a {choose.__name__}")
        (tmp_path / "b").rename(tmp_path / f"b {choose.__name__}")


class StoppedError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(("stop_at", "n"), [("mark", 1), ("trim", 1), ("trim", 50), ("refine", 1)])
def test_asked__an_interrupted_search_ends_in_the_same_bytes(world, tmp_path, stop_at, n):
    seen = []

    def stop(event):
        seen.append(event.KIND)
        if seen.count(stop_at) == n:
            raise StoppedError

    config = QUICK.model_copy(update={"checkpoint_s": 0.0})
    expected = selected(world, tmp_path / "expected.parquet", TOTALS, config=config).out.read_bytes()
    with pytest.raises(StoppedError):
        selected(world, tmp_path / "subset.parquet", TOTALS, config=config, events=Events(None, stop))
    told = []
    found = selected(world, tmp_path / "subset.parquet", TOTALS, config=config, events=Events(None, told.append))
    assert found.out.read_bytes() == expected
    assert stop_at == "mark" or [event for event in told if isinstance(event, Resumed)]


@pytest.mark.slow
def test_asked__marks_are_made_once_and_again_when_damaged(world, tmp_path):
    for damage in (False, True):
        path = next(iter((tmp_path / "work" / "select" / "marks").glob("*.npy")), None) if damage else None
        if path is not None:
            path.write_bytes(path.read_bytes()[:-8])
        told = []
        found = selected(
            world, tmp_path / "subset.parquet", TOTALS, folder=tmp_path / "work", events=Events(None, told.append)
        )
        check_totals(pd.read_parquet(found.out))
        assert [event.allowed for event in told if isinstance(event, PoolMarked)] == [6_000]
        assert any("damaged" in str(event.record()) for event in told) == damage


@pytest.mark.slow
@settings(max_examples=25)
@given(kind=st.sampled_from(NASTY), seed=seeds, aim=st.sampled_from(["original", "population"]))
def test_asked__never_worse_than_random_and_always_as_asked(tmp_path_factory, kind, seed, aim):
    random = np.random.default_rng(seed)
    n_rows = int(random.integers(12, 60))
    original = nasty_rows(kind, n_rows, random, False).assign(side=random.permutation(n_rows) % 2 == 0)
    n_pool = n_rows * int(random.integers(2, 12))
    pool = nasty_rows(kind, n_pool, random, True).assign(side=random.permutation(n_pool) % 3 == 0)
    share = float(random.integers(0, 11)) / 10
    out = tmp_path_factory.mktemp("nasty") / "subset.parquet"
    config = SelectConfig(aim=aim, effort=20.0, ipf_passes=int(random.integers(0, 3)))
    target = TargetConfig(shares=[{"column": "side", "shares": {"true": share}}])
    with open_runtime(1, "serial") as runtime:
        found = select(original, pool, out, config, target=target, runtime=runtime)
    wanted, there = round(share * n_rows + 1e-9), int(pool.side.sum())
    lowest, highest = n_rows - int((~pool.side).sum()), there
    n_true = int(pd.read_parquet(out).side.sum())
    assert abs(n_true - min(max(wanted, lowest), highest)) <= 1
    assert found.accuracy >= found.random_accuracy - 1e-12
    assert len(pd.read_parquet(out)) == n_rows


@pytest.mark.slow
def test_run__a_job_that_asks(world, tmp_path):
    (tmp_path / "job.toml").write_text(
        f"""
out = {json.dumps(str(tmp_path / "out"))}
[original]
path = {json.dumps(str(world / "original.parquet"))}
holdout_share = 0.2
[generate]
source = {json.dumps(str(world / "pool"))}
[select]
effort = 60.0
[[target.shares]]
column = "is_new"
shares = {{ true = 0.5 }}
[[target.totals]]
rows = [{{ age = "18-39", count = 200 }}, {{ age = "40-90", count = 200 }}]
[rules]
rows = ["age >= 18"]
"""
    )
    job = load_job(tmp_path / "job.toml")
    assert "400 of" in next(row.what for row in plan(job) if row.stage == "select")
    finished = run(job)
    frame = pd.read_parquet(finished.subset)
    assert (len(frame), frame.is_new.sum(), (frame.age < 40).sum()) == (400, 200, 200)
    asked = finished.metrics["issodask"]["select"]["asked"]
    assert [rule["subset"] for rule in asked["rules"]] == [1]
    accuracy = finished.metrics["issodask"]["accuracy"]["against_original"]["subset"]["overall"]
    assert accuracy == pytest.approx(finished.selected.accuracy, abs=2e-3)
    page = finished.report.read_text()
    assert "What was asked" in page
    assert "is_new true" in page


@pytest.mark.slow
def test_target__in_python(world, tmp_path):
    original = pd.read_parquet(world / "original.parquet")
    totals = pd.DataFrame({"age": ["18-39", "40-90"], "count": [100, 200]})
    target = issodask.Target(original).shares("is_new", {True: 0.5}).totals(totals)
    chosen = issodask.select(
        original, str(world / "pool"), target=target, rules={"rows": ["age > 17"]}, aim="original", effort=60,
        progress=False,
    )  # fmt: skip
    frame = chosen.to_pandas()
    assert (len(frame), frame.is_new.sum(), (frame.age < 40).sum()) == (300, 150, 100)
    assert "asked" in chosen.facts
    with pytest.raises(InputError, match="did you mean 'age'"):
        issodask.Target(original).shares("aged", {"18-39": 0.5})
    with pytest.raises(InputError, match="more than 1"):
        issodask.Target(original).shares("is_new", {True: 0.6, False: 0.5})
    with pytest.raises(InputError, match="unknown key"):
        issodask.select(original, str(world / "pool"), target={"share": []})


@pytest.mark.slow
def test_strata__each_has_its_own_units_and_totals(world, tmp_path):
    rows = [
        {"job": job, "age": age, "count": n}
        for job, counts in {"cook": (10, 30), "smith": (5, 200), "": (0, 7)}.items()
        for age, n in zip(("18-39", "40-90"), counts, strict=True)
    ]
    target = {"totals": [{"rows": rows}], "shares": [{"column": "is_new", "shares": {"true": 0.2}}], "by": "job"}
    for config in (QUICK, POPULATION):
        found = selected(
            world, tmp_path / "subset.parquet", target, {"rows": ["age < 85"], "strict": True}, config=config
        )
        frame = pd.read_parquet(found.out)
        assert found.n_units == len(frame) == 252
        counts = frame.assign(job=frame.job.fillna("")).groupby(["job", frame.age < 40]).size().to_dict()
        assert counts == {
            ("cook", True): 10,
            ("cook", False): 30,
            ("smith", True): 5,
            ("smith", False): 200,
            ("", False): 7,
        }
        assert frame.groupby(frame.job.fillna("")).is_new.sum().to_dict() == {"": 1, "cook": 8, "smith": 41}
        assert (frame.age < 85).all()
        assert found.accuracy > found.random_accuracy
        assert not found.facts.asked.unmet


@pytest.mark.slow
def test_strata__of_the_original_where_no_totals_say(world, tmp_path):
    found = selected(world, tmp_path / "subset.parquet", {"by": "job"})
    original, subset = (pd.read_parquet(path).job.fillna("-") for path in (world / "original.parquet", found.out))
    assert subset.value_counts().to_dict() == original.value_counts().to_dict()
    assert set(subset) == set(original)


@pytest.mark.slow
def test_strata__units_may_serve_several_and_keep_the_same_bytes(world, tmp_path):
    rows = [{"size": size, "count": 2_500} for size in ("S", "M", "L")]
    target = {"totals": [{"rows": rows}], "by": "size"}
    outs = []
    for scheduler in ("serial", "threads"):
        found = selected(world, tmp_path / f"{scheduler}.parquet", target, scheduler=scheduler)
        assert pd.read_parquet(found.out)["size"].value_counts().to_dict() == {"S": 2_500, "M": 2_500, "L": 2_500}
        outs.append(found.out.read_bytes())
    assert outs[0] == outs[1]


@pytest.mark.slow
def test_strata__an_interrupted_run_goes_on_with_the_next(world, tmp_path):
    undisturbed = selected(world, tmp_path / "undisturbed.parquet", {"by": "job"})
    events = []

    def stop(event):
        events.append(event)
        if isinstance(event, StratumFound) and event.n == 2:
            raise StoppedError

    config = QUICK.model_copy(update={"checkpoint_s": 0.0})
    with pytest.raises(StoppedError):
        selected(world, tmp_path / "subset.parquet", {"by": "job"}, config=config, events=Events(None, stop))
    events.clear()
    heard = Events(None, events.append)
    found = selected(world, tmp_path / "subset.parquet", {"by": "job"}, config=config, events=heard)
    assert found.out.read_bytes() == undisturbed.out.read_bytes()
    assert next(event.n for event in events if isinstance(event, StratumFound)) == 3
    assert [event.next for event in events if isinstance(event, Resumed)] == [2]


@pytest.mark.parametrize(
    ("target", "config", "expected"),
    [
        ({"by": "jobb"}, {}, "did you mean 'job'"),
        ({"by": "job", "totals": [{"rows": [{"age": "18-39", "count": 5}]}]}, {}, "say nothing of 'job'"),
        ({"by": "job", "totals": [{"rows": [{"job": "cook", "count": 7_000}]}]}, {}, "has 6,000 units but"),
        ({"by": "job"}, {"time_limit_s": 3.0}, "searched by effort"),
        (
            {
                "by": "job",
                "totals": [
                    {"rows": [{"job": "cook", "count": 5}]},
                    {"rows": [{"job": "cook", "age": "18-90", "count": 6}]},
                ],
            },
            {},
            "totals disagree on job 'cook'",
        ),
    ],
)
def test_strata__what_can_not_be(world, tmp_path, target, config, expected):
    with pytest.raises(InputError, match=expected):
        selected(world, tmp_path / "subset.parquet", target, config=QUICK.model_copy(update=config))


def test_strata__no_rule_looks_at_their_column(world, tmp_path):
    with pytest.raises(InputError, match="says what stratum"):
        selected(world, tmp_path / "subset.parquet", {"by": "job"}, {"rows": ["job == 'cook' or age > 3"]})


def test_strata__not_of_groups(world, tmp_path):
    with pytest.raises(InputError, match="flat tables"):
        groups(world, tmp_path / "subset.parquet", {"by": "town"})
