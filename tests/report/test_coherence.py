"""What the page shows of groups: lengths, panels and maps, and nothing of few people."""

import numpy as np
import pandas as pd
import pytest

from issodask.report.coherence import MAX_LENGTHS, MAX_MAPS, PROTECTED_ROWS, length_shares
from tests.report.tables import findings_of, grouped, sequence_table


@pytest.fixture(scope="module")
def findings():
    tables = (sequence_table(300, seed, tilt) for seed, tilt in ((1, 0), (2, 0.3), (3, 0), (4, 0.3)))
    return findings_of(*tables, group_key="person")


def test_lengths__are_shares_of_groups():
    lengths = {"original": np.repeat([1, 2, 3], [10, 30, 60]), "subset": np.repeat([2, 3, 9], [1, 1, 2])}
    labels, shares = length_shares(lengths)
    assert labels == ("1", "2", "≥ 3")
    assert shares["original"].tolist() == [0.1, 0.3, 0.6]
    assert shares["subset"].tolist() == [0, 0.25, 0.75]


def test_lengths__of_few_real_groups_are_not_told():
    lengths = {
        "original": np.repeat([1, 5, 6, 7, 90], [3, 10, PROTECTED_ROWS - 1, 10, 2]),
        "subset": np.repeat([1, 6], [1, 9]),
        "holdout": np.repeat([5, 7], [1, 9]),
    }
    labels, shares = length_shares(lengths)
    assert labels == ("≤ 5", "6", "≥ 7")
    assert shares["original"] * 29 == pytest.approx([13, 0, 12])
    assert shares["subset"].tolist() == [0.1, 0.9, 0]
    assert shares["holdout"].tolist() == [0, 0, 0.9]


def test_lengths__many_fall_into_ranges():
    labels, shares = length_shares({"original": np.repeat(np.arange(1, 501), PROTECTED_ROWS)})
    assert len(labels) == MAX_LENGTHS
    assert labels[0] == "1–10"
    assert shares["original"] == pytest.approx([1 / MAX_LENGTHS] * MAX_LENGTHS)


@pytest.mark.parametrize("n_groups", [1, 4, 5, 9])
def test_lengths__of_a_handful_of_groups(n_groups):
    labels, shares = length_shares({"original": np.arange(n_groups), "subset": np.arange(n_groups)})
    assert len(labels) == len(shares["subset"])
    assert shares["subset"].sum() == pytest.approx(1)
    assert shares["original"].sum() in (pytest.approx(0), pytest.approx(1))


@pytest.mark.slow
def test_panels__are_shares_of_groups(findings):
    assert [panel.name for panel in findings.groups.distinct] == ["wage", "children", "job", "year", "is_new"]
    for panel in findings.groups.distinct:
        assert all(share.sum() == pytest.approx(1) for share in panel.shares.values())
        assert all(len(share) == len(panel.labels) for share in panel.shares.values())


def test_panels__say_in_how_many_groups_a_category_occurs(findings):
    original = sequence_table(300, 1)
    panel = next(panel for panel in findings.groups.categories if panel.name == "job")
    counted = original.assign(job=original["job"].fillna("(n/a)")).groupby("job")["person"].nunique() / 300
    shown = dict(zip(panel.labels, panel.shares["original"].tolist(), strict=True))
    assert {label: shown[label] for label in counted.index} == pytest.approx(counted.to_dict())


def test_panels__other_categories_are_one():
    frame = grouped(pd.DataFrame({"a": np.arange(40) % 20}), np.full(20, 2))
    panel = findings_of(frame, frame, group_key="person").groups.categories[0]
    assert panel.labels[-1] == "(other)"
    assert len(panel.labels) == 10


def test_maps__come_worst_first(findings):
    accuracies = [found.accuracy["subset"] for found in findings.groups.successors]
    assert len(accuracies) == MAX_MAPS
    by_column = findings.subset.by_column["successors"]
    assert accuracies == pytest.approx(sorted(by_column)[:MAX_MAPS])


def test_maps__hide_cells_of_few_real_groups(findings):
    for found in findings.groups.successors:
        original = found.shares["original"]
        shown = original[~np.isnan(original) & (original > 0)]
        assert np.isnan(original).any()
        assert shown.min() * 300 > PROTECTED_ROWS - 1e-9
        assert not np.isnan(found.shares["subset"]).any()
        assert found.shares["subset"].sum() == pytest.approx(1)


def test_maps__only_rows_have_a_share_without_a_successor(findings):
    single = sequence_table(300, 1).groupby("person").size().eq(1).mean()
    for found in findings.groups.successors:
        missing = found.shares["original"][:, found.next_labels.index("(n/a)")]
        assert np.nansum(missing) <= single + 0.2


@pytest.mark.slow
def test_worst_cliques__of_groups_name_sequence_length_too():
    original, subset = sequence_table(300, 1), sequence_table(300, 2)
    short = subset[subset.groupby("person").cumcount() < 2]
    worst = findings_of(original, short, group_key="person").worst
    column = next(clique for clique in worst if clique.arity == 1)
    assert column.columns == ("Sequence Length",)
    assert all(0 <= cell.shares["original"] <= 1 for cell in column.cells)
    assert not any(
        0 < cell.shares["original"] * 300 < PROTECTED_ROWS - 1e-9 for clique in worst for cell in clique.cells
    )
