"""Gains of removals: the residual that they are looked up in, and who looks them up.

In: picked units. Out: what the removal of each would gain. The driver's own threads share one residual. Workers on
other hosts can help: each keeps a residual of its own, which follows the driver's news of who left, and looks up a
share of the picks. What a pick gains does not depend on who looks it up, so the subset has the same bytes however many
help, and whichever of them are lost: the driver does then what they left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.errors import HostLostError
from issodask.fitting.problem import Problem
from issodask.fitting.team import Hosts, OneThread, ThreadTeam, cut
from issodask.kernels.loss import ONE, retarget
from issodask.kernels.units import Units, leave, removal_gains

SCREENED = 4
"""Picks, of which the best in pairs goes on, where triples are a sample."""
_WIDTH = np.float32(3.0)  # of the softened error, in standard deviations of a cell's noise
_LEAST_S = 1e-3  # that a helper has to work
_WAITED_S = 1e-4  # from which on the driver was there first
_SHORTEST_S = 1e-9
_MEMORY = 0.8  # of what was known of a helper's speed, when something new is

Looked = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Picks that are worth a look, and their gains."""


@dataclass(frozen=True)
class Restart:
    """News: from here on the target is that of a subset `oversize` times as large as the final one, not `before`."""

    before: float
    oversize: float


News = Restart | NDArray[np.int64]
"""What changed the residual: a target, or units that left (by their place among the units)."""


