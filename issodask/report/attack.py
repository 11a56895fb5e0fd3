"""Membership attack: can somebody tell from the published table alone who was in the original?

In: original, published tables and a holdout, in codes. Out: `Membership`, how well members are told from others.

The attacker knows a person's values, and real people who were not in the original: half of the holdout (the reference).
The other half plays those who were not in it either (the outsiders); then the halves swap roles. A person is looked at
as the cells that they lie in, of columns, pairs and triples: what selection matches is what an attacker looks for. Two
scores, each higher for members where a table tells of them:

likelihood   how much more frequent the person's triples are in the published table than in the reference, as the sum of
             logarithms (Dwork et al. 2015; as densities: van Breugel et al. 2023)
whitened     the person's part in what tells the published table from the reference: the difference of their marginals
             (Homer et al. 2008), divided by how marginals of people vary together, as in a linear discriminant

Nothing of an attack is learnt from members or outsiders. As with all attacks, a stronger one may exist: what is
measured is a lower limit of what the table tells.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.kernels.units import Units, add_shares, total_values
from issodask.report.scores import Scored
from issodask.report.tables import Table, synthetic_names
from issodask.table.blocks import SequenceCodes
from issodask.table.cliques import Cliques
from issodask.table.sequences import Layout, SequenceCliques

LIKELIHOOD, WHITENED = METHODS = ("likelihood", "whitened")
CONTROL = "control"
MIN_UNITS = 40
"""Fewer in the original or the holdout say nothing: ten would be the reference, ten the outsiders."""

MAX_TRIPLES = 2_000
UNUSUAL = 0.1
RATES = (0.01, 0.001)
_MAX_SCORED = 25_000
_MAX_CELLS = 20_000_000
_RIDGE = 4.0
_N_STEPS, _CONVERGED = 15, 1e-6  # more change no area by more than 0.0005 (docs/measurements.md)

Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Separation:
    """How well a score tells members from outsiders: the area under its ROC curve (0.5: not at all), and its error.

    `variances` are those of the area by the drawing of members and of outsiders (DeLong et al. 1988).
    """

    auc: float
    variances: tuple[float, float]

    @property
    def error(self) -> float:
        """Standard error of the area."""
        return float(np.sqrt(sum(self.variances)))

    @classmethod
    def of(cls, members: NDArray[np.float64], outsiders: NDArray[np.float64]) -> "Separation":
        """Of the scores of both."""
        from scipy.stats import rankdata

        m, n = len(members), len(outsiders)
        ranks = rankdata(np.concatenate([members, outsiders]))
        below = (ranks[:m] - rankdata(members)) / n  # share of outsiders below each member
        above = 1 - (ranks[m:] - rankdata(outsiders)) / m
        return cls(float(below.mean()), (_variance_of_mean(below), _variance_of_mean(above)))

    @classmethod
    def mean(cls, found: "Sequence[Separation]") -> "Separation":
        """Of the same members against different outsiders."""
        of_members, of_outsiders = np.mean([one.variances for one in found], axis=0)
        return cls(float(np.mean([one.auc for one in found])), (float(of_members), float(of_outsiders) / len(found)))


@dataclass(frozen=True)
class Attack:
    """What one score finds: of all people, and of the tenth whose cells are rarest in the reference.

    `rates[rate]` is the share of members that are found when that share of outsiders is accused wrongly; None where
    there are too few outsiders to say.
    """

    everybody: Separation
    unusual: Separation
    rates: dict[float, float | None]


@dataclass(frozen=True)
class Membership:
    """Attacks on tables, by table and method: the given ones, "original" (a copy of it, published), and
    "control", real people who are neither members nor outsiders, where a fair attack finds nothing (0.5)."""

    unit: str
    n_members: int
    n_outsiders: int
    n_cliques: int
    n_all_cliques: int
    attacks: dict[str, dict[str, Attack]]

    @property
    def share_of_a_copy(self) -> float:
        """What the subset tells of members, as a share of what the original would tell if it were published."""
        subset, copy = (max(0.0, self.strongest(name).everybody.auc - 0.5) for name in ("subset", "original"))
        return min(1.0, subset / copy) if copy > 0 else float(subset > 0)

    def strongest(self, table: str) -> Attack:
        """The attack that tells most."""
        return max(self.attacks[table].values(), key=lambda attack: attack.everybody.auc)


@dataclass(frozen=True)
class _People:
    """Units of a table: the marginals of all, as shares, and some of them to look at one by one."""

    n_units: int
    shares: NDArray[np.float64]
    some: Units

    @property
    def counts(self) -> NDArray[np.float64]:
        return self.n_units * self.shares


def attack_membership(tables: Mapping[str, Table], scored: Scored, seed: int, run: Map = map) -> Membership | None:
    """Attack all tables that might be published, and for comparison a copy of the original.

    None without a holdout, or where there are too few people. `run` is `map`, or one that works side by side.
    """
    if "holdout" not in tables or min(tables["original"].n_units, tables["holdout"].n_units) < MIN_UNITS:
        return None
    codes = {name: _codes(table, scored) for name, table in tables.items()}
    layout = _layout(scored, seed)
    attackers = _Attackers(layout, codes, seed)
    names = [*synthetic_names(tables), "original", CONTROL]
    tasks = [(name, side) for name in names for side in (0, 1)]
    found = dict(zip(tasks, run(attackers.attack, tasks), strict=True))
    attacks = {name: _mean([found[name, side] for side in (0, 1)]) for name in names}
    held = scored.cliques if scored.coherence is None else SequenceCliques.of(scored.coherence.bins, n_units=1)
    return Membership(
        unit="group" if tables["original"].is_grouped else "row",
        n_members=attackers.members.some.n_units,
        n_outsiders=tables["holdout"].n_units,
        n_cliques=layout.n_cliques,
        n_all_cliques=held.n_cliques,
        attacks=attacks,
    )


class _Attackers:
    """All that the attacks share; each of them changes nothing."""

    def __init__(self, layout: Layout, codes: Mapping[str, Any], seed: int) -> None:
        self._layout = layout
        self._codes = codes
        order = seeds.generator(seed, "holdout of the attack").permutation(_n_units(codes["holdout"]))
        self._halves = np.array_split(order, 2)
        self._seed = seed
        self.members = self._people("original")
        self._published = {name: self._people(name) for name in synthetic_names(codes)}
        self._published["original"] = self.members

    def attack(self, task: tuple[str, int]) -> dict[str, Attack]:
        """The attacks on a table when that half of the holdout is the reference."""
        name, side = task
        reference, outsiders = self._halves[side], self._people("holdout", self._halves[1 - side])
        if name == CONTROL:
            unrelated, reference = np.array_split(reference, 2)
            published = self._people("holdout", unrelated)
        else:
            published = self._published[name]
        known = self._people("holdout", reference)
        people = [self.members.some, outsiders.some]
        rarity = [-_totals(units, self._log_shares(known), self._layout.unit) for units in people]
        return {
            LIKELIHOOD: _attack(people, self._likelihood_ratios(published, known), rarity, self._layout.unit),
            WHITENED: _attack(people, self._whitened(published, known), rarity, self._layout.unit),
        }

    def _people(self, name: str, units: NDArray[np.int64] | None = None) -> _People:
        codes, layout = self._codes[name], self._layout
        units = np.arange(_n_units(codes)) if units is None else np.sort(units)
        counts = np.zeros(layout.n_cells, np.int64)
        layout.count(codes, counts, units)
        random = seeds.generator(self._seed, f"people of {name}")
        some = units[np.sort(random.permutation(len(units))[: self._n_some(codes)])]
        gathered = layout.gather([(codes, some)], layout.unit, np.ones(len(layout.families)))
        return _People(len(units), counts / (layout.unit * len(units)), gathered)

    def _n_some(self, codes: Any) -> int:
        """How many people of a table are looked at one by one; they lie in a number of cells that is bounded."""
        rows_per_unit = len(codes.rows) / _n_units(codes) if isinstance(codes, SequenceCodes) else 1
        return int(np.clip(_MAX_CELLS / (self._layout.n_cliques * rows_per_unit), MIN_UNITS, _MAX_SCORED))

    def _log_shares(self, known: _People) -> NDArray[np.float64]:
        """Of each cell, with one person more: a cell where nobody is has a share too."""
        return np.log((known.counts + 1) / (known.n_units + 1))

    def _likelihood_ratios(self, published: _People, known: _People) -> NDArray[np.float64]:
        """The weight of each cell of a triple; of pairs where there are none, or of columns."""
        starts = self._layout.family_starts[:4]
        first, last = next((a, b) for a, b in zip(starts[-2::-1], starts[:0:-1], strict=True) if a < b)
        ratios = np.zeros(self._layout.n_cells)
        ratios[first:last] = (self._log_shares(published) - self._log_shares(known))[first:last]
        return ratios

    def _whitened(self, published: _People, known: _People) -> NDArray[np.float64]:
        """The weight of each cell: the difference of shares, over the covariance of cells, by conjugate gradients."""
        from scipy.sparse.linalg import LinearOperator, cg

        both, unit = (published, known), self._layout.unit
        n_some = sum(people.some.n_units for people in both)
        mean = sum(people.some.n_units / n_some * _shares(people.some, self._layout) for people in both)

        def vary(values: NDArray[np.float64]) -> NDArray[np.float64]:
            values = np.ravel(values)
            together = np.zeros(len(values))
            for people in both:
                add_shares(people.some, _totals(people.some, values, unit) / (unit * n_some), together)
            return together - mean * (mean @ values) + _RIDGE * mean * values

        n_cells = self._layout.n_cells
        operator = LinearOperator((n_cells, n_cells), matvec=vary, dtype=np.float64)
        difference = np.where(mean > 0, published.shares - known.shares, 0.0)
        scales = np.divide(1.0, mean, out=np.ones(n_cells), where=mean > 0)
        by_scale = LinearOperator((n_cells, n_cells), matvec=lambda values: scales * np.ravel(values), dtype=np.float64)
        weights, _ = cg(operator, difference, rtol=_CONVERGED, atol=0.0, maxiter=_N_STEPS, M=by_scale)
        return np.asarray(weights)


def _codes(table: Table, scored: Scored) -> Any:
    if scored.coherence is None:
        return scored.bins.encode(table.columns)
    return scored.coherence.bins.encode_groups(table.columns, table.groups)


def _layout(scored: Scored, seed: int) -> Layout:
    if scored.coherence is not None:
        return SequenceCliques.of(scored.coherence.bins, n_units=1)
    return Cliques.of(scored.bins.sizes, MAX_TRIPLES, seed)


def _n_units(codes: Any) -> int:
    return len(codes.starts) - 1 if isinstance(codes, SequenceCodes) else len(codes)


def _shares(units: Units, layout: Layout) -> NDArray[np.float64]:
    counts = np.zeros(layout.n_cells)
    add_shares(units, np.full(units.n_units, 1 / (layout.unit * units.n_units)), counts)
    return counts


def _totals(units: Units, values: NDArray[np.float64], unit: int) -> NDArray[np.float64]:
    """What each unit's cells add up to."""
    totals = np.empty(units.n_units)
    total_values(units, values / unit, totals)
    return totals


