"""What is asked of strata: how many units each has, and how many of them in each cell of what holds within it.

In: the column that strata are of, and the controls that were given. Out: `Stratum`s, and the controls without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.stages.original import KnownOriginal
from issodask.store.plain import plain
from issodask.store.tables import value_counts
from issodask.table.controls import COUNT, Control, check_column, control_of
from issodask.table.schema import Schema


@dataclass(frozen=True)
class Stratum:
    """One stratum: its name, how many units it gets, and of them in each cell of each control (int64, (cells,))."""

    name: str
    n_units: int
    totals: tuple[NDArray[np.int64], ...]


def strata_of(
    by: str,
    controls: Sequence[Control],
    table: Any,
    known: KnownOriginal,
    schema: Schema,
    n_units: int | None,
) -> tuple[tuple[Stratum, ...], tuple[Control, ...]]:
    """The strata, and the controls that hold within each: those that were given, without the column `by`."""
    if known.groups is not None:
        raise InputError("strata ([target] by) are for flat tables: leave it, or group_key, out")
    check_column(by, schema)
    for control in controls:
        if by not in control.columns and not control.is_share:
            raise InputError(f"{control.told} say nothing of {by!r}: give shares, or add the column to the totals")
    stratified = [control for control in controls if by in control.columns]
    sizes = _sizes_of_strata(by, stratified, table, schema, n_units)
    within, by_name = [], {name: [] for name in sizes}  # type: ignore[var-annotated]
    for control in controls:
        if control.columns == (by,):
            continue
        inner, amounts = _within(by, control, list(sizes))
        within.append(inner)
        for name, own in amounts.items():
            by_name[name].append(replace(inner, amounts=own).totals(sizes[name]))
    return tuple(Stratum(name, n, tuple(by_name[name])) for name, n in sizes.items()), tuple(within)


def _sizes_of_strata(
    by: str, stratified: Sequence[Control], table: Any, schema: Schema, n_units: int | None
) -> dict[str, int]:
    """Units by stratum: as counts add up to there, or in the original's proportions."""
    found: dict[str, int] = {}
    for control in (one for one in stratified if not one.is_share):
        place, own = control.columns.index(by), {}  # type: ignore[var-annotated]
        for cell, amount in zip(control.cells, control.amounts.tolist(), strict=True):
            own[cell[place]] = own.get(cell[place], 0) + int(amount)
        for name, n in own.items():
            if found and found.get(name) != n:
                raise InputError(f"totals disagree on {by} {name!r}: {found.get(name, 0):,} and {n:,} units")
        found = own
    if found:
        return {name: n for name, n in found.items() if n}
    named = dict.fromkeys(cell[one.columns.index(by)] for one in stratified for cell in one.cells)
    counts = value_counts(table, by)
    if named:
        rows = [{by: name, COUNT: 0} for name in named]
        control = control_of(rows, False, COUNT, plain(table, schema.only([by])), schema)
        own_counts = np.bincount(control.encode(plain(table, schema.only([by]))), minlength=len(named) + 1)
        counts = dict(zip(named, own_counts.tolist(), strict=False))
    total = sum(counts.values())
    scale = 1.0 if n_units is None else n_units / max(1, total)
    return {name: max(1, round(n * scale)) for name, n in counts.items() if n}


def _within(by: str, control: Control, names: Sequence[str]) -> tuple[Control, dict[str, NDArray[np.float64]]]:
    """A control without the column `by`, and what is asked of its cells in each stratum."""
    if by not in control.columns:
        return control, dict.fromkeys(names, control.amounts)
    place = control.columns.index(by)
    inner = [cell[:place] + cell[place + 1 :] for cell in control.cells]
    cells = {cell: i for i, cell in enumerate(dict.fromkeys(inner))}
    amounts = {name: np.zeros(len(cells)) for name in names}
    for cell, own, amount in zip(control.cells, inner, control.amounts.tolist(), strict=True):
        if cell[place] in amounts:
            amounts[cell[place]][cells[own]] += amount
    groupings = control.groupings[:place] + control.groupings[place + 1 :]
    return Control(groupings, tuple(cells), np.zeros(len(cells)), control.is_share), amounts
