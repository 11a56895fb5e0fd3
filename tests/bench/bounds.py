"""How far each kernel is from what the machine can do.

The bounds are measured, not read from a data sheet: bytes per second that one core streams from memory, and look-ups
per second in tables that fit into the first-level cache, into the second, and into none. A look-up is what the kernels
mostly do: an address that follows from codes, one number read there. Loops are written as simply as can be, with eight
look-ups in flight, in numba like the kernels.

A kernel's bound is the larger of two times: to stream its codes and weights, and to look its numbers up in the caches
that hold its tables. (`limit` in the table; adding weights to cells is a look-up that also writes.)
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numba
import numpy as np

from issodask.fitting.pairs import PairTable, disjoint_groups, scale_block, sum_block
from issodask.kernels.loss import ONE, retarget
from issodask.kernels.swaps import swap_gains
from issodask.kernels.units import RowUnits, removal_gains
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.columns import Columns
from tests.bench.data import TableModel

_REPEATS = 5
_N_UNITS = 65_536
_N_LOOK_UPS = 1 << 21
TABLE_BYTES = {"L1": 16 << 10, "L2": 256 << 10, "L3": 4 << 20, "memory": 256 << 20}


def measure(n_units: int = _N_UNITS, n_columns: int = 32, n_look_ups: int = _N_LOOK_UPS) -> dict[str, Any]:
    """Bounds of the hardware, and by kernel its nanoseconds for a piece of work, its limit, and what one piece is."""
    hardware = _hardware(n_look_ups)
    return {"hardware": hardware, "kernels": _kernels(hardware, n_units, n_columns)}


# the hardware


def _hardware(n_look_ups: int) -> dict[str, float]:
    """Bytes per second streamed from memory; nanoseconds per look-up, and per addition, by where the table lies."""
    large = np.ones(min(TABLE_BYTES["memory"], 64 * n_look_ups) // 8)
    found = {"stream_bytes_per_s": large.nbytes / _best(lambda: _stream(large))}
    random = np.random.default_rng(1)
    for name, n_bytes in TABLE_BYTES.items():
        n = min(n_bytes, 8 * n_look_ups * 4) // 4
        places = random.integers(n, size=n_look_ups).astype(np.uint32)
        table = np.ones(n, np.int32)
        found[f"{name}_look_up_ns"] = 1e9 * _best(lambda: _look_up(table, places)) / n_look_ups  # noqa: B023
    places = random.integers(TABLE_BYTES["L1"] // 32, size=n_look_ups).astype(np.uint32)
    sums = np.zeros((4, TABLE_BYTES["L1"] // 32))
    found["L1_add_ns"] = 1e9 * _best(lambda: _add_up(sums, places)) / n_look_ups
    return found


@numba.njit(nogil=True, fastmath=True)
def _stream(values):
    total = 0.0
    for i in range(values.shape[0]):
        total += values[i]
    return total


@numba.njit(nogil=True)
def _look_up(table, places):
    total = np.int64(0)
    for i in range(0, places.shape[0] - 7, 8):
        own = places[i : i + 8]
        total += (table[own[0]] + table[own[1]]) + (table[own[2]] + table[own[3]])
        total += (table[own[4]] + table[own[5]]) + (table[own[6]] + table[own[7]])
    return total


@numba.njit(nogil=True)
def _add_up(sums, places):
    first, second, third, fourth = sums[0], sums[1], sums[2], sums[3]
    for i in range(places.shape[0] // 4):
        p = np.uint64(4 * i)
        first[places[p]] += 1.0
        second[places[p + np.uint64(1)]] += 1.0
        third[places[p + np.uint64(2)]] += 1.0
        fourth[places[p + np.uint64(3)]] += 1.0


# the kernels


def _kernels(hardware: dict[str, float], n_units: int, n_columns: int) -> dict[str, dict[str, Any]]:
    random = np.random.default_rng(2)
    model = TableModel.of(n_columns, 1, "flags")
    frame = model.sample(n_units, random).to_pandas()
    columns = Columns.of(frame)
    bins = Bins.fit(columns)
    codes = bins.encode(columns)
    cliques = Cliques.of(bins.sizes)
    stream_ns = 1e9 / hardware["stream_bytes_per_s"]

    pairs = disjoint_groups(cliques.by_arity[2], n_columns)[0]
    sizes = bins.sizes
    n_cells = [int(sizes[a] * sizes[b]) for a, b in pairs]
    starts = np.cumsum([0, *n_cells[:-1]]).astype(np.int64)
    table = PairTable(np.array(pairs, np.int64), starts, sizes, np.ones(sum(n_cells)))
    weights = random.random(n_units)
    n_pair_rows = n_units * len(pairs)
    streamed = (n_columns + 16) / len(pairs) * stream_ns  # the codes, the weights read and written, by pair

    units = RowUnits(codes, cliques.index, 1, np.ones(3))
    rows = random.permutation(n_units)[: max(256, n_units // 16)]
    residual = random.integers(-3, 4, cliques.n_cells).astype(np.int32)
    gains_table = np.empty(cliques.n_cells, np.int16)
    retarget(residual, residual, 1.0, 1.0, np.full(1, ONE, np.float32), 1, gains_table)
    gains = np.empty(len(rows))
    n_gains = len(rows) * units.cells_per_unit

    n_swaps = max(32, len(rows) // 8)
    leaving, joining, swap_gain = rows[:n_swaps], rows[-n_swaps:], np.empty(n_swaps)
    n_swapped = n_swaps * 4 * units.cells_per_unit  # a gain, a change, a gain, the change undone
    place = _holding(4 * cliques.n_cells)

    return {
        "IPF: scale weights": _compared(
            lambda: scale_block(codes, weights, table),
            n_pair_rows,
            max(hardware["L1_look_up_ns"], streamed),
            "pair-row",
        ),
        "IPF: sum weights": _compared(
            lambda: sum_block(codes, weights, table), n_pair_rows, max(hardware["L1_add_ns"], streamed), "pair-row"
        ),
        "trim: removal_gains": _compared(
            lambda: removal_gains(units, gains_table, rows, gains), n_gains, hardware["L1_look_up_ns"], "look-up"
        ),
        "refine: gain of a swap": _compared(
            lambda: swap_gains(residual, units, leaving, joining, swap_gain),
            n_swapped,
            hardware[f"{place}_look_up_ns"],
            f"look-up ({place})",
        ),
        "encode": _compared(
            lambda: bins.encode(columns),
            codes.size,
            _frame_bytes(frame) / codes.size * stream_ns,
            "value",
        ),
    }


def _compared(work: Callable[[], Any], n: float, limit_ns: float, piece: str) -> dict[str, Any]:
    """Nanoseconds for each of the `n` pieces of the work, beside the limit."""
    return {"ns": 1e9 * _best(work) / n, "limit_ns": limit_ns, "piece": piece}


def _holding(n_bytes: int) -> str:
    """The smallest cache that holds so much."""
    return next((name for name, size in TABLE_BYTES.items() if n_bytes <= size), "memory")


def _frame_bytes(frame: Any) -> int:
    return int(frame.memory_usage(index=False).sum())


def _best(work: Callable[[], Any]) -> float:
    """Seconds that the work takes when nothing disturbs it."""
    work()
    seconds: list[float] = []
    for _ in range(_REPEATS):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return min(seconds)
