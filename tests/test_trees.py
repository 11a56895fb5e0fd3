"""Trees: the same data and seed give the same trees; what they say has the form that is promised."""

import numpy as np
import pytest

from issodask import trees


def data(n=600, seed=1):
    random = np.random.default_rng(seed)
    features = np.column_stack([random.normal(size=n), random.integers(0, 3, n), random.normal(size=n)])
    return features, features[:, 0] + (features[:, 1] == 2) + 0.1 * random.normal(size=n)


def test_train__is_repeatable():
    features, answers = data()
    training = trees.Training("regression", seed=3, categories=(1,), most_trees=30)
    texts = [trees.train(features, answers, training).model_to_string() for _ in range(2)]
    assert texts[0] == texts[1]
    assert np.array_equal(
        trees.predicted(trees.read(texts[0]), features), trees.predicted(trees.read(texts[1]), features)
    )


@pytest.mark.parametrize(("task", "n_classes"), [("regression", 1), ("binary", 1), ("multiclass", 3)])
def test_predicted__and_contributions(task, n_classes):
    features, numbers = data()
    answers = {"regression": numbers, "binary": (numbers > 0) * 1.0, "multiclass": features[:, 1]}[task]
    model = trees.train(features, answers, trees.Training(task, 1, (1,), n_classes, most_trees=20))
    predicted = trees.predicted(model, features)
    assert predicted.shape == ((600, 3) if task == "multiclass" else (600,))
    amounts = np.abs(trees.contributions(model, features)).mean(axis=0)
    assert amounts.shape == (3,)
    assert amounts[2] < 0.2 * amounts.sum()  # it tells nothing


def test_log_odds__are_those_of_the_probability():
    features, numbers = data()
    model = trees.train(features, (numbers > 0) * 1.0, trees.Training("binary", 1, (1,), most_trees=20))
    chances = trees.predicted(model, features)
    assert np.allclose(trees.log_odds(model, features), np.log(chances / (1 - chances)))


def test_train__on_one_answer_ends():
    features, _ = data(50)
    model = trees.train(features, np.ones(50), trees.Training("binary", 1))
    assert np.isfinite(trees.predicted(model, features)).all()


def test_cross_fitted__judges_each_row_once_by_trees_that_did_not_see_it():
    features, _ = data(300)
    random = np.random.default_rng(7)
    answers = random.integers(0, 2, 300) * 1.0  # noise: whoever saw it would tell
    judged = np.full(300, np.nan)

    def judge(model, own):
        assert np.isnan(judged[own]).all()
        judged[own] = trees.predicted(model, features[own])

    trees.cross_fitted(features, answers, trees.Training("binary", 1, most_trees=50), 3, judge)
    assert not np.isnan(judged).any()
    assert abs(np.corrcoef(judged, answers)[0, 1]) < 0.25
