"""Search: from the pool's codes to the units of the subset: weights (IPF), rounding, trimming, refinement.

In: codes on disk and the objective. Out: `Found`. What is done is kept in the search's folder: weights after IPF, and
then how often each unit is used, after trimming and every few seconds of refinement; the same search, begun again, goes
on from there and ends in the same bytes. Another search (other codes, another seed ...) starts anew.
"""

import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask import seeds
from issodask.config import SelectConfig
from issodask.events import Events
from issodask.fitting.ipf import IpfResult, fit_weights, rank_pairs, scale_block, sum_block
from issodask.fitting.objective import Objective
from issodask.fitting.refine import Refinement
from issodask.fitting.rounding import integerise
from issodask.fitting.schedule import (
    N_SEGMENTS,
    Cooling,
    TrimPlan,
    read_rounds,
    rounds_for_effort,
    write_rounds,
)
from issodask.fitting.trim import trim
from issodask.fitting.workbench import Workbench, count_chosen, time_gains, total
from issodask.runtime import Runtime
from issodask.runtime.arrays import BlockWeights, block_array
from issodask.runtime.local import Crew
from issodask.store.codes import Codes
from issodask.store.files import file_hash, read_json, whole_file, write_json
from issodask.store.reader import BlockReader, save_weights
from issodask.table.blocks import chosen_by_block

_CHECKPOINT_S = 10.0
_TRIM_SHARE = 0.85  # of the time limit; the rest is for refinement and for slow moments
_QUIET_ROUNDS = 3
_SHORTEST_ROUND_S = 1e-3  # when no more units than the subset has are left, no gains are
_VERSION = 4


@dataclass(frozen=True)
class Found:
    """The subset that was found.

    uses       uint16, (units of the pool,)   how often each unit is used
    rounds     what to pass as `--rounds` to repeat it
    """

    uses: NDArray[np.uint16]
    objective: float
    random_objective: float
    stop_reason: str
    rounds: str
    ipf: IpfResult
    timings: dict[str, float]


@dataclass
class _State:
    """What a checkpoint keeps."""

    planned: list[int] = field(default_factory=list)  # rounds of the plan, by segment of the trimming
    next_round: int = 0
    hottest: float = 0.0
    quiet: int = 0
    elapsed_s: float = 0.0
    random_objective: float = 0.0
    stop_reason: str = ""
    uses: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16))


