"""What a search is: which units, towards what, how, and where. It never changes; how far it has come is `SearchState`.

In: the pool's codes, the objective, the settings. Out: `SearchContext`, which all stages of a search share.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask import seeds
from issodask.config import SelectConfig
from issodask.event_log import Events
from issodask.fitting.budget import Budget, budget_of
from issodask.fitting.objective import Objective
from issodask.fitting.problem import Problem, even_weights
from issodask.fitting.quotas import Quotas
from issodask.fitting.version import ALGORITHM
from issodask.kernels.units import Units
from issodask.runtime import Runtime
from issodask.runtime.local import ThreadTeam
from issodask.store.codes import Codes
from issodask.store.reader import BlockReader, Marks
from issodask.store.receipts import key_of
from issodask.store.run_folder import SearchFolder
from issodask.table.cliques import Cliques

_SOME_UNITS = 4_096


@dataclass(frozen=True)
class Odds:
    """How much likelier units of the pool are among the original's: see odds.py.

    exponent, mean   that odds count with, and the mean over the pool of what comes out
    effective_units  as many equally likely units count as much
    trees            that told original and pool apart
    """

    exponent: float
    mean: float
    effective_units: float
    trees: int
    key: str = ""


@dataclass(frozen=True)
class SearchContext:
    """One search.

    objective  what the subset should look like; `original`: the same as the original does
    marginals  whose pairs weights are fitted to, of as many units as the original has
    odds       that the pool's units begin with; None: all alike
    marks      which class each unit of the pool is of, and `quotas` how many of each are chosen; None: whichever
    folder     keeps what is done
    """

    codes: Codes
    objective: Objective
    original: Objective
    marginals: NDArray[Any]
    config: SelectConfig
    seed: int
    folder: SearchFolder
    runtime: Runtime
    events: Events
    odds: Odds | None = None
    marks: Marks | None = None
    quotas: Quotas | None = None

    @property
    def n_units(self) -> int:
        """Units of the subset."""
        return self.objective.n_units

    @property
    def has_weights(self) -> bool:
        """Whether units have weights to be drawn by: rows do, unless the settings say otherwise."""
        return isinstance(self.objective.cliques, Cliques) and self.config.fits_weights

    @cached_property
    def reader(self) -> BlockReader:
        if self.odds is None:
            return BlockReader(self.folder.weights, marks=self.marks)
        tempered = self.odds.exponent, self.odds.mean
        return BlockReader(self.folder.weights, self.folder.odds, tempered, self.marks)

    @property
    def has_first(self) -> bool:
        """Whether units count differently before weights are fitted."""
        return self.odds is not None or (self.marks is not None and self.marks.factors is not None)

    @cached_property
    def problem(self) -> Problem:
        weights = self.reader.weights if isinstance(self.objective.cliques, Cliques) else even_weights
        blocks, classes = self.codes.blocks, None if self.quotas is None else self.reader.classes
        return Problem(self.objective, blocks, self.reader.codes, weights, self.config.allow_repeats, classes)

    @cached_property
    def budget(self) -> Budget:
        config = self.config
        return budget_of(config.rounds, config.effort, config.time_limit_s, self.some_units.cells_per_unit)

    @cached_property
    def some_units(self) -> Units:
        """Units that stand for those of the whole pool."""
        return self.problem.gather(self.some_unit_ids)

    @property
    def some_unit_ids(self) -> NDArray[np.int64]:
        """Up to 4,096 units, evenly spread over the pool."""
        n_pool = self.codes.n_units
        return np.unique(np.linspace(0, n_pool - 1, min(n_pool, _SOME_UNITS)).astype(np.int64))

    @cached_property
    def random_units(self) -> NDArray[np.int64]:
        """A subset without selection, to compare with; ascending. The same as the report's sample of the pool, unless
        classes of units have quotas, which these meet too."""
        n_pool = self.codes.n_units
        random = seeds.generator(self.seed, "random sample")
        if self.quotas is not None:
            return np.sort(self.quotas.draw(self.quotas.counts, random.random(n_pool)))
        return np.sort(random.choice(n_pool, self.n_units, replace=n_pool < self.n_units))

    def residual_of(self, units: NDArray[np.int64]) -> NDArray[np.int32]:
        """The residual of the given units, once per use, counted anew."""
        with ThreadTeam.beside(self.runtime) as team:
            return self.problem.residual_by(team, np.sort(units))

    def uses_of(self, units: NDArray[np.int64]) -> NDArray[np.uint16]:
        """How often each unit of the pool is among the given ones."""
        uses = np.zeros(self.codes.n_units, np.uint16)
        used, times = np.unique(units, return_counts=True)
        uses[used] = times
        return uses

    @cached_property
    def data_key(self) -> str:
        """Names what weights are fitted to."""
        target = xxhash.xxh3_64(self.marginals.tobytes()).hexdigest()
        known = [ALGORITHM, self.codes.key, target, self.objective.cliques.family_starts.tolist()]
        first = [] if self.marks is None or self.marks.factors is None else [_hash(self.marks.factors)]
        return key_of(*known, *([] if self.odds is None else [self.odds.key]), *first)

    @cached_property
    def key(self) -> str:
        """Names all that decides which units are found: a checkpoint serves only the search that it was made by."""
        settings = self.config.model_dump(exclude={"bound", "checkpoint_s"})
        target = xxhash.xxh3_64(self.objective.target.tobytes()).hexdigest()
        quotas = [] if self.quotas is None else [_hash(self.quotas.of_units), _hash(self.quotas.counts)]
        return key_of(self.data_key, target, self.n_units, self.seed, settings, *quotas)


def _hash(values: NDArray[Any]) -> str:
    return xxhash.xxh3_64(np.ascontiguousarray(values).tobytes()).hexdigest()


def units_of(uses: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The units of the subset, once per use."""
    used = np.flatnonzero(uses)
    return np.repeat(used, uses[used])
