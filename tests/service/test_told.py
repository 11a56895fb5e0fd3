"""What a job told: kept for those who follow it, as much as there is room for."""

from hypothesis import given
from hypothesis import strategies as st

from issodask.progress import Progress
from issodask.service.told import MAX_EVENTS, Told


def told(*records):
    told = Told()
    for record in records:
        told.hear(record)
    return told


def test_hear__an_event_of_an_unknown_kind_is_kept_and_changes_nothing():
    one = told({"event": "colours", "n": 3})
    assert [record["event"] for record in one.records] == ["colours"]
    assert one.progress.lines == Progress().lines


def test_hear__gives_the_event():
    assert Told().hear({"time": 5.0, "event": "finished", "accuracy": 0.5}).accuracy == 0.5


@given(st.integers(0, 30), st.integers(0, 40))
def test_since__those_after_the_first_n(n_events, n):
    one = told(*({"event": "x", "i": i} for i in range(n_events)))
    assert [record["i"] for record in one.since(n)] == list(range(n, n_events))


def test_since__the_oldest_are_forgotten():
    one = told(*({"event": "x", "i": i} for i in range(MAX_EVENTS + 10)))
    assert len(one.since(0)) == MAX_EVENTS
    assert [record["i"] for record in one.since(MAX_EVENTS + 8)] == [MAX_EVENTS + 8, MAX_EVENTS + 9]