class Search:
    """One search; `run` is the way through it."""

    def __init__(
        self,
        codes: Codes,
        objective: Objective,
        marginals: NDArray[np.int64],
        config: SelectConfig,
        seed: int,
        folder: Path,
        runtime: Runtime,
        events: Events,
    ) -> None:
        self._codes = codes
        self._objective = objective
        self._marginals = marginals
        self._config = config
        self._seed = seed
        self._folder = folder
        self._runtime = runtime
        self._events = events
        self._reader = BlockReader(folder / "weights")
        self._bench = Workbench(objective, self._reader.codes, self._reader.weights, config.allow_repeats)
        self._shared_bench = runtime.share(self._bench)

    def run(self) -> Found:
        """Find the subset, or go on from where an interrupted run of the same search stopped."""
        self._began = time.monotonic()
        self._forget_others()
        ipf = self._fit_weights()
        state = self._load_state()
        if state is None:
            state = _State()
            self._trim(state)
        if not state.stop_reason:
            self._refine(state)
        objective = self._objective.value(self._residual(state.uses))
        rounds = write_rounds(state.next_round, state.planned)
        return Found(state.uses, objective, state.random_objective, state.stop_reason, rounds, ipf, self._timings())

    def _fit_weights(self) -> IpfResult:
        done = self._fitted_before()
        if done is not None:
            return done
        with self._timed("ipf"):
            cliques = self._objective.cliques
            pairs = rank_pairs(self._marginals, cliques, self._config.max_pairs)
            array = block_array(self._reader.codes, self._codes.blocks, self._codes.n_columns)
            weights = BlockWeights(self._runtime, array, scale_block, sum_block)
            n_passes = self._config.ipf_passes

            def tell(n: int, residual: float) -> None:
                self._events.emit("ipf", n=n, of=n_passes, residual=residual)

            result = fit_weights(weights, self._marginals, cliques, pairs, n_passes, tell)
            fitted = weights.blocks()
            mean = sum(float(block.sum()) for block in fitted) / self._codes.n_units
            folder = self._folder / "weights"
            shutil.rmtree(folder, ignore_errors=True)
            for block, own in zip(self._codes.blocks, fitted, strict=True):
                save_weights(folder, block, own / mean)
            hashes = {path.name: file_hash(path) for path in sorted(folder.iterdir())}
            note = {"weights": hashes, "result": asdict(result)}
            write_json(self._folder / "ipf.json", {"key": self._ipf_key(note), **note})
        return result

    def _fitted_before(self) -> IpfResult | None:
        """What an earlier run fitted, if the weights are still what it wrote; those that are not are named."""
        note = _read_note(self._folder / "ipf.json")
        if note.pop("key", None) != self._ipf_key(note):
            return None
        for name, xxh3 in note["weights"].items():
            path = self._folder / "weights" / name
            if not path.is_file() or file_hash(path) != xxh3:
                self._events.emit("damaged", file=str(path))
                return None
        return IpfResult(**{name: _tuples(value) for name, value in note["result"].items()})

    def _trim(self, state: _State) -> None:
        with self._timed("trim"), Crew() as crew:
            n_units = self._objective.n_units
            weights = [self._reader.weights(block) for block in self._codes.blocks]
            state.random_objective = self._objective.value(self._residual(self._random_uses()))
            oversize = int(n_units * self._config.oversize)
            n_start = oversize if self._config.allow_repeats else min(oversize, self._codes.n_units)
            offset = float(seeds.generator(self._seed, "round").random())
            state.uses = np.concatenate(integerise(weights, n_start, offset, self._config.allow_repeats))
            residual = self._residual(state.uses)
            plan = TrimPlan(n_start, n_units)
            pace = self._pace(plan)

            def picks_of(i_step: int) -> int:
                if plan.segment(i_step) == len(state.planned):
                    state.planned.append(pace.n_rounds(i_step))
                return plan.picks(i_step, state.planned[-1])

            self._events.emit("search", n_units=n_units, n_start=n_start)
            self._events.emit("random", objective=state.random_objective)
            steps = trim(state.uses, residual, plan, self._codes.blocks, self._bench, crew, self._seed, picks_of)
            for i_step, step in enumerate(steps):
                told = {"n": i_step + 1, "of": plan.n_steps, "units": step.n_left}
                self._events.emit("trim", **told, objective=step.objective)
            self._save_state(state)

    def _pace(self, plan: TrimPlan) -> "_Pace":
        config = self._config
        if config.rounds is not None:
            return _Given(plan, read_rounds(config.rounds)[1])
        if config.time_limit_s is None:
            return _Given(plan, [rounds_for_effort(config.effort)] * N_SEGMENTS)
        largest = max(self._codes.blocks, key=lambda block: block.n_units)
        seconds_per_gain = time_gains(self._reader.codes(largest), self._bench)
        return _Timed(plan, _TRIM_SHARE * config.time_limit_s, self._elapsed_s, seconds_per_gain)

    def _refine(self, state: _State) -> None:
        with self._timed("refine"):
            plan = Cooling.of(state.planned[-1])
            search = Refinement(
                state.uses,
                self._residual(state.uses),
                self._codes.blocks,
                self._bench,
                lambda function, lanes, residual: self._runtime.map(
                    function, lanes, self._runtime.share(residual), self._shared_bench, label="refine"
                ),
                self._seed,
                self._config.lanes,
            )
            if state.next_round == 0:
                state.hottest = search.hottest()
            saved = time.monotonic()
            while not (reason := self._reason_to_stop(state, search.is_perfect)):
                done = search.run_round(state.next_round, plan, state.hottest)
                state.next_round += 1
                state.quiet = state.quiet + 1 if done.n_kept == 0 else 0
                self._events.emit("refine", **asdict(done), accuracy=1 - done.objective)
                if time.monotonic() - saved > _CHECKPOINT_S:
                    self._save_state(state)
                    saved = time.monotonic()
            state.stop_reason = reason
            self._save_state(state)

    def _reason_to_stop(self, state: _State, is_perfect: bool) -> str:
        config = self._config
        plan = Cooling.of(state.planned[-1])
        cold = plan.heat(state.next_round) < 0.05
        if config.rounds is not None:
            return "rounds done" if state.next_round >= read_rounds(config.rounds)[0] else ""
        if is_perfect or (state.quiet >= _QUIET_ROUNDS and cold):
            return "converged"
        if config.time_limit_s is not None:
            return "time limit" if self._elapsed_s() > config.time_limit_s else ""
        return "effort spent" if state.next_round >= plan.n_rounds else ""

    def _random_uses(self) -> NDArray[np.uint16]:
        """A subset without selection, to compare with."""
        n_pool = self._codes.n_units
        random = seeds.generator(self._seed, "random sample")  # the same units as the report's sample of the pool
        drawn = random.choice(n_pool, self._objective.n_units, replace=n_pool < self._objective.n_units)
        return np.bincount(drawn, minlength=n_pool).astype(np.uint16)

    def _residual(self, uses: NDArray[np.uint16]) -> NDArray[np.int32]:
        items = list(zip(self._codes.blocks, chosen_by_block(self._codes.blocks, uses), strict=True))
        counts = self._runtime.map(count_chosen, items, self._shared_bench, label="count")
        return self._objective.residual(total(counts, self._objective.cliques.n_cells))

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _save_state(self, state: _State) -> None:
        state.elapsed_s = self._elapsed_s()
        used = np.flatnonzero(state.uses)
        facts = {name: value for name, value in asdict(state).items() if name != "uses"}
        with whole_file(self._folder / "state.npz") as work, work.open("wb") as file:
            np.savez(file, used=used, uses=state.uses[used], facts=json.dumps(facts))

    def _load_state(self) -> _State | None:
        path = self._folder / "state.npz"
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file) as saved:
                state = _State(**json.loads(str(saved["facts"])))
                state.uses = np.zeros(self._codes.n_units, np.uint16)
                state.uses[saved["used"]] = saved["uses"]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            self._events.emit("damaged", file=str(path))
            return None
        self._began -= state.elapsed_s
        self._events.emit("resume", next_round=state.next_round)
        return state

    def _forget_others(self) -> None:
        """A checkpoint serves only the search that it was made by."""
        key = self._search_key()
        if _read_note(self._folder / "search.json").get("key") != key:
            (self._folder / "state.npz").unlink(missing_ok=True)
            (self._folder / "timings.json").unlink(missing_ok=True)
            write_json(self._folder / "search.json", {"key": key, "seed": self._seed, **self._config.model_dump()})

    def _ipf_key(self, note: dict[str, Any]) -> str:
        config = self._config
        return _hash(_VERSION, self._data_key(), config.max_pairs, config.ipf_passes, note)

    def _search_key(self) -> str:
        return _hash(_VERSION, self._data_key(), self._objective.n_units, self._seed, self._config.model_dump())

    def _data_key(self) -> str:
        target = xxhash.xxh3_64(self._marginals.tobytes()).hexdigest()
        return _hash(self._codes.key, target, self._objective.cliques.index.sizes.tolist())

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Note how long a stage takes; what earlier runs of it took is kept."""
        start = time.monotonic()
        yield
        path = self._folder / "timings.json"
        write_json(path, {**self._timings(), stage: round(time.monotonic() - start, 2)})

    def _timings(self) -> dict[str, float]:
        return _read_note(self._folder / "timings.json")


class _Pace(Protocol):
    """Says, when a segment of the trimming begins, how many rounds its plan has."""

    def n_rounds(self, i_step: int) -> int: ...


class _Given:
    def __init__(self, plan: TrimPlan, planned: list[int]) -> None:
        self._plan = plan
        self._planned = planned

    def n_rounds(self, i_step: int) -> int:
        return self._planned[self._plan.segment(i_step)]


class _Timed:
    """As many rounds as the time left allows, at the speed of the last segment."""

    def __init__(self, plan: TrimPlan, limit_s: float, elapsed_s: Callable[[], float], seconds_per_gain: float) -> None:
        self._plan = plan
        self._limit_s = limit_s
        self._elapsed_s = elapsed_s
        self._seconds_per_gain = seconds_per_gain
        self._before: tuple[float, int, int] | None = None  # time, step and rounds when the last segment began

    def n_rounds(self, i_step: int) -> int:
        now = self._elapsed_s()
        if self._before is not None:
            began, first_step, n_rounds = self._before
            n_gains = n_rounds * (self._plan.gains_left(first_step) - self._plan.gains_left(i_step))
            self._seconds_per_gain = (now - began) / max(1.0, n_gains)
        seconds_per_round = max(_SHORTEST_ROUND_S, self._seconds_per_gain * self._plan.gains_left(i_step))
        n_rounds = max(1, int((self._limit_s - now) / seconds_per_round))
        self._before = now, i_step, n_rounds
        return n_rounds


def _read_note(path: Path) -> dict[str, Any]:
    """A note of ours; empty when there is none, or it is damaged."""
    note = read_json(path)
    return note if isinstance(note, dict) else {}


def _hash(*values: Any) -> str:
    return xxhash.xxh3_64(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
