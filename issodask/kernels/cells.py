"""Where a unit's cells lie, and what happens to them: adding, removing, and what that would gain.

A table of cells (`issodask.table.cliques`) holds every clique's cells in one array of length m. `index` says where:

- the cell of column a lies at `first[a] + x[a]`;
- all pairs (a, b), b > a, of a unit lie in one row that starts at `pair_rows[a] + x[a] * width(a)`;
- all triples (a, b, c), c > b, lie in one row that starts at `triple_rows[a, b] + (x[a] * sizes[b] + x[b]) * width(b)`;
- within a row, column c's cells start at `first[c] - first[b + 1]`; `width(b) = first[d] - first[b + 1]`.

So a unit touches one short row per pair instead of one distant cell per triple. A negative `triple_rows[a, b]` means
that the triples of that pair are not held.

The residual is `target - current`, in whole numbers: one unit weighs `unit` (1 when the original has as many units as
the subset, else a fixed-point scale). Adding a unit to a cell changes its error |r| to |r - unit|, removing it to
|r + unit|.

`units` are `RowUnits` everywhere.
"""

import numpy as np

from issodask.kernels.jit import kernel
from issodask.kernels.loss import removal_fall

_BATCH = 256


@kernel
def locate(x, first, positions):
    """Write the univariate cell of each code of unit `x` (uint8, d) into `positions` (int64, d)."""
    for a in range(x.shape[0]):
        positions[a] = first[a] + x[a]


@kernel
def change(units, cells, u, sign):
    """Add what unit `u` weighs, times `sign`, to its cells."""
    x = units.codes[u]
    positions = np.empty(x.shape[0], np.int64)
    locate(x, units.index.first, positions)
    _add(cells, units.index, x, positions, sign * units.unit)


@kernel
def gain(units, residual, u, sign):
    """Return by how much the objective falls when unit `u` leaves the subset (sign 1) or joins it (sign -1)."""
    x = units.codes[u]
    index = units.index
    step = sign * units.unit
    d = x.shape[0]
    end = index.first[d]
    positions = np.empty(d, np.int64)
    locate(x, index.first, positions)
    gain_1 = np.int64(0)
    gain_2 = np.int64(0)
    gain_3 = np.int64(0)
    for a in range(d):
        r = residual[positions[a]]
        gain_1 += abs(r) - abs(r + step)
        row = index.pair_rows[a] + np.int64(x[a]) * (end - index.first[a + 1]) - index.first[a + 1]
        for b in range(a + 1, d):
            r = residual[row + positions[b]]
            gain_2 += abs(r) - abs(r + step)
        for b in range(a + 1, d - 1):
            start = index.triple_rows[a, b]
            if start < 0:
                continue
            cell = np.int64(x[a]) * index.sizes[b] + x[b]
            row = start + cell * (end - index.first[b + 1]) - index.first[b + 1]
            for c in range(b + 1, d):
                r = residual[row + positions[c]]
                gain_3 += abs(r) - abs(r + step)
    weights = units.weights
    return weights[0] * gain_1 + weights[1] * gain_2 + weights[2] * gain_3


@kernel
def same(units, u, v):
    """Say whether two units have the same code in every column."""
    for a in range(units.codes.shape[1]):  # noqa: SIM110 (numba has no all() of a generator)
        if units.codes[u, a] != units.codes[v, a]:
            return False
    return True


@kernel
def removal_gains(units, table, rows, gains):
    """Write the guided removal gains of the units `rows` (int64, n) into `gains` (float64, n).

    Clique by clique over a batch of units, one pair's cells stay in the first-level cache; of a table of int16 more of
    them than of one of int32 (docs/measurements.md).
    """
    codes, index, weights = units.codes, units.index, units.weights
    d = codes.shape[1]
    end = index.first[d]
    x = np.empty((d, _BATCH), np.uint32)
    positions = np.empty((d, _BATCH), np.uint32)
    starts = np.empty(_BATCH, np.uint32)
    sums = np.empty((3, _BATCH), np.int32)
    for first in range(0, rows.shape[0], _BATCH):
        n = min(_BATCH, rows.shape[0] - first)
        _spread(codes, index, rows[first : first + n], x, positions)
        sums[:, :n] = 0
        for a in range(d):
            for i in range(n):
                sums[0, i] += table[np.uint64(positions[a, i])]
            if a + 1 == d:
                continue
            width = end - index.first[a + 1]
            row = index.pair_rows[a] - index.first[a + 1]
            start_rows(x[a], np.uint32(0), x[a], np.uint32(width), n, starts)
            _sum_rows(
                table[row : row + index.sizes[a] * width + index.first[a + 1]], starts, positions, a + 1, n, sums[1]
            )
            for b in range(a + 1, d - 1):
                if index.triple_rows[a, b] < 0:
                    continue
                width = end - index.first[b + 1]
                row = index.triple_rows[a, b] - index.first[b + 1]
                cells = table[row : row + index.sizes[a] * index.sizes[b] * width + index.first[b + 1]]
                start_rows(x[a], np.uint32(index.sizes[b]), x[b], np.uint32(width), n, starts)
                _sum_rows(cells, starts, positions, b + 1, n, sums[2])
        for i in range(n):
            gains[first + i] = weights[0] * sums[0, i] + weights[1] * sums[1, i] + weights[2] * sums[2, i]


