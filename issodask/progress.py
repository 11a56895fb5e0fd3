"""What the terminal shows while work goes on: a line per generator and per stage, fed by events."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from issodask.events import Listener

_QUIET_S = 10.0
_REDRAWN_S = 0.25


@contextmanager
def listening(progress: bool | None, console: Console | None = None) -> Iterator[list[Listener]]:
    """Within this context, whoever shows the events: in a notebook or a terminal, or as lines in a log if told so.

    progress: True shows it anywhere, False nowhere, None in a notebook or a terminal.
    """
    console = console or Console(stderr=True)
    if progress is False or (progress is None and not (console.is_jupyter or console.is_terminal)):
        yield []
    elif console.is_jupyter:
        with _Page().shown() as listener:
            yield [listener]
    else:
        with shown(console) as listener:
            yield [listener]


@contextmanager
def shown(console: Console, sparse: bool = False) -> Iterator[Listener]:
    """Within this context, what the listener hears is shown on `console`: as bars, or `sparse` as lines."""
    if sparse or not console.is_terminal:
        yield _Sparse(console).hear
        return
    columns = (
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),  # part names may have brackets
    )
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress).hear


class _Lines(ABC):
    """Turns events into states of named lines: how much is done, of how much, and a note."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def hear(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "generator":
                self._hear_generator(event)
            case "encode":
                if event["state"] == "damaged":
                    self._say(f"codes of part {event['part']} are damaged: made again")
                self._set("encode", event["n"], event["of"], f"{event['part']}: {event['rows']:,} rows")
            case "ipf":
                self._set("fit weights", event["n"], event["of"], f"residual {event['residual']:.5f}")
            case "trim":
                self._set("trim", event["n"], event["of"], f"{event['units']:,} units")
            case "preselect":
                self._set("preselect", event["n"], event["of"], f"error of coherence {event['coherence_error']:.5f}")
            case "memory":
                self._say(
                    f"trimming starts from {event['fitting']:,} units, not {event['wanted']:,}: "
                    f"more do not fit into memory_gb = {event['memory_gb']}"
                )
            case "refine":
                note = f"accuracy {event['accuracy']:.5f}, {event['n_kept']:,} swaps kept"
                self._set("refine", event["i_round"] + 1, max(event["n_rounds"], event["i_round"] + 1), note)
            case "bound":
                self._set("bound", event["n"], event["of"], f"the error of any subset is at least {event['bound']:.1e}")
            case "evaluate":
                self._set("evaluate", event["n"], event["of"], event["what"])
            case "csv":
                self._say(event["text"])
            case "columns":
                for line in event["told"]:
                    self._say_once(line)
            case "resume":
                self._say("goes on from the last checkpoint")
            case "damaged":
                self._say(f"{event['file']} is damaged: made again")

    def _hear_generator(self, event: dict[str, Any]) -> None:
        name = f"generator {event['index']}"
        match event["phase"]:
            case "train":
                loss, left_s = event.get("loss"), event.get("seconds_left")
                note = f"epoch {event['epoch']:.1f}"
                note += f", loss {loss:.3f}" if loss is not None else ""
                note += f", at most {left_s:.0f} s left" if left_s is not None else ""
                self._set(name, event["epoch"], event["max_epochs"], note)
            case "sample":
                self._set(name, event["n_rows"], event["of_rows"], f"{event['n_rows']:,} rows sampled")
            case "done":
                self._set(name, 1, 1, f"{event['n_rows']:,} rows written")
            case phase:
                self._set(name, 0, None, phase)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    @abstractmethod
    def _set(self, name: str, done: float, of: float | None, note: str) -> None:
        """Show the state of the line `name`."""

    @abstractmethod
    def _say(self, text: str) -> None:
        """Show a text once."""


class _Bars(_Lines):
    """A bar per line, redrawn in place."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def _set(self, name: str, done: float, of: float | None, note: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=of, note=note)
        self._progress.update(self._tasks[name], completed=done, total=of, note=note)

    def _say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


class _Page(_Lines):
    """A table of bars in a notebook, redrawn in place; it needs no widgets, and stays in the notebook's file."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, tuple[float, float | None, str]] = {}
        self._texts: list[str] = []
        self._drawn_s = 0.0
        self._display: Any = None

    @contextmanager
    def shown(self) -> Iterator[Listener]:
        from IPython.display import HTML, display

        self._display = display(HTML(""), display_id=True)
        try:
            yield self.hear
        finally:
            self._draw()

    def _set(self, name: str, done: float, of: float | None, note: str) -> None:
        self._rows[name] = done, of, note
        self._draw_soon()

    def _say(self, text: str) -> None:
        self._texts.append(text)
        self._draw_soon()

    def _draw_soon(self) -> None:
        if time.monotonic() - self._drawn_s >= _REDRAWN_S:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML

        self._drawn_s = time.monotonic()
        self._display.update(HTML(self.html()))

    def html(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{_bar(done, of)}</td><td>{escape(note)}</td></tr>"
            for name, (done, of, note) in self._rows.items()
        )
        texts = "".join(f"<div>{escape(text)}</div>" for text in self._texts)
        return f"<table>{rows}</table>{texts}"


def _bar(done: float, of: float | None) -> str:
    return "<progress></progress>" if of is None else f'<progress value="{done:g}" max="{of:g}"></progress>'


class _Sparse(_Lines):
    """Where nothing can be redrawn (a log file): a line when something begins or ends, and every ten seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._told: dict[str, float] = {}
        self._finished: set[str] = set()

    def _set(self, name: str, done: float, of: float | None, note: str) -> None:
        now = time.monotonic()
        finishes = done == of and name not in self._finished
        if name in self._told and not finishes and now - self._told[name] < _QUIET_S:
            return
        self._told[name] = now
        (self._finished.add if done == of else self._finished.discard)(name)
        share = f"{done / of:4.0%}" if of else "    "
        self._say(f"{name:<14}{share}  {note}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
