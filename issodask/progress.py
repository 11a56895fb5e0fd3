"""What the terminal shows while work goes on: a line per generator and per stage, fed by events."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from issodask.events import Listener


@contextmanager
def shown(console: Console) -> Iterator[Listener]:
    """Within this context, what the listener hears is shown on `console`."""
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        lines = _Lines(progress)
        yield lines.hear


class _Lines:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def hear(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "generator":
                self._hear_generator(event)
            case "encode":
                if event["state"] == "damaged":
                    self._progress.console.print(f"codes of part {event['part']} are damaged: made again")
                self._set("encode", event["n"], event["of"], f"{event['part']}: {event['rows']:,} rows")
            case "ipf":
                self._set("fit weights", event["n"], event["of"], f"residual {event['residual']:.5f}")
            case "trim":
                self._set("trim", event["n"], event["of"], f"{event['units']:,} units")
            case "refine":
                note = f"accuracy {event['accuracy']:.5f}, {event['n_kept']:,} swaps kept"
                self._set("refine", event["i_round"] + 1, max(event["n_rounds"], event["i_round"] + 1), note)
            case "evaluate":
                self._set("evaluate", event["n"], event["of"], event["what"])
            case "damaged":
                self._progress.console.print(f"{event['file']} is damaged: made again")

    def _hear_generator(self, event: dict[str, Any]) -> None:
        name = f"generator {event['index']}"
        match event["phase"]:
            case "train":
                done, left = event.get("seconds", 0.0), event.get("seconds_left") or 0.0
                loss = event.get("val_loss")
                note = f"epoch {event.get('epoch', 0):.1f}" + (f", loss {loss:.4f}" if loss is not None else "")
                self._set(name, done, max(done + left, 1e-9), note)
            case "sample":
                self._set(name, event["n_rows"], event["of_rows"], f"{event['n_rows']:,} rows sampled")
            case "done":
                self._set(name, 1, 1, f"{event['n_rows']:,} rows written")
            case phase:
                self._set(name, 0, None, phase)

    def _set(self, name: str, done: float, of: float | None, note: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=of, note=note)
        self._progress.update(self._tasks[name], completed=done, total=of, note=note)
