"""Adversarial random forests: as the authors' own arfpy draws, and what their leaves keep."""

import warnings

import numpy as np
import pandas as pd
import pytest

from issodask.models.synthesizers.leaves import Leaves
from issodask.synthesizers import synthesizer
from issodask.testing import check_generator
from tests.models.tables import awkward


def related(n_rows=600, seed=4):
    random = np.random.default_rng(seed)
    size = random.normal(size=n_rows)
    return pd.DataFrame(
        {
            "size": size,
            "price": size**2 + 0.2 * random.normal(size=n_rows),
            "kind": np.array(["low", "middle", "high"])[np.digitize(size, [-0.5, 0.5])],
            "yes": np.where(random.random(n_rows) < 0.2, "yes", "no"),
        }
    )


def drawn(table, n, seed=1, **settings):
    made = synthesizer("arf", **settings)
    made.fit(table, seed)
    return made.sample(n, seed)


def drawn_by_arfpy(table, n, monkeypatch):
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # which NumPy 2.4 has no more
    from arfpy.arf import arf

    np.random.seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = arf(table.copy(), verbose=False, random_state=1)
        model.forde()
        return model.forge(n)


def shares(table, edges):
    """Of each pair of bins."""
    codes = [pd.cut(table[name], edges[name]).cat.codes if name in edges else table[name] for name in table]
    pairs = [pd.crosstab(a, b).stack() / len(table) for i, a in enumerate(codes) for b in codes[:i]]
    return pairs


@pytest.mark.slow
def test_arf__is_as_near_to_the_original_as_arfpys(monkeypatch):
    table = related(300)
    edges = {
        name: [-np.inf, *np.quantile(table[name], np.arange(1, 8) / 8), np.inf]
        for name in table
        if table[name].dtype == float
    }

    def distance(rows):
        both = zip(shares(rows, edges), shares(table, edges), strict=True)
        return np.mean([own.sub(real, fill_value=0).abs().sum() / 2 for own, real in both])

    theirs, ours = distance(drawn_by_arfpy(table, 600, monkeypatch)), distance(drawn(table, 600))
    shuffled = {name: table[name].sample(frac=1, random_state=i).array for i, name in enumerate(table)}
    independent = distance(pd.DataFrame(shuffled))
    assert abs(ours - theirs) < 0.03
    assert ours < independent - 0.1


@pytest.mark.parametrize("n_rows", [10, 200])
def test_arf__keeps_what_a_generator_promises(n_rows):
    check_generator(synthesizer("arf", trees=5), awkward(n_rows))


def test_arf__keeps_what_columns_have_to_do_with_each_other():
    table = related()
    table["price"] = table["price"].mask(table["kind"] == "high")
    rows = drawn(table, 2_000)
    sizes = rows.groupby("kind")["size"].mean()
    assert sizes["low"] < -0.7 < 0.7 < sizes["high"]
    assert rows.groupby("kind")["price"].agg(lambda values: values.isna().mean())["high"] > 0.9
    assert rows["size"].isin(table["size"]).mean() < 0.02  # the ends of the range


def test_arf__later_forests_learn_from_rows_of_earlier_ones():
    random = np.random.default_rng(1)
    common = random.normal(size=600)
    table = pd.DataFrame({f"x{i}": common + 0.2 * random.normal(size=600) for i in range(15)})
    first, later = (drawn(table, 600, trees=10, rounds=rounds) for rounds in (0, 3))
    assert first.corr().to_numpy().mean() < later.corr().to_numpy().mean()


def leaves_of_a_tree(min_leaf):
    from sklearn.tree import DecisionTreeClassifier

    random = np.random.default_rng(2)
    real, others = random.normal(size=(400, 3)), random.normal(size=(400, 3)) + 0.5
    both = np.concatenate([real, others]).astype(np.float32)
    tree = DecisionTreeClassifier(min_samples_leaf=2, random_state=1).fit(both, np.repeat([0, 1], 400))
    return real, Leaves.of(tree.tree_, real.astype(np.float32), min_leaf)


@pytest.mark.parametrize("min_leaf", [1, 5, 50])
def test_leaves__have_rows_enough_within_their_bounds(min_leaf):
    real, leaves = leaves_of_a_tree(min_leaf)
    assert np.bincount(leaves.leaf_of).min() >= min_leaf
    narrow = real.astype(np.float32)
    assert (narrow > leaves.low[leaves.leaf_of]).all()
    assert (narrow <= leaves.high[leaves.leaf_of]).all()


def test_leaves__draw_numbers_within_bounds_and_categories_of_their_rows():
    real, leaves = leaves_of_a_tree(5)
    features = np.column_stack([real[:, :2], leaves.leaf_of])
    rows = leaves.drawn(features, np.array([True, True, False]), 1_000, np.random.default_rng(1))
    own = rows[:, 2].astype(int)
    assert (rows[:, :2] >= leaves.low[own, :2] - 1e-6).all()
    assert (rows[:, :2] <= leaves.high[own, :2] + 1e-6).all()