@kernel
def _spread(codes, index, rows, x, positions):
    """Write the codes of the units `rows`, and their univariate cells, column by column."""
    for i in range(rows.shape[0]):
        for a in range(codes.shape[1]):
            x[a, i] = codes[rows[i], a]
            positions[a, i] = index.first[a] + x[a, i]


@kernel
def start_rows(x, size, y, width, n, starts):
    for i in range(n):
        starts[i] = (x[i] * size + y[i]) * width


@kernel
def leave(units, residual, table, slopes, step, gone, part, n_parts):
    """Remove the units `gone` (int64, n) from one of `n_parts` parts of the cells, which have no cell in common.

    `residual`, and its removal table (`retarget`), follow. Clique by clique over a batch of units, as
    `removal_gains`.
    """
    codes, index = units.codes, units.index
    d = codes.shape[1]
    end = index.first[d]
    x = np.empty((d, _BATCH), np.uint32)
    positions = np.empty((d, _BATCH), np.uint32)
    starts = np.empty(_BATCH, np.uint32)
    for first in range(0, gone.shape[0], _BATCH):
        n = min(_BATCH, gone.shape[0] - first)
        _spread(codes, index, gone[first : first + n], x, positions)
        for a in range(d):
            if a % n_parts == part:
                starts[:n] = 0
                _leave_rows(residual, table, slopes, step, units.unit, 0, starts, positions[a : a + 1], 0, n)
                width = end - index.first[a + 1]
                row = index.pair_rows[a] - index.first[a + 1]
                start_rows(x[a], np.uint32(0), x[a], np.uint32(width), n, starts)
                _leave_rows(residual, table, slopes, step, units.unit, row, starts, positions, a + 1, n)
            for b in range(a + 1, d - 1):
                if index.triple_rows[a, b] < 0 or (a + b) % n_parts != part:
                    continue
                width = end - index.first[b + 1]
                row = index.triple_rows[a, b] - index.first[b + 1]
                start_rows(x[a], np.uint32(index.sizes[b]), x[b], np.uint32(width), n, starts)
                _leave_rows(residual, table, slopes, step, units.unit, row, starts, positions, b + 1, n)


@kernel
def _leave_rows(residual, table, slopes, step, unit, row, starts, positions, first_column, n):
    """Remove each unit i from its cells in columns `first_column` and after, which begin at `row + starts[i]`."""
    last_slope = np.uint64(slopes.shape[0] - 1)
    for i in range(n):
        start = np.uint64(row + np.int64(starts[i]))
        for c in range(first_column, positions.shape[0]):
            m = start + np.uint64(positions[c, i])
            r = residual[m] + np.int32(unit)
            residual[m] = r
            table[m] = removal_fall(r, slopes[min(m, last_slope)], step)


@kernel
def _add(cells, index, x, positions, step):
    """Add `step` to every cell of the unit `x`."""
    d = x.shape[0]
    end = index.first[d]
    for a in range(d):
        cells[positions[a]] += step
        row = index.pair_rows[a] + np.int64(x[a]) * (end - index.first[a + 1]) - index.first[a + 1]
        for b in range(a + 1, d):
            cells[row + positions[b]] += step
        for b in range(a + 1, d - 1):
            start = index.triple_rows[a, b]
            if start < 0:
                continue
            cell = np.int64(x[a]) * index.sizes[b] + x[b]
            row = start + cell * (end - index.first[b + 1]) - index.first[b + 1]
            for c in range(b + 1, d):
                cells[row + positions[c]] += step


@kernel
def _sum_rows(cells, starts, positions, first_column, n, sums):
    """Add to `sums[i]` the cells of unit i in columns `first_column` and after; four columns at a time.

    `starts` and `positions` are unsigned, as numba would check other numbers' signs.
    """
    c = first_column
    d = positions.shape[0]
    while c + 4 <= d:
        p0, p1, p2, p3 = positions[c], positions[c + 1], positions[c + 2], positions[c + 3]
        for i in range(n):
            row = starts[i]
            first_two = np.int32(cells[row + p0[i]]) + np.int32(cells[row + p1[i]])
            sums[i] += first_two + np.int32(cells[row + p2[i]]) + np.int32(cells[row + p3[i]])
        c += 4
    while c < d:
        p0 = positions[c]
        for i in range(n):
            sums[i] += cells[starts[i] + p0[i]]
        c += 1
