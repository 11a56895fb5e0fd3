"""Slow, obvious twins of the kernels: a cell is an entry of a dictionary, a gain is the objective counted twice.

A cell is (clique, bins), e.g. ((0, 2), (4, 1)): column 0 in bin 4 and column 2 in bin 1. A clique of coherence names
its family: (("successors", 0), (4, 1)). A unit, a row or a group, is what it weighs in each of its cells.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise, product
from math import floor

import numpy as np

Clique = tuple[int, ...] | tuple[str, int]
Cell = tuple[Clique, tuple[int, ...]]
Cells = dict[Cell, int]

COHERENCE = ("successors", "distinct", "categories")


def all_cliques(n_columns: int) -> list[Clique]:
    """All columns, all pairs, all triples."""
    return [clique for arity in (1, 2, 3) for clique in combinations(range(n_columns), arity)]


def cells_of_clique(clique: Clique, shape) -> list[Cell]:
    """A clique's cells, in C order over its bins; `shape`: how many there are of each of its columns."""
    return [(clique, bins) for bins in product(*map(range, shape))]


@cache
def family(clique: Clique) -> int:
    return 3 + COHERENCE.index(clique[0]) if isinstance(clique[0], str) else len(clique) - 1


# units


def cells_of_row(x, cliques: list[Clique]) -> list[Cell]:
    """The one cell of each clique that the row `x` lies in."""
    return [(clique, tuple(int(x[column]) for column in clique)) for clique in cliques]


def row(x, cliques: list[Clique], unit: int) -> Cells:
    return dict.fromkeys(cells_of_row(x, cliques), unit)


def count(codes, cliques: list[Clique]) -> Counter[Cell]:
    """How many rows lie in each cell."""
    return total([row(x, cliques, 1) for x in codes])


def total(units: list[Cells]) -> Counter[Cell]:
    """What the units weigh together."""
    cells: Counter[Cell] = Counter()
    for unit in units:
        cells.update(unit)
    return cells


@dataclass(frozen=True)
class Form:
    """How the rows of a group are counted, by column: a row's codes are its own, those as a successor, and its values.

    cliques           of the rows, the group's length their last column
    no_successor      the code that stands for no next row
    distinct_bins     the bin of each number of distinct values
    categories        the category of each value
    category_amounts  what a category weighs that occurs in a group
    """

    cliques: list[Clique]
    unit: int
    no_successor: list[int]
    distinct_bins: list[list[int]]
    categories: list[list[int]]
    category_amounts: list[int]

    @property
    def n_columns(self) -> int:
        return len(self.categories)


def group(rows, form: Form) -> Cells:
    """All rows but the last count, in equal parts, and the last one if it is alone; it counts as their successor."""
    d = form.n_columns
    rows = np.asarray(rows).tolist()
    cells: Counter[Cell] = Counter()
    for i, part in enumerate(parts(max(1, len(rows) - 1), form.unit)):
        own, successor = rows[i][: d + 1], form.no_successor
        if i + 1 < len(rows):
            successor = rows[i + 1][d + 1 : 2 * d + 1]
        for cell in cells_of_row(own, form.cliques):
            cells[cell] += part
        for a in range(d):
            cells[("successors", a), (own[a], successor[a])] += part
    for a in range(d):
        values = {x[2 * d + 1 + a] for x in spread(rows, 100)}
        cells[("distinct", a), (form.distinct_bins[a][len(values)],)] += form.unit
        for category in {form.categories[a][value] for value in values}:
            cells[("categories", a), (category,)] += form.category_amounts[a]
    return {cell: amount for cell, amount in cells.items() if amount}


def parts(n_rows: int, unit: int) -> list[int]:
    """`unit` cut at its n-ths, rounded down."""
    return [b - a for a, b in pairwise(floor(Fraction(unit * i, n_rows)) for i in range(n_rows + 1))]


