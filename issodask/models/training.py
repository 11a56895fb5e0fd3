"""How a generator is trained, and what that tells: the engine's callbacks, as reports of ours."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from issodask.models.legs import Leg

Report = Callable[..., None]
"""Takes a phase and fields of it: see ProgressLog.write."""

REPORT_EVERY_S = 2.0


@dataclass(frozen=True)
class Training:
    """How one generator is trained: in one order of columns or, if `flexible`, so that any of them can be asked for."""

    model: str
    max_epochs: float
    max_time_min: float
    batch_size: int | None
    seed: int
    flexible: bool = False


class NowAndThen:
    """The engine's callback while it prepares: whoever listens can still stop it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last_report_s = time.monotonic()

    def __call__(self, **_: Any) -> None:
        if time.monotonic() - self._last_report_s >= REPORT_EVERY_S:
            self._last_report_s = time.monotonic()
            self._report("prepare")


@dataclass(frozen=True)
class _Pace:
    time_s: float
    completed: int
    total: int


class TrainingProgress:
    """The engine's callback at every step of a leg: reports each epoch, the time left in between, and ends the leg."""

    def __init__(self, report: Report, leg: Leg, end_of_leg: float, training: Training) -> None:
        self._report = report
        self._end_of_leg = end_of_leg
        self._max_epochs = training.max_epochs
        self._began_s = time.monotonic()
        self._seconds_allowed = 60 * training.max_time_min - leg.seconds
        self._first = _Pace(0.0, 0, 0)
        self._last_report_s = 0.0
        self._message: dict[str, Any] = {"epoch": leg.epoch}
        self.is_at_end_of_leg = False

    @property
    def epoch(self) -> float:
        return float(self._message["epoch"])

    @property
    def seconds(self) -> float:
        """Time of this and earlier legs, as the engine counts it."""
        return float(self._message["total_time"])

    def __call__(
        self, total: int | None = None, completed: int | None = None, message: dict[str, Any] | None = None, **_: Any
    ) -> dict[str, bool]:
        """Called with a message at the end of each epoch, and now and then in between."""
        self._tell(total or 0, completed or 0, message)
        is_epoch = message is not None and message["val_loss"] is not None
        self.is_at_end_of_leg |= is_epoch and self._end_of_leg <= self.epoch < self._max_epochs
        return {"stopExecution": self.is_at_end_of_leg}

    def _tell(self, total: int, completed: int, message: dict[str, Any] | None) -> None:
        now_s = time.monotonic()
        if message is not None:
            self._message = message
        if message is None and now_s - self._last_report_s < REPORT_EVERY_S:
            return
        seconds_left = self._seconds_left(now_s, completed, total)
        if message is not None:
            self._last_report_s = now_s
            self._report(
                "train",
                epoch=message["epoch"],
                max_epochs=self._max_epochs,
                loss=message["val_loss"] or message["trn_loss"],
                train_loss=message["trn_loss"],
                val_loss=message["val_loss"],
                seconds_left=seconds_left,
            )
        elif seconds_left is not None:
            self._last_report_s = now_s
            last = self._message
            self._report(
                "train",
                epoch=last["epoch"],
                max_epochs=self._max_epochs,
                loss=last.get("val_loss") or last.get("trn_loss"),
                seconds_left=seconds_left,
            )

    def _seconds_left(self, now_s: float, completed: int, total: int) -> float | None:
        """From the pace since this leg's first step, and the time that all legs are given."""
        if total != self._first.total:  # the engine counts steps or seconds, whichever ends training first
            self._first = _Pace(now_s, completed, total)
        done = completed - self._first.completed
        if done <= 0:
            return None
        by_pace = (now_s - self._first.time_s) / done * max(0, total - completed)
        by_limit = self._seconds_allowed - (now_s - self._began_s)
        return round(max(0.0, min(by_pace, by_limit)), 1)
