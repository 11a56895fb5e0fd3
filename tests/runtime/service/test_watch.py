"""What there is to see of a job: built from its events, in any order, bounded however many they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.runtime.service.watch import MAX_EVENTS, MAX_POINTS, STAGES, Curve, Progress, Watch

TRAIN = {"event": "generator", "index": 0, "phase": "train", "epoch": 2.0, "max_epochs": 8.0, "n_generators": 2}
REFINE = {
    **{"event": "refine", "i_round": 4, "n_rounds": 10, "objective": 0.125},
    **{"temperature": 1e-6, "n_kept": 5, "n_trials": 20},
}
EVENTS = [
    {"event": "run", "name": "job", "out": "/out"},
    {"event": "driving", "pid": 1, "host": "a", "worker": "w"},
    {"event": "generator", "index": 1, "phase": "start"},
    TRAIN,
    {**TRAIN, "epoch": 9.0, "train_loss": 2.0, "val_loss": 2.5},
    {"event": "generator", "index": 0, "phase": "sample", "n_rows": 0, "of_rows": 0},
    {"event": "generator", "index": 1, "phase": "sample", "n_rows": 10, "of_rows": 40},
    {"event": "generator", "index": 0, "phase": "done", "n_rows": 90},
    {"event": "encode", "n": 1, "of": 3, "part": "a", "rows": 5, "state": "new"},
    {"event": "ipf", "n": 2, "of": 8, "residual": 0.25},
    {"event": "random", "objective": 0.25},
    {"event": "trim", "n": 1, "of": 4, "units": 4_000, "objective": None},
    {"event": "trim", "n": 2, "of": 4, "units": 3_000, "objective": 0.5},
    {"event": "preselect", "n": 1, "of": 4, "coherence_error": 0.5},
    REFINE,
    {**REFINE, "i_round": 15, "n_trials": 0},
    {"event": "write", "n": 0, "of": 1, "units": 9},
    {"event": "selected", "out": "s", "accuracy": 0.75, "rounds": "5/10", "reason": "effort spent"},
    {"event": "evaluate", "n": 0, "of": 1, "what": "report"},
    {"event": "finished", "accuracy": 0.75},
    {"event": "nobody knows this one", "n": "x"},
]


def heard(*events):
    """After these events, a second from one to the next."""
    watch = Watch()
    for i, event in enumerate(events):
        watch.hear({"time": 1_000.0 + i, **event})
    return watch


@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_watch__any_events_in_any_order(events):
    watch = heard(*events)
    assert watch.n_events == len(events)
    assert set(watch.stages) <= set(STAGES)
    for progress in watch.stages.values():
        assert 0 <= progress.share <= 1
        assert progress.seconds_left is None or progress.seconds_left >= 0
    assert all(0 <= training.share <= 1 for training in watch.trainings.values())
    lengths = {len(column) for column in vars(watch.curve).values()}
    assert len(lengths) == 1
    assert bool(watch.stage) == bool(watch.stages)


def test_watch__an_event_of_an_unknown_kind_is_kept_and_changes_nothing():
    watch, before = heard({"event": "colours", "n": 3}), vars(Watch())
    assert [event["event"] for event in watch.events] == ["colours"]
    for name in set(before) - {"events", "n_events"}:
        assert getattr(watch, name) == before[name]


def test_watch__stage_is_what_was_heard_of_last():
    encode = next(event for event in EVENTS if event["event"] == "encode")
    assert heard(REFINE, encode).stage == "encode 33%"
    assert heard(encode, REFINE).stage == "refine 50%"
    assert heard().stage == ""


@pytest.mark.parametrize(
    ("progress", "seconds"),
    [
        (Progress(100, 110, done=2, of=4), 10.0),
        (Progress(100, 110, done=1, of=5), 40.0),
        (Progress(100, 110, done=52, begun=50, of=100), 240.0),  # one that was resumed half-way
        (Progress(100, 110, done=0, of=4), None),
        (Progress(100, 100, done=50, begun=50, of=100), None),
        (Progress(100, 110, done=4, of=4), None),
        (Progress(100, 110, done=3), None),
    ],
)
def test_progress__seconds_left_at_the_speed_so_far(progress, seconds):
    assert progress.seconds_left == seconds


def test_watch__seconds_left_of_a_stage_that_begins_anew():
    ipf = {"event": "ipf", "of": 10, "residual": 0.5}
    watch = heard(*({**ipf, "n": n} for n in (1, 2, 9)), *({**ipf, "n": n} for n in (1, 2)))
    assert watch.seconds_left == 8.0


def test_watch__generators_count_together():
    watch = heard({**TRAIN, "epoch": 4.0}, {"event": "generator", "index": 1, "phase": "start"})
    assert watch.trainings[0].share == pytest.approx(0.4)
    assert watch.stages["generate"].share == pytest.approx(0.2)
    assert watch.stages["generate"].note == "2 generators"


def test_watch__a_training_that_goes_back_loses_the_later_epochs():
    losses = [(1.0, 3.0), (2.0, 2.5), (3.0, 2.2), (2.0, 9.0), (2.5, 2.4)]
    watch = heard(*({**TRAIN, "epoch": epoch, "train_loss": loss} for epoch, loss in losses))
    assert watch.trainings[0].epochs == [1.0, 2.0, 2.5]
    assert watch.trainings[0].train_loss == [3.0, 2.5, 2.4]


def test_watch__the_search_is_a_curve():
    trim = {"event": "trim", "n": 2, "of": 4, "units": 3_000, "objective": 0.5}
    curve = heard({"event": "random", "objective": 0.75}, trim, REFINE).curve
    assert (curve.stage, curve.accuracy) == (["trim", "refine"], [0.5, 0.875])
    assert (curve.temperature, curve.acceptance) == ([None, 1e-6], [None, 0.25])


def test_watch__a_search_that_begins_anew_has_a_new_curve():
    watch = heard(REFINE, {"event": "random", "objective": 0.25}, {**REFINE, "objective": 0.5})
    assert watch.curve.accuracy == [0.5]
    assert watch.random_accuracy == 0.75


@pytest.mark.parametrize("n", [MAX_POINTS, MAX_POINTS + 1, 20 * MAX_POINTS])
def test_curve__bounded_from_the_first_point_to_the_last(n):
    curve = Curve()
    for i in range(n):
        curve.add(float(i), "refine", 0.5)
    assert MAX_POINTS / 2 < len(curve.time) <= MAX_POINTS
    assert (curve.time[0], curve.time[-1]) == (0.0, n - 1.0)
    assert curve.time == sorted(set(curve.time))


@given(st.integers(0, 30), st.integers(0, 40))
def test_events_since__those_after_the_first_n(n_events, n):
    watch = heard(*({"event": "x", "i": i} for i in range(n_events)))
    assert [event["i"] for event in watch.events_since(n)] == list(range(n, n_events))


def test_events_since__the_oldest_are_forgotten():
    watch = heard(*({"event": "x", "i": i} for i in range(MAX_EVENTS + 10)))
    assert len(watch.events_since(0)) == MAX_EVENTS
    assert [event["i"] for event in watch.events_since(MAX_EVENTS + 8)] == [MAX_EVENTS + 8, MAX_EVENTS + 9]
