"""Scores of groups: mostlyai-qa's, draw by draw, and their mean."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from issodask.report.qa import qa_session
from issodask.report.scores import N_DRAWS, SUCCESSORS, score
from issodask.report.tables import Table
from tests.report.tables import as_table, grouped, real_table, sequence_table

KEY = "person"
LEVELS = ["univariate", "bivariate", "trivariate", SUCCESSORS]
N_QA_DRAWS, N_OUR_DRAWS = 20, 200


@pytest.fixture(scope="module")
def tables():
    """Wide enough for triples, narrow enough for mostlyai-qa to be quick."""
    columns = ["wage", "job", "year", "is_new", KEY]
    return {
        "original": as_table(sequence_table(250, 1)[columns], KEY),
        "subset": as_table(sequence_table(200, 2, tilt=0.3)[columns], KEY),
    }


def keyed(table):
    return table.rows.assign(**{KEY: np.repeat(np.arange(table.n_units), table.groups.lengths)})


def drawn_by_mostlyai_qa(original, subset, seed):
    """Accuracies of one draw and their expected maxima, by level."""
    with qa_session(seed), pytest.MonkeyPatch.context() as patch:
        from mostlyai.qa import _accuracy, _sampling

        patch.setattr(_sampling, "load_tokenizer", lambda: None)  # slow, and there is no text
        patch.setattr(_accuracy, "parallel_context", nullcontext)
        first = _sampling.prepare_data_for_accuracy(df_tgt=keyed(original), tgt_context_key=KEY, setup="1:N")
        second = _sampling.prepare_data_for_accuracy(
            df_tgt=keyed(subset), tgt_context_key=KEY, setup="1:N", ori_dtypes=first.dtypes.to_dict()
        )
        first, bins = _accuracy.bin_data(first, 10)
        second, _ = _accuracy.bin_data(second, bins)
        uni = _accuracy.calculate_univariates(first, second)
        pairs = _accuracy.calculate_bivariates(first, second)
        triples = _accuracy.calculate_trivariates(first, second)
    levels = [uni, pairs[pairs.type != "nxt"], triples, pairs[pairs.type == "nxt"]]
    return [level[name].astype(float).mean() for name in ("accuracy", "accuracy_max") for level in levels]


@pytest.mark.slow
def test_score__has_the_mean_of_what_mostlyai_qa_draws(tables):
    theirs = np.array([drawn_by_mostlyai_qa(*tables.values(), seed) for seed in range(N_QA_DRAWS)])
    found = score(tables, "original", 1, n_draws=N_OUR_DRAWS).accuracies["subset"]
    means, means_max = {**found.levels, **found.parts}, {**found.levels_max, **found.parts_max}
    ours = np.array([means[level] for level in LEVELS] + [means_max[level] for level in LEVELS])
    # Successors are the one of three parts of coherence that is drawn.
    deviations = {**found.draws.deviations, SUCCESSORS: 3 * found.draws.deviations["coherence"]}
    of_ours = np.array([deviations[level] for level in LEVELS])
    of_theirs = theirs.std(axis=0, ddof=1)
    assert of_theirs[:4] == pytest.approx(of_ours, rel=0.5)
    errors = of_theirs * np.sqrt(1 / N_QA_DRAWS + 1 / N_OUR_DRAWS)
    assert (errors < 0.004).all()
    assert (np.abs(theirs.mean(axis=0) - ours) / errors < 3.5).all()


def test_score__is_the_mean_of_its_draws(tables):
    found = score(tables, "original", 5).accuracies["subset"]
    assert found.draws.n == N_DRAWS
    means = [found.univariate, found.bivariate, found.trivariate, found.coherence]
    assert found.overall == pytest.approx(np.mean(means))
    assert found.coherence == pytest.approx(np.mean(list(found.parts.values())))
    assert all(0 < found.draws.deviations[level] < 0.05 for level in found.levels)
    assert set(found.draws.deviations) == {"overall", "univariate", "bivariate", "trivariate", "coherence"}


def test_score__draws_depend_on_the_seed_alone(tables):
    first, again, other = (score(tables, "original", seed, 2).accuracies["subset"].levels for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_score__sequence_length_is_one_more_column(tables):
    scored = score(tables, "original", 1, 1)
    assert scored.bins.names == ("wage", "job", "year", "is_new", "Sequence Length")
    assert len(scored.accuracies["subset"].by_clique[1]) == 5
    assert len(scored.accuracies["subset"].by_column[SUCCESSORS]) == 4


def test_score__a_copy_is_perfect_in_expectation_and_not_in_a_draw(tables):
    copied = {"original": tables["original"], "subset": tables["original"]}
    found = score(copied, "original", 1).accuracies["subset"]
    assert set(found.draws.expected.levels.values()) == {1.0}
    assert 0.5 < found.overall < 0.99


def test_score__shares_are_of_groups_in_expectation():
    frame = grouped(pd.DataFrame({"a": [0, 0, 1, 1]}), np.array([3, 1]))
    scored = score({"original": as_table(frame, KEY), "subset": as_table(frame, KEY)}, "original", 1)
    labels, shares = scored.bins.labels[0], scored.shares("original")[0]
    # Of the first group its first two rows count, half a group each.
    assert dict(zip(labels, shares.tolist(), strict=True)) == {"⪰ 0": 0.5, "⪰ 1": 0.5, "(unseen)": 0}
    assert scored.shares("original")[1].sum() == pytest.approx(1)


def test_score__flat_tables_have_no_draws():
    found = score({n: Table.flat(real_table(90, i)) for i, n in enumerate(["original", "subset"])}, "original", 1)
    assert found.coherence is None
    assert found.accuracies["subset"].draws is None
    assert found.accuracies["subset"].coherence is None


def test_table__draws_no_last_row_but_an_only_one():
    table = as_table(sequence_table(100, 3), KEY)
    lengths = table.groups.lengths
    position = pd.DataFrame({"at": np.arange(len(table.rows)) - np.repeat(table.groups.starts[:-1], lengths)})
    drawn = Table(position, table.groups, is_grouped=True)
    seen = []
    for seed in range(200):
        first, second = drawn.draw(np.random.default_rng(seed))
        at, then = first["at"].values, second["at"].values
        assert first["Sequence Length"].values.tolist() == lengths.tolist()
        assert np.isnan(then).tolist() == (lengths == 1).tolist()
        assert set((then - at)[lengths > 1]) == {1}
        seen.append(at)
    assert np.max(seen, axis=0).tolist() == np.maximum(0, lengths - 2).tolist()
    assert np.min(seen, axis=0).tolist() == [0] * 100


def test_table__joined_keeps_groups_apart():
    frame = grouped(pd.DataFrame({"a": range(5)}), np.array([2, 3]))
    table = as_table(frame, KEY)
    both = Table.joined([table, table])
    assert both.groups.lengths.tolist() == [2, 3, 2, 3]
    assert both.rows["a"].tolist() == [*range(5), *range(5)]


def test_table__interleaved_rows_are_gathered_in_their_order():
    frame = pd.DataFrame({KEY: list("abab"), "a": [1, 2, 3, 4]})
    table = as_table(frame, KEY)
    assert table.rows["a"].tolist() == [1, 3, 2, 4]
    assert table.with_length()["Sequence Length"].tolist() == [2, 2, 2, 2]
