"""Rules as units keep them: rows, groups and columns that determine others, on any table in the original's types.

In: what the settings ask for, and the original. Out: `UnitRules`, which goes to workers and says of each unit which
rules it breaks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from inspect import getsourcefile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.config import RulesConfig
from issodask.errors import InputError
from issodask.kernels.bins import NO_TIME
from issodask.models.external import load
from issodask.stages.roles import KnownColumns
from issodask.store.files import file_hash
from issodask.store.frames import to_frame
from issodask.store.plain import plain
from issodask.store.rules import keeps
from issodask.store.subset import where_texts
from issodask.table.columns import Numbers, Plain, Texts, Times
from issodask.table.controls import check_column
from issodask.table.dependencies import Dependency, find_dependencies
from issodask.table.groups import Groups
from issodask.table.rules import GroupRule, RowRule, group_rule, row_rule
from issodask.table.schema import Schema, quoted

Rule = RowRule | GroupRule | Dependency


@dataclass(frozen=True)
class UnitRules:
    """Rules, and what is needed to look at a table: `schema` of its columns, in the original's types.

    hidden  texts, by column, in place of which the subset gets others: nobody knows whether these keep a rule
    """

    rules: tuple[Rule, ...]
    schema: Schema
    hidden: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that the rules look at: functions look at all."""
        if any(isinstance(rule, RowRule | GroupRule) and not rule.columns for rule in self.rules):
            return self.schema.names
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.columns))

    def identity(self) -> list[str]:
        """What tells these rules from others: equal texts, equal answers, as far as functions do the same."""
        found = [f"{name} {list(texts)}" for name, texts in sorted(self.hidden.items())]
        for rule in self.rules:
            if isinstance(rule, Dependency):
                found.append(f"{rule.text} {rule.hash()}")
            elif rule.columns:
                found.append(rule.text)
            else:
                found.append(f"{rule.text} {_source_hash(self._function(rule))}")
        return found

    def broken(self, table: Any, groups: Groups | None) -> NDArray[np.bool_]:
        """Which unit of an Arrow table, in the original's types, breaks which rule: bool, (units, rules)."""
        found = [self._broken(rule, table, groups) for rule in self.rules]
        n_units = table.num_rows if groups is None else groups.n_groups
        return np.column_stack(found) if found else np.zeros((n_units, 0), np.bool_)

    def _broken(self, rule: Rule, table: Any, groups: Groups | None) -> NDArray[np.bool_]:
        if isinstance(rule, GroupRule):
            assert groups is not None
            own = self._groups_broken(rule, table, groups)
            return own | _any_row(self._hides(rule, table), groups)
        if isinstance(rule, Dependency):
            rows = ~rule.keeps(plain(table, self.schema.only(rule.columns)))
        else:
            rows = ~(keeps(table, rule) if rule.expression is not None else self._answers(rule, table))
        return _any_row(rows | self._hides(rule, table), groups)

    def _hides(self, rule: Rule, table: Any) -> NDArray[np.bool_]:
        """Which rows have a text in one of the rule's columns that the subset does not get."""
        hides = np.zeros(table.num_rows, np.bool_)
        for name in rule.columns:
            if self.hidden.get(name):
                hides |= where_texts(table[name], self.hidden[name])
        return hides

    def _answers(self, rule: RowRule, table: Any) -> NDArray[np.bool_]:
        said = _called(rule, lambda: self._function(rule)(to_frame(table)))
        answers = np.asarray(said)
        if answers.shape != (table.num_rows,) or answers.dtype.kind != "b":
            raise InputError(
                f"rule {rule.text!r} answers {answers.dtype} of shape {answers.shape} for {table.num_rows:,} rows: "
                "return a truth value for each"
            )
        return answers

    def _groups_broken(self, rule: GroupRule, table: Any, groups: Groups) -> NDArray[np.bool_]:
        if rule.form is None:
            rows = to_frame(table.take(groups.order))
            bounds = groups.starts.tolist()
            frames = (rows.iloc[first:stop].reset_index(drop=True) for first, stop in pairwise(bounds))
            answers = _called(rule, lambda: [bool(self._function(rule)(frame)) for frame in frames])
            return ~np.array(answers, np.bool_)
        column = plain(table, self.schema.only([rule.column]))[rule.column].take(groups.order)
        return _form_broken(rule, column, groups)

    def _function(self, rule: RowRule | GroupRule) -> Callable[..., Any]:
        return self._functions[rule.text]

    @cached_property
    def _functions(self) -> dict[str, Callable[..., Any]]:
        named = [rule.text for rule in self.rules if not isinstance(rule, Dependency) and not rule.columns]
        return {text: _loaded(text) for text in named}

    def __reduce__(self) -> Any:
        return UnitRules, (self.rules, self.schema, self.hidden)


