"""One trial of a study: a synthesizer learns a table, fills a pool, a subset is selected, both are measured.

In: a `Trial`, whose tables are files. Out: an `Outcome`, in the trial's folder; also where the synthesizer crashed,
hung, or returned what can't be used. The work is done by a process of its own (see trial_work.py).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from issodask.runtime.children import Ended, run_child
from issodask.store.files import read_json, write_json
from issodask.store.receipts import key_of
from issodask.store.run_folder import RunFolder

DONE, FAILED, REFUSED, LATE = "done", "failed", "refused", "not in time"
PHASES = {"generate": "making its pool", "select": "selecting", "measure": "being measured"}

BAD_INPUT = 2
"""The exit code of its process for what a user can mend."""

_MODULE = "issodask.stages.trial_work"


@dataclass(frozen=True)
class Trial:
    """What is tried; all values are JSON's.

    folder          where it works, and leaves its outcome
    table           what the study calls the table; `tables` are the files of original, holdout and spare
    pools           folders of pools to select from, in place of the synthesizer's own
    settings        sections of a job: generate, select, evaluate, rules, and what there is to say of the table, with
                    its hash; of several pools the synthesizers that made them
    """

    folder: str
    table: str
    synthesizer: str
    train_rows: int
    repeat: int
    seed: int
    n_units: int
    n_pool: int
    limit_s: float
    tables: Mapping[str, str]
    pools: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.table}, {self.synthesizer}, {self.train_rows:,} units, repeat {self.repeat}"

    @property
    def run(self) -> RunFolder:
        """Where its pool is made and selected from."""
        return RunFolder(Path(self.folder) / "run")

    @property
    def spec(self) -> Path:
        return Path(self.folder) / "trial.json"

    @property
    def found(self) -> Path:
        """What its process found so far."""
        return Path(self.folder) / "found.json"

    @property
    def took(self) -> Path:
        """How long it took to make what is there."""
        return Path(self.folder) / "took.json"

    @property
    def outcome(self) -> Path:
        return Path(self.folder) / "outcome.json"

    def key(self, versions: Mapping[str, str]) -> str:
        """Names all that an outcome that was reached in time follows from."""
        places = ("folder", "tables", "pools", "limit_s")
        return key_of({name: value for name, value in asdict(self).items() if name not in places}, dict(versions))

    @classmethod
    def read(cls, folder: Path) -> "Trial":
        values = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
        return cls(**{**values, "pools": tuple(values["pools"])})


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    state      done, failed, refused (it can't be used as it is), or not in time
    error      a line of what went wrong
    seconds    by phase: generate (learning and filling the pool), select, measure
    standings  by way, alone or selected: a Standing as a dict
    """

    state: str
    error: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    total_s: float = 0.0
    peak_gb: float = 0.0
    standings: Mapping[str, Any] = field(default_factory=dict)


def known_outcome(trial: Trial, versions: Mapping[str, str]) -> Outcome | None:
    """What an earlier run of the same trial ended in, if one did; with more time, what was late is tried again."""
    note = read_json(trial.outcome)
    if not isinstance(note, dict) or note.get("key") != trial.key(versions):
        return None
    outcome = Outcome(**note["outcome"])
    return None if outcome.state == LATE and trial.limit_s > note["limit_s"] else outcome


def run_trial(trial: Trial, versions: Mapping[str, str]) -> Outcome:
    """Make the trial in a process of its own, and note how it ended. Runs on a worker."""
    Path(trial.folder).mkdir(parents=True, exist_ok=True)
    trial.found.unlink(missing_ok=True)
    write_json(trial.spec, asdict(trial))
    ended = run_child(_MODULE, trial.folder, trial.limit_s, trial.found)
    outcome = _outcome(trial, ended)
    note = {"key": trial.key(versions), "limit_s": trial.limit_s, "outcome": asdict(outcome)}
    write_json(trial.outcome, note)
    return outcome


def _outcome(trial: Trial, ended: Ended) -> Outcome:
    found = read_json(trial.found) or {"phase": "generate", "seconds": {}, "standings": {}}
    told = {
        "seconds": found["seconds"],
        "total_s": round(ended.seconds, 2),
        "peak_gb": round(ended.peak_bytes / 1e9, 3),
        "standings": found["standings"],
    }
    if not ended.in_time:
        return Outcome(LATE, f"ended after {trial.limit_s:g} s while {PHASES[found['phase']]}", **told)
    if ended.code == 0:
        return Outcome(DONE, **told)
    lines = ended.tail.strip().splitlines() or [f"its process ended with code {ended.code}"]
    if ended.code == BAD_INPUT:
        return Outcome(REFUSED, lines[-1].removeprefix("issodask: "), **told)
    why = f"signal {-ended.code}" if ended.code < 0 else lines[-1]
    return Outcome(FAILED, f"{why}, while {PHASES[found['phase']]}", **told)
