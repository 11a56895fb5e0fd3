"""Events: what a run tells, in a file and to whoever listens."""

import json
import threading
import time
from dataclasses import fields

import pytest

from issodask.event_log import KINDS, Events, event_of, read_events
from issodask.events import Damaged, Refined, RunFinished, Trimmed


def test_emit__appends_one_line_per_event(tmp_path):
    file = tmp_path / "run" / "events.jsonl"
    events = Events(file)
    events.emit(Trimmed(n=1, of=3, units=5))
    events.emit(Damaged(file="naïve \u2028 ☃"))
    assert len(file.read_text(encoding="utf-8").split("\n")) == 3
    first, second = read_events(file)
    assert (first.n, first.of, first.units, first.objective) == (1, 3, 5, None)
    assert second.file == "naïve \u2028 ☃"
    assert abs(first.time - time.time()) < 60


def test_emit__continues_the_file_of_an_earlier_run(tmp_path):
    file = tmp_path / "events.jsonl"
    Events(file).emit(RunFinished(accuracy=0.25))
    Events(file).emit(RunFinished(accuracy=0.5))
    assert [event.accuracy for event in read_events(file)] == [0.25, 0.5]


def test_emit__tells_all_listeners():
    told, also_told = [], []
    Events(None, told.append, also_told.append).emit(RunFinished(accuracy=0.5))
    assert [event.accuracy for event in told] == [0.5]
    assert told == also_told


def test_emit__threads_do_not_mix_their_lines(tmp_path):
    file = tmp_path / "events.jsonl"
    events = Events(file)

    def tell(i_thread):
        for i in range(50):
            events.emit(Damaged(file=f"{i} {'x' * 500}", generator=i_thread))

    threads = [threading.Thread(target=tell, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = read_events(file)
    assert len(read) == 200
    for t in range(4):
        assert [int(event.file.split()[0]) for event in read if event.generator == t] == list(range(50))


def test_emit__refuses_what_is_no_json(tmp_path):
    with pytest.raises(TypeError):
        Events(tmp_path / "events.jsonl").emit(Damaged(file=object()))


def test_emit__without_file_or_listener():
    Events().emit(RunFinished(accuracy=1.0))


def test_read_events__no_file(tmp_path):
    assert read_events(tmp_path / "none.jsonl") == []


def test_read_events__skips_lines_that_were_cut_off_or_lack_something(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text('{"time": 1, "event": "finished", "accuracy": 0.5}\n{"event": "finished"}\n[1]\n{"time": 2, "ev')
    assert [event.accuracy for event in read_events(file)] == [0.5]


def test_event_of__gives_back_what_was_recorded():
    event = Refined(i_round=1, n_rounds=2, objective=0.5, temperature=1e-6, n_trials=9, n_proposed=3, n_kept=2)
    assert event_of(json.loads(json.dumps(event.record()))) == event


def test_event_of__of_another_version():
    assert event_of({"time": 1.0, "event": "finished", "accuracy": 0.5, "colour": "red"}).accuracy == 0.5
    assert event_of({"time": 1.0, "event": "nobody knows this one"}) is None


@pytest.mark.parametrize("kind", KINDS.values())
def test_kinds__have_names_and_say_what_they_are(kind):
    assert kind.KIND
    assert kind.__doc__
    assert "time" in {field.name for field in fields(kind)}


def test_kinds__are_told_apart():
    assert len(KINDS) > 15
    assert all(KINDS[kind.KIND] is kind for kind in KINDS.values())
