"""Slow, obvious twins of the kernels: a cell is an entry of a dictionary, a gain is the objective counted twice.

A cell is (columns, bins), e.g. ((0, 2), (4, 1)): column 0 in bin 4 and column 2 in bin 1.
"""

from collections import Counter
from itertools import combinations, product

import numpy as np

Clique = tuple[int, ...]
Cell = tuple[Clique, tuple[int, ...]]
Cells = dict[Cell, int]


def all_cliques(n_columns: int) -> list[Clique]:
    """All columns, all pairs, all triples."""
    return [clique for arity in (1, 2, 3) for clique in combinations(range(n_columns), arity)]


def cells_of_clique(clique: Clique, sizes) -> list[Cell]:
    """A clique's cells, in C order over its columns."""
    return [(clique, bins) for bins in product(*(range(int(sizes[column])) for column in clique))]


def cells_of_unit(x, cliques: list[Clique]) -> list[Cell]:
    """The one cell of each clique that the unit `x` lies in."""
    return [(clique, tuple(int(x[column]) for column in clique)) for clique in cliques]


def count(codes, cliques: list[Clique]) -> Counter[Cell]:
    return Counter(cell for x in codes for cell in cells_of_unit(x, cliques))


def with_step(cells: Cells, x, cliques: list[Clique], step: int) -> Cells:
    """A copy in which every cell of the unit `x` is `step` higher."""
    changed = dict(cells)
    for cell in cells_of_unit(x, cliques):
        changed[cell] += step
    return changed


def error_by_arity(residual: Cells) -> list[int]:
    errors = [0, 0, 0]
    for (clique, _), r in residual.items():
        errors[len(clique) - 1] += abs(int(r))
    return errors


def objective(residual: Cells, arity_weights) -> float:
    return weigh(error_by_arity(residual), arity_weights)


def gain(before: Cells, after: Cells, arity_weights) -> float:
    """By how much the objective falls; whole numbers are subtracted first, so that nothing is lost in rounding."""
    pairs = zip(error_by_arity(before), error_by_arity(after), strict=True)
    return weigh([b - a for b, a in pairs], arity_weights)


def weigh(errors: list[int], arity_weights) -> float:
    return arity_weights[0] * errors[0] + arity_weights[1] * errors[1] + arity_weights[2] * errors[2]


def without(residual: Cells, y, cliques: list[Clique], unit: int) -> Cells:
    """The residual once unit `y` has left the subset."""
    return with_step(residual, y, cliques, unit)


def including(residual: Cells, x, cliques: list[Clique], unit: int) -> Cells:
    """The residual once unit `x` has joined the subset."""
    return with_step(residual, x, cliques, -unit)


def removal_gain(residual: Cells, y, cliques, unit, arity_weights) -> float:
    return gain(residual, without(residual, y, cliques, unit), arity_weights)


def addition_gain(residual: Cells, x, y, cliques, unit, arity_weights) -> float:
    """The gain of `x` joining after `y` has left."""
    left = without(residual, y, cliques, unit)
    return gain(left, including(left, x, cliques, unit), arity_weights)


def swapped(residual: Cells, y, x, cliques, unit) -> Cells:
    return including(without(residual, y, cliques, unit), x, cliques, unit)


def first_best(gains: list[float]) -> int:
    """The position of the highest gain, the first of equals."""
    return max(range(len(gains)), key=lambda i: gains[i])


def burst(
    residual, cliques, unit, arity_weights, codes, members, uses, may_repeat, picks, candidates, thresholds, n_most
):
    """A lane's trials. Returns the swaps taken (leaves, joins, trial), and the residual, members, uses after them."""
    members, uses, swaps = list(members), list(uses), []
    for t in range(len(candidates)):
        if len(swaps) == n_most:
            break
        leaving_gains = [removal_gain(residual, codes[members[p]], cliques, unit, arity_weights) for p in picks[t]]
        place = picks[t][first_best(leaving_gains)]
        y = members[place]
        free = [x for x in candidates[t] if (may_repeat or not uses[x]) and tuple(codes[x]) != tuple(codes[y])]
        if not free:
            continue
        joining_gains = [addition_gain(residual, codes[x], codes[y], cliques, unit, arity_weights) for x in free]
        x = free[first_best(joining_gains)]
        if max(joining_gains) + max(leaving_gains) < -thresholds[t]:
            continue
        residual = swapped(residual, codes[y], codes[x], cliques, unit)
        members[place] = x
        uses[y] -= 1
        uses[x] += 1
        swaps.append((y, x, t))
    return swaps, residual, members, uses


