"""Asked: what the subset is to be where that is not as the original is: shares, totals and rules.

In: the settings, and the original. Out: `Asked`: how much each of the original's units counts, so that they show what
was asked for; how many units there are to be in each cell of each control; the rules, and whether the original keeps
them. None where nothing was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.config import RulesConfig, TargetConfig, TotalsConfig
from issodask.errors import InputError
from issodask.fitting.rake import Raked, effective_size, rake
from issodask.stages.asked_strata import Stratum, strata_of
from issodask.stages.generator_task import Balance
from issodask.stages.original import KnownOriginal, groups_of
from issodask.stages.rules import UnitRules, rules_of
from issodask.store.casts import cast_table
from issodask.store.plain import plain
from issodask.store.tables import as_rows, as_table
from issodask.table.controls import COUNT, SHARE, Control, check_column, control_of
from issodask.table.groups import Groups
from issodask.table.roles import FREQUENT
from issodask.table.schema import Schema


@dataclass(frozen=True)
class Asked:
    """What was asked of a subset of `n_units`.

    weights    float64, (units of the original,), mean 1: what each counts
    cells      per control, int64, (units of the original,)
    factors    per control, float64, (cells,): the last one is that of the rest
    totals     per control, int64, (cells,)
    enforced   which rules units have to keep: bool, (rules,); the original breaks the others
    n_broken   how many units of the original break each rule: int64, (rules,)
    strata     if there are some, the first control is of the column that they are of; `within` are the controls that
               hold in each, `cells_within` the cells of the original's units in these
    """

    n_units: int
    controls: tuple[Control, ...]
    weights: NDArray[np.float64]
    cells: tuple[NDArray[np.int64], ...]
    factors: tuple[NDArray[np.float64], ...]
    totals: tuple[NDArray[np.int64], ...]
    rules: UnitRules
    enforced: NDArray[np.bool_]
    n_broken: NDArray[np.int64]
    strata: tuple[Stratum, ...] = ()
    within: tuple[Control, ...] = ()
    cells_within: tuple[NDArray[np.int64], ...] = ()

    @property
    def by(self) -> str:
        """The column that strata are of."""
        return self.controls[0].columns[0]

    @property
    def of_strata(self) -> "Asked":
        """What units of the pool are marked by where there are strata."""
        totals = tuple(np.zeros(len(control.cells) + 1, np.int64) for control in self.within)
        return replace(self, controls=self.within, totals=totals)

    @property
    def n_at_once(self) -> int:
        """Units that have to differ: of one stratum, where there are some."""
        return max((stratum.n_units for stratum in self.strata), default=self.n_units)

    @property
    def effective_units(self) -> float:
        """As how many units of the original the weighted ones count."""
        return effective_size(self.weights)

    @property
    def balance(self) -> Balance | None:
        """The shares of a column of text that generators can draw by themselves: of the rarest that is asked for."""
        ratios = [_scarcity(totals, own) for totals, own in zip(self.totals, self.cells, strict=True)]
        able = [
            k
            for k, (control, own) in enumerate(zip(self.controls, self.cells, strict=True))
            if control.is_share
            and control.is_by_value
            and np.bincount(own, minlength=len(control.cells))[: len(control.cells)].min() >= FREQUENT
        ]
        if not able:
            return None
        k = max(able, key=lambda k: ratios[k])
        named = zip(self.controls[k].cells, self.controls[k].amounts.tolist(), strict=True)
        shares = {cell[0]: share for cell, share in named if cell[0]}
        return Balance(self.controls[k].columns[0], shares) if shares and ratios[k] > 1 else None

    def scarcity_beside(self, balance: Balance | None) -> float:
        """How many times the original's share of units is asked for at most, in a cell; but for the balanced column."""
        ratios = [
            _scarcity(totals, own)
            for control, totals, own in zip(self.controls, self.totals, self.cells, strict=True)
            if balance is None or control.columns != (balance.column,)
        ]
        return max([1.0, *ratios])

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells of each control."""
        return tuple(len(totals) for totals in self.totals)

    @property
    def columns(self) -> tuple[str, ...]:
        """What has to be read of a unit to know where it belongs."""
        of_controls = [name for control in self.controls for name in control.columns]
        return tuple(dict.fromkeys([*of_controls, *self.rules.columns]))


def _scarcity(totals: NDArray[np.int64], cells: NDArray[np.int64]) -> float:
    counts = np.bincount(cells, minlength=len(totals)) / max(1, len(cells))
    known = counts > 0
    return float((totals[known] / totals.sum() / counts[known]).max(initial=1.0))


def asked_of(
    target: TargetConfig, rules: RulesConfig, table: Any, known: KnownOriginal, n_units: int | None
) -> Asked | None:
    """What is asked of the subset; None where that is nothing.

    Raises InputError for what can't be: columns and values that are not there, shares above 1, totals that contradict
    one another, rules that can't be read.
    """
    if target == TargetConfig() and not (rules.rows or rules.groups or rules.dependencies or rules.independent):
        return None
    schema = known.columns.learnt.without(known.group_key)
    controls = _controls(target, table, known, schema)
    strata: tuple[Stratum, ...] = ()
    within: tuple[Control, ...] = ()
    if target.by is not None:
        strata, within = strata_of(target.by, controls, table, known, schema, n_units)
        rows = [{target.by: stratum.name, COUNT: stratum.n_units} for stratum in strata]
        controls = (control_of(rows, False, COUNT, plain(table, schema.only([target.by])), schema),)
        n_units = sum(stratum.n_units for stratum in strata)
    n_units = _n_units(controls, n_units, known.n_units)
    cells = tuple(_cells_of_units(control, table, known, schema) for control in controls)
    raked = _raked(controls, cells, n_units)
    unit_rules = rules_of(rules, table, known.columns, target.by)
    typed = cast_table(table.select(list(unit_rules.columns)), schema.only(unit_rules.columns), "the original")
    checked = UnitRules(unit_rules.rules, unit_rules.schema)  # the original's own rare texts are its own
    n_broken = checked.broken(typed, known.groups).sum(axis=0)
    return Asked(
        n_units,
        controls,
        _weights(raked, cells, known.n_units),
        cells,
        raked.factors,
        tuple(control.totals(n_units) for control in controls),
        unit_rules,
        (n_broken == 0) | rules.strict,
        n_broken.astype(np.int64),
        strata,
        within,
        tuple(_cells_of_units(control, table, known, schema) for control in within),
    )


def _controls(target: TargetConfig, table: Any, known: KnownOriginal, schema: Schema) -> tuple[Control, ...]:
    found = []
    for shares in target.shares:
        check_column(shares.column, schema)
        values = plain(table, schema.only([shares.column]))
        rows = [{shares.column: value, SHARE: share} for value, share in shares.shares.items()]
        found.append(control_of(rows, True, SHARE, values, schema))
    for totals in target.totals:
        rows = list(totals.rows) if totals.rows is not None else as_rows(as_table(totals.table, where="the totals"))
        amount = _amount_column(rows, totals)
        names = [name for name in rows[0] if name != amount]
        for name in names:
            check_column(name, schema)
        found.append(control_of(rows, amount == SHARE, amount, plain(table, schema.only(names)), schema))
    return tuple(found)


def _amount_column(rows: Sequence[Mapping[str, Any]], totals: TotalsConfig) -> str:
    names = list(rows[0]) if rows else []
    amounts = [name for name in (COUNT, SHARE) if name in names]
    if len(amounts) != 1:
        raise InputError(
            f"totals {totals.table or 'given in place'} have the columns {', '.join(map(repr, names)) or 'none'}: give "
            "one to three of the original's, and 'count' or 'share'"
        )
    return amounts[0]


def _n_units(controls: Sequence[Control], given: int | None, n_original: int) -> int:
    """As given, or as the counts of all totals add up to."""
    sums = {control.told: int(control.amounts.sum()) for control in controls if not control.is_share}
    if given is not None or not sums:
        return given or n_original
    if len(set(sums.values())) > 1:
        told = ", ".join(f"{total:,} ({name})" for name, total in sums.items())
        raise InputError(f"totals disagree on the number of units: {told}: make them agree, or give units")
    (n_units,) = set(sums.values())
    if n_units == 0:
        raise InputError("totals add up to 0 units: ask for some")
    return n_units


def _cells_of_units(control: Control, table: Any, known: KnownOriginal, schema: Schema) -> NDArray[np.int64]:
    """The cell of each of the original's units: of a group that of its rows, which have to agree."""
    cells = control.encode(plain(table, schema.only(control.columns)))
    if known.groups is None:
        return cells
    return cells_of_groups(cells, known.groups, control)


