import threading
from typing import Any

from issodask.event import Event
from issodask.models.progress_log import PROGRESS, ProgressLog, read_progress, watched


class Heard:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.first = threading.Event()

    def emit(self, event: Event) -> None:
        self.events.append({name: value for name, value in event.record().items() if name != "time"})
        self.first.set()


def test_watched__emits_what_is_new_with_its_index(tmp_path):
    old, new = ProgressLog(tmp_path / "00"), ProgressLog(tmp_path / "01")
    old.write("train", epoch=1.0)
    heard = Heard()
    with watched({0: tmp_path / "00", 1: tmp_path / "01"}, heard, every_s=0.01):
        new.write("train", epoch=2.0, loss=0.5, seconds_left=3.0)
        assert heard.first.wait(10)
        new.write("done")
    assert heard.events == [
        {"event": "generator", "index": 1, "phase": "train", "epoch": 2.0, "loss": 0.5, "seconds_left": 3.0},
        {"event": "generator", "index": 1, "phase": "done"},
    ]


def test_watched__without_events_is_silent(tmp_path):
    with watched({0: tmp_path}, None):
        assert threading.active_count() >= 1


def test_read_progress__leaves_out_torn_lines(tmp_path):
    ProgressLog(tmp_path).write("train", epoch=1.0)
    with (tmp_path / PROGRESS).open("a") as file:
        file.write('{"phase": "tr')
    ProgressLog(tmp_path).write("done")
    with (tmp_path / PROGRESS).open("a") as file:
        file.write('{"phase": "unfinished"')
    assert [record["phase"] for record in read_progress(tmp_path)] == ["train", "done"]


def test_read_progress__is_empty_before_anything_was_told(tmp_path):
    assert read_progress(tmp_path / "absent") == []
