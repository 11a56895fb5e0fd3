"""What there is to see of a job while it runs: built up from its events, bounded however long it takes.

In: events, as a run emits them. Out: stage and share done, training curves, the search's curve, and the time left.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

MAX_EVENTS = 5_000
MAX_POINTS = 1_000

STAGES = ("generate", "encode", "ipf", "trim", "preselect", "refine", "write", "evaluate")


@dataclass
class Progress:
    """How far a stage is.

    `since` and `at`: when it was first and last heard of (seconds since 1970); `begun`: what was done at first.
    """

    since: float
    at: float
    done: float = 0.0
    of: float | None = None
    note: str = ""
    begun: float = 0.0

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.of) if self.of else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far; None before anything is done since it was first heard of, and when all is."""
        if not self.of or not self.begun < self.done < self.of:
            return None
        return (self.at - self.since) * (self.of - self.done) / (self.done - self.begun)


@dataclass
class Training:
    """One generator: its phase, and a point per epoch."""

    phase: str = ""
    note: str = ""
    share: float = 0.0
    epochs: list[float] = field(default_factory=list)
    train_loss: list[float | None] = field(default_factory=list)
    val_loss: list[float | None] = field(default_factory=list)


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


class Watch:
    """All there is to see of one job."""

    def __init__(self) -> None:
        self.events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self.n_events = 0
        self.stages: dict[str, Progress] = {}
        self.trainings: dict[int, Training] = {}
        self.curve = Curve()
        self.random_accuracy: float | None = None
        self.accuracy: float | None = None
        self.rounds: str | None = None
        self.name: str | None = None

    def hear(self, event: dict[str, Any]) -> None:
        """Take in one event; those of an unknown kind are kept, and change nothing else."""
        self.events.append(event)
        self.n_events += 1
        hear = getattr(self, f"_hear_{event.get('event')}", None)
        if hear is not None:
            hear(event, float(event.get("time") or time.time()))

    def events_since(self, n: int) -> list[dict[str, Any]]:
        """The events after the first `n` that were heard, as far as they are still kept."""
        n_kept_from = self.n_events - len(self.events)
        return list(self.events)[max(0, n - n_kept_from) :]

    @property
    def stage(self) -> str:
        """The stage that was heard of last, and how far it is."""
        if not self.stages:
            return ""
        name, progress = max(self.stages.items(), key=lambda item: item[1].at)
        return f"{name} {progress.share:.0%}" if progress.of else name

    @property
    def seconds_left(self) -> float | None:
        """Of the stage that was heard of last."""
        if not self.stages:
            return None
        return max(self.stages.values(), key=lambda progress: progress.at).seconds_left

    def _hear_run(self, event: dict[str, Any], at: float) -> None:
        self.name = event.get("name")

    def _hear_generator(self, event: dict[str, Any], at: float) -> None:
        training = self.trainings.setdefault(int(event["index"]), Training())
        training.phase = event["phase"]
        match event["phase"]:
            case "train":
                epoch, most = float(event["epoch"]), float(event["max_epochs"])
                training.share = 0.8 * min(1.0, epoch / most)
                training.note = f"epoch {epoch:.1f} of at most {most:g}"
                self._add_epoch(training, epoch, event)
            case "sample":
                training.share = 0.8 + 0.2 * event["n_rows"] / max(1, event["of_rows"])
                training.note = f"{event['n_rows']:,} of {event['of_rows']:,} rows"
            case "done":
                training.share = 1.0
                training.note = f"{event['n_rows']:,} rows"
            case _:
                training.note = ""
        n_known = max(len(self.trainings), int(event.get("n_generators") or 0))
        done = sum(known.share for known in self.trainings.values())
        self._progress("generate", at, done, n_known, f"{n_known} generators")

    def _add_epoch(self, training: Training, epoch: float, event: dict[str, Any]) -> None:
        if event.get("train_loss") is None or epoch in training.epochs:
            return
        while training.epochs and training.epochs[-1] > epoch:  # begun anew from an earlier state
            for column in (training.epochs, training.train_loss, training.val_loss):
                column.pop()
        training.epochs.append(epoch)
        training.train_loss.append(event["train_loss"])
        training.val_loss.append(event.get("val_loss"))

    def _hear_encode(self, event: dict[str, Any], at: float) -> None:
        self._progress("encode", at, event["n"], event["of"], event["part"])

    def _hear_random(self, event: dict[str, Any], at: float) -> None:
        self.random_accuracy = 1 - event["objective"]
        self.curve = Curve()

    def _hear_ipf(self, event: dict[str, Any], at: float) -> None:
        self._progress("ipf", at, event["n"], event["of"], f"residual {event['residual']:.5f}")

    def _hear_trim(self, event: dict[str, Any], at: float) -> None:
        self._progress("trim", at, event["n"], event["of"], f"{event['units']:,} units")
        if event.get("objective") is not None:
            self.curve.add(at, "trim", event["objective"])

    def _hear_preselect(self, event: dict[str, Any], at: float) -> None:
        self._progress("preselect", at, event["n"], event["of"], f"error of coherence {event['coherence_error']:.5f}")

    def _hear_refine(self, event: dict[str, Any], at: float) -> None:
        n_done, n_rounds = event["i_round"] + 1, max(event["n_rounds"], event["i_round"] + 1)
        self._progress("refine", at, n_done, n_rounds, f"round {n_done} of {n_rounds}")
        acceptance = event["n_kept"] / max(1, event["n_trials"])
        self.curve.add(at, "refine", event["objective"], event["temperature"], acceptance)

    def _hear_write(self, event: dict[str, Any], at: float) -> None:
        self._progress("write", at, event["n"], event["of"], f"{event['units']:,} units")

    def _hear_selected(self, event: dict[str, Any], at: float) -> None:
        self.accuracy, self.rounds = event["accuracy"], event["rounds"]
        self._progress("write", at, 1, 1, event["reason"])

    def _hear_evaluate(self, event: dict[str, Any], at: float) -> None:
        self._progress("evaluate", at, event["n"], event["of"], event["what"])

    def _progress(self, stage: str, at: float, done: float, of: float, note: str) -> None:
        known = self.stages.get(stage)
        if known is None or done < known.done:
            known = self.stages[stage] = Progress(at, at, begun=done)
        known.at, known.done, known.of, known.note = at, done, of, note
