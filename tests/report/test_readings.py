"""Readings: each warning fires on the fault that it is for, and only then."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from issodask.report.copies import Copies
from issodask.report.drivers import Drivers
from issodask.report.facts import Aim, FittedWeights, Start
from issodask.report.privacy import Neighbours, Privacy
from issodask.report.readings import read, start
from issodask.report.verdicts import verdicts
from tests.report.tables import FACTS, findings_of, real_table, sequence_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def honest():
    return findings_of(real_table(300, 1), real_table(300, 2), real_table(300, 3), real_table(300, 4))


def neighbours(dcr, nndr=0.5, n_rows=10_000):
    return Neighbours(np.full(n_rows, dcr), np.full(n_rows, nndr))


def privacy(share, nndr=0.5):
    """Distances with exactly this share of rows closer to the original."""
    to_original, to_holdout = neighbours(0.2, nndr), neighbours(0.3)
    to_original.dcr[: round((1 - share) * 10_000)] = 0.4
    return Privacy(10_000, to_original, to_holdout, neighbours(0.3))


def texts(findings, section, tone):
    return " ".join(reading.text for reading in read(findings)[section] if reading.tone == tone)


def test_readings__an_honest_subset_raises_no_warning(honest):
    found = replace(honest, privacy=privacy(0.505), pool_privacy=privacy(0.505))
    assert not texts(found, "privacy", "warning")
    assert not texts(found, "accuracy", "warning")
    assert "no sign of copying" in texts(found, "privacy", "good")
    assert "brought rows no nearer" in texts(found, "privacy", "good")


def test_readings__a_high_dcr_share_warns(honest):
    assert "memorised" in texts(replace(honest, privacy=privacy(0.7)), "privacy", "warning")


def test_readings__a_share_just_beyond_chance_is_noted(honest):
    assert "give or take" in texts(replace(honest, privacy=privacy(0.53)), "privacy", "note")


def test_readings__selection_that_brings_rows_nearer_is_noted(honest):
    found = replace(honest, privacy=privacy(0.55), pool_privacy=privacy(0.5))
    assert "did bring rows nearer" in texts(found, "privacy", "note")


def test_readings__copied_outliers_warn(honest):
    assert "conspicuously close" in texts(replace(honest, privacy=privacy(0.5, nndr=0.01)), "privacy", "warning")


def equal(n, by_chance=10.0):
    """Copies of which `n` of 1,000 rows equal one that the original has once."""
    return Copies(1_000, n, n, by_chance)


def test_readings__many_identical_rows_warn(honest):
    copied = replace(honest, copies={"subset": equal(200), "holdout": equal(10)})
    assert "200 of them equal a row that the original has only once" in texts(copied, "privacy", "warning")
    unique = replace(honest, copies={"subset": equal(0), "holdout": equal(0)})
    assert "No subset row equals" in texts(unique, "privacy", "good")
    assert not texts(replace(honest, copies={"subset": equal(9), "holdout": equal(8)}), "privacy", "warning")


def test_readings__what_the_holdout_shows_too_is_no_copy(honest):
    as_often = {"subset": equal(90), "holdout": equal(80)}
    assert "copies of the original" not in texts(replace(honest, copies=as_often), "privacy", "warning")
    assert "20.00% of all subset rows" in texts(
        replace(honest, copies={**as_often, "subset": equal(200)}), "privacy", "warning"
    )


def test_readings__identical_rows_without_a_holdout(honest):
    assert "the pool holds copies" in texts(replace(honest, copies={"subset": equal(11)}), "privacy", "warning")
    within = texts(replace(honest, copies={"subset": equal(9)}), "privacy", "note")
    assert "0.90% of all subset rows equal an original row in every column; chance explains that" in within


def test_readings__too_few_rows_for_distances_still_tell_of_copies():
    original = real_table(9, 1)
    assert "100.00% of all subset rows" in texts(findings_of(original, original), "privacy", "warning")


def test_readings__a_high_dcr_share_names_its_columns(honest):
    by_column = {f"c{i}": 0.9 - i / 100 for i in range(7)}
    found = replace(honest, privacy=privacy(0.7), drivers=Drivers(by_column, 0.51))
    told = texts(found, "privacy", "note")
    assert "Driven by: c0 (90.0%), c1 (89.0%), c2 (88.0%), c3 (87.0%), c4 (86.0%) and 2 more" in told
    assert "Without them the share of all rows is 51.0%." in told
    stays = texts(replace(found, drivers=Drivers({"c": 0.9}, 0.7)), "privacy", "note")
    assert "Without it the share of all rows is 70.0%: whole rows are near" in stays
    nothing = replace(found, drivers=Drivers({}, None))
    assert "No column stands out" in texts(nothing, "privacy", "note")


def test_start__says_what_there_is():
    nothing = replace(FACTS, start=None, ipf=FittedWeights("skipped"))
    assert start(nothing, "row") == ""
    even = replace(nothing, start=Start("even", 80, {}, tried=False))
    assert start(even, "row") == "Trimming started from a sample with even weights."
    tried = replace(nothing, start=Start("even", 80, {"weighted": 0.21, "even": 0.0123}, tried=True))
    assert start(tried, "row").endswith("(errors of what short trials ended at: weighted 0.2100, even 0.0123).")
    compared = replace(nothing, start=Start("weighted", 80, {"random": 0.3, "weighted": 0.21}, tried=False))
    assert start(compared, "row").endswith(
        "(errors of as many rows as the subset has: random 0.3000, weighted 0.2100)."
    )
    weighted = replace(FACTS, start=None, pool_units=2_000, ipf=FittedWeights("stalled", effective_units=812.4))
    assert start(weighted, "row") == (
        "The fitted weights spread over the pool as if 812 of its 2,000 rows counted alike."
    )


def test_readings__a_real_copy_warns():
    original = real_table(300, 1)
    copied = findings_of(original, original, real_table(300, 3))
    warned = texts(copied, "privacy", "warning")
    assert "memorised" in warned
    assert "100.00% of all subset rows" in warned


def test_readings__selection_that_makes_it_worse_is_said():
    original = real_table(300, 1)
    found = findings_of(original, real_table(300, 2).assign(city="Wien"), real_table(300, 3), real_table(300, 4))
    assert "more error than a random sample" in texts(found, "accuracy", "warning")


def test_readings__closer_than_the_expected_maximum_is_explained():
    original = real_table(300, 1)
    assert "chance deviations" in texts(findings_of(original, original), "accuracy", "note")


def test_readings__without_a_holdout_nothing_is_claimed():
    found = findings_of(real_table(60, 1), real_table(60, 2))
    assert "No holdout was given" in texts(found, "accuracy", "note")
    assert "No holdout was given" in texts(found, "privacy", "note")
    assert not texts(found, "privacy", "good")


def test_readings__identical_groups_warn():
    original, holdout = sequence_table(100, 1), sequence_table(100, 3)
    copied = findings_of(original, original, holdout, group_key="person")
    assert "100.00% of all subset groups have the same rows" in texts(copied, "privacy", "warning")
    fresh = findings_of(original, sequence_table(100, 2), holdout, group_key="person")
    assert "No subset group has the same rows" in texts(fresh, "privacy", "good")


def test_readings__a_holdout_that_overlaps_the_original_warns():
    original = real_table(300, 1)
    overlapping = pd.concat([original[:150], real_table(150, 3)], ignore_index=True)
    found = findings_of(original, real_table(300, 2), overlapping, real_table(300, 4))
    assert "The holdout overlaps the original" in texts(found, "privacy", "warning")
    *_, private = verdicts(found)
    assert private.answer == "not measured"


def test_start__says_where_on_the_dial_a_run_is():
    aim = Aim("population", 0.5, {"univariate": 0.5, "trivariate": 0.75}, 1.0, 1_234.4, 210)
    told = start(replace(FACTS, aim=aim), "row")
    assert "at least 50% was kept (univariate 50%, trivariate 75%)" in told
    assert "By the odds that 210 trees give them, 1,234 rows of the pool count alike." in told
    assert "population" not in start(FACTS, "row")
