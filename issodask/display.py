"""What a terminal, a log or a notebook shows while work goes on: a line per generator and per stage, fed by events."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from issodask.event import Event
from issodask.event_log import Listener
from issodask.progress import Line, Progress, duration

_QUIET_S = 10.0
_REDRAWN_S = 0.25
_CELL = '<td style="text-align: left">'  # notebooks put numbers to the right, and all else with them


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
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[note]}", markup=False),  # part names may have brackets
    )
    with Bars(*columns, console=console) as bars:
        yield _Drawn(bars).hear


class _Lines(ABC):
    """Shows the lines of a run's progress, each as it changes, and what is to be said once."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._said: set[str] = set()

    def hear(self, event: Event) -> None:
        for text in event.said():
            if text not in self._said:
                self._said.add(text)
                self._say(text)
        step = event.step()
        line = self._progress.hear(event)
        if step is not None and line is not None:
            self._set(step.stage, line)

    @abstractmethod
    def _set(self, name: str, line: Line) -> None:
        """Show the state of the line `name`."""

    @abstractmethod
    def _say(self, text: str) -> None:
        """Show a text once."""


class _Drawn(_Lines):
    """A bar per line, redrawn in place."""

    def __init__(self, bars: Bars) -> None:
        super().__init__()
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def _set(self, name: str, line: Line) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=line.of, note=line.note, left="")
        left = "" if line.seconds_left is None else f"{duration(line.seconds_left)} left"
        self._bars.update(self._tasks[name], completed=line.done, total=line.of, note=line.note, left=left)

    def _say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


class _Page(_Lines):
    """A table of bars in a notebook, redrawn in place; it needs no widgets, and stays in the notebook's file."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, Line] = {}
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

    def _set(self, name: str, line: Line) -> None:
        self._rows[name] = line
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
            f"<tr>{_CELL}{escape(name)}</td>{_CELL}{_bar(line)}</td>{_CELL}{escape(line.note)}</td></tr>"
            for name, line in self._rows.items()
        )
        texts = "".join(f"<div>{escape(text)}</div>" for text in self._texts)
        return f"<table>{rows}</table>{texts}"


def _bar(line: Line) -> str:
    if line.of is None:
        return "<progress></progress>"
    return f'<progress value="{line.done:g}" max="{line.of:g}"></progress>'


class _Sparse(_Lines):
    """Where nothing can be redrawn (a log file): a line when something begins or ends, and every ten seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._told: dict[str, float] = {}
        self._finished: set[str] = set()

    def _set(self, name: str, line: Line) -> None:
        now = time.monotonic()
        is_done = line.done == line.of
        finishes = is_done and name not in self._finished
        if name in self._told and not finishes and now - self._told[name] < _QUIET_S:
            return
        self._told[name] = now
        (self._finished.add if is_done else self._finished.discard)(name)
        share = f"{line.done / line.of:4.0%}" if line.of else "    "
        self._say(f"{name:<14}{share}  {line.note}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