def _attack(
    people: Sequence[Units], weights: NDArray[np.float64], rarity: Sequence[NDArray[np.float64]], unit: int
) -> Attack:
    members, outsiders = (_totals(units, weights, unit) for units in people)
    threshold = np.quantile(np.concatenate(rarity), 1 - UNUSUAL)
    unusual = [scores[rare >= threshold] for scores, rare in zip((members, outsiders), rarity, strict=True)]
    of_unusual = Separation.of(*unusual) if all(len(scores) for scores in unusual) else Separation(0.5, (0.0, 0.0))
    return Attack(
        Separation.of(members, outsiders), of_unusual, {rate: _found(members, outsiders, rate) for rate in RATES}
    )


def _found(members: NDArray[np.float64], outsiders: NDArray[np.float64], rate: float) -> float | None:
    """The share of members above the score that this share of outsiders exceeds."""
    n_accused = round(rate * len(outsiders))
    if n_accused < 1:
        return None
    threshold = np.sort(outsiders)[-n_accused - 1]
    return float((members > threshold).mean())


def _mean(found: Sequence[dict[str, Attack]]) -> dict[str, Attack]:
    """Of both sides, by method."""
    means = {}
    for method in METHODS:
        attacks = [one[method] for one in found]
        rates = {rate: _mean_rate([attack.rates[rate] for attack in attacks]) for rate in RATES}
        everybody = Separation.mean([attack.everybody for attack in attacks])
        means[method] = Attack(everybody, Separation.mean([attack.unusual for attack in attacks]), rates)
    return means


def _mean_rate(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return float(np.mean(known)) if known else None


def _variance_of_mean(values: NDArray[np.float64]) -> float:
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0
