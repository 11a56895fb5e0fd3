"""Which rows of an Arrow table keep a rule: its expression, computed by Arrow's kernels on the original's types.

In: a table in the original's types, and a parsed rule. Out: a truth value per row. What lacks a value that the rule
needs keeps it.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.store.casts import without_nan
from issodask.table.rules import ColumnValue, Constant, Expression, RowRule

_COMPARE = {
    "==": pc.equal, "!=": pc.not_equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal,
}  # fmt: skip
_COMPUTE = {"+": pc.add_checked, "-": pc.subtract_checked, "*": pc.multiply_checked}


def keeps(table: pa.Table, rule: RowRule) -> NDArray[np.bool_]:
    """Which rows keep a rule that is no function: bool, (n,). Raises InputError for what can't be computed."""
    assert rule.expression is not None
    try:
        found = _computed(rule.expression, table)
        truth = pc.fill_null(found, True) if isinstance(found, pa.ChunkedArray | pa.Array) else None
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise InputError(
            f"rule {rule.text!r} can't be computed ({_first_line(error)}): compare like with like"
        ) from error
    if truth is None or not pa.types.is_boolean(truth.type):
        raise InputError(f"rule {rule.text!r} says neither yes nor no: compare something, such as 'end >= start'")
    return np.asarray(truth.to_numpy(zero_copy_only=False) if isinstance(truth, pa.Array) else truth.to_numpy())


def _computed(expression: Expression, table: pa.Table) -> Any:
    if isinstance(expression, ColumnValue):
        return without_nan(table[expression.name])
    if isinstance(expression, Constant):
        return expression.value
    operator = expression.operator
    values = [_computed(operand, table) for operand in expression.operands]
    if operator in ("and", "or"):
        kleene = pc.and_kleene if operator == "and" else pc.or_kleene
        found = values[0]
        for value in values[1:]:
            found = kleene(found, value)
        return found
    if operator == "not":
        return pc.invert(values[0])
    if operator == "is missing":
        return pc.is_null(values[0], nan_is_null=True)
    if operator == "negate":
        return pc.negate_checked(values[0])
    if operator in ("in", "not in"):
        is_in = _is_in(*values)
        return is_in if operator == "in" else pc.invert(is_in)
    left, right = _alike(*values)
    if operator in _COMPARE:
        return _COMPARE[operator](left, right)
    if operator in _COMPUTE:
        return _COMPUTE[operator](left, right)
    left, right = (pc.cast(value, pa.float64()) for value in (left, right))
    if operator == "/":
        return without_nan(pc.divide(left, right))
    return without_nan(pc.subtract(left, pc.multiply(pc.floor(pc.divide(left, right)), right)))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides as Arrow: a constant in the type of the column that it is compared with."""
    if not _is_arrow(left) and not _is_arrow(right):
        return pa.scalar(left), pa.scalar(right)
    if not _is_arrow(left):
        return _constant(left, right.type), right
    return (left, right) if _is_arrow(right) else (left, _constant(right, left.type))


def _is_arrow(value: Any) -> bool:
    return isinstance(value, pa.Array | pa.ChunkedArray | pa.Scalar)


def _constant(value: Any, type_: pa.DataType) -> pa.Scalar:
    """Texts are read as times or decimals where these are what they are compared with; numbers stay numbers."""
    types = pa.types
    if isinstance(value, str) and (types.is_temporal(type_) or types.is_decimal(type_)):
        if types.is_timestamp(type_) and type_.tz is not None:
            naive = pa.scalar(value).cast(pa.timestamp(type_.unit))
            return pc.assume_timezone(naive, type_.tz)
        return pa.scalar(value).cast(type_)
    if isinstance(value, bool) or not types.is_boolean(type_):
        return pa.scalar(value)
    return pa.scalar(bool(value)) if value in (0, 1) else pa.scalar(value)


def _is_in(values: Any, wanted: Any) -> Any:
    """Missing values are neither in nor not in."""
    constants = wanted if isinstance(wanted, tuple) else (wanted,)
    scalars = [_constant(value, values.type) for value in constants]
    value_set = pa.array([scalar.as_py() for scalar in scalars], values.type)
    found = pc.is_in(values, value_set=value_set)
    return pc.if_else(pc.is_null(values, nan_is_null=True), pa.scalar(None, pa.bool_()), found)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
