"""Seeds: a stream of its own for every piece of work."""

import pickle
from itertools import product

import numpy as np

from issodask import seeds


def test_derive__same_work_same_numbers():
    first, again = (seeds.generator(7, "refine", 3, 1).random(5) for _ in range(2))
    assert np.array_equal(first, again)


def test_derive__other_work_other_numbers():
    works = [(seed, stage, *numbers) for seed, stage in product((1, 2), ("trim", "refine")) for numbers in lists()]
    drawn = {seeds.generator(*work).integers(2**63) for work in works}
    assert len(drawn) == len(works)


def lists():
    return [numbers for length in range(4) for numbers in product((0, 1, 2), repeat=length)]


def test_derive__number_zero_is_not_no_number():
    """NumPy fills short entropy up with zeros."""
    assert seeds.integer(1, "trim") != seeds.integer(1, "trim", 0)
    assert seeds.integer(1, "trim", 0) != seeds.integer(1, "trim", 0, 0)


def test_derive__travels():
    derived = seeds.derive(1, "refine", 2)
    travelled = pickle.loads(pickle.dumps(derived))
    assert np.random.default_rng(travelled).random() == np.random.default_rng(derived).random()


def test_derive__stays_what_it_was():
    """A subset is repeated by its seed, also by the next version."""
    assert seeds.integer(1, "refine", 2, 3) == 1091890262


def test_integer__fits_libraries_that_take_31_bits():
    drawn = [seeds.integer(seed, "train", i) for seed in range(20) for i in range(20)]
    assert min(drawn) >= 0
    assert max(drawn) < 2**31
    assert max(drawn) > 2**30


def test_generator__large_job_seed():
    assert seeds.integer(2**64 + 5, "trim") != seeds.integer(5, "trim")
