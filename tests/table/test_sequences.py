"""Bins and cells of groups: what mostlyai-qa's draws give in expectation, and its coherence."""

import json

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.report.qa import qa_session
from issodask.report.scores import coherence_counts, score
from issodask.table.cliques import FAMILIES
from issodask.table.groups import Groups
from issodask.table.marginals import count_marginals
from issodask.table.sequences import COHERENCE_FAMILIES, SequenceBins, SequenceCliques
from tests.report.tables import as_table, grouped, sequence_table

KEY = "person"
SUCCESSORS, DISTINCT, CATEGORIES = COHERENCE_FAMILIES
N_DRAWS = 300


def fitted(frame):
    groups = Groups.of(frame[KEY])
    table = frame.drop(columns=[KEY])
    bins = SequenceBins.fit(table, groups)
    return bins, bins.encode_groups(table, groups)


def equal_rows(seed, tilt=0.0):
    """Groups whose rows are all equal, so that nothing is random in a draw.

    Of 181 groups, 91 have a second row: quantiles of eight copies of each value then lie where those of one do.
    """
    random = np.random.default_rng(seed)
    n_groups, n_single = 181, 90
    lengths = random.permutation(np.r_[np.ones(n_single, int), random.integers(2, 6, n_groups - n_single)])
    value = random.normal(tilt, 1, n_groups)
    units = pd.DataFrame(
        {
            "number": value,
            "few": pd.Series(random.poisson(1 + (value > 0)), dtype="Int64").mask(random.random(n_groups) < 0.1),
            "town": np.where(value > 0.5, "Wien", random.choice(["Linz", "Graz", "Wels"], n_groups, p=[0.5, 0.3, 0.2])),
            "since": pd.Timestamp("2001-01-01") + pd.to_timedelta((1_000 * value).astype(int), unit="D"),
        }
    )
    rows = units.loc[np.repeat(np.arange(n_groups), lengths)].reset_index(drop=True)
    return grouped(rows, lengths)


def qa_coherence(original, table):
    """Accuracies by column of mostlyai-qa's two parts that draw nothing."""
    with qa_session(3):
        from mostlyai.qa import _accuracy, _coherence, _sampling

        binned, bins = _sampling.prepare_data_for_coherence(df_tgt=original, tgt_context_key=KEY)
        other, _ = _sampling.prepare_data_for_coherence(df_tgt=table, tgt_context_key=KEY, bins=bins)
        numbers, others = (_coherence.calculate_distinct_categories_per_sequence(t, KEY) for t in (binned, other))
        first, edges = _accuracy.bin_data(numbers, 10)
        second, _ = _accuracy.bin_data(others, edges)
        distinct = _coherence.calculate_distinct_categories_per_sequence_accuracy(first, second)
        _, counts, top, _ = _coherence.calculate_sequences_per_distinct_category(binned, KEY)
        _, other_counts, _, _ = _coherence.calculate_sequences_per_distinct_category(other, KEY, top)
        categories = _coherence.calculate_sequences_per_distinct_category_accuracy(
            ori_seqs_per_top_cat_cnts=counts, syn_seqs_per_top_cat_cnts=other_counts
        )
    return distinct.set_index("column"), categories.set_index("column")


@pytest.mark.slow
def test_marginals__are_the_mean_of_what_mostlyai_qa_draws():
    frame = sequence_table(250, 1)
    bins, codes = fitted(frame)
    cliques = SequenceCliques.of(bins, n_units=1)
    n_rows, d = len(bins.names), bins.n_columns
    ends = cliques.family_starts[4]
    expected = count_marginals([codes], cliques)[:ends] / cliques.unit
    # Each row carries its codes both as a row and as a successor.
    coded = pd.DataFrame(codes.rows[:, : n_rows + d]).assign(key=np.repeat(np.arange(250), np.diff(codes.starts)))
    total, squares = np.zeros(ends), np.zeros(ends)
    with qa_session(1):
        from mostlyai.qa._sampling import sample_two_consecutive_rows

        for _ in range(N_DRAWS):
            first, second = sample_two_consecutive_rows(coded.copy(), "key")
            counts = drawn_cells(first.set_index("key"), second.set_index("key"), cliques, n_rows, d)[:ends]
            total += counts
            squares += counts**2
    assert_within_errors(expected, total, squares)


