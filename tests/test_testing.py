"""The suites for others: ours pass them, and each promise that is broken is told."""

import threading

import numpy as np
import pandas as pd
import pytest

from issodask.runtime import local
from issodask.testing import check_generator, check_runtime
from tests.tables import panel_table


def bootstrap(original, n, seed):
    return original.sample(n, replace=True, random_state=seed)


class Bootstrap:
    def fit(self, original, seed):
        self.original = original

    def sample(self, n, seed):
        return bootstrap(self.original, n, seed)


class Chain(Bootstrap):
    """Draws follow from what was drawn before."""

    def sample(self, n, seed):
        return bootstrap(self.original, n, np.random.randint(1_000))


class Fixed(Bootstrap):
    def sample(self, n, seed):
        return bootstrap(self.original, n, 1)


def changes_the_original(original, n, seed):
    original["count"] = 0
    return bootstrap(original, n, seed)


def other_types(original, n, seed):
    return bootstrap(original, n, seed).assign(count="many")


def few(original, n, seed):
    return bootstrap(original, max(1, n - 1), seed)


def whole_groups(original, n, seed):
    keys = np.random.default_rng(seed).choice(original["who"].unique(), n)
    drawn = [original[original["who"] == key].assign(who=f"new {i}") for i, key in enumerate(keys)]
    return pd.concat(drawn)


@pytest.mark.parametrize("source", [bootstrap, Bootstrap, Bootstrap()], ids=["function", "class", "object"])
def test_check_generator__passes(source):
    check_generator(source)


def test_check_generator__of_groups():
    check_generator(whole_groups, panel_table(40, 1), group_key="who", units=20)
    with pytest.raises(AssertionError, match="returned"):
        check_generator(bootstrap, panel_table(40, 1), group_key="who", units=20_000)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Chain, "what an equal seed draws"),
        (Fixed, "another seed draws the same rows"),
        (changes_the_original, "the original, which has to stay as it is"),
        (other_types, "count"),
        (few, "99 rows, but 100 are needed"),
        ((lambda lock: lambda original, n, seed: lock)(threading.Lock()), "can't be pickled"),
        (lambda original, n, seed: None, "what can't be used"),
    ],
)
def test_check_generator__tells_what_is_not_kept(source, told):
    with pytest.raises(AssertionError, match=told):
        check_generator(source)


def test_check_runtime__passes(runtime):
    check_runtime(runtime)


class Reversed(local.Serial):
    def map(self, function, items, *shared, **options):
        return iter(list(super().map(function, items, *shared, **options))[::-1])


class Stubborn(local.Serial):
    def map(self, function, items, *shared, retries=0, **options):
        for item in items:
            for _ in range(retries):
                try:
                    yield function(item, *shared)
                    break
                except Exception:
                    continue
            else:
                yield function(item, *shared)


class Forgetful(local.Serial):
    def map(self, function, items, *shared, retries=0, **options):
        return super().map(function, items, *shared, retries=0, **options)


class Idle(local.Serial):
    n_workers = 0


@pytest.mark.parametrize(
    ("runtime", "told"),
    [
        (Reversed, "not in the order of the items"),
        (Stubborn, "bad input is tried again"),
        (Forgetful, "attempt 1"),
        (Idle, "it has no workers"),
    ],
)
def test_check_runtime__tells_what_is_not_kept(runtime, told):
    with pytest.raises((AssertionError, RuntimeError), match=told):
        check_runtime(runtime())