def spread(rows: list, most: int) -> list:
    """At most so many of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return [rows[floor(Fraction(len(rows) * k, most))] for k in range(most)]


def distinct_values(values, starts) -> list[list[int]]:
    groups = [spread(values[a:b].tolist(), 100) for a, b in pairwise(starts)]
    return [[len(set(column)) for column in zip(*rows, strict=True)] for rows in groups]


# the objective


def with_step(cells: Cells, unit: Cells, sign: int) -> Cells:
    """A copy to which what the unit weighs is added `sign` times."""
    changed = dict(cells)
    for cell, amount in unit.items():
        changed[cell] += sign * amount
    return changed


def errors(residual: Cells, n_families: int) -> list[int]:
    """The sum of |residual| over the cells of each family."""
    sums = [0] * n_families
    for (clique, _), r in residual.items():
        sums[family(clique)] += abs(int(r))
    return sums


def objective(residual: Cells, weights) -> float:
    return weigh(errors(residual, len(weights)), weights)


def gain(before: Cells, after: Cells, weights) -> float:
    """By how much the objective falls; whole numbers are subtracted first, so that nothing is lost in rounding."""
    pairs = zip(errors(before, len(weights)), errors(after, len(weights)), strict=True)
    return weigh([b - a for b, a in pairs], weights)


def weigh(sums, weights) -> float:
    total = 0.0
    for weight, value in zip(weights, sums, strict=True):
        total += weight * value
    return total


def without(residual: Cells, y: Cells) -> Cells:
    """The residual once unit `y` has left the subset."""
    return with_step(residual, y, 1)


def including(residual: Cells, x: Cells) -> Cells:
    """The residual once unit `x` has joined the subset."""
    return with_step(residual, x, -1)


def swapped(residual: Cells, y: Cells, x: Cells) -> Cells:
    return including(without(residual, y), x)


def removal_gain(residual: Cells, y: Cells, weights) -> float:
    return gain(residual, without(residual, y), weights)


def addition_gain(residual: Cells, x: Cells, weights) -> float:
    return gain(residual, including(residual, x), weights)


# swaps


def first_best(gains: list[float]) -> int:
    """The position of the highest gain, the first of equals."""
    return max(range(len(gains)), key=lambda i: gains[i])


def burst(
    residual,
    units: list[Cells],
    weights,
    alike: Callable[[int, int], bool],
    members,
    uses,
    may_repeat,
    picks,
    candidates,
    thresholds,
    n_most,
):
    """A lane's trials. Returns the swaps taken (leaves, joins, trial), and the residual, members, uses after them."""
    members, uses, swaps = list(members), list(uses), []
    for t in range(len(candidates)):
        if len(swaps) == n_most:
            break
        leaving_gains = [removal_gain(residual, units[members[p]], weights) for p in picks[t]]
        place = picks[t][first_best(leaving_gains)]
        y = members[place]
        free = [x for x in candidates[t] if (may_repeat or not uses[x]) and not alike(x, y)]
        if not free:
            continue
        joining_gains = [addition_gain(without(residual, units[y]), units[x], weights) for x in free]
        x = free[first_best(joining_gains)]
        if max(joining_gains) + max(leaving_gains) < -thresholds[t]:
            continue
        residual = swapped(residual, units[y], units[x])
        members[place] = x
        uses[y] -= 1
        uses[x] += 1
        swaps.append((y, x, t))
    return swaps, residual, members, uses


def settle_swaps(residual, units: list[Cells], weights, places, uses, may_repeat, swaps, thresholds):
    """Re-check of proposals. Returns the numbers of those kept, the sum of their gains, and the residual and uses."""
    uses, kept, total = list(uses), [], 0.0
    for s, (y, x) in enumerate(swaps):
        if not uses[y] or (uses[x] and not may_repeat):
            continue
        leaving, joining = (units[place] for place in places[s])
        fall = removal_gain(residual, leaving, weights) + addition_gain(without(residual, leaving), joining, weights)
        if fall < -thresholds[s]:
            continue
        residual = swapped(residual, leaving, joining)
        uses[y] -= 1
        uses[x] += 1
        kept.append(s)
        total += fall
    return kept, total, residual, uses


# trimming


@dataclass(frozen=True)
class Guide:
    """What trimming goes by.

    An amount of a unit counts as so many of `grain`: rows count once per cell, groups by what they weigh there.
    """

    slopes: dict[Cell, float]
    step: int
    grain: int


def removal_fall(r: int, slope: float, step: int) -> int:
    """By how much a parabola of this slope falls when `r` rises by a step, per step; but as |r| where it is too steep.

    In parts of 16,384, towards 0; in single precision, as the kernel has it.
    """
    fall = -np.float32(2 * r + step) * np.float32(slope)
    return int(np.clip(fall, -16_384, 16_384))


def removal_table(residual: Cells, guide: Guide) -> Cells:
    return {cell: removal_fall(int(r), guide.slopes[cell], guide.step) for cell, r in residual.items()}