def settle_swaps(residual, cliques, unit, arity_weights, uses, may_repeat, units, codes, thresholds):
    """Re-check of proposals. Returns the numbers of those kept, the sum of their gains, and the residual and uses."""
    uses, kept, total = list(uses), [], 0.0
    for s, (y, x) in enumerate(units):
        if not uses[y] or (uses[x] and not may_repeat):
            continue
        gain_y = removal_gain(residual, codes[s][0], cliques, unit, arity_weights)
        gain_x = addition_gain(residual, codes[s][1], codes[s][0], cliques, unit, arity_weights)
        if gain_y + gain_x < -thresholds[s]:
            continue
        residual = swapped(residual, codes[s][0], codes[s][1], cliques, unit)
        uses[y] -= 1
        uses[x] += 1
        kept.append(s)
        total += gain_y + gain_x
    return kept, total, residual, uses


def remove_best(residual, cliques, unit, codes, left, rows, gains):
    """Of each group of picks the best that is still there goes. Returns those gone, in order, and the residual."""
    left, gone = list(left), []
    for group, group_gains in zip(rows, gains, strict=True):
        there = [(row, gain) for row, gain in zip(group, group_gains, strict=True) if row in left]
        if not there:
            continue
        row = there[first_best([gain for _, gain in there])][0]
        residual = without(residual, codes[row], cliques, unit)
        left.remove(row)
        gone.append(row)
    return gone, residual


def trim_groups(residual, cliques, unit, arity_weights, codes, left, draws, n_side_by_side):
    """One unit of each group of draws goes; the gains are those before the groups side by side. `left` is in order."""
    left, gone = list(left), []
    for first in range(0, len(draws), n_side_by_side):
        rows = [[left[int(draw * len(left))] for draw in group] for group in draws[first : first + n_side_by_side]]
        gains = [[removal_gain(residual, codes[row], cliques, unit, arity_weights) for row in group] for group in rows]
        went, residual = remove_best(residual, cliques, unit, codes, left, rows, gains)
        for row in went:  # the last one takes the place of the one that goes
            left[left.index(row)] = left[-1]
            left.pop()
        gone += went
    return gone, residual


def scale_weights(codes, weights, factors: dict[Cell, float], pairs: list[Clique]) -> list[float]:
    scaled = []
    for x, weight in zip(codes, weights, strict=True):
        factor = 1.0
        for cell in cells_of_unit(x, pairs):
            factor *= factors[cell]
        scaled.append(weight * factor)
    return scaled


def sum_weights(codes, weights, pairs: list[Clique]) -> Counter[Cell]:
    sums: Counter[Cell] = Counter()
    for x, weight in zip(codes, weights, strict=True):
        for cell in cells_of_unit(x, pairs):
            sums[cell] += weight
    return sums


def accuracy(reference, table, clique: Clique) -> float:
    """1 - total variation distance of two tables over one clique."""
    p, q = (Counter(tuple(x[list(clique)]) for x in codes) for codes in (reference, table))
    cells = set(p) | set(q)
    return 1 - sum(abs(p[cell] / len(reference) - q[cell] / len(table)) for cell in cells) / 2


def mutual_information(codes, pair: Clique) -> float:
    a, b = pair
    joint = Counter((x[a], x[b]) for x in codes)
    first, second = (Counter(x[column] for x in codes) for column in pair)
    n = len(codes)
    return sum(n_ab / n * np.log(n_ab * n / (first[bin_a] * second[bin_b])) for (bin_a, bin_b), n_ab in joint.items())