def cells_of_groups(cells: NDArray[np.int64], groups: Groups, control: Control | None = None) -> NDArray[np.int64]:
    """The cell of each group's first row; with a `control`, InputError where other rows are in others."""
    gathered = cells[groups.order]
    firsts = gathered[groups.starts[:-1]]
    n_changing = 0 if control is None else int((gathered != np.repeat(firsts, groups.lengths)).sum())
    if control is not None and n_changing:
        raise InputError(
            f"{control.told}: these columns change within groups ({n_changing:,} rows differ from the first of their "
            "group): ask for columns that are the same in all rows of a group"
        )
    return firsts


def _raked(controls: Sequence[Control], cells: Sequence[NDArray[np.int64]], n_units: int) -> Raked:
    """Rake the original to what is asked. Raises InputError where nobody is in a cell, or controls contradict."""
    shares = [control.shares(n_units) for control in controls]
    for control, own, share in zip(controls, cells, shares, strict=True):
        counts = np.bincount(own, minlength=len(share))
        empty = np.flatnonzero((counts == 0) & (share > 1e-12))
        if len(empty):
            asked = ", ".join(f"{control.labels[i]} ({share[i] * n_units:,.0f})" for i in empty[:3].tolist())
            raise InputError(
                f"no unit of the original is in {len(empty)} of the cells that are asked for: {asked}: ask for none, "
                "or for wider cells"
            )
    if not controls:
        return Raked(np.ones(0), (), ())
    classes, counts = np.unique(np.column_stack(cells), axis=0, return_counts=True)
    raked = rake(classes, counts.astype(float), shares)
    if not raked.is_met:
        raise InputError(_contradiction(controls, raked, n_units))
    return raked