def guided_gain(table: Cells, y: Cells, weights, grain: int) -> float:
    sums = [0] * len(weights)
    for cell, amount in y.items():
        sums[family(cell[0])] += table[cell] * (amount // grain)
    return weigh(sums, weights)


def remove_best(residual, units: list[Cells], left, picks, gains):
    """Of each group of picks the best that is still there goes. Returns those gone, in order, and the residual."""
    left, gone = list(left), []
    for picked, picked_gains in zip(picks, gains, strict=True):
        there = [(u, fall) for u, fall in zip(picked, picked_gains, strict=True) if u in left]
        if not there:
            continue
        u = there[first_best([fall for _, fall in there])][0]
        residual = without(residual, units[u])
        left.remove(u)
        gone.append(u)
    return gone, residual


def trim_groups(residual, units: list[Cells], weights, guide: Guide, left, draws, n_side_by_side):
    """One unit of each group of draws goes; the gains are those before the groups side by side. `left` is in order."""
    left, gone = list(left), []
    for first in range(0, len(draws), n_side_by_side):
        picks = [[left[int(draw * len(left))] for draw in drawn] for drawn in draws[first : first + n_side_by_side]]
        table = removal_table(residual, guide)
        gains = [[guided_gain(table, units[u], weights, guide.grain) for u in picked] for picked in picks]
        went, residual = remove_best(residual, units, left, picks, gains)
        for u in went:  # the last one takes the place of the one that goes
            left[left.index(u)] = left[-1]
            left.pop()
        gone += went
    return gone, residual


# weights


def scale_weights(codes, weights, factors: dict[Cell, float], pairs: list[Clique]) -> list[float]:
    scaled = []
    for x, weight in zip(codes, weights, strict=True):
        factor = 1.0
        for cell in cells_of_row(x, pairs):
            factor *= factors[cell]
        scaled.append(weight * factor)
    return scaled


def sum_weights(codes, weights, pairs: list[Clique]) -> Counter[Cell]:
    sums: Counter[Cell] = Counter()
    for x, weight in zip(codes, weights, strict=True):
        for cell in cells_of_row(x, pairs):
            sums[cell] += weight
    return sums


# reports


def accuracy(reference, table, clique: Clique) -> float:
    """1 - total variation distance of two tables over one clique."""
    p, q = (Counter(tuple(x[list(clique)]) for x in codes) for codes in (reference, table))
    cells = set(p) | set(q)
    return 1 - sum(abs(p[cell] / len(reference) - q[cell] / len(table)) for cell in cells) / 2


def overall_accuracy(reference: list[Cells], table: list[Cells], unit: int) -> float:
    """Mean over the families of the mean accuracy of their cliques; those of coherence are one. Units weigh `unit`."""
    p, q = total(reference), total(table)
    accuracies: dict[Clique, float] = {}
    for cell in set(p) | set(q):
        difference = abs(p[cell] / len(reference) - q[cell] / len(table)) / unit
        accuracies[cell[0]] = accuracies.get(cell[0], 1.0) - difference / 2
    of_families: dict[int, list[float]] = {}
    for clique, found in accuracies.items():
        of_families.setdefault(family(clique), []).append(found)
    means = {number: float(np.mean(found)) for number, found in of_families.items()}
    coherence = [means.pop(number) for number in (3, 4, 5) if number in means]
    return float(np.mean([*means.values(), *([np.mean(coherence)] if coherence else [])]))


def mutual_information(codes, pair: Clique) -> float:
    a, b = pair
    joint = Counter((x[a], x[b]) for x in codes)
    first, second = (Counter(x[column] for x in codes) for column in pair)
    n = len(codes)
    return sum(n_ab / n * np.log(n_ab * n / (first[bin_a] * second[bin_b])) for (bin_a, bin_b), n_ab in joint.items())


def integerise(weights, n_units, offset, may_repeat):
    """How often each unit is taken by a systematic sample, unit by unit, in whole numbers."""
    heaviest = max(weights) or 1.0
    whole = [round(weight / heaviest * (2**62 / len(weights))) for weight in weights]
    if sum(w > 0 for w in whole) < (1 if may_repeat else n_units):
        whole = [w + 1 for w in whole]
    scale = n_units / sum(whole) if may_repeat else _capped_scale(whole, n_units)
    grains = [round((w * scale if may_repeat else min(w * scale, 1.0)) * 2**32) for w in whole]
    surplus = sum(grains) - n_units * 2**32
    reached = min(max(int(offset * 2**32), max(0, -surplus)), 2**32 - 1 - max(0, surplus))
    uses = []
    for length in grains:
        uses.append((reached + length) // 2**32 - reached // 2**32)
        reached += length
    return uses


def _capped_scale(whole, n_units):
    scale, full, rest = 0.0, 0, sum(whole)
    while rest > 0 and (n_units - full) / rest > scale:
        scale = (n_units - full) / rest
        full = sum(w * scale >= 1 for w in whole)
        rest = sum(w for w in whole if w * scale < 1)
    return scale


# from values to codes


def codes_of_values(values, edges, codes, missing, is_missing) -> list[int]:
    """The code of how many edges each value has reached, or that of missing values."""
    return [
        int(missing) if nothing else int(codes[sum(bool(value >= edge) for edge in edges)])
        for value, nothing in zip(values, is_missing, strict=True)
    ]


# draws


def category_at(uniform: float, weights, is_drawn) -> int:
    """The first category at which the sum of the weights passes this share of all; -1 when there are none."""
    shares = [Fraction(weight) * bool(may) for weight, may in zip(weights, is_drawn, strict=True)]
    passed = (i for i in range(len(shares)) if sum(shares[: i + 1]) > Fraction(uniform) * sum(shares))
    return next(passed, -1)
