"""Events: what a run tells, in a file and to whoever listens."""

import json
import threading
import time

import pytest

from issodask.events import Events, read_events


def test_emit__appends_one_line_per_event(tmp_path):
    file = tmp_path / "run" / "events.jsonl"
    events = Events(file)
    events.emit("started", stage="encode", n_parts=3)
    events.emit("finished", share=0.5, name="naïve \u2028 ☃")
    assert len(file.read_text(encoding="utf-8").split("\n")) == 3
    first, second = read_events(file)
    assert {key: first[key] for key in ("event", "stage", "n_parts")} == {
        "event": "started",
        "stage": "encode",
        "n_parts": 3,
    }
    assert (second["event"], second["share"], second["name"]) == ("finished", 0.5, "naïve \u2028 ☃")
    assert abs(first["time"] - time.time()) < 60


def test_emit__continues_the_file_of_an_earlier_run(tmp_path):
    file = tmp_path / "events.jsonl"
    Events(file).emit("first")
    Events(file).emit("second")
    assert [event["event"] for event in read_events(file)] == ["first", "second"]


def test_emit__tells_all_listeners():
    told, also_told = [], []
    Events(None, told.append, also_told.append).emit("round", n=1)
    assert [(event["event"], event["n"]) for event in told] == [("round", 1)]
    assert told == also_told


def test_emit__threads_do_not_mix_their_lines(tmp_path):
    file = tmp_path / "events.jsonl"
    events = Events(file)

    def tell(i_thread):
        for i in range(50):
            events.emit("told", thread=i_thread, i=i, ballast="x" * 500)

    threads = [threading.Thread(target=tell, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = read_events(file)
    assert len(read) == 200
    assert all([event["i"] for event in read if event["thread"] == t] == list(range(50)) for t in range(4))


def test_emit__refuses_what_is_no_json(tmp_path):
    with pytest.raises(TypeError):
        Events(tmp_path / "events.jsonl").emit("bad", value=object())


def test_emit__without_file_or_listener():
    Events().emit("nobody listens")


def test_read_events__no_file(tmp_path):
    assert read_events(tmp_path / "none.jsonl") == []


def test_read_events__last_line_cut_off(tmp_path):
    file = tmp_path / "events.jsonl"
    events = Events(file)
    events.emit("whole")
    events.emit("cut")
    file.write_bytes(file.read_bytes()[:-9])
    assert [event["event"] for event in read_events(file)] == ["whole"]


def test_read_events__goes_on_after_a_line_that_was_cut_off(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps({"event": "whole"}) + '\n{"event": "cu', encoding="utf-8")
    Events(file).emit("resumed")
    assert [event["event"] for event in read_events(file)] == ["whole", "resumed"]