def _contradiction(controls: Sequence[Control], raked: Raked, n_units: int) -> str:
    worst = max(range(len(controls)), key=lambda k: float(np.abs(raked.gaps[k]).max()))
    cell = int(np.abs(raked.gaps[worst]).argmax())
    control, gap = controls[worst], float(raked.gaps[worst][cell])
    asked = control.shares(n_units)[cell]
    others = ", ".join(other.told for k, other in enumerate(controls) if k != worst)
    return (
        f"what is asked can't all be: {control.told} want {asked * n_units:,.0f} units of {control.labels[cell]}, but "
        f"with {others} the original's units come to {(asked - gap) * n_units:,.0f} at the nearest: change one of them"
    )


def weights_as_asked(table: Any, asked: Asked, group_key: str | None) -> NDArray[np.float64] | None:
    """What each unit of an Arrow table counts, so that they show the shares and totals: float64, (u,).

    They add up to their effective number. None where nobody is in a cell that has to be filled.
    """
    groups = groups_of(table, group_key)
    schema = asked.rules.schema
    cells = []
    for control in asked.controls:
        own = control.encode(plain(table, schema.only(control.columns)))
        cells.append(own if groups is None else cells_of_groups(own, groups))
    shares = [totals / totals.sum() for totals in asked.totals]
    classes, places, counts = np.unique(np.column_stack(cells), axis=0, return_inverse=True, return_counts=True)
    raked = rake(classes, counts.astype(float), shares)
    if not raked.is_met:
        return None
    weights = (raked.weights / counts)[places.ravel()]
    return weights * (effective_size(weights) / weights.sum())


def _weights(raked: Raked, cells: Sequence[NDArray[np.int64]], n_original: int) -> NDArray[np.float64]:
    weights = np.ones(n_original)
    for factors, own in zip(raked.factors, cells, strict=True):
        weights *= factors[own]
    return weights * (n_original / weights.sum())