def drawn_cells(first, second, cliques, n_rows, d):
    """Cells of drawn rows and their successors, counted by hand."""
    cells = np.zeros(cliques.n_cells)
    rows = first[list(range(n_rows))].to_numpy(np.int64)
    for arity_cliques in cliques.rows.by_arity.values():
        for clique in arity_cliques.tolist():
            np.add.at(cells, cliques.rows.cells_of(tuple(clique))[tuple(rows[:, clique].T)], 1)
    followers = second[list(range(n_rows, n_rows + d))].reindex(first.index).to_numpy()
    index = cliques.index
    for j in range(d):
        codes = np.where(np.isnan(followers[:, j]), index.no_successor[j], followers[:, j]).astype(np.int64)
        np.add.at(cells, index.successor_first[j] + rows[:, j] * index.successor_sizes[j] + codes, 1)
    return cells


def assert_within_errors(expected, total, squares):
    """Each cell's mean lies within its standard error as often as chance has it; what never varies is exact."""
    mean = total / N_DRAWS
    variance = squares / N_DRAWS - mean**2
    is_fixed = variance == 0
    # A cell that no draw hit may still have a small chance: e^-12 and less counts as none.
    is_rare = is_fixed & (np.abs(expected - mean) * N_DRAWS < 12)
    assert (is_rare | (np.abs(expected - mean) < 1e-3) | ~is_fixed).all()
    often = total >= 25
    z = (mean - expected)[often & ~is_fixed] / np.sqrt(variance[often & ~is_fixed] / N_DRAWS)
    assert len(z) > 500
    assert np.abs(z).max() < 5.5
    assert 0.9 < z.std() < 1.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_coherence__parts_that_are_not_drawn_equal_those_of_mostlyai_qa(seed):
    original, table = sequence_table(400, seed), sequence_table(300, seed + 10, tilt=0.3)
    scored = score({"original": as_table(original, KEY), "subset": as_table(table, KEY)}, "original", 1, n_draws=1)
    found = scored.accuracies["subset"]
    distinct, categories = qa_coherence(original, table)
    names = list(original.columns.drop(KEY))
    for family, theirs in ((DISTINCT, distinct), (CATEGORIES, categories)):
        assert found.by_column[family] == pytest.approx(theirs.loc[names, "accuracy"].to_numpy(), abs=1e-5)
        assert found.by_column_max[family] == pytest.approx(theirs.loc[names, "accuracy_max"].to_numpy(), abs=1e-5)
        assert found.by_column[family].max() < 1


def qa_accuracies(original, table):
    """What mostlyai-qa scores on one draw: univariate, bivariate, trivariate, successors; and their maxima."""
    with qa_session(2):
        from mostlyai.qa import _accuracy, _sampling

        first = _sampling.prepare_data_for_accuracy(df_tgt=original, tgt_context_key=KEY, setup="1:N")
        dtypes = first.dtypes.to_dict()
        second = _sampling.prepare_data_for_accuracy(df_tgt=table, tgt_context_key=KEY, setup="1:N", ori_dtypes=dtypes)
        first, bins = _accuracy.bin_data(first, 10)
        second, _ = _accuracy.bin_data(second, bins)
        uni = _accuracy.calculate_univariates(first, second)
        pairs = _accuracy.calculate_bivariates(first, second)
        triples = _accuracy.calculate_trivariates(first, second)
    parts = [uni, pairs[pairs.type != "nxt"], triples, pairs[pairs.type == "nxt"]]
    return [(part.accuracy.astype(float).mean(), part.accuracy_max.astype(float).mean()) for part in parts]


