"""How a subset was made: from which pool, by which search, and what there is to know before it is shared.

In: what the stages found. Out: `SelectionFacts`, which terminal and page show, and which metrics.json has as a dict.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from issodask.report.copies import Copies


@dataclass(frozen=True)
class Start:
    """What trimming started from.

    chosen  `weighted`, `even`, or the `whole` pool
    errors  1 - accuracy, by kind: of as many random and weighted units as the subset has or, where `tried`, after a
            short trial from each kind
    """

    chosen: str
    units: int
    errors: Mapping[str, float]
    tried: bool


@dataclass(frozen=True)
class Aim:
    """Whose marginals were matched.

    keep, kept        of what is peculiar to the original: the least share, and what was kept of each family's
    exponent          that the odds of units count with; 0: not at all
    effective_units   how many units of the pool count by these odds
    trees             that gave them
    random, subset    1 - accuracy of random units and of the subset, against the original itself
    """

    at: str
    keep: float | None = None
    kept: Mapping[str, float] = field(default_factory=dict)
    exponent: float | None = None
    effective_units: float | None = None
    trees: int | None = None
    random: float | None = None
    subset: float | None = None


@dataclass(frozen=True)
class FittedWeights:
    """How the weights of the pool's rows were fitted; `unfillable` counts target cells that no row has."""

    status: str
    residuals: tuple[float, ...] = ()
    n_pairs: int = 0
    unfillable: int = 0
    pool_residual: float = 0.0
    effective_units: float = 0.0


@dataclass(frozen=True)
class UnfilledCell:
    """A combination of bins of two columns that `rows` units of the original have, and none of the pool."""

    columns: tuple[str, str]
    bins: tuple[str, str]
    rows: int


@dataclass(frozen=True)
class Unsupported:
    """Target cells of pairs that no unit of the pool can fill, their share of the original, and the worst of them."""

    cells: int
    share: float
    worst: tuple[UnfilledCell, ...] = ()


@dataclass(frozen=True)
class Source:
    """Units of the pool that one generator made, and how many of them were chosen; a foreign pool's has no number."""

    generator: int | None
    pool_units: int
    units: int


@dataclass(frozen=True)
class AskedCell:
    """A cell that so many units were asked to be in: how many of as many units are in it, table by table.

    of  which control it belongs to
    """

    of: str
    cell: str
    asked: int
    original: float
    pool: float
    subset: int


@dataclass(frozen=True)
class AskedRule:
    """A rule, whether it was enforced, and the share of units that keep it, table by table."""

    text: str
    enforced: bool
    original: float
    pool: float
    subset: float


@dataclass(frozen=True)
class AskedFor:
    """What was asked of the subset beside being like the original.

    effective_units  as how many of its units the original's count, raked to shares and totals
    """

    cells: tuple[AskedCell, ...] = ()
    rules: tuple[AskedRule, ...] = ()
    effective_units: float = 0.0

    @property
    def unmet(self) -> tuple[AskedCell, ...]:
        return tuple(cell for cell in self.cells if cell.asked != cell.subset)


@dataclass(frozen=True)
class SelectionFacts:
    """How a subset was made.

    objective, objective_bound  1 - accuracy as the search sees it, and what no subset of the pool goes below (or None)
    rounds, seed                what to pass to repeat the run
    timings                     seconds by stage
    start                       None where nothing was trimmed
    copies, unit                units that equal one of the original, and what a unit is called
    roles                       of all columns, and those that are left out of the accuracy: see KnownColumns.facts
    settings                    those of the selection; job: those of the whole job, where there is one
    aim                         whose marginals were matched
    asked                       what was asked of the subset, if anything was
    """

    pool_units: int
    objective: float
    stop_reason: str
    rounds: str
    seed: int
    timings: Mapping[str, float]
    ipf: FittedWeights
    start: Start | None
    unsupported: Unsupported
    lineage: tuple[Source, ...]
    objective_bound: float | None
    copies: Copies
    unit: str
    roles: Mapping[str, Any]
    settings: Mapping[str, Any]
    job: Mapping[str, Any] | None = None
    aim: Aim = Aim("original")
    asked: AskedFor | None = None

    @property
    def original_error(self) -> float:
        """1 - accuracy against the original itself."""
        return self.objective if self.aim.subset is None else self.aim.subset

    def of_job(self, job: Mapping[str, Any], generate_s: float) -> "SelectionFacts":
        """The same as part of a job that took so many seconds to make the pool."""
        return replace(self, job=job, timings={"generate": generate_s, **self.timings})

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: one kind of settings, those of the job if there is one; a unit's name beside its copies."""
        facts = asdict(self)
        settings, job, unit = (facts.pop(name) for name in ("settings", "job", "unit"))
        facts["start"] = facts["start"] or {}
        facts["copies"] = self.copies.to_dict(unit)
        return {**facts, **({"select": settings} if job is None else {"job": job})}
