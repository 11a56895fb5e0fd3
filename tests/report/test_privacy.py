"""Distances: mostlyai-qa's numbers, high for copies, near one half for honest samples."""

import os
import random
import warnings

import numpy as np
import pandas as pd
import pytest

from issodask.report.privacy import measure_privacy, rows_to_compare
from issodask.report.qa import qa_session
from issodask.report.tables import Table
from tests.report.tables import as_table, grouped, narrow_table, real_table

N = 400


def test_privacy__a_copy_of_the_original_has_a_high_dcr_share():
    original, holdout = real_table(N, 1), real_table(N, 2)
    copied = measure_privacy(original, original.copy(), holdout, max_rows=N, seed=1)
    assert copied.dcr_share > 0.95
    assert copied.training.identical_share == 1
    assert copied.nndr_ratio < 0.01


def test_privacy__a_fresh_sample_is_as_near_to_the_holdout():
    found = measure_privacy(real_table(N, 1), real_table(N, 3), real_table(N, 2), max_rows=N, seed=1)
    assert abs(found.dcr_share - 0.5) < 5 * found.dcr_share_error
    assert found.nndr_ratio > 0.2


def test_privacy__metrics_are_those_of_mostlyai_qa():
    original, subset, holdout = narrow_table(N, 1), narrow_table(N, 3), narrow_table(N, 2)
    ours = measure_privacy(original, subset, holdout, max_rows=N, seed=1).metrics()
    with qa_session(99):
        from mostlyai.qa import _distances, _sampling

        syn, trn, hol = _sampling.prepare_data_for_embeddings(
            syn_tgt_data=subset, trn_tgt_data=original, hol_tgt_data=holdout
        )
        theirs = _distances.calculate_distances(syn_embeds=syn, trn_embeds=trn, hol_embeds=hol)
        expected = {
            "ims_training": _distances.calculate_ims(theirs["dcr_syn_trn"]),
            "dcr_holdout": _distances.calculate_dcr(theirs["dcr_syn_hol"]),
            "dcr_trn_hol": _distances.calculate_dcr(theirs["dcr_trn_hol"]),
            "dcr_share": _distances.calculate_dcr_share(theirs["dcr_syn_trn"], theirs["dcr_syn_hol"]),
            "nndr_training": _distances.calculate_nndr(theirs["nndr_syn_trn"]),
            "nndr_trn_hol": _distances.calculate_nndr(theirs["nndr_trn_hol"]),
        }
    assert {name: ours[name] for name in expected} == pytest.approx(expected)


def test_privacy__without_a_holdout_there_is_no_share():
    found = measure_privacy(real_table(N, 1), real_table(N, 3), None, max_rows=N, seed=1)
    assert found.dcr_share is None
    assert found.nndr_ratio is None
    known = {name for name, value in found.metrics().items() if value is not None}
    assert known == {"ims_training", "dcr_training", "nndr_training"}


def test_privacy__too_few_rows_say_nothing():
    assert measure_privacy(real_table(N, 1), real_table(9, 3), None, max_rows=N, seed=1) is None
    assert measure_privacy(real_table(N, 1), real_table(N, 3), real_table(9, 2), max_rows=N, seed=1) is None


def test_privacy__rows_are_capped():
    assert measure_privacy(real_table(N, 1), real_table(N, 3), None, max_rows=50, seed=1).n_rows == 50


@pytest.mark.slow
def test_privacy__same_seed_same_numbers():
    tables = real_table(N, 1), real_table(N, 3), real_table(N, 2)
    first, again, other = (measure_privacy(*tables, max_rows=100, seed=seed).metrics() for seed in (7, 7, 8))
    assert first == again
    assert first != other


@pytest.mark.parametrize("column", ["number", "text", "time"])
def test_privacy__a_column_without_values_is_measured(column):
    empty = {"number": np.full(50, np.nan), "text": [None] * 50, "time": pd.Series([pd.NaT] * 50)}
    table = pd.DataFrame({column: empty[column]})
    assert measure_privacy(table, table, table, max_rows=50, seed=1).dcr_share == 0.5


def test_qa_session__leaves_no_trace():
    before = np.random.get_state()[1].tolist(), random.getstate(), os.environ.get("HF_HUB_OFFLINE"), warnings.filters[:]
    with qa_session(5):
        np.random.random()
        random.random()
        assert os.environ["HF_HUB_OFFLINE"] == "1"
    after = np.random.get_state()[1].tolist(), random.getstate(), os.environ.get("HF_HUB_OFFLINE"), warnings.filters[:]
    assert after == before


def test_qa_session__restores_after_an_error(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(RuntimeError), qa_session(5):
        raise RuntimeError
    assert os.environ["HF_HUB_OFFLINE"] == "0"


def groups_of(*values):
    """A table of groups with these values in one column."""
    lengths = np.array([len(group) for group in values])
    return as_table(grouped(pd.DataFrame({"a": np.concatenate(values)}), lengths), "person")


def test_rows_to_compare__are_as_many_of_a_group_as_most_original_groups_have():
    original = groups_of(*[[1, 2, 3]] * 19, list(range(50)))
    subset = groups_of(list(range(9)), [1])
    rows = rows_to_compare({"original": original, "subset": subset}, seed=1)
    # The 95th percentile of lengths is 5.35: ranks 0 to 5 are below it.
    assert rows["original"]["Sequence Length"].value_counts().to_dict() == {3: 57, 50: 6}
    assert rows["subset"]["Sequence Length"].tolist() == [9] * 6 + [1]
    assert rows["subset"]["a"].is_unique or rows["subset"]["a"].value_counts()[1] == 2
    other = rows_to_compare({"original": original, "subset": subset}, seed=2)
    assert not rows["original"].equals(other["original"])


def test_rows_to_compare__are_at_most_a_hundred_of_a_group():
    long = groups_of(list(range(300)), list(range(200)))
    counts = rows_to_compare({"original": long}, seed=1)["original"]["Sequence Length"].value_counts()
    assert counts.to_dict() == {300: 100, 200: 100}


def test_rows_to_compare__are_all_rows_of_a_flat_table():
    table = real_table(20, 1)
    assert rows_to_compare({"original": Table.flat(table)}, seed=1)["original"] is table
