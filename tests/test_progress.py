"""How far a run is: built from its events, in any order, bounded however many they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.event_log import event_of
from issodask.events import RandomScored, SubsetWritten
from issodask.progress import MAX_POINTS, STAGES, Curve, Line, Progress, duration

TRAIN = {"event": "generator", "index": 0, "phase": "train", "epoch": 2.0, "max_epochs": 8.0}
REFINE = {
    **{"event": "refine", "i_round": 4, "n_rounds": 10, "objective": 0.125},
    **{"temperature": 1e-6, "n_proposed": 8, "n_kept": 5, "n_trials": 20},
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


def heard(*records):
    """After these events, a second from one to the next."""
    progress = Progress()
    for i, record in enumerate(records):
        event = event_of({"time": 1_000.0 + i, **record})
        if event is not None:
            progress.hear(event)
    return progress


@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_progress__any_events_in_any_order(events):
    progress = heard(*events)
    assert list(progress.stages) == [name for name in STAGES if name in progress.lines]
    assert len(progress.generators) == len(progress.trainings)
    for line in progress.lines.values():
        assert 0 <= line.share <= 1
        assert line.seconds_left is None or line.seconds_left >= 0
    assert all(0 <= training.share <= 1 for training in progress.trainings.values())
    lengths = {len(column) for column in vars(progress.curve).values()}
    assert len(lengths) == 1
    assert bool(progress.stage) == bool(progress.stages)


def test_progress__stage_is_what_was_heard_of_last():
    encode = next(event for event in EVENTS if event["event"] == "encode")
    assert heard(REFINE, encode).stage == "encode 33%"
    assert heard(encode, REFINE).stage == "refine 50%"
    assert heard().stage == ""


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (Line(100, 110, done=2, of=4), 10.0),
        (Line(100, 110, done=1, of=5), 40.0),
        (Line(100, 110, done=60, begun=50, of=100), 40.0),  # one that was resumed half-way
        (Line(100, 110, done=52, begun=50, of=100), None),  # too early to tell
        (Line(100, 110, done=2, of=4, is_open=True), None),  # of a training, which may stop early
        (Line(100, 110, done=0, of=4), None),
        (Line(100, 100, done=50, begun=50, of=100), None),
        (Line(100, 110, done=4, of=4), None),
        (Line(100, 110, done=3), None),
    ],
)
def test_line__seconds_left_at_the_pace_so_far(line, seconds):
    assert line.seconds_left == seconds


def test_progress__seconds_left_of_a_stage_that_begins_anew():
    ipf = {"event": "ipf", "of": 10, "residual": 0.5}
    progress = heard(*({**ipf, "n": n} for n in (1, 2, 9)), *({**ipf, "n": n} for n in (1, 2)))
    assert progress.seconds_left == 8.0


def test_progress__generators_count_together():
    progress = heard({**TRAIN, "epoch": 4.0}, {"event": "generator", "index": 1, "phase": "start"})
    assert progress.trainings[0].share == pytest.approx(0.4)
    assert progress.stages["generate"].share == pytest.approx(0.2)
    assert progress.stages["generate"].note == "2 generators"


def test_progress__a_training_that_goes_back_loses_the_later_epochs():
    losses = [(1.0, 3.0), (2.0, 2.5), (3.0, 2.2), (2.0, 9.0), (2.5, 2.4)]
    progress = heard(*({**TRAIN, "epoch": epoch, "train_loss": loss} for epoch, loss in losses))
    assert progress.trainings[0].epochs == [1.0, 2.0, 2.5]
    assert progress.trainings[0].train_loss == [3.0, 2.5, 2.4]


def test_progress__the_search_is_a_curve():
    trim = {"event": "trim", "n": 2, "of": 4, "units": 3_000, "objective": 0.5}
    curve = heard({"event": "random", "objective": 0.75}, trim, REFINE).curve
    assert (curve.stage, curve.accuracy) == (["trim", "refine"], [0.5, 0.875])
    assert (curve.temperature, curve.acceptance) == ([None, 1e-6], [None, 0.25])


def test_progress__a_search_that_begins_anew_has_a_new_curve():
    progress = heard(REFINE, {"event": "random", "objective": 0.25}, {**REFINE, "objective": 0.5})
    assert progress.curve.accuracy == [0.5]
    assert progress.random_accuracy == 0.75


def test_progress__ends_with_what_is_said_of_the_original():
    progress = Progress()
    for event in (
        RandomScored(objective=0.2),
        SubsetWritten(out="s", accuracy=0.9, random_accuracy=0.7, rounds="", reason=""),
    ):
        progress.hear(event)
    assert (progress.accuracy, progress.random_accuracy) == (0.9, 0.7)


@pytest.mark.parametrize("n", [MAX_POINTS, MAX_POINTS + 1, 20 * MAX_POINTS])
def test_curve__bounded_from_the_first_point_to_the_last(n):
    curve = Curve()
    for i in range(n):
        curve.add(float(i), "refine", 0.5)
    assert MAX_POINTS / 2 < len(curve.time) <= MAX_POINTS
    assert (curve.time[0], curve.time[-1]) == (0.0, n - 1.0)
    assert curve.time == sorted(set(curve.time))


def test_progress__generators_tell_no_time_left_while_one_trains():
    sampled = {"event": "generator", "index": 0, "phase": "sample", "of_rows": 100}
    assert heard(TRAIN, {**TRAIN, "epoch": 6.0}).seconds_left is None
    progress = heard(TRAIN, *({**sampled, "n_rows": n} for n in (0, 20, 40)))
    assert progress.seconds_left == pytest.approx(3.0)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (249, "4 min 09 s"), (7_500, "2 h 05 min")])
def test_duration__as_people_write_it(seconds, text):
    assert duration(seconds) == text
