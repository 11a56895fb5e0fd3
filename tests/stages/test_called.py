"""Generators of one's own: what is taken from them, and what is said of those that can't be used."""

import sys
import threading

import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.models.external import identity_of, load
from issodask.stages import called
from issodask.stages.roles import KnownColumns
from issodask.store.frames import to_frame
from issodask.store.tables import as_table
from tests.door import schema_from

ORIGINAL = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
SCHEMA = schema_from(ORIGINAL)

MODULE = """
import pandas as pd
import pyarrow as pa

def drawn(original, n, seed):
    return original.sample(n, replace=True, random_state=seed)

def arrow(original, n, seed):
    return pa.Table.from_pandas(drawn(original, n, seed), preserve_index=False)

def more(original, n, seed):
    return drawn(original, n + 5, seed).assign(extra=1)[["extra", "b", "a"]]

def few(original, n, seed):
    return drawn(original, n - 1, seed)

def other(original, n, seed):
    return drawn(original, n, seed).drop(columns="b")

def nothing(original, n, seed):
    return None

number = 5

def groups(original, n, seed):
    frame = pd.concat([original.assign(key=f"{name}{i}") for i in range(2) for name in range(n)])
    return frame.sample(frac=1, random_state=seed)

def few_groups(original, n, seed):
    return groups(original, n, seed)[lambda frame: frame["key"].isin(["00", "10"])]

def keyless(original, n, seed):
    return groups(original, n, seed).assign(key=["x", None] * (len(original) * n))
"""

LEARNER = """
class Learner:
    asked = ()

    def fit(self, original, seed):
        self.original = original

    def sample(self, n, seed):
        self.asked = (*self.asked, n)
        return self.original.sample(n, replace=True, random_state=seed)

learner = Learner()
"""


def call(*arguments, **options):
    """The only table."""
    (table,) = called.call(*arguments, **options)
    return table


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in the current directory."""
    (tmp_path / "own_source.py").write_text(MODULE + LEARNER)
    (tmp_path / "broken_source.py").write_text("import no_such_module_at_all\n")
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("own_source", None)


@pytest.mark.usefixtures("module")
def test_call__a_constant_that_it_leaves_out_is_the_originals():
    original = pd.concat([ORIGINAL.drop(columns="b")] * 3, ignore_index=True).assign(b="x")
    schema = KnownColumns.of(as_table(original)).schema
    assert to_frame(call("python:own_source:other", original, schema, 10, seed=1))["b"].tolist() == ["x"] * 10
    with pytest.raises(InputError, match="lacks 1 of the original's 2 columns: 'b'"):
        call("python:own_source:other", ORIGINAL, KnownColumns.of(as_table(ORIGINAL)).schema, 10, seed=1)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("place", ["own_source:drawn", "own_source:arrow", "own_source:more", "own_source.py:drawn"])
def test_call__gives_n_rows_of_the_originals_columns(place):
    frame = to_frame(call(f"python:{place}", ORIGINAL, SCHEMA, 10, seed=1))
    assert list(frame.columns) == ["a", "b"]
    assert list(frame.index) == list(range(10))
    assert set(frame["b"]) <= set(ORIGINAL["b"])


@pytest.mark.usefixtures("module")
def test_call__passes_the_seed():
    tables = [call("python:own_source:drawn", ORIGINAL, SCHEMA, 50, seed) for seed in (1, 2, 1)]
    one, two, again = (table["a"].to_pylist() for table in tables)
    assert one == again != two


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("python:own_source:few", "returned 9 rows, but 10 are needed"),
        ("python:own_source:other", "lacks 1 of the original's 2 columns: 'b'"),
        ("python:own_source:nothing", "nothing returned what can't be used: got NoneType, but a path or a table"),
        ("python:own_source:number", "has no function 'number'"),
        ("python:own_source:absent", "has no function 'absent'"),
        ("python:absent_source:f", "'absent_source' can't be imported"),
        ("python:broken_source:f", "no_such_module_at_all"),
        ("python:broken_source.py:f", "no_such_module_at_all"),
        ("python:absent/source.py:f", "no such file: absent/source.py"),
        ("python:own_source", "names no function"),
        ("python::f", "names no function"),
    ],
)
def test_call__says_what_is_wrong(source, message):
    with pytest.raises(InputError, match=message):
        call(source, ORIGINAL, SCHEMA, 10, seed=1)


@pytest.mark.usefixtures("module")
def test_load__leaves_the_path_as_it_was():
    before = list(sys.path)
    load("python:own_source:drawn")
    assert sys.path == before


GROUPED = ORIGINAL.assign(key="k")


@pytest.mark.usefixtures("module")
def test_call__gives_n_whole_groups():
    frame = to_frame(call("python:own_source:groups", GROUPED, schema_from(GROUPED), 4, seed=1, group_key="key"))
    assert list(frame.columns) == ["a", "b", "key"]
    assert list(frame.index) == list(range(12))
    assert frame["key"].nunique() == 4
    assert (frame["key"] != frame["key"].shift()).sum() == 4, "each group's rows lie together"
    assert (frame.groupby("key")["a"].apply(sorted).map(tuple) == (1, 2, 3)).all()


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("few_groups", "returned 2 groups, but 3 are needed: let it return n groups, or lower units"),
        ("keyless", r"the table from python:own_source:keyless has no group key \('key'\) in 9 of 18 rows"),
        ("drawn", "returned 1 groups, but 3 are needed"),
    ],
)
def test_call__says_what_is_wrong_with_groups(function, message):
    with pytest.raises(InputError, match=message):
        call(f"python:own_source:{function}", GROUPED, schema_from(GROUPED), 3, seed=1, group_key="key")


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("name", ["Learner", "learner"])
def test_call__a_generator_learns_once_and_draws_in_chunks(name):
    source = f"python:own_source:{name}"
    tables = list(called.call(source, ORIGINAL, SCHEMA, 25, seed=1, units_per_chunk=10))
    assert [table.num_rows for table in tables] == [10, 10, 5]
    assert tables[0] != tables[1]
    assert list(called.call(source, ORIGINAL, SCHEMA, 25, seed=1, units_per_chunk=10)) == tables


@pytest.mark.usefixtures("module")
def test_load__every_generator_is_a_copy_of_its_own():
    learner = load("python:own_source:learner")
    learner.fit(ORIGINAL, 1)
    assert not hasattr(load("python:own_source:learner"), "original")


def test_identity__of_a_script_follows_its_code(monkeypatch):
    def of(code):
        names = {"__name__": "__main__"}
        exec(code, names)
        return identity_of(names["draw"])

    one, again, other = (of(f"def draw(original, n, seed): return {value}") for value in (1, 1, 2))
    assert one == again != other
    assert one.startswith("python:__main__:draw#")


def test_identity__what_can_not_travel_is_told():
    lock = threading.Lock()
    with pytest.raises(InputError, match=r"source python:.*can't be pickled .*build what can't within it"):
        identity_of(lambda original, n, seed: lock)
