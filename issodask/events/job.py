"""What a job tells outside of its search: what came in, what is made, written and done."""

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

    def step(self) -> Step | None:
        name = f"generator {self.index}"
        if self.phase == "own draws":
            return None
        if self.phase == "train" and self.epoch is not None:
            return Step(name, self.epoch, self.max_epochs, self._training(), is_open=True)
        if self.phase == "sample":
            return Step(name, self.n_rows or 0, self.of_rows, f"{self.n_rows:,} rows sampled")
        if self.phase == "done":
            return Step(name, 1, 1, f"{self.n_rows:,} rows written")
        return Step(name, 0, None, self.phase)

    def said(self) -> tuple[str, ...]:
        if self.phase != "own draws":
            return ()
        return (
            "this version of mostlyai-engine is not known here: it draws in its own way, which takes several times as "
            "long where columns have thousands of values",
        )

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
class TrialEnded(Event):
    """A trial of a study is over, as `state` says: `n` of `of` are."""

    KIND = "trial"
    n: int
    of: int
    name: str
    state: str
    error: str = ""

    def step(self) -> Step:
        return Step("trials", self.n, self.of, f"{self.name}: {self.state}")

    def said(self) -> tuple[str, ...]:
        return (f"{self.name}: {self.state}: {self.error}",) if self.error else ()


@dataclass(frozen=True, kw_only=True)
class StudyFinished(Event):
    """All trials of a study are over."""

    KIND = "studied"
    trials: int


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
