"""What hypothesis draws: small domains, codes of rows and of groups, residuals, searches' problems."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from issodask.fitting.objective import Objective
from issodask.kernels.loss import ONE, retarget
from issodask.kernels.units import RowUnits, Units, same
from issodask.table.bins import MISSING, UNSEEN, Bins, ColumnBins
from issodask.table.blocks import SequenceCodes
from issodask.table.cliques import MAX_TRIPLES, Cliques
from issodask.table.columns import Numbers
from issodask.table.marginals import count_marginals
from issodask.table.sequences import Layout, SequenceBins, SequenceCliques
from tests import naive

UNITS = (1, 1, 7, 256)
UNITS_OF_GROUPS = (1, 7, 2_520)

seeds = st.integers(0, 2**32 - 1)
randoms = seeds.map(np.random.default_rng)


def lists_of_bins(most_columns: int, most_bins: int) -> st.SearchStrategy[list[int]]:
    """The number of bins of each column. From a seed, since hypothesis likes its own lists short and full of ones."""

    def draw(random: np.random.Generator) -> list[int]:
        return random.integers(1, most_bins, random.integers(1, most_columns, endpoint=True), endpoint=True).tolist()

    return randoms.map(draw)


domains = lists_of_bins(6, 5)
small_domains = lists_of_bins(4, 3)


@st.composite
def layouts(draw, sizes=domains) -> Cliques:
    """The layout of a drawn domain; now and then with only some of its triples."""
    return Cliques.of(draw(sizes), max_triples=draw(st.sampled_from([MAX_TRIPLES, 1])), seed=draw(st.integers(0, 9)))


@st.composite
def codes_of(draw, sizes, min_units=0, max_units=12) -> np.ndarray:
    """Codes (uint8, u x d) below `sizes`."""
    random = draw(randoms)
    n_units = random.integers(min_units, max_units, endpoint=True) if draw(st.booleans()) else min_units
    return random.integers(0, sizes, (n_units, len(sizes))).astype(np.uint8)


# groups


def column_bins(name: str, n_bins: int, has_missing: bool = False) -> ColumnBins:
    """The numbers 0, 1, ..., a bin each, one for missing values if the original has some, and one for all others."""
    labels = (*map(str, range(n_bins)), *([MISSING] if has_missing else []), UNSEEN)
    return ColumnBins(
        name,
        "numeric",
        edges=tuple(range(n_bins + 1)),
        codes=tuple(range(n_bins + 1)),
        labels=labels,
    )


def sequence_bins_of(sizes: Sequence[int], n_lengths: int, random: np.random.Generator) -> SequenceBins:
    """Bins of columns of the numbers 0 to size - 1, as if of an original with groups of 1 to `n_lengths` rows."""
    names = [f"column {a}" for a in range(len(sizes))]
    single = random.random() < 0.5

    def bins(has_missing: bool = False) -> Bins:
        return Bins(tuple(column_bins(name, n, has_missing) for name, n in zip(names, sizes, strict=True)))

    values = bins()
    n_distinct = random.integers(1, np.array(sizes), (20, len(sizes)), endpoint=True)
    return SequenceBins(
        rows=Bins((*bins().columns, column_bins("Sequence Length", n_lengths))),
        successors=bins(has_missing=single),
        values=values,
        distinct=Bins.fit(pd.DataFrame(n_distinct, columns=names)),
        categories=tuple(tuple(random.integers(0, min(n + 1, 10), n + 1).tolist()) for n in sizes),
        mean_categories=tuple((1 + random.random(len(sizes))).tolist()),
    )


@st.composite
def sequence_bins(draw, most_columns=3, most_bins=4) -> SequenceBins:
    random = draw(randoms)
    n_columns = random.integers(1, most_columns, endpoint=True)
    sizes = random.integers(1, most_bins, n_columns, endpoint=True).tolist()
    return sequence_bins_of(sizes, int(random.integers(1, 4)), random)


def cliques_of_unit(bins: SequenceBins, unit: int) -> SequenceCliques:
    """The layout for a subset of so many groups that each may weigh `unit`."""
    return SequenceCliques.of(bins, 2**27 // unit)


@st.composite
def sequence_layouts(draw, bins=sequence_bins()) -> tuple[SequenceCliques, naive.Form]:  # noqa: B008 (a description)
    """The layout of drawn bins, now and then with only some of its triples; and the same for the naive twins."""
    bins = draw(bins)
    layout = cliques_of_unit(bins, draw(st.sampled_from(UNITS_OF_GROUPS)))
    if draw(st.booleans()):
        triple_rows = layout.rows.index.triple_rows.copy()
        triple_rows[draw(randoms).random(triple_rows.shape) < 0.5] = -1
        rows = replace(layout.rows, index=layout.rows.index._replace(triple_rows=triple_rows))
        layout = replace(layout, rows=rows, index=layout.index._replace(rows=rows.index))
    return layout, form_of(bins, layout.rows, layout.unit)


def form_of(bins: SequenceBins, cliques: Cliques, unit: int) -> naive.Form:
    """How the naive twins count groups that were coded with `bins`."""
    numbers = pd.DataFrame({name: range(256) for name in bins.distinct.names})
    return naive.Form(
        cliques=held_cliques(cliques),
        unit=unit,
        no_successor=[column.encode(Numbers(np.array([np.nan]))).item() for column in bins.successors.columns],
        distinct_bins=bins.distinct.encode(numbers).T.tolist(),
        categories=[list(table) for table in bins.categories],
        category_amounts=[max(1, round(unit / mean)) for mean in bins.mean_categories],
    )


def random_groups(sizes: np.ndarray, lengths: np.ndarray, random: np.random.Generator) -> SequenceCodes:
    """Groups of the given lengths, of codes below `sizes`; some rows are like the one before."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = random.integers(0, sizes, (starts[-1], len(sizes))).astype(np.uint8)
    for i in np.flatnonzero(random.random(len(rows)) < 0.3):
        rows[i] = rows[max(0, i - 1)]
    return SequenceCodes(rows, starts)


