"""What a run tells while it works: the kinds of events.

Each is a dataclass, and one line of JSON in `events.jsonl` (see event_log.py). What there is to see of it, a stage's
progress or a line of text, it says itself: the terminal, a notebook, the dashboard and `issodask status` show the same.
"""

from dataclasses import dataclass, field
from typing import Any

from issodask.event import Event, Step


@dataclass(frozen=True, kw_only=True)
class Running(Event):
    """A run begins, or goes on, in the folder `out`."""

    KIND = "run"
    name: str
    out: str


@dataclass(frozen=True, kw_only=True)
class Driving(Event):
    """A worker of a cluster has started the process that drives a job."""

    KIND = "driving"
    pid: int
    host: str
    worker: str


@dataclass(frozen=True, kw_only=True)
class ColumnsKnown(Event):
    """The roles of the original's columns, and which of them are left out of the accuracy."""

    KIND = "columns"
    roles: dict[str, Any]
    left_out: list[str]
    told: list[str]

    def said(self) -> tuple[str, ...]:
        return tuple(self.told)


@dataclass(frozen=True, kw_only=True)
class CsvRead(Event):
    """How CSV files that are not written as usual were read."""

    KIND = "csv"
    text: str

    def said(self) -> tuple[str, ...]:
        return (self.text,)


@dataclass(frozen=True, kw_only=True)
class GeneratorTold(Event):
    """What the generator `index` does: see models.progress_log.ProgressLog for its phases."""

    KIND = "generator"
    index: int
    phase: str
    epoch: float | None = None
    max_epochs: float | None = None
    loss: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    seconds_left: float | None = None
    n_rows: int | None = None
    of_rows: int | None = None
    file: str | None = None
    n_units: int | None = None
    seed: int | None = None
    host: str | None = None
    pid: int | None = None

    def step(self) -> Step:
        name = f"generator {self.index}"
        if self.phase == "train" and self.epoch is not None:
            return Step(name, self.epoch, self.max_epochs, self._training(), is_open=True)
        if self.phase == "sample":
            return Step(name, self.n_rows or 0, self.of_rows, f"{self.n_rows:,} rows sampled")
        if self.phase == "done":
            return Step(name, 1, 1, f"{self.n_rows:,} rows written")
        return Step(name, 0, None, self.phase)

    def _training(self) -> str:
        loss = f", loss {self.loss:.3f}" if self.loss is not None else ""
        left = f", at most {self.seconds_left:.0f} s left" if self.seconds_left is not None else ""
        return f"epoch {self.epoch:.1f}{loss}{left}"


@dataclass(frozen=True, kw_only=True)
class Imputing(Event):
    """Missing values are being filled: `what` is done, `n` of `of` steps."""

    KIND = "impute"
    n: int
    of: int
    what: str

    def step(self) -> Step:
        return Step("impute", self.n, self.of, self.what)


@dataclass(frozen=True, kw_only=True)
class PartEncoded(Event):
    """The part number `n` of the pool has codes now: made, kept from an earlier run, or made again as damaged."""

    KIND = "encode"
    n: int
    of: int
    part: str
    rows: int
    state: str

    def step(self) -> Step:
        return Step("encode", self.n, self.of, f"{self.part}: {self.rows:,} rows")

    def said(self) -> tuple[str, ...]:
        return (f"codes of part {self.part} are damaged: made again",) if self.state == "damaged" else ()


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


@dataclass(frozen=True, kw_only=True)
class Writing(Event):
    """The subset's units are being written."""

    KIND = "write"
    n: int
    of: int
    units: int

    def step(self) -> Step:
        return Step("write", self.n, self.of, f"{self.units:,} units")


@dataclass(frozen=True, kw_only=True)
class SubsetWritten(Event):
    """The selection is done; accuracies are those against the original."""

    KIND = "selected"
    out: str
    accuracy: float
    rounds: str
    reason: str
    random_accuracy: float | None = None
    copies: dict[str, Any] = field(default_factory=dict)

    def step(self) -> Step:
        return Step("write", 1, 1, self.reason)


@dataclass(frozen=True, kw_only=True)
class Evaluating(Event):
    """The report is being made."""

    KIND = "evaluate"
    n: int
    of: int
    what: str

    def step(self) -> Step:
        return Step("evaluate", self.n, self.of, self.what)


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """All is done."""

    KIND = "finished"
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Resumed(Event):
    """The search goes on from its last checkpoint."""

    KIND = "resume"
    stage: str
    next: int
    next_round: int

    def said(self) -> tuple[str, ...]:
        return ("goes on from the last checkpoint",)


@dataclass(frozen=True, kw_only=True)
class Damaged(Event):
    """A file that an earlier run left is not as that run wrote it."""

    KIND = "damaged"
    file: str
    generator: int | None = None

    def said(self) -> tuple[str, ...]:
        return (f"{self.file} is damaged: made again",)
