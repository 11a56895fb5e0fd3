"""What a search goes on from after it was killed, at any moment: its state on disk, and its time over all attempts.

In: a state, now and then. Out: the last one that was saved, if it is whole.
"""

import json
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from issodask.event_log import Events
from issodask.events import Damaged, Resumed
from issodask.fitting.budget import Began
from issodask.store.copies import local
from issodask.store.files import whole_file
from issodask.store.places import is_file

_DEAREST = 0.02
"""Share of the time that may go into saving."""
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)

Stage = Literal["trim", "preselect", "refine", "done"]


@dataclass
class SearchState:
    """How far a search has come.

    units           int64, (n,): the subset's, once per use; while trimming in the order that draws point at
    key             names the search
    next            the next step of the trimming, or round of the preselection
    typical_weight  what a unit typically adds to a cell when trimming begins
    starts          units of each class when trimming begins, where classes have quotas
    timings         seconds by stage, of those that are done
    """

    stage: Stage
    units: NDArray[np.int64]
    key: str = ""
    random_objective: float = 0.0
    start: dict[str, Any] | None = None  # which units trimming started from, and why
    next: int = 0
    n_start: int = 0
    typical_weight: int | None = None
    starts: list[int] = field(default_factory=list)
    planned: list[int] = field(default_factory=list)  # rounds of the plan, by segment of the trimming
    segment_began: Began | None = None
    next_round: int = 0
    hottest: float = 0.0
    quiet: int = 0
    stop_reason: str = ""
    elapsed_s: float = 0.0
    stage_s: float = 0.0  # of them in this stage
    timings: dict[str, float] = field(default_factory=dict)


class Clock:
    """Seconds spent on a search, and on its present stage, over all attempts."""

    def __init__(self) -> None:
        self._began = self._stage_began = time.monotonic()

    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def stage_s(self) -> float:
        return time.monotonic() - self._stage_began

    def go_on_from(self, state: SearchState) -> None:
        """Count what earlier attempts took."""
        self._began -= state.elapsed_s
        self._stage_began = time.monotonic() - state.stage_s

    def begin_stage(self) -> None:
        self._stage_began = time.monotonic()


class Pacer:
    """Says when to save: every `pause_s` seconds, but rarely enough that saving costs next to nothing; 0: always."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = self._wait_s = pause_s
        self._last = time.perf_counter()

    def is_due(self) -> bool:
        return time.perf_counter() - self._last >= self._wait_s

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Within this context something is saved."""
        began = time.perf_counter()
        yield
        self._last = time.perf_counter()
        self._wait_s = max(self._pause_s, (self._last - began) / _DEAREST) if self._pause_s else 0.0


class Checkpoints:
    """The states of one search, each written to `path` in place of the one before, and the search's clock."""

    def __init__(self, path: Path, pause_s: float, events: Events) -> None:
        self.clock = Clock()
        self._path = path
        self._pacer = Pacer(pause_s)
        self._events = events

    def load(self, key: str) -> SearchState | None:
        """What an interrupted run of the search with this key has come to; None when there is no such thing."""
        if not is_file(self._path):
            return None
        state = load_state(self._path)
        if state is None:
            self._events.emit(Damaged(file=str(self._path)))
        if state is None or state.key != key:
            return None
        self.clock.go_on_from(state)
        self._events.emit(Resumed(stage=state.stage, next=state.next, next_round=state.next_round))
        return state

    def save(self, state: SearchState) -> None:
        state.elapsed_s, state.stage_s = self.clock.elapsed_s(), self.clock.stage_s()
        save_state(self._path, state)

    def save_when_due(self, state: SearchState, units: Callable[[], NDArray[np.int64]]) -> None:
        """Save the state with these units, if it is time to."""
        if self._pacer.is_due():
            with self._pacer.saving():
                state.units = units()
                self.save(state)

    def finish_stage(self, state: SearchState, units: NDArray[np.int64], then: Stage) -> None:
        """Save what a stage has come to, and its time; the next one begins."""
        state.timings[state.stage] = round(self.clock.stage_s(), 2)
        state.stage, state.units = then, units
        self.clock.begin_stage()
        self.save(state)


def _here(path: Path) -> Path:
    """Where to read what was saved; that there is none, or that it is damaged, shows when it is read."""
    return local(path) if is_file(path) else path


def save_state(path: Path, state: SearchState) -> None:
    """Write a state, in place of the one before."""
    facts = {name: value for name, value in vars(state).items() if name != "units"}
    with whole_file(path) as work, work.open("wb") as file:
        np.savez(file, units=state.units, facts=json.dumps(facts))


def load_state(path: Path) -> SearchState | None:
    """Read what `save_state` wrote; None when it is damaged."""
    here = _here(path)
    try:
        with here.open("rb") as file, np.load(file) as saved:
            return SearchState(units=saved["units"], **json.loads(str(saved["facts"])))
    except _DAMAGED:
        return None


def save_sums(path: Path, key: str, sums: Sequence[NDArray[np.float64]]) -> None:
    """Write what the steps of IPF summed, in place of what was written before; `key` says of which fit they are."""
    with whole_file(path) as work, work.open("wb") as file:
        np.savez(file, key=key, bounds=np.cumsum([len(own) for own in sums]), sums=np.concatenate(sums))


def load_sums(path: Path, key: str) -> list[NDArray[np.float64]]:
    """Read what `save_sums` wrote for this fit; none when there are none, of this fit, that are whole."""
    here = _here(path)
    try:
        with here.open("rb") as file, np.load(file) as saved:
            if str(saved["key"]) != key:
                return []
            return np.split(saved["sums"], saved["bounds"][:-1])
    except _DAMAGED:
        return []


@dataclass(frozen=True)
class SubsetOfStratum:
    """What the search of one stratum came to: units of the pool, int64, ascending; its objective and that of random
    units; and how many units of its totals are missed."""

    units: NDArray[np.int64]
    objective: float
    random_objective: float
    n_missed: int


def save_strata(path: Path, key: str, found: Sequence[SubsetOfStratum]) -> None:
    """Write what was found of the first strata, in place of what was written before; `key` names the search."""
    numbers = [(one.objective, one.random_objective, one.n_missed) for one in found]
    with whole_file(path) as work, work.open("wb") as file:
        np.savez(
            file,
            key=key,
            bounds=np.cumsum([len(one.units) for one in found]),
            units=np.concatenate([one.units for one in found]),
            numbers=np.array(numbers, np.float64),
        )


def load_strata(path: Path, key: str) -> list[SubsetOfStratum]:
    """Read what `save_strata` wrote for this search; none when there is none that is whole."""
    here = _here(path)
    try:
        with here.open("rb") as file, np.load(file) as saved:
            if str(saved["key"]) != key:
                return []
            units = np.split(saved["units"], saved["bounds"][:-1])
            return [
                SubsetOfStratum(own, a, b, int(n))
                for own, (a, b, n) in zip(units, saved["numbers"].tolist(), strict=True)
            ]
    except _DAMAGED:
        return []
