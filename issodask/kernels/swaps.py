"""Swapping units in and out of the subset: a lane's burst of annealed trials, and the driver's exact check of them."""

import numpy as np

from issodask.kernels.cells import addition_gain, change_cells, leave, locate, removal_gain, removal_gains
from issodask.kernels.jit import kernel


@kernel
def same_codes(x, y):
    """Say whether two units have the same code in every column."""
    for a in range(x.shape[0]):  # noqa: SIM110 (numba has no all() of a generator)
        if x[a] != y[a]:
            return False
    return True


@kernel
def burst(residual, index, unit, arity_weights, codes, members, uses, may_repeat, picks, candidates, thresholds, swaps):
    """Try one swap per row of `candidates`; return how many were taken. All arguments are a lane's own copies.

    A trial takes the best to remove of the members picked, then the best of the candidates, and swaps them when the
    gain is at least `-thresholds[t]`. The trials end early when `swaps` is full.

    residual    int32, m             changed by the swaps taken
    codes       uint8, u x d         of the lane's units
    members     int64, n             lane's units in the subset (an entry per use), changed
    uses        int64, u             how often each unit is in the subset, changed
    picks       int64, trials x p    positions in `members`
    candidates  int64, trials x c    lane's units
    thresholds  float64, trials      -T ln(U) of simulated annealing (Kirkpatrick et al. 1983), in the objective's units
    swaps       int64, s x 3         out: unit that leaves, unit that joins, trial
    """
    n_columns = codes.shape[1]
    leaving = np.empty(n_columns, np.int64)
    joining = np.empty(n_columns, np.int64)
    n_swaps = 0
    for t in range(candidates.shape[0]):
        if n_swaps == swaps.shape[0]:
            break
        place = np.int64(-1)
        leaving_gain = -np.inf
        for k in range(picks.shape[1]):
            y = members[picks[t, k]]
            locate(codes[y], index.first, leaving)
            gain = removal_gain(residual, index, unit, arity_weights, codes[y], leaving)
            if gain > leaving_gain:
                leaving_gain = gain
                place = picks[t, k]
        y = members[place]
        locate(codes[y], index.first, leaving)
        best_gain = -np.inf
        best = np.int64(-1)
        for k in range(candidates.shape[1]):
            x = candidates[t, k]
            if (uses[x] > 0 and not may_repeat) or same_codes(codes[x], codes[y]):
                continue
            locate(codes[x], index.first, joining)
            gain = addition_gain(residual, index, unit, arity_weights, codes[x], joining, codes[y], leaving)
            if gain > best_gain:
                best_gain = gain
                best = x
        if best < 0:
            continue
        if best_gain + leaving_gain < -thresholds[t]:
            continue
        locate(codes[best], index.first, joining)
        change_cells(residual, index, codes[y], leaving, unit)
        change_cells(residual, index, codes[best], joining, -unit)
        members[place] = best
        uses[y] -= 1
        uses[best] += 1
        swaps[n_swaps, 0] = y
        swaps[n_swaps, 1] = best
        swaps[n_swaps, 2] = t
        n_swaps += 1
    return n_swaps


@kernel
def swap_gains(residual, index, unit, arity_weights, codes, leaving_units, joining_units, gains):
    """Write into `gains` (float64, t) by how much the objective would fall if each swap were the only one.

    leaving_units, joining_units   int64, t   rows of `codes` (uint8, u x d)
    """
    leaving = np.empty(codes.shape[1], np.int64)
    joining = np.empty(codes.shape[1], np.int64)
    for t in range(gains.shape[0]):
        y = codes[leaving_units[t]]
        x = codes[joining_units[t]]
        locate(y, index.first, leaving)
        locate(x, index.first, joining)
        gains[t] = removal_gain(residual, index, unit, arity_weights, y, leaving) + addition_gain(
            residual, index, unit, arity_weights, x, joining, y, leaving
        )


