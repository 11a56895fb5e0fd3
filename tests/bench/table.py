"""The tables that a run prints, and the one that it writes into docs/bench.md, between two marks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.speed import Bar, Row, in_lines

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def show(rows: Sequence[Row], bars: Sequence[Bar], bounds: dict[str, Any], console: Console) -> None:
    """Print everything that was measured."""
    if rows:
        table = Table("what", "seconds", "of processors", "peak memory", "result", "seconds by step", title="Measured")
        for row in rows:
            table.add_row(
                row.what, _seconds(row.seconds), _seconds(row.cpu_seconds), _memory(row), row.value, _steps(row)
            )
        console.print(table)
    if bounds:
        table = Table("what the machine does", "", title="Bounds")
        for line in in_lines(bounds):
            table.add_row(*line)
        console.print(table)
        table = Table("kernel", "ns", "per", "bound, ns", "times the bound", title="Kernels")
        for name, kernel in bounds["kernels"].items():
            times = kernel["ns"] / kernel["limit_ns"]
            table.add_row(name, f"{kernel['ns']:.2f}", kernel["piece"], f"{kernel['limit_ns']:.2f}", f"{times:.1f}")
        console.print(table)
    if bars:
        table = Table("promised", "found", "bar", "met", title="Bars")
        for bar in bars:
            table.add_row(bar.what, *_found(bar), "yes" if bar.is_met else "[bold]no[/bold]")
        console.print(table)


def markdown(rows: Sequence[Row], bars: Sequence[Bar], bounds: dict[str, Any], machine: str, command: str) -> str:
    """What docs/bench.md shows of a run."""
    parts = []
    if rows:
        lines = [
            (row.what.strip(), _seconds(row.seconds), _seconds(row.cpu_seconds), _memory(row), row.value)
            for row in rows
        ]
        parts.append(_markdown_table(("", "seconds", "of processors", "peak memory", "accuracy, or rate"), lines))
    if bars:
        lines = [(bar.what, *_found(bar), "yes" if bar.is_met else "**no**") for bar in bars]
        parts.append(_markdown_table(("promised", "found", "bar", "met"), lines))
    if bounds:
        lines = [
            (name, f"{kernel['ns']:.2f} ns/{kernel['piece']}", f"{kernel['ns'] / kernel['limit_ns']:.1f} ×")
            for name, kernel in bounds["kernels"].items()
        ]
        parts.append(_markdown_table(("kernel, one core", "time", "of the hardware's bound"), lines))
    parts.append(f"`{command}` on {machine}.")
    return "\n\n".join(parts)


def write_between_marks(path: Path, text: str) -> None:
    """Put `text` between the two marks in the file, in place of what was there.

    Raises ValueError unless the file has both marks, once each, in order.
    """
    old = path.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(END) < old.index(BEGIN):
        raise ValueError(f"{path} needs one {BEGIN} and, below it, one {END}: add both where the table should stand")
    before, rest = old.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _markdown_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        [
            "| " + " | ".join(heads) + " |",
            "|" + "---|" * len(heads),
            *("| " + " | ".join(line) + " |" for line in lines),
        ]
    )


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.1f}"


def _memory(row: Row) -> str:
    return "" if row.peak_bytes is None else f"{row.peak_bytes / 1e9:.2f} GB"


def _steps(row: Row) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in row.steps.items())


def _found(bar: Bar) -> tuple[str, str]:
    unit = bar.unit if bar.unit == "×" else f" {bar.unit}"
    return f"{bar.found:.2f}{unit}", f"{'≤' if bar.at_most else '≥'} {bar.limit:g}{unit}"