class GainTable:
    """Units of an oversized subset, its residual, and the removal table that gains are looked up in.

    units     by place
    residual  int32, (m,), changed in place
    """

    def __init__(
        self, units: Units, residual: NDArray[np.int32], typical_weight: int, problem: Problem, team: ThreadTeam
    ) -> None:
        self.units = units
        self.sketch = units.sketch
        self.residual = residual
        self.table = np.empty(len(residual), np.int16)
        self.slopes = np.empty(len(residual) if problem.objective.noise.any() else 1, np.float32)
        self.typical_weight = typical_weight
        self.team = team
        self._objective = problem.objective

    def hear(self, news: News) -> None:
        """Let the residual follow."""
        if isinstance(news, Restart):
            self._restart(news)
        else:
            self._leave(news)

    def look_up(self, picks: NDArray[np.int64]) -> Looked:
        """The gains of the picked units (g x p), by all threads; of each row only the best quarter by the sketch."""
        if self.sketch is not None and picks.shape[1] > 1:
            n_kept = -(-picks.shape[1] // SCREENED)
            ranked = np.argsort(-self._gains(picks, self.sketch), axis=1, kind="stable")
            picks = np.ascontiguousarray(np.take_along_axis(picks, ranked[:, :n_kept], axis=1))
        return picks, self._gains(picks, self.units)

    def _restart(self, restart: Restart) -> None:
        objective, slopes = self._objective, self.slopes
        widths = np.float32(_WIDTH * np.sqrt(restart.oversize)) * objective.noise[: len(slopes)]
        np.divide(np.float32(ONE), np.maximum(np.float32(self.typical_weight), widths), out=slopes)

        def take_up(part: slice) -> None:
            own_slopes = slopes[part] if len(slopes) > 1 else slopes
            residual, target, table = self.residual[part], objective.target[part], self.table[part]
            retarget(residual, target, restart.before, restart.oversize, own_slopes, self.typical_weight, table)

        self.team.run(take_up, cut(len(self.residual), self.team.n_threads))

    def _leave(self, gone: NDArray[np.int64]) -> None:
        """Let units leave; each thread changes cells of its own."""
        n_threads = self.team.n_threads

        def change(part: slice) -> None:
            changed = self.residual, self.table, self.slopes, self.typical_weight
            leave(self.units, *changed, gone, part.start, n_threads)

        self.team.run(change, [slice(i, i + 1) for i in range(n_threads)])

    def _gains(self, picks: NDArray[np.int64], units: Units) -> NDArray[np.float64]:
        flat = picks.ravel()
        gains = np.empty(len(flat))

        def compute(part: slice) -> None:
            removal_gains(units, self.table, flat[part], gains[part])

        self.team.run(compute, cut(len(flat), self.team.n_threads))
        return gains.reshape(picks.shape)


@dataclass(frozen=True)
class Begun:
    """What a helper begins with: the driver's units and residual, as they are before news that restart them.

    unit_ids  int64, (u,): units of the pool, once per use, in the order of their places
    residual  int32, (m,)
    """

    unit_ids: NDArray[np.int64]
    residual: NDArray[np.int32]
    typical_weight: int


@dataclass(frozen=True)
class Answer:
    """What a helper found, and how long it looked."""

    looked: Looked
    seconds: float


class Helper:
    """Looks gains up on a worker."""

    def __init__(self, _: int, begun: Begun, problem: Problem) -> None:
        units = problem.gather(begun.unit_ids)
        self._table = GainTable(units, begun.residual.copy(), begun.typical_weight, problem, OneThread())

    def look_up(self, asked: tuple[Sequence[News], NDArray[np.int32]]) -> Answer:
        """Hear the news, then look up the gains of some picks (g x p)."""
        news, picks = asked
        for own in news:
            self._table.hear(own)
        began = perf_counter()
        looked = self._table.look_up(picks.astype(np.int64))
        return Answer(looked, perf_counter() - began)

    def is_ready(self, _: None) -> bool:
        """For who wants to know how long an answer takes."""
        return True


class Helpers:
    """The driver's side of some helpers: what they have not heard yet, and how fast each of them is."""

    def __init__(self, hosts: Hosts) -> None:
        self.is_lost = False
        self._hosts = hosts
        self._news: list[News] = []
        self._own_rate = 0.0  # picks a second
        self._rates = np.zeros(hosts.n_hosts)
        self._latency_s = min(_seconds(lambda: hosts.ask("is_ready", [None] * hosts.n_hosts)()) for _ in range(3))

    def tell(self, news: News) -> None:
        """Let them hear this before they look anything up."""
        self._news.append(news)

    def look_up(
        self, picks: NDArray[np.int64], catch_up: Callable[[], Any], own: Callable[[NDArray[np.int64]], Looked]
    ) -> Looked:
        """The gains of all rows of picks (g x p).

        While helpers are at theirs, the driver hears the same news (`catch_up`), and looks up its share (`own`).
        """
        rows = self._dealt(picks)
        if not rows:
            catch_up()
            return self._by_driver(picks, own)
        n_own = len(picks) - sum(map(len, rows))
        began = perf_counter()
        try:
            answers = self._hosts.ask("look_up", [(self._news, each.astype(np.int32)) for each in rows])
            self._news = []
            catch_up()
            looked = self._by_driver(picks[:n_own], own)
            waited = perf_counter()
            theirs = answers()
        except HostLostError:
            self.is_lost, self._news = True, []
            catch_up()
            return own(picks)
        ended = perf_counter()
        if ended - waited > _WAITED_S:
            slowest = max(answer.seconds for answer in theirs)
            self._latency_s = _learnt(self._latency_s, max(0.0, ended - began - slowest))
        for i, answer in enumerate(theirs):
            if len(rows[i]):
                self._rates[i] = _learnt(self._rates[i], rows[i].size / max(answer.seconds, _SHORTEST_S))
        every = [looked, *(answer.looked for answer in theirs)]
        return np.concatenate([each[0] for each in every]), np.concatenate([each[1] for each in every])

    def _dealt(self, picks: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The last rows, dealt out so that all are done at the same time; none if the driver is as soon alone."""
        if self.is_lost or not self._own_rate:
            return []
        rates = np.where(self._rates > 0, self._rates, self._own_rate / 2)
        seconds = (picks.size + rates.sum() * self._latency_s) / (self._own_rate + rates.sum()) - self._latency_s
        if seconds < _LEAST_S:
            return []
        n_rows = (rates * seconds / picks.shape[1]).astype(int)
        bounds = len(picks) - n_rows.sum() + np.concatenate([[0], np.cumsum(n_rows)])
        return [picks[first:last] for first, last in pairwise(bounds.tolist())]

    def _by_driver(self, picks: NDArray[np.int64], own: Callable[[NDArray[np.int64]], Looked]) -> Looked:
        began = perf_counter()
        looked = own(picks)
        if len(picks):
            self._own_rate = _learnt(self._own_rate, picks.size / max(perf_counter() - began, _SHORTEST_S))
        return looked


def _learnt(before: float, now: float) -> float:
    return _MEMORY * before + (1 - _MEMORY) * now if before else now


def _seconds(act: Callable[[], Any]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began
