"""Refinement: lanes side by side, one driver that checks."""

from dataclasses import replace

import numpy as np
import pytest

from issodask.fitting.refine import Refinement
from issodask.fitting.schedule import Cooling
from issodask.runtime import open_runtime
from tests.fitting.boards import SIZES, bench_for, pool_of, random_uses, residual_of, value_of

BLOCKS = pool_of(500, 0, 300, 200)


def one_by_one(bench):
    return lambda function, lanes, residual: [function(lane, residual, bench) for lane in lanes]


def side_by_side(runtime, bench):
    shared = runtime.share(bench)
    return lambda function, lanes, residual: runtime.map(
        function, lanes, runtime.share(residual), shared, label="refine"
    )


def begin(bench, uses, map_lanes=None, blocks=BLOCKS, seed=1, n_lanes=4):
    residual = residual_of(uses, blocks, bench)
    return Refinement(uses.copy(), residual, blocks, bench, map_lanes or one_by_one(bench), seed, n_lanes)


def refined(search, n_rounds=6):
    plan, hottest = Cooling.of(n_rounds), search.hottest()
    return [search.run_round(i, plan, hottest) for i in range(n_rounds)]


@pytest.mark.parametrize(
    ("n_units", "n_original"), [(200, 200), (200, 130)], ids=["whole targets", "targets in fractions"]
)
@pytest.mark.parametrize("may_repeat", [False, True])
def test_run_round__keeps_books(n_units, n_original, may_repeat):
    bench = bench_for(n_units, n_original, may_repeat=may_repeat)
    search = begin(bench, random_uses(1000, n_units))
    plan, hottest = Cooling.of(6), search.hottest()
    for i_round in range(6):
        before = search.objective
        done = search.run_round(i_round, plan, hottest)
        assert search.uses.sum() == n_units
        assert may_repeat or search.uses.max() == 1
        assert np.array_equal(search.residual, residual_of(search.uses, BLOCKS, bench))
        assert search.objective == pytest.approx(value_of(search.uses, BLOCKS, bench), abs=1e-12)
        assert done.objective == search.objective != before
        assert 0 < done.n_kept <= done.n_proposed <= done.n_trials
        assert (done.i_round, done.n_rounds) == (i_round, 6)


def test_run_round__lowers_the_objective():
    bench = bench_for(200)
    search = begin(bench, random_uses(1000, 200))
    before = search.objective
    refined(search, 20)
    assert search.objective < 0.5 * before


def test_run_round__without_heat_never_raises_the_objective():
    bench = bench_for(200)
    search = begin(bench, random_uses(1000, 200))
    plan = Cooling.of(5)
    for i_round in range(5, 15):
        before = search.objective
        done = search.run_round(i_round, plan, search.hottest())
        assert done.temperature == 0
        assert search.objective <= before + 1e-12


def test_run_round__same_subset_on_every_runtime(runtime):
    bench = bench_for(200)
    uses = random_uses(1000, 200)
    expected = begin(bench, uses)
    told = refined(expected)
    search = begin(bench, uses, side_by_side(runtime, bench))
    assert refined(search) == told
    assert search.uses.tobytes() == expected.uses.tobytes()


def test_run_round__same_subset_with_any_number_of_threads():
    bench, found = bench_for(200), []
    for n_workers in (2, 3, 5):
        with open_runtime(n_workers, "threads") as runtime:
            search = begin(bench, random_uses(1000, 200), side_by_side(runtime, bench), n_lanes=6)
            refined(search)
        found.append(search.uses.tobytes())
    assert len(set(found)) == 1


def test_run_round__resumed_goes_on_as_if_never_stopped():
    bench, uses = bench_for(200), random_uses(1000, 200)
    whole = begin(bench, uses)
    plan, hottest = Cooling.of(8), whole.hottest()
    for i_round in range(8):
        whole.run_round(i_round, plan, hottest)
    first = begin(bench, uses)
    for i_round in range(3):
        first.run_round(i_round, plan, hottest)
    second = begin(bench, first.uses)
    for i_round in range(3, 8):
        second.run_round(i_round, plan, hottest)
    assert np.array_equal(second.uses, whole.uses)


def test_run_round__seed_and_lanes_decide():
    bench, uses = bench_for(200), random_uses(1000, 200)
    searches = [begin(bench, uses, seed=1), begin(bench, uses, seed=2), begin(bench, uses, n_lanes=2)]
    for search in searches:
        refined(search, 3)
    assert len({search.uses.tobytes() for search in searches}) == 3


def test_run_round__whole_pool_in_the_subset_leaves_nothing_to_swap():
    bench = bench_for(1000)
    search = begin(bench, np.ones(1000, np.uint16))
    assert search.hottest() == 0
    assert [(done.n_trials, done.n_kept) for done in refined(search, 2)] == [(0, 0), (0, 0)]
    assert (search.uses == 1).all()


def test_run_round__single_unit_finds_the_best_one():
    blocks, bench = pool_of(40), bench_for(1)
    search = begin(bench, random_uses(40, 1), blocks=blocks)
    plan = Cooling.of(1)
    for i_round in range(1, 200):
        search.run_round(i_round, plan, 0.0)
    assert search.uses.sum() == 1
    each = [value_of(np.eye(40, dtype=np.uint16)[i], blocks, bench) for i in range(40)]
    assert search.objective == pytest.approx(min(each))


def test_run_round__equal_units_are_not_swapped():
    bench, blocks = bench_for(32), pool_of(64)
    same = replace(bench, load_codes=lambda block: np.zeros((block.n_units, len(SIZES)), np.uint8))
    search = Refinement(random_uses(64, 32), bench.objective.target.copy(), blocks, same, one_by_one(same), 1, 4)
    assert [done.n_proposed for done in refined(search, 3)] == [0, 0, 0]
