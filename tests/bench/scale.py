"""Size: pools of a hundred million rows, and subsets of a million, on the disk and the processors that there are.

`python -m tests.bench.scale` (`make bench-scale`) makes the data once, selects, each in a process of its own, and
writes docs/scale.md. What was measured before is kept, so it can be stopped; `--again` measures anew. Of each pool
12,500,000 rows are drawn; larger ones have the same parts several times, under other names.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from issodask.host import n_processors
from tests.bench.data import Shape, write_data
from tests.bench.measure import machine, measured

DRAWN = Shape(100_000, 32, 12_500_000, "flags", 0.36)
DATA = Path("demo/scale")
PAGE = Path("docs/scale.md")
MEASURED = "select", "encode", "ipf", "trim", "refine", "write"


@dataclass(frozen=True)
class Case:
    """A selection: from so many times the parts that were drawn, so many units, with so many threads."""

    name: str
    times: int
    units: int
    workers: int
    effort: float = 30.0

    @property
    def n_pool(self) -> int:
        return self.times * DRAWN.n_pool


CASES = (
    Case("25 million", 2, 100_000, 2),
    Case("100 million", 8, 100_000, 2),
    Case("a million of 12.5 million", 1, 1_180_000, 2),
    Case("a million of 12.5 million, one thread", 1, 1_180_000, 1),
)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=DATA, show_default=True)
@click.option("--only", multiple=True, help="Of all cases those with these words in their names.")
@click.option("--again", is_flag=True, help="Measure what was measured before, too.")
def main(folder: Path, only: Sequence[str], again: bool) -> None:
    """Make the data, select, and write the page."""
    if not (folder / "drawn").is_dir():
        click.echo(f"drawing {DRAWN.n_pool:,} rows of {DRAWN.n_columns} columns")
        write_data(folder / "work", DRAWN, n_threads=n_processors())
        (folder / "work").rename(folder / "drawn")
    for case in CASES:
        if only and not any(words in case.name for words in only):
            continue
        note = folder / f"{case.name}.json"
        if again or not note.is_file():
            note.write_text(json.dumps(_measured(case, folder)), encoding="utf-8")
        click.echo(" | ".join(_row(case, json.loads(note.read_text(encoding="utf-8")))))
    found = [(case, json.loads(path.read_text())) for case in CASES if (path := folder / f"{case.name}.json").is_file()]
    PAGE.write_text("\n".join(_page(found)) + "\n", encoding="utf-8")


def _measured(case: Case, folder: Path) -> dict[str, Any]:
    pool = folder / f"pool-{case.times}"
    pool.mkdir(exist_ok=True)
    for part in sorted((folder / "drawn" / "pool").iterdir()):
        for i in range(case.times):
            if not (copy := pool / f"{i}-{part.name}").exists():
                os.link(part, copy)
    config = {"units": case.units, "effort": case.effort, "aim": "original", "progress": False}
    original, out = str(folder / "drawn" / "original.parquet"), str(folder / "subset.parquet")
    run = measured("select", original=original, pool=str(pool), out=out, workers=case.workers, config=config)
    return {"case": asdict(case), "peak_bytes": run.peak_bytes, **run.found}


def _row(case: Case, found: dict[str, Any]) -> list[str]:
    steps = found["steps"]
    return [
        f"{case.units:,} of {case.n_pool:,}",
        str(case.workers),
        *(f"{found['seconds'] if step == 'select' else steps.get(step, 0.0):,.0f}" for step in MEASURED),
        f"{found['cpu_seconds']:,.0f}",
        f"{found['peak_bytes'] / 1e9:.1f}",
        f"{found['bytes_read'] / 1e9:.1f}",
        f"{found['bytes_written'] / 1e9:.1f}",
        f"{found['error']:.5f}",
    ]


_SECONDS = tuple(f"{step} s" for step in MEASURED)
_TITLES = ("rows", "threads", *_SECONDS, "processor s", "GB", "GB read", "GB written", "error")
_INTRODUCTION = f"""\
# Size

`make bench-scale`, {{machine}}: whole selections, from Parquet to Parquet, of {DRAWN.n_columns} columns
(`aim = "original"`, `effort = {CASES[0].effort:g}`), each in a process of its own. Of each pool {DRAWN.n_pool:,}
rows were drawn; larger ones have the same parts several times. Memory is the process's peak, mapped files included;
bytes are what it read and wrote, from disk or cache.

| {" | ".join(_TITLES)} |
| --- |{" ---: |" * (len(_TITLES) - 1)}"""


def _page(found: Sequence[tuple[Case, dict[str, Any]]]) -> Iterator[str]:
    yield _INTRODUCTION.format(machine=machine())
    for case, one in found:
        yield f"| {' | '.join(_row(case, one))} |"
    by_name = {case.name: one for case, one in found}
    if {"25 million", "100 million"} <= set(by_name):
        few, many = by_name["25 million"], by_name["100 million"]
        of_pool = [one["seconds"] - one["steps"]["trim"] - one["steps"]["refine"] for one in (few, many)]
        whole, rest = many["seconds"] / few["seconds"], of_pool[1] / of_pool[0]
        yield ""
        yield f"Four times the pool takes {whole:.2f} times as long; {rest:.2f} times without trimming and refinement,"
        yield "whose work goes with the subset."
    names = "a million of 12.5 million", "a million of 12.5 million, one thread"
    if set(names) <= set(by_name):
        two, one = (by_name[name] for name in names)
        ratios = {step: one["steps"][step] / two["steps"][step] for step in ("encode", "ipf", "trim", "refine")}
        told = ", ".join(f"{step} {ratio:.2f}" for step, ratio in ratios.items())
        yield ""
        yield f"Two threads are {one['seconds'] / two['seconds']:.2f} times as fast as one ({told})."


if __name__ == "__main__":
    main()
