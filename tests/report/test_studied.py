"""What a study comes to: means of means, gains by selection, and the tables that say so."""

import json

import pytest
from markdown_it import MarkdownIt

from issodask.report.metrics import to_json
from issodask.report.studied import ALL_POOLS, ALONE, SELECTED, Mean
from issodask.report.study_tables import conclusions, sheets
from issodask.report.study_text import markdown
from tests.report.studies import MINE, sized_study, small_study


def test_mean__over_repeats_of_a_table_with_their_spread():
    found = small_study().mean("unseen", MINE, ALONE, "a")
    assert found == Mean(pytest.approx(0.91), pytest.approx(0.0141, abs=1e-4), 2)


def test_mean__over_tables_counts_each_table_once():
    assert small_study().mean("unseen", MINE, ALONE).mean == pytest.approx((0.91 + 0.80) / 2)


def test_mean__of_nothing_is_none():
    study = small_study()
    assert study.mean("unseen", "sdv:<b>CTGAN|x</b>", ALONE) is None
    assert study.mean("dcr_share", MINE, ALONE) is None
    assert study.landmark("unseen", "holdout") is None


def test_gains__by_synthesizer_and_table():
    gains = small_study().gains("accuracy")
    assert {name: dict(by_table) for name, by_table in gains.items()} == {
        MINE: {"a": pytest.approx(0.05), "b": pytest.approx(-0.01)}
    }


def test_conclusions__say_how_often_and_how_much():
    texts = conclusions(small_study())
    assert "closer to the original in 1 of 2 pairs" in texts[0]
    assert "+2.00 points" in texts[0]
    assert any("from all pools together a table reaches 0.9800" in text for text in texts)


def test_sheets__means_of_all_tables_come_first_and_failures_last():
    found = sheets(small_study())
    assert [sheet.title for sheet in found] == ["All 2 tables", "a", "b", "Trials without a result"]
    assert found[1].rows[0][:3] == (MINE, "alone", "0.9200 ± 0.000")
    assert [row[0] for row in found[0].rows][-2:] == ["the original itself", "unseen people"]
    assert ("all pools together", "selected") in [row[:2] for row in found[0].rows]


def test_sheets__sizes_stand_side_by_side():
    found = sheets(sized_study())
    assert found[0].head == ("synthesizer", "", "100", "400", "1,600")
    assert found[0].rows[1] == (MINE, "selected", "0.8500", "0.8800", "0.9100")


def test_markdown__every_table_has_its_columns_in_every_line():
    html = MarkdownIt().enable("table").render(markdown(small_study()))
    assert html.count("<table>") == 4
    assert "<b>" not in html.replace("<strong>", "")
    assert "no idea what to do" in html


def test_rows__are_plain_json_and_flat():
    study = small_study()
    record = json.loads(to_json(study.to_dict()))
    assert record["rows"][0]["standing"]["unseen"] == 0.9
    assert record["landmarks"][0]["original"]["attack"] == 0.8
    assert study.to_rows()[0]["unseen"] == 0.9
    assert study.to_rows()[-1]["error"].startswith("ValueError")


def test_ways__are_in_the_order_of_the_study():
    assert small_study().ways() == [(MINE, ALONE), (MINE, SELECTED), (ALL_POOLS, SELECTED)]