@kernel
def settle_swaps(residual, index, unit, arity_weights, uses, may_repeat, units, codes, thresholds, kept):
    """Re-check proposed swaps in order against the true residual; apply those that hold, mark them in `kept`.

    A swap holds when its first unit is (still) in the subset, its second may join, and its gain now is at least
    `-thresholds`. Returns the sum of the gains of those kept.

    residual, uses   the driver's (uses: uint16, all units of the pool), changed
    units            int64, s x 2       unit that leaves, unit that joins
    codes            uint8, s x 2 x d   of these units
    kept             bool, s            out
    """
    n_columns = codes.shape[2]
    leaving = np.empty(n_columns, np.int64)
    joining = np.empty(n_columns, np.int64)
    total = 0.0
    for s in range(units.shape[0]):
        kept[s] = False
        y = units[s, 0]
        x = units[s, 1]
        if uses[y] == 0 or (uses[x] > 0 and not may_repeat):
            continue
        locate(codes[s, 0], index.first, leaving)
        locate(codes[s, 1], index.first, joining)
        gain = removal_gain(residual, index, unit, arity_weights, codes[s, 0], leaving) + addition_gain(
            residual, index, unit, arity_weights, codes[s, 1], joining, codes[s, 0], leaving
        )
        if gain < -thresholds[s]:
            continue
        change_cells(residual, index, codes[s, 0], leaving, unit)
        change_cells(residual, index, codes[s, 1], joining, -unit)
        uses[y] -= 1
        uses[x] += 1
        kept[s] = True
        total += gain
    return total


@kernel
def remove_best(residual, table, index, unit, codes, left, places, n_left, rows, gains):
    """Remove from each group of picked units the one with the highest gain; return how many units are left.

    Units that went with an earlier group are passed over; a group of which all went loses none.

    residual  int32, m       changed
    table     int32, m       `removal_table` of the residual, changed
    codes     uint8, u x d   of the oversized subset
    left      int64, u       rows of `codes`, changed: the first `n_left` are still in the subset
    places    int64, u       where in `left` each row is, changed
    rows      int64, g x p   the picks of each group
    gains     float64, g x p their removal gains
    """
    positions = np.empty(codes.shape[1], np.int64)
    for g in range(rows.shape[0]):
        best_gain = -np.inf
        best = np.int64(-1)
        for p in range(rows.shape[1]):
            if gains[g, p] > best_gain and places[rows[g, p]] < n_left:
                best_gain = gains[g, p]
                best = rows[g, p]
        if best < 0:
            continue
        locate(codes[best], index.first, positions)
        leave(residual, table, index, unit, codes[best], positions)
        n_left -= 1
        place = places[best]
        last = left[n_left]
        left[place] = last
        places[last] = place
        left[n_left] = best
        places[best] = n_left
    return n_left


@kernel
def draw_rows(left, n_left, draws, rows):
    """Write into `rows` (int64, g x p) which of `left[:n_left]` the `draws` (float64, g x p, in [0, 1)) point at."""
    for g in range(draws.shape[0]):
        for p in range(draws.shape[1]):
            rows[g, p] = left[np.int64(draws[g, p] * n_left)]


@kernel
def trim_groups(residual, table, index, unit, arity_weights, codes, left, places, n_left, draws, n_side_by_side):
    """Remove a unit of each group of `draws` (float64, g x p); gains are renewed every `n_side_by_side` groups.

    The rest as `remove_best`; returns how many units are left.
    """
    n_picks = draws.shape[1]
    flat_rows = np.empty(n_side_by_side * n_picks, np.int64)
    flat_gains = np.empty(n_side_by_side * n_picks, np.float64)
    for first in range(0, draws.shape[0], n_side_by_side):
        n = min(n_side_by_side, draws.shape[0] - first)
        rows = flat_rows[: n * n_picks].reshape(n, n_picks)
        gains = flat_gains[: n * n_picks].reshape(n, n_picks)
        draw_rows(left, n_left, draws[first : first + n], rows)
        removal_gains(table, index, arity_weights, codes, flat_rows[: n * n_picks], flat_gains[: n * n_picks])
        n_left = remove_best(residual, table, index, unit, codes, left, places, n_left, rows, gains)
    return n_left
