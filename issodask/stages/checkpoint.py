"""What a search goes on from after it was killed, at any moment: its state on disk, and its time over all attempts.

In: a state, now and then. Out: the last one that was saved, if it is whole.
"""

import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask.store.files import read_json, whole_file, write_json

_CHECKPOINT_S = 10.0
_DEAREST = 0.02
"""Share of the time that may go into saving."""


@dataclass
class SearchState:
    """How far a search has come.

    units    int64, (n,): the units of the subset, once per use; while trimming in the order that draws point at
    next     the next step of the trimming, or round of the preselection
    typical  what a unit typically weighs in a cell when trimming begins
    """

    stage: Literal["trim", "preselect", "refine"]
    units: NDArray[np.int64]
    random_objective: float = 0.0
    start: dict[str, Any] = field(default_factory=dict)  # which units trimming started from, and why
    next: int = 0
    n_start: int = 0
    typical: int | None = None
    planned: list[int] = field(default_factory=list)  # rounds of the plan, by segment of the trimming
    segment_began: tuple[float, int, int] | None = None
    next_round: int = 0
    hottest: float = 0.0
    quiet: int = 0
    stop_reason: str = ""
    elapsed_s: float = 0.0
    stage_s: float = 0.0  # of them in this stage


class Clock:
    """Seconds spent on a search, and on its present stage, over all attempts; the stages' are noted in a file."""

    def __init__(self, timings: Path) -> None:
        self._began = self._stage_began = time.monotonic()
        self._path = timings

    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def stage_s(self) -> float:
        return time.monotonic() - self._stage_began

    def add(self, elapsed_s: float) -> None:
        """Count what an earlier attempt took."""
        self._began -= elapsed_s

    @contextmanager
    def stage(self, name: str, before_s: float = 0.0) -> Iterator[None]:
        """Time a stage on which earlier attempts spent `before_s`."""
        self._stage_began = time.monotonic() - before_s
        yield
        write_json(self._path, {**self.timings(), name: round(self.stage_s(), 2)})

    def timings(self) -> dict[str, float]:
        """Seconds by stage, for the stages that are done."""
        return read_note(self._path)

    def forget(self) -> None:
        """Forget the stages of another search."""
        self._path.unlink(missing_ok=True)


class Pacer:
    """Says when to save: every few seconds, but rarely enough that saving costs next to nothing."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._wait_s = _CHECKPOINT_S

    def is_due(self) -> bool:
        return time.perf_counter() - self._last > self._wait_s

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Within this context something is saved."""
        began = time.perf_counter()
        yield
        self._last = time.perf_counter()
        self._wait_s = max(_CHECKPOINT_S, (self._last - began) / _DEAREST)


def save_state(path: Path, state: SearchState) -> None:
    """Write a state, in place of the one before."""
    facts = {name: value for name, value in vars(state).items() if name != "units"}
    with whole_file(path) as work, work.open("wb") as file:
        np.savez(file, units=state.units, facts=json.dumps(facts))


def load_state(path: Path) -> SearchState | None:
    """Read what `save_state` wrote; None when it is damaged."""
    try:
        with path.open("rb") as file, np.load(file) as saved:
            return SearchState(units=saved["units"], **json.loads(str(saved["facts"])))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def save_sums(path: Path, key: str, sums: Sequence[NDArray[np.float64]]) -> None:
    """Write what the steps of IPF summed, in place of what was written before; `key` says of which fit they are."""
    with whole_file(path) as work, work.open("wb") as file:
        np.savez(file, key=key, bounds=np.cumsum([len(own) for own in sums]), sums=np.concatenate(sums))


def load_sums(path: Path, key: str) -> list[NDArray[np.float64]]:
    """Read what `save_sums` wrote for this fit; none when there are none, of this fit, that are whole."""
    try:
        with path.open("rb") as file, np.load(file) as saved:
            if str(saved["key"]) != key:
                return []
            return np.split(saved["sums"], saved["bounds"][:-1])
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return []


def hash_of(*values: Any) -> str:
    """Names plain values: equal ones, equal text."""
    return xxhash.xxh3_64(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read_note(path: Path) -> dict[str, Any]:
    """A note of ours; empty when there is none, or it is damaged."""
    note = read_json(path)
    return note if isinstance(note, dict) else {}
