"""What the search chooses among, as kernels see it: rows of a flat table, or groups of a sequential one.

A row lies in one cell of each clique, which follow from its codes (cells.py). A group lies in several cells of a
clique, in parts; they are listed once (lists.py). All loops above know either kind through the same few functions:
`change`, `gain`, `removal_gains`, `leave`, `same`, `add_shares`, `total_values`; `_either` picks the one for the kind,
when it is compiled or (without the compiler) when it is called.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from issodask.kernels import cells, counting, lists
from issodask.kernels.jit import kernel


class RowUnits(NamedTuple):
    """Rows of a flat table.

    codes    uint8, (u, d)
    index    a CellIndex
    unit     what a unit weighs in each of its cells
    weights  float64, (3,): fall of the objective per unit of |residual|, in cliques of 1, 2, 3 columns
    """

    codes: NDArray[np.uint8]
    index: Any
    unit: int
    weights: NDArray[np.float64]

    @property
    def n_units(self) -> int:
        return len(self.codes)

    @property
    def step(self) -> int:
        """What a unit typically weighs in a cell."""
        return self.unit

    @property
    def bytes_per_unit(self) -> float:
        return float(self.codes.shape[1])

    @property
    def cells_per_unit(self) -> float:
        """Look-ups of one gain."""
        d = self.codes.shape[1]
        opened = np.count_nonzero(self.index.triple_rows >= 0, axis=0)  # triples (a, b, c) are held for so many a
        return d + d * (d - 1) / 2 + float(opened @ (d - 1 - np.arange(d)))

    @property
    def sketch(self) -> "RowUnits | None":
        """Where triples are only a sample of all, the same rows, but with cells of one and two columns alone."""
        d = self.codes.shape[1]
        if np.count_nonzero(self.index.triple_rows >= 0) == (d - 1) * (d - 2) // 2:
            return None
        return self._replace(index=self.index._replace(triple_rows=np.full_like(self.index.triple_rows, -1)))

    def take(self, rows: NDArray[np.int64]) -> "RowUnits":
        return self._replace(codes=self.codes[rows])

    @staticmethod
    def stack(parts: list["RowUnits"]) -> "RowUnits":
        """All units of the parts, in order."""
        return parts[0]._replace(codes=np.concatenate([part.codes for part in parts]))


class GroupUnits(NamedTuple):
    """Groups of a sequential table, as lists of cells, family after family.

    bounds   int64, (u, f + 1): unit u's cells of family f are those from bounds[u, f] to bounds[u, f + 1]
    cells    int32, (n,)
    amounts  uint16, (n,): what the unit weighs there
    weights  float64, (f,): fall of the objective per unit of |residual|, by family
    """

    bounds: NDArray[np.int64]
    cells: NDArray[np.int32]
    amounts: NDArray[np.uint16]
    weights: NDArray[np.float64]

    @property
    def n_units(self) -> int:
        return len(self.bounds)

    @property
    def step(self) -> int:
        """What a unit typically weighs in a cell."""
        return max(1, round(float(self.amounts[:1_000_000].mean()))) if len(self.amounts) else 1

    @property
    def bytes_per_unit(self) -> float:
        per_cell = self.cells.itemsize + self.amounts.itemsize
        return per_cell * self.cells_per_unit + self.bounds.itemsize * self.bounds.shape[1]

    @property
    def cells_per_unit(self) -> float:
        """Look-ups of one gain, about."""
        return len(self.cells) / max(1, self.n_units)

    @property
    def sketch(self) -> None:
        """Groups have none."""
        return None

    def take(self, rows: NDArray[np.int64]) -> "GroupUnits":
        """The given units; their cells are not copied."""
        return self._replace(bounds=np.ascontiguousarray(self.bounds[rows]))

    @staticmethod
    def none(n_families: int, weights: NDArray[np.float64]) -> "GroupUnits":
        nothing = np.zeros((0, n_families + 1), np.int64)
        return GroupUnits(nothing, np.zeros(0, np.int32), np.zeros(0, np.uint16), weights)

    @staticmethod
    def stack(parts: list["GroupUnits"]) -> "GroupUnits":
        """All units of the parts, in order; empties `parts` on the way, to hold little more than the result."""
        if len(parts) == 1:
            return parts.pop()
        n_cells = sum(len(part.cells) for part in parts)
        cells, amounts = np.empty(n_cells, np.int32), np.empty(n_cells, np.uint16)
        bounds, end, weights = [], 0, parts[0].weights
        parts.reverse()
        while parts:
            part = parts.pop()
            cells[end : end + len(part.cells)] = part.cells
            amounts[end : end + len(part.cells)] = part.amounts
            bounds.append(part.bounds + end)
            end += len(part.cells)
        return GroupUnits(np.concatenate(bounds), cells, amounts, weights)


Units = RowUnits | GroupUnits


def _either(of_rows: Callable[..., Any], of_groups: Callable[..., Any]) -> Callable[..., Any]:
    def either(units: Units, *arguments: Any) -> Any:
        chosen = of_rows if isinstance(units, RowUnits) else of_groups
        return chosen(units, *arguments)

    if not numba.config.DISABLE_JIT:

        @overload(either)
        def compile_either(units, *arguments):  # numba compares its signature, annotations too
            chosen = of_rows if units.instance_class is RowUnits else of_groups

            def call(units, *arguments):
                return chosen(units, *arguments)

            # Compiled code is linked by name. Of equal names, from the caches of two processes, one would be called for
            # the other: a sum for a count.
            call.__qualname__ = f"call_{chosen.py_func.__module__}_{chosen.py_func.__qualname__}".replace(".", "_")
            return call

    return either


change = _either(cells.change, lists.change)
gain = _either(cells.gain, lists.gain)
leave = _either(cells.leave, lists.leave)
same = _either(cells.same, lists.same)
_add_shares = _either(counting.add_shares, lists.add_shares)
_total_values = _either(counting.total_values, lists.total_values)
_removal_gains = _either(cells.removal_gains, lists.removal_gains)


@kernel
def removal_gains(units, table, chosen, gains):
    """Write the guided removal gains of the units `chosen` (int64, n) into `gains` (float64, n).

    `table` is the residual's removal table (`retarget`); gains are in no unit, only to be compared.
    """
    _removal_gains(units, table, chosen, gains)


@kernel
def add_shares(units, shares, counts):
    """Add what each unit weighs, times its share (u), to its cells (m); both int64, or both float64."""
    _add_shares(units, shares, counts)


@kernel
def total_values(units, values, totals):
    """Write the sum of the values (float64, m) of each unit's cells, times what it weighs there, to `totals` (u)."""
    _total_values(units, values, totals)
