"""Search: from the pool's codes to the units of the subset: weights (IPF), rounding, trimming, refinement.

In: codes on disk and the objective. Out: `Found`. What is done is kept in the search's folder: weights after IPF, and
then every few seconds the units that trimming or refinement has come to; the same search, begun again, goes on from
there and ends in the same bytes. Another search (other codes, another seed ...) starts anew.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask import seeds
from issodask.config import SelectConfig
from issodask.errors import InputError
from issodask.events import Events
from issodask.fitting.ipf import IpfResult
from issodask.fitting.objective import Objective
from issodask.fitting.refine import HEAT_OF_RANDOM, HEAT_OF_TRIMMED, Refinement
from issodask.fitting.rounding import integerise
from issodask.fitting.schedule import (
    GAINS_PER_SWAP_ROUND,
    N_SEGMENTS,
    Cooling,
    GivenPace,
    Pace,
    TimedPace,
    TrimPlan,
    read_rounds,
    rounds_for_effort,
    swap_rounds_for_effort,
    units_to_start_from,
    usual_effort,
    write_rounds,
)
from issodask.fitting.start import error_after_trial, error_of_first
from issodask.fitting.trim import Trimming, shuffled, time_picks
from issodask.fitting.version import ALGORITHM
from issodask.fitting.workbench import Workbench, even_weights, time_gains
from issodask.runtime import Runtime
from issodask.runtime.local import Crew
from issodask.stages.checkpoint import Clock, Pacer, SearchState, hash_of, load_state, read_note, save_state
from issodask.stages.weigh import Weighing
from issodask.store.codes import Codes
from issodask.store.files import write_json
from issodask.store.reader import BlockReader
from issodask.table.cliques import Cliques
from issodask.table.sequences import coherence_only

_TRIM_SHARE = 0.85  # of the time limit; the rest is for refinement and for slow moments
_QUIET_ROUNDS = 3
_NO_BETTER = "no better than random units"


@dataclass(frozen=True)
class Found:
    """The subset that was found; its objective is never above that of the random units.

    uses       uint16, (units of the pool,)   how often each unit is used
    rounds     what to pass as `--rounds` to repeat it
    start      what trimming started from: `chosen` (weighted, even or whole), `units`, and the `errors` (1 - accuracy)
               of the random and the weighted units, or of a short trial from each kind where `tried`
    """

    uses: NDArray[np.uint16]
    objective: float
    random_objective: float
    stop_reason: str
    rounds: str
    ipf: IpfResult
    start: dict[str, Any]
    timings: dict[str, float]


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
        self._clock = Clock(folder / "timings.json")
        self._pacer = Pacer()
        self._reader = BlockReader(folder / "weights")
        weights = self._reader.weights if isinstance(objective.cliques, Cliques) else even_weights
        self._bench = Workbench(objective, codes.blocks, self._reader.codes, weights, config.allow_repeats)

    def run(self) -> Found:
        """Find the subset, or go on from where an interrupted run of the same search stopped."""
        self._forget_others()
        cliques = self._objective.cliques
        ipf = self._fit_weights(cliques) if isinstance(cliques, Cliques) else IpfResult("skipped", (), 0, ())
        state = self._load_state() or self._begin()
        residual = None
        if state.stage == "trim":
            residual = self._trim(state)
        if state.stage == "preselect":
            residual = self._preselect(state)
        if residual is None:
            residual = self._residual(state.units)
        if not state.stop_reason:
            self._refine(state, residual)
        return self._found(state, self._objective.value(residual), ipf)

    def _found(self, state: SearchState, objective: float, ipf: IpfResult) -> Found:
        """What the search came to or, where that is worse, the random units."""
        units, reason, rounds = state.units, state.stop_reason, write_rounds(state.next_round, state.planned)
        if objective > state.random_objective:
            units, objective, reason = self._random_units(), state.random_objective, _NO_BETTER
            self._events.emit("random taken", objective=objective)
        uses, timings = self._uses(units), self._clock.timings()
        return Found(uses, objective, state.random_objective, reason, rounds, ipf, state.start, timings)

    def _fit_weights(self, cliques: Cliques) -> IpfResult:
        weighing = Weighing(
            self._codes,
            cliques,
            self._marginals,
            self._objective.n_units,
            self._config,
            self._folder,
            self._data_key(),
            self._reader,
            self._runtime,
            self._events,
        )
        done = weighing.before()
        if done is not None:
            return done
        with self._clock.stage("ipf"):
            return weighing.run()

    def _begin(self) -> SearchState:
        """The state of a search that has fitted its weights."""
        self._events.emit("search", n_units=self._objective.n_units, start=self._config.start)
        by_chance = self._random_units()
        random_objective = self._objective.value(self._residual(by_chance))
        self._events.emit("random", objective=random_objective)
        if self._config.start == "coherence":
            planned = [self._swap_rounds()] * N_SEGMENTS
            return SearchState("preselect", by_chance, random_objective, planned=planned)
        return SearchState("trim", np.zeros(0, np.int64), random_objective)

    def _trim(self, state: SearchState) -> NDArray[np.int32]:
        """Trim to the subset's size; returns its residual."""
        with self._clock.stage("trim", state.stage_s), Crew.beside(self._runtime) as crew:
            if state.n_start == 0:
                self._start(state, crew)
            plan = TrimPlan.of(state.n_start, self._objective.n_units)
            pace = self._pace(plan, state)
            residual = self._residual(state.units)
            search = Trimming(state.units, residual, plan, self._bench, crew, self._seed, state.next, state.typical)
            state.typical = search.typical
            while state.next < plan.n_steps:
                if plan.segment(state.next) == len(state.planned):
                    state.planned.append(pace.n_rounds(state.next))
                    state.segment_began = pace.began
                step = search.run_step(plan.picks(state.next, state.planned[-1]))
                state.next = search.next_step
                told = {"n": state.next, "of": plan.n_steps, "units": step.n_left}
                self._events.emit("trim", **told, objective=step.objective)
                self._save_when_due(state, lambda: search.order)
            self._enter_refinement(state, search.order)
            return search.residual

    def _start(self, state: SearchState, crew: Crew) -> None:
        """The units that trimming begins from: in proportion to their weights or, where these mislead, evenly drawn."""
        have_weights = isinstance(self._objective.cliques, Cliques) and self._config.fits_weights
        bench, errors, is_tried = self._bench, {}, False
        order = self._drawn(have_weights)
        if have_weights:
            errors = {"random": state.random_objective, "weighted": error_of_first(order, bench, crew)}
            is_tried = errors["weighted"] > errors["random"]
        if is_tried:
            weighted, order = order, self._drawn(have_weights=False)
            orders = {"even": order, "weighted": weighted}
            errors = {name: error_after_trial(own, bench, crew, self._seed) for name, own in orders.items()}
            have_weights = errors["weighted"] < errors["even"]
            order = weighted if have_weights else order
        chosen = "whole" if len(order) == self._codes.n_units else "weighted" if have_weights else "even"
        state.units, state.n_start = order, len(order)
        state.start = {"chosen": chosen, "units": len(order), "errors": errors, "tried": is_tried}
        self._events.emit("start", **state.start)
        self._save_state(state)

    def _drawn(self, have_weights: bool) -> NDArray[np.int64]:
        """Units to trim from, once per use, in the order in which trimming takes them up."""
        blocks = self._codes.blocks
        bench = self._bench if have_weights else replace(self._bench, load_weights=even_weights)
        shared = self._runtime.share(bench)

        def map_weights(function: Callable[..., Any], arguments: Sequence[Any]) -> Iterable[Any]:
            items = list(zip(blocks, arguments, strict=True))
            return self._runtime.map(_with_weights, items, function, shared, label="round")

        n_start = self._trimmed_from(have_weights)
        offset = float(seeds.generator(self._seed, "round").random())
        n_by_block = [block.n_units for block in blocks]
        taken = integerise(map_weights, n_by_block, n_start, offset, self._config.allow_repeats)
        units = [block.first_unit + own for block, own in zip(blocks, taken, strict=True)]
        return shuffled(np.concatenate(units), self._seed)

    def _trimmed_from(self, have_weights: bool) -> int:
        """How many units trimming starts from: as many as were asked for and fit into memory."""
        config, n_units = self._config, self._objective.n_units
        units = self._bench.gather(self._some_units())
        fitting = int(config.memory_gb * 1e9 / units.bytes_per_unit)
        if fitting < n_units:
            raise InputError(
                f"the {n_units:,} units of the subset take {n_units * units.bytes_per_unit / 1e9:.1f} GB of memory, "
                f"but [select] memory_gb is {config.memory_gb}: raise it, or lower units"
            )
        wanted = units_to_start_from(self._codes.n_units, n_units, config.oversize, have_weights)
        if not config.allow_repeats:
            wanted = min(wanted, self._codes.n_units)
        if fitting < wanted:
            self._events.emit("memory", wanted=wanted, fitting=fitting, memory_gb=config.memory_gb)
        return min(wanted, fitting)

    def _some_units(self) -> NDArray[np.int64]:
        """Up to 4,096 units, evenly spread over the pool."""
        n_pool = self._codes.n_units
        return np.unique(np.linspace(0, n_pool - 1, min(n_pool, 4_096)).astype(np.int64))

    def _preselect(self, state: SearchState) -> NDArray[np.int32]:
        """Swap groups of a random subset on coherence alone; a third of the rounds, the rest is for refinement.

        Returns the residual that they leave.
        """
        with self._clock.stage("preselect", state.stage_s):
            objective = replace(self._objective, weights=coherence_only(self._objective.weights))
            bench = replace(self._bench, objective=objective)
            seed = seeds.integer(self._seed, "preselect")
            search = self._refinement(state.units, self._residual(state.units), bench, seed)
            plan = Cooling(max(1, state.planned[0] // 3))
            if state.next == 0:
                state.hottest = search.hottest(HEAT_OF_RANDOM)
            while state.next < plan.n_rounds:
                done = search.run_round(state.next, plan, state.hottest)
                state.next += 1
                self._events.emit("preselect", n=state.next, of=plan.n_rounds, coherence_error=done.objective)
                self._save_when_due(state, lambda: _units_of(search.uses))
            self._enter_refinement(state, _units_of(search.uses))
            return search.residual

    def _enter_refinement(self, state: SearchState, units: NDArray[np.int64]) -> None:
        state.stage, state.units = "refine", units
        self._save_state(state)
        state.stage_s = 0.0

    def _swap_rounds(self) -> int:
        """Rounds of swaps of a search that does not trim."""
        config = self._config
        if config.rounds is not None:
            return read_rounds(config.rounds)[1][0]
        if config.time_limit_s is None:
            return swap_rounds_for_effort(self._effort())
        seconds_per_gain = time_gains(self._some_units(), self._bench)
        per_round = seconds_per_gain * GAINS_PER_SWAP_ROUND * self._objective.n_units / self._runtime.n_workers
        return max(3, int(_TRIM_SHARE * config.time_limit_s / per_round))

    def _effort(self) -> float:
        """Gains per unit of the subset: those asked for, or as many as usual."""
        if self._config.effort is not None:
            return self._config.effort
        return usual_effort(self._bench.gather(self._some_units()).cells_per_unit)

    def _refinement(
        self, units: NDArray[np.int64], residual: NDArray[np.int32], bench: Workbench, seed: int
    ) -> Refinement:
        shared = self._runtime.share(bench)
        return Refinement(
            self._uses(units),
            residual,
            bench,
            lambda function, lanes, residual: self._runtime.map(
                function, lanes, self._runtime.share(residual), shared, label="refine"
            ),
            seed,
            self._config.lanes,
        )

    def _cooling(self, state: SearchState) -> Cooling:
        n_rounds = state.planned[-1]
        return Cooling(n_rounds) if self._config.start == "coherence" else Cooling.of(n_rounds)

    def _pace(self, plan: TrimPlan, state: SearchState) -> Pace:
        config = self._config
        if config.rounds is not None:
            return GivenPace(plan, read_rounds(config.rounds)[1])
        if config.time_limit_s is None:
            return GivenPace(plan, [rounds_for_effort(self._effort())] * N_SEGMENTS)
        seconds_per_pick = time_picks(self._some_units(), self._bench)
        limit_s = _TRIM_SHARE * config.time_limit_s
        return TimedPace(plan, limit_s, self._clock.elapsed_s, seconds_per_pick, state.segment_began)

    def _refine(self, state: SearchState, residual: NDArray[np.int32]) -> None:
        """Swap units until there is a reason to stop; `residual`, that of the state's units, changes in place."""
        with self._clock.stage("refine", state.stage_s):
            plan = self._cooling(state)
            search = self._refinement(state.units, residual, self._bench, self._seed)
            if state.next_round == 0:
                state.hottest = search.hottest(HEAT_OF_RANDOM if self._config.start == "coherence" else HEAT_OF_TRIMMED)
            while not (reason := self._reason_to_stop(state, search.is_perfect)):
                done = search.run_round(state.next_round, plan, state.hottest)
                state.next_round += 1
                state.quiet = state.quiet + 1 if done.n_kept == 0 else 0
                self._events.emit("refine", **asdict(done), accuracy=1 - done.objective)
                self._save_when_due(state, lambda: _units_of(search.uses))
            state.stop_reason = reason
            state.units = _units_of(search.uses)
            self._save_state(state)

    def _reason_to_stop(self, state: SearchState, is_perfect: bool) -> str:
        config = self._config
        plan = self._cooling(state)
        cold = plan.heat(state.next_round) < 0.05
        if config.rounds is not None:
            return "rounds done" if state.next_round >= read_rounds(config.rounds)[0] else ""
        if is_perfect or (state.quiet >= _QUIET_ROUNDS and cold):
            return "converged"
        if config.time_limit_s is not None:
            return "time limit" if self._clock.elapsed_s() > config.time_limit_s else ""
        return "effort spent" if state.next_round >= plan.n_rounds else ""

    def _random_units(self) -> NDArray[np.int64]:
        """A subset without selection, to compare with; ascending."""
        n_pool = self._codes.n_units
        random = seeds.generator(self._seed, "random sample")  # the same units as the report's sample of the pool
        drawn = random.choice(n_pool, self._objective.n_units, replace=n_pool < self._objective.n_units)
        return np.sort(drawn)

    def _residual(self, units: NDArray[np.int64]) -> NDArray[np.int32]:
        """The residual of the given units, once per use, counted anew."""
        with Crew.beside(self._runtime) as crew:
            return self._bench.residual_by(crew, np.sort(units))

    def _uses(self, units: NDArray[np.int64]) -> NDArray[np.uint16]:
        uses = np.zeros(self._codes.n_units, np.uint16)
        used, times = np.unique(units, return_counts=True)
        uses[used] = times
        return uses

    def _save_when_due(self, state: SearchState, units: Callable[[], NDArray[np.int64]]) -> None:
        if self._pacer.is_due():
            with self._pacer.saving():
                state.units = units()
                self._save_state(state)

    def _save_state(self, state: SearchState) -> None:
        state.elapsed_s, state.stage_s = self._clock.elapsed_s(), self._clock.stage_s()
        save_state(self._folder / "state.npz", state)

    def _load_state(self) -> SearchState | None:
        path = self._folder / "state.npz"
        if not path.exists():
            return None
        state = load_state(path)
        if state is None:
            self._events.emit("damaged", file=str(path))
            return None
        self._clock.add(state.elapsed_s)
        self._events.emit("resume", stage=state.stage, next=state.next, next_round=state.next_round)
        return state

    def _forget_others(self) -> None:
        """A checkpoint serves only the search that it was made by."""
        key = self._search_key()
        if read_note(self._folder / "search.json").get("key") != key:
            (self._folder / "state.npz").unlink(missing_ok=True)
            self._clock.forget()
            write_json(self._folder / "search.json", {"key": key, "seed": self._seed, **self._config.model_dump()})

    def _search_key(self) -> str:
        return hash_of(
            self._data_key(), self._objective.n_units, self._seed, self._config.model_dump(exclude={"bound"})
        )

    def _data_key(self) -> str:
        target = xxhash.xxh3_64(self._marginals.tobytes()).hexdigest()
        return hash_of(ALGORITHM, self._codes.key, target, self._objective.cliques.family_starts.tolist())


def _with_weights(item: tuple[Any, Any], function: Callable[..., Any], bench: Workbench) -> Any:
    block, argument = item
    return function(bench.load_weights(block), argument)


def _units_of(uses: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The units of the subset, once per use."""
    used = np.flatnonzero(uses)
    return np.repeat(used, uses[used])
