"""Units as vectors over all cells: their sums (the marginals of many units at once), and their products with values.

`cells.py` says where cells lie.
"""

import numpy as np

from issodask.kernels.cells import locate, start_rows
from issodask.kernels.jit import kernel

_LARGE_BATCH = 2_048
_COUNTED_BATCH = 4_096  # below 65,536, which sums of uint16 hold
_FEW = 256


@kernel
def count_units(codes, index, cells):
    """Add 1 to every cell of every unit in `codes` (uint8, u x d): the marginals of all cliques.

    An addition to a cell that depends on the unit is slow, even in the first-level cache. So each unit becomes a row of
    zeros and ones, one for each bin of each column, and the cells of a pair with all columns after it are sums of such
    rows: vector additions without look-ups (docs/measurements.md).
    """
    if codes.shape[0] < _FEW:
        _add_rows(codes, index, np.ones(codes.shape[0], np.int64), cells)
        return
    d = codes.shape[1]
    end = index.first[d]
    x = np.empty((d, _COUNTED_BATCH), np.uint8)
    ones = np.empty((_COUNTED_BATCH, end), np.uint8)
    rows = np.empty(_COUNTED_BATCH, np.int64)
    sums = np.zeros(_widest(index), np.uint16)
    for first in range(0, codes.shape[0], _COUNTED_BATCH):
        n = min(_COUNTED_BATCH, codes.shape[0] - first)
        ones[:] = 0
        for i in range(n):
            for a in range(d):
                x[a, i] = codes[first + i, a]
                ones[i, index.first[a] + codes[first + i, a]] = 1
        rows[:] = 0
        _sum_ones(ones, 0, rows, n, sums, cells[:end])
        for a in range(d - 1):
            after = index.first[a + 1]
            n_rows = index.sizes[a]
            for i in range(n):
                rows[i] = x[a, i]
            start = index.pair_rows[a]
            _sum_ones(ones, after, rows, n, sums, cells[start : start + n_rows * (end - after)])
            for b in range(a + 1, d - 1):
                start = index.triple_rows[a, b]
                if start < 0:
                    continue
                after = index.first[b + 1]
                n_rows = index.sizes[a] * index.sizes[b]
                for i in range(n):
                    rows[i] = np.int64(x[a, i]) * index.sizes[b] + x[b, i]
                _sum_ones(ones, after, rows, n, sums, cells[start : start + n_rows * (end - after)])


@kernel
def _sum_ones(ones, after, rows, n, sums, cells):
    """Add to `cells`, row `rows[i]`, what the first `n` units have in `ones` from bin `after` on.

    `sums` (uint16, at least as long as `cells`) is all 0 before and after.
    """
    width = ones.shape[1] - after
    for i in range(n):
        own = sums[rows[i] * width : (rows[i] + 1) * width]
        bins = ones[i, after:]
        for c in range(width):  # of two slices, or numba does not make vector instructions of it
            own[c] += bins[c]
    for m in range(cells.shape[0]):
        cells[m] += sums[m]
    sums[: cells.shape[0]] = 0


@kernel
def _widest(index):
    """Cells of the longest stretch that `count_units` sums at once."""
    d = index.sizes.shape[0]
    end = index.first[d]
    widest = end
    for a in range(d - 1):
        widest = max(widest, index.sizes[a] * (end - index.first[a + 1]))
        for b in range(a + 1, d - 1):
            if index.triple_rows[a, b] >= 0:
                widest = max(widest, index.sizes[a] * index.sizes[b] * (end - index.first[b + 1]))
    return widest


@kernel
def total_values(units, values, totals):
    """Write what the values (float64, m) of each unit's cells add up to, times what it weighs, to `totals` (u)."""
    index = units.index
    d = units.codes.shape[1]
    end = index.first[d]
    positions = np.empty(d, np.int64)
    for u in range(units.codes.shape[0]):
        x = units.codes[u]
        locate(x, index.first, positions)
        total = 0.0
        for a in range(d):
            total += values[positions[a]]
            row = index.pair_rows[a] + np.int64(x[a]) * (end - index.first[a + 1]) - index.first[a + 1]
            for b in range(a + 1, d):
                total += values[row + positions[b]]
            for b in range(a + 1, d - 1):
                start = index.triple_rows[a, b]
                if start < 0:
                    continue
                cell = np.int64(x[a]) * index.sizes[b] + x[b]
                row = start + cell * (end - index.first[b + 1]) - index.first[b + 1]
                for c in range(b + 1, d):
                    total += values[row + positions[c]]
        totals[u] = units.unit * total


@kernel
def add_shares(units, shares, cells):
    """Add what each unit weighs, times its share (u), to its cells (m); both int64, or both float64."""
    sharing = np.flatnonzero(shares)
    _add_rows(units.codes[sharing], units.index, shares[sharing] * units.unit, cells)


@kernel
def _add_rows(codes, index, amounts, cells):
    """Add `amounts[u]` to every cell of unit u; clique by clique over a batch, as `removal_gains`.

    A batch is so large that all cells are fetched from memory rarely.
    """
    d = codes.shape[1]
    end = index.first[d]
    x = np.empty((d, _LARGE_BATCH), np.uint32)
    positions = np.empty((d, _LARGE_BATCH), np.uint32)
    starts = np.empty(_LARGE_BATCH, np.uint32)
    for first in range(0, codes.shape[0], _LARGE_BATCH):
        n = min(_LARGE_BATCH, codes.shape[0] - first)
        own = amounts[first : first + n]
        for i in range(n):
            for a in range(d):
                x[a, i] = codes[first + i, a]
                positions[a, i] = index.first[a] + x[a, i]
        for a in range(d):
            starts[:n] = 0
            _add_columns(cells, 0, starts, positions[a : a + 1], 0, own)
            width = end - index.first[a + 1]
            start_rows(x[a], np.uint32(0), x[a], np.uint32(width), n, starts)
            _add_columns(cells, index.pair_rows[a] - index.first[a + 1], starts, positions, a + 1, own)
            for b in range(a + 1, d - 1):
                if index.triple_rows[a, b] < 0:
                    continue
                width = end - index.first[b + 1]
                start_rows(x[a], np.uint32(index.sizes[b]), x[b], np.uint32(width), n, starts)
                _add_columns(cells, index.triple_rows[a, b] - index.first[b + 1], starts, positions, b + 1, own)


@kernel
def _add_columns(cells, row, starts, positions, first_column, amounts):
    """Add `amounts[i]` to unit i's cells in columns `first_column` and after, which begin at `row + starts[i]`."""
    for c in range(first_column, positions.shape[0]):
        p = positions[c]
        for i in range(amounts.shape[0]):
            cells[np.uint64(row + np.int64(starts[i]) + np.int64(p[i]))] += amounts[i]
