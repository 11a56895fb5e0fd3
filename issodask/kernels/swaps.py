"""Swapping units in and out of the subset: a lane's burst of annealed trials, and the driver's exact check of them.

`units` are rows or groups (issodask.kernels.units); units are named by their place in them.
"""

import numpy as np

from issodask.kernels.jit import kernel
from issodask.kernels.units import change, gain, leave, removal_gains, same


@kernel
def burst(residual, units, members, uses, may_repeat, picks, candidates, thresholds, swaps):
    """Try one swap per row of `candidates`; return how many were taken. All arguments are a lane's own copies.

    A trial takes the best to remove of the members picked, then the best of the candidates, and swaps them when the
    gain is at least `-thresholds[t]`. The trials end early when `swaps` is full.

    residual    int32, m             changed by the swaps taken
    units       the lane's
    members     int64, n             units in the subset (an entry per use), changed
    uses        int64, u             how often each unit is in the subset, changed
    picks       int64, trials x p    positions in `members`
    candidates  int64, trials x c    units
    thresholds  float64, trials      -T ln(U) of simulated annealing (Kirkpatrick et al. 1983), in the objective's units
    swaps       int64, s x 3         out: unit that leaves, unit that joins, trial
    """
    n_swaps = 0
    for t in range(candidates.shape[0]):
        if n_swaps == swaps.shape[0]:
            break
        place = np.int64(-1)
        leaving_gain = -np.inf
        for k in range(picks.shape[1]):
            fall = gain(units, residual, members[picks[t, k]], 1)
            if fall > leaving_gain:
                leaving_gain = fall
                place = picks[t, k]
        y = members[place]
        change(units, residual, y, 1)
        best_gain = -np.inf
        best = np.int64(-1)
        for k in range(candidates.shape[1]):
            x = candidates[t, k]
            if (uses[x] > 0 and not may_repeat) or same(units, x, y):
                continue
            fall = gain(units, residual, x, -1)
            if fall > best_gain:
                best_gain = fall
                best = x
        if best < 0 or best_gain + leaving_gain < -thresholds[t]:
            change(units, residual, y, -1)
            continue
        change(units, residual, best, -1)
        members[place] = best
        uses[y] -= 1
        uses[best] += 1
        swaps[n_swaps, 0] = y
        swaps[n_swaps, 1] = best
        swaps[n_swaps, 2] = t
        n_swaps += 1
    return n_swaps


@kernel
def swap_gains(residual, units, leaving, joining, gains):
    """Write into `gains` (float64, t) by how much the objective would fall if each swap were the only one.

    leaving, joining   int64, t   units
    residual           int32, m   changed on the way, and restored
    """
    for t in range(gains.shape[0]):
        fall = gain(units, residual, leaving[t], 1)
        change(units, residual, leaving[t], 1)
        gains[t] = fall + gain(units, residual, joining[t], -1)
        change(units, residual, leaving[t], -1)


@kernel
def settle_swaps(residual, units, places, uses, may_repeat, swaps, thresholds, kept):
    """Re-check proposed swaps in order against the true residual; apply those that hold, mark them in `kept`.

    A swap holds when its first unit is (still) in the subset, its second may join, and its gain now is at least
    `-thresholds`. Returns the sum of the gains of those kept.

    residual, uses   the driver's (uses: uint16, all units of the pool), changed
    swaps            int64, s x 2   unit of the pool that leaves, unit that joins
    places           int64, s x 2   where these are in `units`
    kept             bool, s        out
    """
    total = 0.0
    for s in range(swaps.shape[0]):
        kept[s] = False
        y = swaps[s, 0]
        x = swaps[s, 1]
        if uses[y] == 0 or (uses[x] > 0 and not may_repeat):
            continue
        fall = gain(units, residual, places[s, 0], 1)
        change(units, residual, places[s, 0], 1)
        fall += gain(units, residual, places[s, 1], -1)
        if fall < -thresholds[s]:
            change(units, residual, places[s, 0], -1)
            continue
        change(units, residual, places[s, 1], -1)
        uses[y] -= 1
        uses[x] += 1
        kept[s] = True
        total += fall
    return total


@kernel
def remove_best(residual, table, slopes, step, units, left, places, firsts, n_left, classes, picks, gains, gone):
    """Remove from each group of picked units the one with the highest gain; return how many went.

    residual  int32, m       changed
    table     int16, m       its removal table (`retarget`) with `slopes` and `step`, changed
    units     the oversized subset

    The rest as `choose_best`.
    """
    n_gone = choose_best(left, places, firsts, n_left, classes, picks, gains, gone)
    leave(units, residual, table, slopes, step, gone[:n_gone], 0, 1)
    return n_gone


@kernel
def choose_best(left, places, firsts, n_left, classes, picks, gains, gone):
    """Take the unit with the highest gain of each group of picked units from those left; return how many went.

    Units that went with an earlier group are passed over; a group of which all went loses none.

    left      int64, u       units, class after class, changed: of each class the first `n_left` are still in the subset
    places    int64, u       where in `left` each unit is, changed
    firsts    int64, c       where in `left` each class begins
    n_left    int64, c       units of each class that are left, changed
    classes   int64, g       the class of each group
    picks     int64, g x p   the picked units of each group
    gains     float64, g x p their removal gains
    gone      int64, g       out: those that went
    """
    n_gone = 0
    for g in range(picks.shape[0]):
        c = classes[g]
        end = firsts[c] + n_left[c]
        best_gain = -np.inf
        best = np.int64(-1)
        for p in range(picks.shape[1]):
            if gains[g, p] > best_gain and places[picks[g, p]] < end:
                best_gain = gains[g, p]
                best = picks[g, p]
        if best < 0:
            continue
        n_left[c] -= 1
        place = places[best]
        last = left[end - 1]
        left[place] = last
        places[last] = place
        left[end - 1] = best
        places[best] = end - 1
        gone[n_gone] = best
        n_gone += 1
    return n_gone


@kernel
def draw_units(left, firsts, n_left, classes, draws, picks):
    """Write into `picks` (int64, g x p) which units left of a class the `draws` (float64, g x p, in [0, 1)) point at.

    The rest as `choose_best`.
    """
    for g in range(draws.shape[0]):
        first = firsts[classes[g]]
        n = n_left[classes[g]]
        for p in range(draws.shape[1]):
            picks[g, p] = left[first + np.int64(draws[g, p] * n)]


@kernel
def trim_groups(residual, table, slopes, step, units, left, places, firsts, n_left, classes, draws, n_side_by_side):
    """Remove a unit of each group of `draws` (float64, g x p); gains are renewed every `n_side_by_side` groups.

    The rest as `remove_best`.
    """
    n_picks = draws.shape[1]
    flat_picks = np.empty(n_side_by_side * n_picks, np.int64)
    flat_gains = np.zeros(n_side_by_side * n_picks, np.float64)
    gone = np.empty(n_side_by_side, np.int64)
    for first in range(0, draws.shape[0], n_side_by_side):
        n = min(n_side_by_side, draws.shape[0] - first)
        own = classes[first : first + n]
        picks = flat_picks[: n * n_picks].reshape(n, n_picks)
        gains = flat_gains[: n * n_picks].reshape(n, n_picks)
        draw_units(left, firsts, n_left, own, draws[first : first + n], picks)
        if n_picks > 1:
            removal_gains(units, table, flat_picks[: n * n_picks], flat_gains[: n * n_picks])
        remove_best(residual, table, slopes, step, units, left, places, firsts, n_left, own, picks, gains, gone)