def rules_of(config: RulesConfig, table: Any, known: KnownColumns, by: str | None = None) -> UnitRules:
    """The rules that are asked for; dependencies are found in the original. Raises InputError for what is none.

    Of a column `by` whose values say only what stratum a unit serves, units of the pool tell nothing: a rule can't look
    at it, and of all dependencies those with it are left out.
    """
    if config.groups and known.group_key is None:
        raise InputError(f"rule {config.groups[0]!r} is for groups, but there is no group_key: give one")
    schema = known.learnt.without(known.group_key)
    written: list[Rule] = [*map(row_rule, config.rows), *map(group_rule, config.groups)]
    for rule in written:
        for name in rule.columns:
            _check_rule(rule, name, known)
    found = _dependencies(config, table, known)
    if not isinstance(config.dependencies, tuple):
        found = [rule for rule in found if by not in rule.columns]
    written += found
    for rule in written:
        if by is not None and by in rule.columns:
            raise InputError(
                f"rule {rule.text!r} looks at {by!r}, which says what stratum a unit serves: drop one of both"
            )
    hidden = {name: known.unshown(name) for name in known.texts}
    return UnitRules(tuple(written), schema, hidden)


def _check_rule(rule: Rule, name: str, known: KnownColumns) -> None:
    try:
        check_column(name, known.schema.without(known.group_key))
    except InputError as error:
        raise InputError(f"rule {rule.text!r}: {error}") from error


def _dependencies(config: RulesConfig, table: Any, known: KnownColumns) -> list[Rule]:
    if not config.dependencies:
        if config.independent:
            raise InputError("[rules] independent says which dependencies to leave out: set dependencies = true")
        return []
    schema = known.matched.leaving_out(known.constants.column_names)
    found = {rule.text: rule for rule in find_dependencies(plain(table, schema), schema.names)}
    wanted = [_arrow(text) for text in config.dependencies] if isinstance(config.dependencies, tuple) else list(found)
    left_out = [_arrow(text) for text in config.independent]
    for text in [*wanted, *left_out]:
        if text not in found:
            raise InputError(
                f"the original has no dependency {text!r}, of those that chance does not explain: it has "
                f"{quoted(found) or 'none'}"
            )
    return [found[text] for text in wanted if text not in left_out]


def _arrow(text: str) -> str:
    given, arrow, other = text.replace("→", "->").partition("->")
    if not arrow:
        raise InputError(f"{text!r} is no dependency: write 'education -> education_num'")
    return f"{given.strip()} -> {other.strip()}"


def _any_row(rows: NDArray[np.bool_], groups: Groups | None) -> NDArray[np.bool_]:
    """Whether any row of each unit is marked."""
    if groups is None:
        return rows
    if not groups.n_groups:
        return np.zeros(0, np.bool_)
    return np.asarray(np.logical_or.reduceat(rows[groups.order], groups.starts[:-1]))


def _form_broken(rule: GroupRule, column: Plain, groups: Groups) -> NDArray[np.bool_]:
    """`column` is gathered, group after group; what is missing breaks nothing."""
    if rule.form in ("starts with", "ends with"):
        place = groups.starts[:-1] if rule.form == "starts with" else groups.starts[1:] - 1
        return _differs(column.take(place), rule.value)
    ranks, is_known = _ranks(column)
    of_group = np.repeat(np.arange(groups.n_groups), groups.lengths)[is_known]
    ranks = ranks[is_known]
    if rule.form == "never repeats":
        order = np.lexsort((ranks, of_group))
        of_group, ranks = of_group[order], ranks[order]
    steps, is_within = np.diff(ranks), np.diff(of_group) == 0
    breaks = {
        "increases": steps <= 0, "never decreases": steps < 0, "decreases": steps >= 0, "never increases": steps > 0,
        "stays the same": steps != 0, "never repeats": steps == 0,
    }[rule.form or ""]  # fmt: skip
    found = np.zeros(groups.n_groups, np.bool_)
    found[of_group[1:][breaks & is_within]] = True
    return found


def _ranks(column: Plain) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Whole numbers in the order of the values, and which are known."""
    if isinstance(column, Texts):
        distinct = sorted(set(column.texts))
        by_text = {text: i for i, text in enumerate(distinct)}
        ranks = np.array([*(by_text[text] for text in column.texts), -1], np.int64)[column.places]
        return ranks, column.places >= 0
    if isinstance(column, Times):
        return np.unique(column.ticks, return_inverse=True)[1], column.ticks != NO_TIME
    return np.unique(column.values, return_inverse=True)[1], ~np.isnan(column.values)


def _differs(column: Plain, value: str) -> NDArray[np.bool_]:
    if isinstance(column, Texts):
        is_other = np.array([*(text != value for text in column.texts), False], np.bool_)
        return is_other[column.places]
    if isinstance(column, Numbers):
        try:
            return ~np.isnan(column.values) & (column.values != float(value))
        except ValueError as error:
            raise InputError(f"{value!r} is no number: give one, as the column has") from error
    raise InputError("'starts with' and 'ends with' are for texts and numbers: write python:MODULE:FUNCTION for times")


def _loaded(text: str) -> Callable[..., Any]:
    try:
        found = load(text)
    except InputError as error:
        raise InputError(str(error).replace("source", "rule", 1)) from error
    if not callable(found):
        raise InputError(f"rule {text!r} is no function: give one")
    return found


def _source_hash(function: Callable[..., Any]) -> str:
    """Of the file that a function is written in, if there is one."""
    try:
        path = getsourcefile(function)
    except TypeError:
        path = None
    return file_hash(Path(path)) if path is not None else ""


def _called(rule: Rule, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InputError:
        raise
    except Exception as error:  # whatever a user's function raises
        raise InputError(f"rule {rule.text!r} fails ({type(error).__name__}: {error}): mend it") from error
