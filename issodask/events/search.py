"""What a search tells: what was asked, weights, trimming, swaps, and what they came to."""

from dataclasses import dataclass

from issodask.event import Event, Step


@dataclass(frozen=True, kw_only=True)
class SearchBegun(Event):
    """A search starts anew; what was told of an earlier one in this folder counts no more."""

    KIND = "search"
    n_units: int
    start: str


@dataclass(frozen=True, kw_only=True)
class RulesKnown(Event):
    """Rules that the original itself breaks: they are not enforced, unless the settings say so."""

    KIND = "rules"
    broken: dict[str, int]
    strict: bool

    def said(self) -> tuple[str, ...]:
        then = "enforced all the same" if self.strict else "reported, not enforced (strict = true enforces it)"
        return tuple(f"rule {text!r}: {n:,} units of the original break it: {then}" for text, n in self.broken.items())


@dataclass(frozen=True, kw_only=True)
class PoolMarked(Event):
    """Of so many units of the pool so many keep the rules, and lie in so many classes of what was asked."""

    KIND = "mark"
    units: int
    allowed: int
    classes: int

    def step(self) -> Step:
        return Step("mark", 1, 1, f"{self.allowed:,} of {self.units:,} units may be chosen, {self.classes:,} classes")


@dataclass(frozen=True, kw_only=True)
class StratumFound(Event):
    """The stratum number `n`, of this name, has its units."""

    KIND = "stratum"
    n: int
    of: int
    name: str
    units: int

    def step(self) -> Step:
        return Step("strata", self.n, self.of, f"{self.name}: {self.units:,} units")


@dataclass(frozen=True, kw_only=True)
class Unmet(Event):
    """What the pool can't fill of the totals that were asked for."""

    KIND = "unmet"
    cells: list[str]
    n_cells: int

    def said(self) -> tuple[str, ...]:
        more = f" and {self.n_cells - len(self.cells)} more" if self.n_cells > len(self.cells) else ""
        return (f"the pool can't fill {'; '.join(self.cells)}{more}: generate more",)


@dataclass(frozen=True, kw_only=True)
class OddsFound(Event):
    """Trees told original and pool apart; by their odds so many units of the pool count."""

    KIND = "odds"
    trees: int
    effective: float
    seconds: float

    def step(self) -> Step:
        return Step("odds", 1, 1, f"{self.trees:,} trees, {self.effective:,.0f} units count")


@dataclass(frozen=True, kw_only=True)
class WeightsPassed(Event):
    """One pass over all pairs; `residual`: mean total variation distance of the weighted pairs."""

    KIND = "ipf"
    n: int
    of: int
    residual: float

    def step(self) -> Step:
        return Step("weigh", self.n, self.of, f"residual {self.residual:.5f}")


@dataclass(frozen=True, kw_only=True)
class RandomScored(Event):
    """The objective of as many random units of the pool as the subset has, for what is aimed at."""

    KIND = "random"
    objective: float


@dataclass(frozen=True, kw_only=True)
class StartChosen(Event):
    """What trimming starts from: see stages.search.Found."""

    KIND = "start"
    chosen: str
    units: int
    errors: dict[str, float]
    tried: bool


@dataclass(frozen=True, kw_only=True)
class MemoryShort(Event):
    """Fewer units than wanted fit into memory."""

    KIND = "memory"
    wanted: int
    fitting: int
    memory_gb: float

    def said(self) -> tuple[str, ...]:
        return (
            f"trimming starts from {self.fitting:,} units, not {self.wanted:,}: "
            f"more do not fit into memory_gb = {self.memory_gb}",
        )


@dataclass(frozen=True, kw_only=True)
class Helped(Event):
    """From step `n` of trimming on so many workers on other hosts help; 0: nobody any more, or one was lost."""

    KIND = "helped"
    n: int
    workers: int


@dataclass(frozen=True, kw_only=True)
class Trimmed(Event):
    """A step of trimming is done; `units` are left."""

    KIND = "trim"
    n: int
    of: int
    units: int
    objective: float | None = None

    def step(self) -> Step:
        return Step("trim", self.n, self.of, f"{self.units:,} units")


@dataclass(frozen=True, kw_only=True)
class Preselected(Event):
    """A round of swaps for coherence alone is done."""

    KIND = "preselect"
    n: int
    of: int
    coherence_error: float

    def step(self) -> Step:
        return Step("preselect", self.n, self.of, f"error of coherence {self.coherence_error:.5f}")


@dataclass(frozen=True, kw_only=True)
class Refined(Event):
    """A round of refinement is done: see fitting.refine.Round."""

    KIND = "refine"
    i_round: int
    n_rounds: int
    objective: float
    temperature: float
    n_trials: int
    n_proposed: int
    n_kept: int

    @property
    def accuracy(self) -> float:
        return 1 - self.objective

    def step(self) -> Step:
        n = self.i_round + 1
        note = f"accuracy {self.accuracy:.5f} of what is aimed at, {self.n_kept:,} swaps kept"
        return Step("refine", n, max(self.n_rounds, n), note)


@dataclass(frozen=True, kw_only=True)
class RandomTaken(Event):
    """The search ended no better than the random units, so these are the subset."""

    KIND = "random taken"
    objective: float


@dataclass(frozen=True, kw_only=True)
class Bounded(Event):
    """No subset of the pool can have a lower objective than `bound`."""

    KIND = "bound"
    n: int
    of: int
    bound: float

    def step(self) -> Step:
        return Step("bound", self.n, self.of, f"the error of any subset is at least {self.bound:.1e}")
