"""How far a run is: built up from its events, in whatever order they come, and bounded however many there are.

In: events. Out: a line for each stage and generator, training curves, the search's curve, and the time left. All that
shows a run draws from this: the terminal, a notebook, the dashboard, and the list of a cluster's jobs.
"""

from dataclasses import dataclass, field
from typing import Any

from issodask.event import Event, Step
from issodask.events import (
    GeneratorTold,
    RandomScored,
    Refined,
    Running,
    SubsetWritten,
    Trimmed,
)

MAX_POINTS = 1_000

STAGES = ("trials", "generate", "encode", "odds", "weigh", "trim", "preselect", "refine", "bound", "write", "evaluate")
"""The stages in the order in which a run comes to them."""

_LEAST_SHARE = 0.05
"""Of the work of a stage that has to be done before its pace says anything about the rest."""

_TRAINING_SHARE = 0.8
"""Of what a generator does, about; the rest is sampling."""


@dataclass
class Line:
    """How far a stage or a generator is.

    since, at   when it was first and last heard of, in seconds since 1970
    begun       what was done at first: of a run that goes on, what an earlier one did
    is_open     whether it may end long before all is done, so that its pace says little
    """

    since: float
    at: float
    done: float = 0.0
    of: float | None = None
    note: str = ""
    begun: float = 0.0
    is_open: bool = False

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.of) if self.of else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before that says anything, and when all is done."""
        if self.is_open or not self.of or not self.begun < self.done < self.of:
            return None
        if self.done - self.begun < _LEAST_SHARE * (self.of - self.begun):
            return None
        return (self.at - self.since) * (self.of - self.done) / (self.done - self.begun)


@dataclass
class Training:
    """One generator: what it does now, how far it is (0 to 1), and a point per epoch."""

    phase: str = ""
    share: float = 0.0
    epochs: list[float] = field(default_factory=list)
    train_loss: list[float | None] = field(default_factory=list)
    val_loss: list[float | None] = field(default_factory=list)

    def hear(self, event: GeneratorTold) -> None:
        self.phase = event.phase
        if event.phase == "train" and event.epoch is not None and event.max_epochs:
            self.share = _TRAINING_SHARE * min(1.0, event.epoch / event.max_epochs)
            self._add_epoch(event.epoch, event.train_loss, event.val_loss)
        elif event.phase == "sample":
            self.share = _TRAINING_SHARE + (1 - _TRAINING_SHARE) * (event.n_rows or 0) / max(1, event.of_rows or 1)
        elif event.phase == "done":
            self.share = 1.0

    def _add_epoch(self, epoch: float, train_loss: float | None, val_loss: float | None) -> None:
        if train_loss is None or epoch in self.epochs:
            return
        while self.epochs and self.epochs[-1] > epoch:  # begun anew from an earlier state
            for column in (self.epochs, self.train_loss, self.val_loss):
                column.pop()
        self.epochs.append(epoch)
        self.train_loss.append(train_loss)
        self.val_loss.append(val_loss)


@dataclass
class Curve:
    """The search over time; `temperature` and `acceptance` are None while it trims."""

    time: list[float] = field(default_factory=list)
    stage: list[str] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    temperature: list[float | None] = field(default_factory=list)
    acceptance: list[float | None] = field(default_factory=list)

    def add(
        self, at: float, stage: str, objective: float, temperature: float | None = None, acceptance: float | None = None
    ) -> None:
        row = (at, stage, 1 - objective, temperature, acceptance)
        columns: tuple[list[Any], ...] = (self.time, self.stage, self.accuracy, self.temperature, self.acceptance)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
            if len(column) > MAX_POINTS:  # every other point of the older half goes
                del column[1 : MAX_POINTS // 2 : 2]


class Progress:
    """All there is to see of one run."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.trainings: dict[int, Training] = {}
        self.curve = Curve()
        self.random_accuracy: float | None = None
        self.accuracy: float | None = None
        self.rounds: str | None = None
        self.name: str | None = None

    def hear(self, event: Event) -> Line | None:
        """Take in one event; returns the line that it changed."""
        step = event.step()
        line = None if step is None else self._set(step, event.time)
        match event:
            case Running():
                self.name = event.name
            case GeneratorTold():
                self._hear_generator(event)
            case RandomScored():
                self.random_accuracy, self.curve = 1 - event.objective, Curve()
            case Trimmed() if event.objective is not None:
                self.curve.add(event.time, "trim", event.objective)
            case Refined():
                acceptance = event.n_kept / max(1, event.n_trials)
                self.curve.add(event.time, "refine", event.objective, event.temperature, acceptance)
            case SubsetWritten():
                self.accuracy, self.rounds = event.accuracy, event.rounds
                self.random_accuracy = event.random_accuracy or self.random_accuracy
        return line

    @property
    def stages(self) -> dict[str, Line]:
        """The lines of stages, in the order in which a run comes to them."""
        return {name: self.lines[name] for name in STAGES if name in self.lines}

    @property
    def generators(self) -> dict[str, Line]:
        """The lines of generators."""
        return {name: line for name, line in self.lines.items() if name not in STAGES}

    @property
    def stage(self) -> str:
        """The stage that was heard of last, and how far it is."""
        if not self.stages:
            return ""
        name, line = max(self.stages.items(), key=lambda item: item[1].at)
        return f"{name} {line.share:.0%}" if line.of else name

    @property
    def seconds_left(self) -> float | None:
        """Of the stage that was heard of last."""
        if not self.stages:
            return None
        return max(self.stages.values(), key=lambda line: line.at).seconds_left

    def _hear_generator(self, event: GeneratorTold) -> None:
        training = self.trainings.setdefault(event.index, Training())
        training.hear(event)
        done, n = sum(known.share for known in self.trainings.values()), len(self.trainings)
        is_open = any(known.share < _TRAINING_SHARE for known in self.trainings.values())
        was_open = "generate" not in self.lines or self.lines["generate"].is_open
        line = self._set(Step("generate", done, n, f"{n} generators", is_open), event.time)
        if was_open:  # the pace of training says nothing about sampling
            line.since, line.begun = event.time, line.done

    def _set(self, step: Step, at: float) -> Line:
        known = self.lines.get(step.stage)
        if known is None or step.done < known.done:
            known = self.lines[step.stage] = Line(at, at, begun=step.done)
        known.at, known.done, known.of, known.note = at, step.done, step.of, step.note
        known.is_open = step.is_open
        return known


def duration(seconds: float) -> str:
    """As people write it: 2 h 05 min, 4 min 09 s, 12 s."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
