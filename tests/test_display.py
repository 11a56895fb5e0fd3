"""What the terminal shows: sparse lines in a log, bars on a terminal, names as they are."""

import io
import re
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from issodask import display
from issodask.event_log import event_of

ENCODE = {"event": "encode", "n": 1, "of": 3, "part": "a[b].parquet", "rows": 1_200, "state": "new"}
TRAIN = {"event": "generator", "index": 0, "phase": "train", "epoch": 2.5, "max_epochs": 10.0}
REFINE = {
    **{"event": "refine", "i_round": 1, "n_rounds": 40, "objective": 0.5},
    **{"temperature": 1e-6, "n_trials": 9, "n_proposed": 8, "n_kept": 7},
}
EVENTS = [
    {"event": "generator", "index": 0, "phase": "start"},
    {**TRAIN, "loss": 1.25, "seconds_left": 9.0},
    TRAIN,
    {"event": "generator", "index": 0, "phase": "sample", "n_rows": 10, "of_rows": 90},
    {"event": "generator", "index": 0, "phase": "done", "n_rows": 90},
    ENCODE,
    {**ENCODE, "state": "damaged"},
    {"event": "ipf", "n": 1, "of": 8, "residual": 0.25},
    {"event": "trim", "n": 1, "of": 400, "units": 4_000, "objective": None},
    {**REFINE, "i_round": 41},
    {"event": "resume", "stage": "refine", "next": 0, "next_round": 3},
    {"event": "damaged", "file": "x[/bold]y/state.npz"},
    {"event": "evaluate", "n": 0, "of": 1, "what": "report"},
    {"event": "selected", "out": "s.parquet", "accuracy": 0.5, "rounds": "3", "reason": "rounds done"},
]


def told(events, terminal=False):
    file = io.StringIO()
    console = Console(file=file, width=120, force_terminal=terminal, color_system=None, legacy_windows=False)
    with display.shown(console) as listener:
        for event in map(event_of, events):
            listener(event)
    return file.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_shown__hears_every_event(terminal):
    text = told(EVENTS, terminal)
    for words in ("codes of part a[b].parquet are damaged", "x[/bold]y/state.npz is damaged", "refine"):
        assert words in text


def test_shown__a_log_gets_the_begin_and_the_end():
    events = [{"event": "trim", "n": n, "of": 400, "units": 1_000 - n} for n in range(1, 401)]
    assert told(events).splitlines() == ["trim            0%  999 units", "trim          100%  600 units"]


def test_shown__a_log_hears_of_long_work_now_and_then(monkeypatch):
    monkeypatch.setattr(display, "_QUIET_S", -1.0)
    events = [{"event": "ipf", "n": n, "of": 4, "residual": 1 / n} for n in range(1, 4)]
    assert len(told(events).splitlines()) == 3


def test_shown__long_lines_stay_one_line():
    assert told([{**ENCODE, "part": "p" * 300}]).count("\n") == 1


def test_shown__nothing_happens_nothing_is_shown():
    assert told([]) == ""


def test_listening__in_a_notebook_draws_one_table(monkeypatch):
    """Without widgets: what stays in the notebook's file is the last state."""
    drawn = []
    module = SimpleNamespace(HTML=str, display=lambda *_, **__: SimpleNamespace(update=drawn.append))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    with display.listening(None, Console(force_jupyter=True, file=io.StringIO())) as listeners:
        for event in map(event_of, EVENTS):
            listeners[0](event)
    assert re.search(r'>trim</td><td[^>]*><progress value="1" max="400"></progress></td>', drawn[-1])
    assert "codes of part a[b].parquet are damaged" in drawn[-1]
    assert "x[/bold]y/state.npz" in drawn[-1]


@pytest.mark.parametrize(("asked", "heard"), [(None, 0), (False, 0), (True, 1)])
def test_listening__where_nobody_looks(asked, heard):
    with display.listening(asked, Console(file=io.StringIO())) as listeners:
        assert len(listeners) == heard