@pytest.mark.slow
def test_accuracy__in_expectation_is_mostlyai_qas_where_nothing_is_random():
    original, table = equal_rows(1), equal_rows(2, tilt=0.3)
    scored = score({"original": as_table(original, KEY), "subset": as_table(table, KEY)}, "original", 1)
    found = scored.accuracies["subset"]
    theirs = qa_accuracies(original, table)
    distinct, categories = qa_coherence(original, table)
    coherence = [(part.accuracy.mean(), part.accuracy_max.mean()) for part in (distinct, categories)]
    for accuracy in (found, found.draws.expected):
        levels = [(getattr(accuracy, name), getattr(accuracy, f"{name}_max")) for name in FAMILIES]
        parts = [(accuracy.parts[family], accuracy.parts_max[family]) for family in COHERENCE_FAMILIES]
        assert np.array([*levels, *parts]) == pytest.approx(np.array([*theirs, *coherence]), abs=1e-5)
    assert found.draws.deviations == dict.fromkeys(found.levels, pytest.approx(0, abs=1e-12))


def test_bins__without_a_successor_have_a_code_of_their_own():
    bins, codes = fitted(grouped(pd.DataFrame({"a": range(30)}), np.r_[[1] * 10, [2] * 10]))
    cells = coherence_counts(count_marginals([codes], SequenceCliques.of(bins, 1)), SequenceCliques.of(bins, 1))
    labels = bins.successors.labels[0]
    follows = cells[SUCCESSORS][0].reshape(-1, len(labels)).sum(axis=0)
    assert follows[labels.index("(n/a)")] == 10
    assert follows.sum() == 20


def test_bins__survive_json():
    bins, _ = fitted(sequence_table(60, 1))
    again = SequenceBins.from_dict(json.loads(json.dumps(bins.to_dict())))
    assert again == bins
    assert again.hash() == bins.hash()
    assert bins.hash() != fitted(sequence_table(60, 2))[0].hash()


def test_bins__interleaved_rows_are_coded_as_gathered_ones():
    frame = sequence_table(40, 3)
    _, gathered = fitted(frame)
    order = frame.groupby(KEY, sort=False).cumcount().argsort(kind="stable")
    _, interleaved = fitted(frame.iloc[order].reset_index(drop=True))
    assert np.array_equal(gathered.rows, interleaved.rows)
    assert np.array_equal(gathered.starts, interleaved.starts)


def test_bins__a_column_of_the_lengths_name_is_refused():
    frame = grouped(pd.DataFrame({"Sequence Length": [1, 2, 3]}), np.array([1, 2]))
    with pytest.raises(InputError, match="has a column 'Sequence Length'"):
        fitted(frame)


def test_bins__no_column_but_the_key_is_refused():
    with pytest.raises(InputError, match="0 columns"):
        fitted(pd.DataFrame({KEY: ["a", "a", "b"]}))


def test_count__codes_without_a_bin_are_refused():
    bins, codes = fitted(sequence_table(30, 1))
    cliques = SequenceCliques.of(bins, 30)
    for column in (0, len(bins.names), -1):
        rows = codes.rows.copy()
        rows[0, column] = 255
        with pytest.raises(IndexError, match="not below"):
            count_marginals([codes._replace(rows=rows)], cliques)
    with pytest.raises(IndexError, match="columns"):
        count_marginals([codes._replace(rows=codes.rows[:, :-1])], cliques)


def test_count__every_clique_weighs_as_much_as_there_are_groups():
    frame = sequence_table(50, 4)
    bins, codes = fitted(frame)
    cliques = SequenceCliques.of(bins, 50)
    cells = count_marginals([codes], cliques)
    sums = [total for sums in cliques.rows.sum_by_clique(cells[: cliques.rows.n_cells]).values() for total in sums]
    assert set(sums) == {50 * cliques.unit}
    counts = coherence_counts(cells, cliques)
    assert [column.sum() for family in (SUCCESSORS, DISTINCT) for column in counts[family]] == [50] * 2 * bins.n_columns


def test_distinct__of_more_than_a_hundred_rows_as_many_count_evenly_spread():
    long = grouped(
        pd.DataFrame({"a": np.r_[np.arange(300) % 3 > 0, [False] * 99, True].astype(int)}), np.array([300, 100])
    )
    bins, codes = fitted(long)
    cliques = SequenceCliques.of(bins, 1)
    counts = coherence_counts(count_marginals([codes], cliques), cliques)
    assert bins.distinct.labels[0][:2] == ("⪰ 1", "⪰ 2")
    assert counts[DISTINCT][0][:2].tolist() == [1, 1]
    assert counts[CATEGORIES][0][:2].tolist() == [2, 1]