@st.composite
def groups_of(draw, sizes, min_units=0, max_units=6, most_rows=30, now_and_then=250) -> SequenceCodes:
    """Groups of 1 to `most_rows` rows, many of them short; now and then one is longer than coherence looks at."""
    random = draw(randoms)
    lengths = random.integers(1, most_rows, random.integers(min_units, max_units, endpoint=True), endpoint=True)
    is_short = random.random(len(lengths)) < 0.6
    lengths[is_short] = np.minimum(lengths[is_short], random.integers(1, 4, is_short.sum()))
    if len(lengths) and draw(st.integers(0, 9)) == 0:
        lengths[-1] = random.integers(1, now_and_then, endpoint=True)
    return random_groups(sizes, lengths, random)


def rows_of_groups(codes: SequenceCodes) -> list[np.ndarray]:
    return [codes.rows[first:last] for first, last in pairwise(codes.starts)]


def take_groups(codes: SequenceCodes, groups: np.ndarray) -> SequenceCodes:
    """The given groups, in that order."""
    rows = rows_of_groups(codes)
    lengths = np.diff(codes.starts)[groups]
    taken = np.concatenate([codes.rows[:0], *(rows[i] for i in groups)])
    return SequenceCodes(taken, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


# cells, as the naive twins name them


def held_cliques(layout: Cliques) -> list[naive.Clique]:
    """The cliques of rows."""
    return [tuple(clique) for cliques in layout.by_arity.values() for clique in cliques.tolist()]


def positions_by_clique(layout: Layout) -> dict[naive.Clique, np.ndarray]:
    """Where each clique's cells lie in an array of cells, in C order over its bins."""
    if isinstance(layout, Cliques):
        return {clique: layout.cells_of(clique) for clique in held_cliques(layout)}
    index, positions = layout.index, positions_by_clique(layout.rows)
    firsts = (index.successor_first, index.distinct_first, index.category_first)
    for name, first, end in zip(naive.COHERENCE, firsts, layout.family_starts[4:], strict=True):
        for a, bounds in enumerate(pairwise([*first, end])):
            positions[name, a] = np.arange(*bounds)
    for a in range(layout.n_columns):
        positions["successors", a] = positions["successors", a].reshape(-1, index.successor_sizes[a])
    return positions


def as_dict(cells: np.ndarray, layout: Layout) -> dict[naive.Cell, Any]:
    """An array of cells as the naive twins want it."""
    named = {}
    for clique, positions in positions_by_clique(layout).items():
        named.update(
            zip(naive.cells_of_clique(clique, positions.shape), cells[positions].ravel().tolist(), strict=True)
        )
    return named


# cases for kernels


@dataclass(frozen=True)
class Case:
    """Some units, rows or groups, and a residual that need not follow from them.

    twins   the units, as the naive twins know them
    slopes  float32, (m,): of the softened error, as trimming has them
    """

    layout: Layout
    codes: Any
    units: Units
    twins: list[naive.Cells]
    residual: np.ndarray
    slopes: np.ndarray
    random: np.random.Generator

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Short, where hypothesis shows it; the same is drawn again whenever the test runs."""
        kind = "rows" if isinstance(self.units, RowUnits) else f"groups of {np.diff(self.codes.starts).tolist()} rows"
        printer.text(f"Case({self.n_units} {kind}, unit {self.scale}, {self.layout.n_cells} cells)")

    @property
    def weights(self) -> np.ndarray:
        return self.units.weights

    @property
    def step(self) -> int:
        return self.units.step

    @property
    def scale(self) -> int:
        """What a unit may weigh in a cell at most."""
        return self.units.unit if isinstance(self.units, RowUnits) else self.layout.unit

    @property
    def n_units(self) -> int:
        return len(self.twins)

    @property
    def positions(self) -> np.ndarray:
        """Those of the cells that are held."""
        return np.concatenate([own.ravel() for own in positions_by_clique(self.layout).values()])

    @property
    def naive_residual(self) -> naive.Cells:
        return as_dict(self.residual, self.layout)

    @property
    def guide(self) -> naive.Guide:
        grain = self.step if isinstance(self.units, RowUnits) else 1
        return naive.Guide(as_dict(self.slopes, self.layout), self.step, grain)

    def removal_table(self) -> np.ndarray:
        table = np.empty(len(self.residual), np.int16)
        retarget(self.residual, np.zeros_like(self.residual), 1.0, 1.0, self.slopes, self.step, table)
        return table

    def alike(self, u: int, v: int) -> bool:
        return same(self.units, u, v)

    def value(self) -> float:
        """The objective, recounted."""
        return naive.objective(self.naive_residual, self.weights)


def _case(layout: Layout, codes: Any, units: Units, twins: list[naive.Cells], unit: int, shift: int, random) -> Case:
    """Residuals are a few units up or down, on the grid of whole units or off it; or far up, where gains cancel out."""
    residual = random.integers(-3 * unit, 3 * unit, layout.n_cells, dtype=np.int32, endpoint=True)
    widths = units.step * (1 + random.choice([0.0, 0.3, 4.0]) * random.random(layout.n_cells))
    slopes = (ONE / widths).astype(np.float32)
    return Case(layout, codes, units, twins, residual + np.int32(shift * unit), slopes, random)


shifts = st.sampled_from([0, 0, 9])


@st.composite
def row_cases(draw, sizes=domains, min_units=0, max_units=12) -> Case:
    """Rows of a flat table."""
    layout = draw(layouts(sizes))
    codes = draw(codes_of(layout.index.sizes.tolist(), min_units, max_units))
    unit, random = draw(st.sampled_from(UNITS)), draw(randoms)
    twins = [naive.row(x, held_cliques(layout), unit) for x in codes]
    units = RowUnits(codes, layout.index, unit, random.random(3))
    return _case(layout, codes, units, twins, unit, draw(shifts), random)


@st.composite
def group_cases(draw, min_units=0, max_units=6, most_rows=30) -> Case:
    """Groups of a sequential table."""
    layout, form = draw(sequence_layouts())
    codes = draw(groups_of(layout.sizes, min_units, max_units, most_rows))
    random = draw(randoms)
    twins = [naive.group(rows, form) for rows in rows_of_groups(codes)]
    units = layout.gather([(codes, np.arange(len(twins)))], layout.unit, random.random(6))
    return _case(layout, codes, units, twins, layout.unit, draw(shifts), random)


def cases(sizes=domains, min_units=0, max_units=6) -> st.SearchStrategy[Case]:
    """Either."""
    return st.one_of(row_cases(sizes, min_units, max_units), group_cases(min_units, max_units, most_rows=8))


# problems for a search


@dataclass(frozen=True)
class Problem:
    """An original, a pool of the same domain, and the objective for a subset of `n_units`."""

    original: np.ndarray
    pool: np.ndarray
    objective: Objective

    @property
    def layout(self) -> Cliques:
        assert isinstance(self.objective.cliques, Cliques)
        return self.objective.cliques

    @property
    def n_units(self) -> int:
        return self.objective.n_units


@st.composite
def problems(draw, sizes=domains, max_units=40) -> Problem:
    """Subsets as large as the original (unit 1) and of other sizes (unit a fixed-point scale)."""
    layout = Cliques.of(draw(sizes))
    random = draw(randoms)
    n_original = draw(st.integers(1, max_units))
    n_units = draw(st.one_of(st.just(n_original), st.integers(1, max_units)))
    n_pool = n_units + draw(st.integers(0, 3 * max_units))
    original, pool = (random.integers(0, layout.index.sizes, (n, layout.n_columns)) for n in (n_original, n_pool))
    original, pool = original.astype(np.uint8), pool.astype(np.uint8)
    marginals = count_marginals([original], layout)
    return Problem(original, pool, Objective.of(marginals, layout, n_original, n_units))


@dataclass(frozen=True)
class GroupProblem:
    """An original of groups, a subset of the same domain, and both as the naive twins know them, of weight `unit`."""

    original: SequenceCodes
    subset: SequenceCodes
    objective: Objective
    twins: tuple[list[naive.Cells], list[naive.Cells]]
    unit: int

    @property
    def layout(self) -> SequenceCliques:
        assert isinstance(self.objective.cliques, SequenceCliques)
        return self.objective.cliques


@st.composite
def group_problems(draw, most_rows=11) -> GroupProblem:
    """Twins weigh so much that what rounding takes from them is nothing."""
    bins, unit = draw(sequence_bins()), 2_520 * 10**9
    sizes = SequenceCliques.of(bins, 1).sizes
    original, subset = (draw(groups_of(sizes, 1, 12, most_rows, now_and_then=most_rows)) for _ in range(2))
    n_original, n_units = (len(codes.starts) - 1 for codes in (original, subset))
    layout = SequenceCliques.of(bins, n_units)
    objective = Objective.of(count_marginals([original], layout), layout, n_original, n_units)
    form = form_of(bins, layout.rows, unit)
    twins = tuple([naive.group(rows, form) for rows in rows_of_groups(codes)] for codes in (original, subset))
    return GroupProblem(original, subset, objective, (twins[0], twins[1]), unit)


@st.composite
def cuts(draw, n_rows: int) -> list[slice]:
    """Some way to cut `n_rows` rows into blocks, empty ones among them."""
    inner = draw(st.lists(st.integers(0, n_rows), max_size=5))
    bounds = [0, *sorted(inner), n_rows]
    return [slice(start, stop) for start, stop in pairwise(bounds)]
