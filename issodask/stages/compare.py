"""Compare: several synthetic tables, whoever made them, against one original and a holdout.

In: the original, tables by name, a holdout, rules. Out: a `Comparison`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from issodask.config import EvaluateConfig, RulesConfig
from issodask.errors import InputError
from issodask.host import check_installed, n_processors
from issodask.report.attack import CONTROL
from issodask.report.comparison import Comparison
from issodask.report.metrics import installed_versions
from issodask.report.standings import Standing, measure_standings
from issodask.report.tables import Table
from issodask.stages.evaluate import conformed, flat_if_single
from issodask.stages.original import groups_of
from issodask.stages.roles import KnownColumns
from issodask.stages.rules import UnitRules, rules_of
from issodask.store.casts import cast_table
from issodask.store.tables import as_table

_TAKEN = ("original", "holdout", CONTROL)


def compare(
    original: Any,
    tables: Mapping[str, Any],
    holdout: Any | None = None,
    config: EvaluateConfig | None = None,
    seed: int = 1,
    group_key: str | None = None,
    columns: Mapping[str, str] | None = None,
    rules: RulesConfig | None = None,
) -> Comparison:
    """Measure where each of `tables` stands; all are paths, or tables of any kind.

    Without a holdout there is neither use, nor attack, nor a share of closer rows. `group_key` names the column, in
    every table, that says which rows belong together. `columns` are roles, by name, that are not found right.

    Raises InputError for no tables, for names that are taken, and for tables that don't fit the original.
    """
    check_installed("mostlyai.qa", "a comparison")
    config = config or EvaluateConfig()
    _check_names(tables)
    original = as_table(original, where="the original")
    known = KnownColumns.of(original, group_key, columns)
    asked = rules_of(rules or RulesConfig(), original, known)
    given = {"original": original, **tables, **({} if holdout is None else {"holdout": holdout})}
    given = {name: as_table(table, where=_called(name)) for name, table in given.items()}
    looked_at = {name: conformed(table, known.matched, _called(name), group_key) for name, table in given.items()}
    standings = standings_of(flat_if_single(looked_at, seed), config, seed)
    kept = {name: _kept(asked, table, name, group_key) for name, table in given.items()}
    order = [*tables, *(name for name in ("original", "holdout") if name in given)]
    return Comparison(
        {name: replace(standings[name], rules=kept[name]) for name in order},
        unit="group" if group_key is not None else "row",
        left_out=tuple(known.facts()["left_out"]),
        versions=installed_versions(),
        seed=seed,
    )


def standings_of(tables: Mapping[str, Table], config: EvaluateConfig, seed: int) -> dict[str, Standing]:
    """Of all `tables`, measured side by side."""
    with ThreadPoolExecutor(n_processors()) as threads:
        return measure_standings(tables, config.predict, seed, config.distance_rows, threads.map)


def _check_names(tables: Mapping[str, Any]) -> None:
    if not tables:
        raise InputError("there is no table to compare: give at least one")
    taken = [name for name in tables if name in _TAKEN]
    if taken:
        raise InputError(f"a table can't be called {taken[0]!r}, which is the name of a real one here: rename it")


def _called(name: str) -> str:
    return f"the {name}" if name in _TAKEN else f"table {name!r}"


def _kept(rules: UnitRules, table: Any, name: str, group_key: str | None) -> dict[str, float]:
    """The share of a table's units that keep each rule; of texts that look hidden too."""
    if not rules.rules:
        return {}
    names: Sequence[str] = [*rules.columns, *([group_key] if group_key is not None else [])]
    groups = groups_of(table.select(names), group_key)
    rows = cast_table(table, rules.schema.only(rules.columns), where=_called(name))
    broken = replace(rules, hidden={}).broken(rows, groups)
    return {rule.text: float(1 - broken[:, i].mean()) for i, rule in enumerate(rules.rules)}
