"""What hypothesis draws: small domains, codes, residuals and weights."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from issodask.fitting.objective import Objective
from issodask.table.cliques import MAX_TRIPLES, CellIndex, Cliques
from issodask.table.marginals import count_marginals
from tests import naive

UNITS = (1, 1, 7, 256)

seeds = st.integers(0, 2**32 - 1)


def lists_of_bins(most_columns: int, most_bins: int) -> st.SearchStrategy[list[int]]:
    """The number of bins of each column. From a seed, since hypothesis likes its own lists short and full of ones."""

    def draw(seed: int) -> list[int]:
        random = np.random.default_rng(seed)
        return random.integers(1, most_bins, random.integers(1, most_columns, endpoint=True), endpoint=True).tolist()

    return seeds.map(draw)


domains = lists_of_bins(6, 5)
small_domains = lists_of_bins(4, 3)


@st.composite
def layouts(draw, sizes=domains) -> Cliques:
    """The layout of a drawn domain; now and then with only some of its triples."""
    return Cliques.of(draw(sizes), max_triples=draw(st.sampled_from([MAX_TRIPLES, 1])), seed=draw(st.integers(0, 9)))


@st.composite
def codes_of(draw, sizes, min_units=0, max_units=12) -> np.ndarray:
    """Codes (uint8, u x d) below `sizes`."""
    random = np.random.default_rng(draw(seeds))
    n_units = draw(st.one_of(st.just(min_units), st.just(int(random.integers(min_units, max_units, endpoint=True)))))
    return random.integers(0, sizes, (n_units, len(sizes))).astype(np.uint8)


def held_cliques(layout: Cliques) -> list[naive.Clique]:
    """The cliques of a layout as the naive twins want them."""
    return [tuple(clique) for cliques in layout.by_arity.values() for clique in cliques.tolist()]


def as_dict(cells: np.ndarray, layout: Cliques) -> naive.Cells:
    """An array of cells as the naive twins want it."""
    named = {}
    for clique in held_cliques(layout):
        values = cells[layout.cells_of(clique)].ravel().tolist()
        named.update(zip(naive.cells_of_clique(clique, layout.index.sizes), values, strict=True))
    return named


@dataclass(frozen=True)
class Case:
    """A table of some units, and a residual that need not follow from it."""

    layout: Cliques
    codes: np.ndarray
    residual: np.ndarray
    unit: int
    arity_weights: np.ndarray
    random: np.random.Generator

    @property
    def index(self) -> CellIndex:
        return self.layout.index

    @property
    def cliques(self) -> list[naive.Clique]:
        return held_cliques(self.layout)

    @property
    def scale(self) -> tuple[CellIndex, int, np.ndarray]:
        """The arguments of a kernel that follow the residual."""
        return self.index, self.unit, self.arity_weights

    @property
    def naive_scale(self) -> tuple[list[naive.Clique], int, np.ndarray]:
        """The arguments of a naive twin that follow the residual."""
        return self.cliques, self.unit, self.arity_weights

    @property
    def naive_residual(self) -> naive.Cells:
        return as_dict(self.residual, self.layout)


@st.composite
def cases(draw, sizes=domains, min_units=0, max_units=12) -> Case:
    """Residuals are a few units up or down, on the grid of whole units or off it; or far up, where gains cancel out."""
    layout = draw(layouts(sizes))
    codes = draw(codes_of(layout.index.sizes.tolist(), min_units, max_units))
    unit = draw(st.sampled_from(UNITS))
    random = np.random.default_rng(draw(seeds))
    residual = random.integers(-3 * unit, 3 * unit, layout.n_cells, dtype=np.int32, endpoint=True)
    residual += draw(st.sampled_from([0, 0, 9 * unit]))
    return Case(layout, codes, residual, unit, random.random(3), random)


@dataclass(frozen=True)
class Problem:
    """An original, a pool of the same domain, and the objective for a subset of `n_units`."""

    original: np.ndarray
    pool: np.ndarray
    objective: Objective

    @property
    def layout(self) -> Cliques:
        return self.objective.cliques

    @property
    def n_units(self) -> int:
        return self.objective.n_units


@st.composite
def problems(draw, sizes=domains, max_units=40) -> Problem:
    """Subsets as large as the original (unit 1) and of other sizes (unit a fixed-point scale)."""
    layout = Cliques.of(draw(sizes))
    random = np.random.default_rng(draw(seeds))
    n_original = draw(st.integers(1, max_units))
    n_units = draw(st.one_of(st.just(n_original), st.integers(1, max_units)))
    n_pool = n_units + draw(st.integers(0, 3 * max_units))
    original, pool = (random.integers(0, layout.index.sizes, (n, layout.n_columns)) for n in (n_original, n_pool))
    original, pool = original.astype(np.uint8), pool.astype(np.uint8)
    marginals = count_marginals([original], layout)
    return Problem(original, pool, Objective.of(marginals, layout, n_original, n_units))


@st.composite
def cuts(draw, n_rows: int) -> list[slice]:
    """Some way to cut `n_rows` rows into blocks, empty ones among them."""
    inner = draw(st.lists(st.integers(0, n_rows), max_size=5))
    bounds = [0, *sorted(inner), n_rows]
    return [slice(start, stop) for start, stop in pairwise(bounds)]
