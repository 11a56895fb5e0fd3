"""Rules: what every row, or every group of rows, of the subset has to hold.

In: a rule as a user writes it. Out: `RowRule` or `GroupRule`, which say which columns they look at.

Row rules are written in pandas' query language, of which there is what compares columns: `and or not`, `== != < <= >
>=`, `in`, `is None`, `+ - * / %`, numbers, texts, and columns by name (`in backticks` where the name has blanks). They
are parsed, never executed: a call, an attribute or a subscript is an error. A row that lacks a value which the rule
needs keeps it, as in SQL.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from issodask.errors import InputError

PREFIX = "python:"
MOST_DEPTH = 40

Form = Literal[
    "increases", "never decreases", "decreases", "never increases", "stays the same", "never repeats", "starts with",
    "ends with",
]  # fmt: skip
FORMS: tuple[Form, ...] = (
    "increases", "never decreases", "decreases", "never increases", "stays the same", "never repeats", "starts with",
    "ends with",
)  # fmt: skip

_COMPARED = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip
_COMPUTED = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}


@dataclass(frozen=True)
class ColumnValue:
    """A column's value in a row."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A number, a text, a truth value, or for `in` a tuple of such."""

    value: Any


@dataclass(frozen=True)
class Operation:
    """`operator` is one of and, or, not, the comparisons, in, not in, is missing, negate, + - * / %."""

    operator: str
    operands: tuple["Expression", ...]


Expression = ColumnValue | Constant | Operation


@dataclass(frozen=True)
class RowRule:
    """A rule for each row; `expression` is None where it is a function of one's own (`python:MODULE:NAME`)."""

    text: str
    expression: Expression | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Those it looks at; none for a function, which looks at all."""
        return () if self.expression is None else tuple(dict.fromkeys(_columns(self.expression)))


@dataclass(frozen=True)
class GroupRule:
    """A rule for each group; `form` is None where it is a function of one's own."""

    text: str
    column: str = ""
    form: Form | None = None
    value: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.form is not None else ()


def row_rule(text: str) -> RowRule:
    """Read a rule for rows. Raises InputError for what is no such rule."""
    if text.startswith(PREFIX):
        return RowRule(text, None)
    names: list[str] = []
    try:
        parsed = ast.parse(_as_python(text, names), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise InputError(f"rule {text[:60]!r} can't be read ({reason}): write such as 'end >= start'") from error
    expression = _expression(parsed, text, names, 0)
    if next(_columns(expression), None) is None:
        raise InputError(f"rule {text!r} looks at no column: write such as 'end >= start'")
    return RowRule(text, expression)


def group_rule(text: str) -> GroupRule:
    """Read a rule for groups. Raises InputError for what is no such rule."""
    if text.startswith(PREFIX):
        return GroupRule(text)
    for form in FORMS:
        wants_value = form.endswith("with")
        value = r"\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))" if wants_value else ""
        found = re.fullmatch(rf"\s*(?:`([^`]+)`|(.+?))\s+{form}{value}\s*", text)
        if found:
            parts = found.groups()
            given = next((part for part in parts[2:] if part is not None), "")
            return GroupRule(text, parts[0] or parts[1], form, given)
    raise InputError(
        f"rule {text!r} is none for groups: write a column and one of {', '.join(FORMS[:6])}, starts with 'x', "
        "ends with 'x'; or python:MODULE:FUNCTION"
    )


def _as_python(text: str, names: list[str]) -> str:
    """`&` and `|` bind as loosely as in pandas; columns in backticks, kept in `names`, get names that Python knows."""
    parts = re.split(r"('[^']*'|\"[^\"]*\"|`[^`]+`)", text.strip())
    for i, part in enumerate(parts):
        if part.startswith("`"):
            parts[i] = f" _column_{len(names)}_ "
            names.append(part[1:-1])
        elif i % 2 == 0:
            parts[i] = part.replace("&", " and ").replace("|", " or ").replace("~", " not ")
    return "".join(parts).strip()


def _columns(expression: Expression) -> Iterator[str]:
    if isinstance(expression, ColumnValue):
        yield expression.name
    if isinstance(expression, Operation):
        for operand in expression.operands:
            yield from _columns(operand)


def _expression(node: ast.expr, text: str, names: list[str], depth: int) -> Expression:
    def read(inner: ast.expr) -> Expression:
        return _expression(inner, text, names, depth + 1)

    if depth > MOST_DEPTH:
        raise InputError(f"rule {text[:60]!r}... is nested too deeply: split it into several")
    if isinstance(node, ast.BoolOp):
        return Operation("and" if isinstance(node.op, ast.And) else "or", tuple(map(read, node.values)))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return Operation("not", (read(node.operand),))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = read(node.operand)
        return Constant(-inner.value) if isinstance(inner, Constant) else Operation("negate", (inner,))
    if isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        return Operation(_COMPUTED[type(node.op)], (read(node.left), read(node.right)))
    if isinstance(node, ast.Compare):
        return _compared(node, text, read)
    if isinstance(node, ast.Name):
        place = re.fullmatch(r"_column_(\d+)_", node.id)
        return ColumnValue(names[int(place[1])] if place and int(place[1]) < len(names) else node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | bool):
        return Constant(node.value)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        inner_values = [read(item) for item in node.elts]
        if all(isinstance(item, Constant) for item in inner_values):
            return Constant(tuple(item.value for item in inner_values if isinstance(item, Constant)))
    raise InputError(
        f"rule {text!r} has {ast.unparse(node)!r}, which no rule may have: compare columns and values with and, or, "
        "not, ==, !=, <, <=, >, >=, in, is None, + - * / %; for more, write python:MODULE:FUNCTION"
    )


def _compared(node: ast.Compare, text: str, read: Any) -> Expression:
    """`a < b <= c` is `a < b and b <= c`; `a is None` asks whether it is missing."""
    found = []
    for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
        if isinstance(operator, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise InputError(f"rule {text!r}: only 'is None' and 'is not None' are possible: use ==")
            is_missing = Operation("is missing", (read(left),))
            found.append(is_missing if isinstance(operator, ast.Is) else Operation("not", (is_missing,)))
        else:
            found.append(Operation(_COMPARED[type(operator)], (read(left), read(right))))
    return found[0] if len(found) == 1 else Operation("and", tuple(found))
