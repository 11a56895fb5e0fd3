"""The page: complete, self-contained, escaped, and honest about what is missing."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from issodask.report.facts import UnfilledCell, Unsupported
from issodask.report.findings import Point
from issodask.report.page import MAX_MAPPED, MAX_PANELS, render_page
from issodask.report.readings import rounded_up
from tests.report.pages import Reader, coloured, figures_in
from tests.report.tables import FACTS, findings_of, grouped, hostile_table, real_table, sequence_table, wide_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def full():
    found = findings_of(real_table(300, 1), real_table(300, 2), real_table(300, 3), real_table(300, 4), facts=FACTS)
    return replace(found, history=tuple(Point(i / 10, "refine", 0.02 / (i + 1)) for i in range(30)))


@pytest.fixture(scope="module")
def of_groups():
    tables = (sequence_table(200, seed) for seed in range(4))
    return findings_of(*tables, facts=FACTS, group_key="person")


def test_page__is_well_formed_and_complete(full):
    read = Reader(render_page(full, "My table"))
    assert read.open == []
    headings = ["Accuracy", "Search", "Columns", "Pairs", "Worst cliques", "Cells without support", "Privacy"]
    for heading in [*headings, "How it was made", "Definitions"]:
        assert f" {heading} " in read.text
    for fact in [
        "My table",
        "600,000",
        "--rounds 320/400",
        "--seed 3",
        "the given effort was spent",
        "160.2 s",
        "converged",
        "21600.5",
    ]:
        assert fact in read.text
    assert "1,834 cells" in read.text


def test_page__says_how_good_a_subset_could_be(full):
    read = Reader(render_page(replace(full, facts=replace(FACTS, objective_bound=0.0012345))))
    assert "No subset of this pool can be better than 0.99877; the selected one reaches 0.99320" in read.text
    assert "as if parts of rows could be selected" in read.text
    assert "can be better than" not in Reader(render_page(full)).text


def test_page__says_when_no_limit_was_found(full):
    read = Reader(render_page(replace(full, facts=replace(FACTS, objective_bound=1e-9))))
    assert "no limit was found" in read.text


@pytest.mark.parametrize(("accuracy", "text"), [(0.998761, "0.99877"), (0.99876, "0.99876"), (1.0, "1.00000")])
def test_rounded_up__stays_an_upper_bound(accuracy, text):
    assert rounded_up(accuracy) == text


def test_page__tells_roles_and_what_is_not_scored(full):
    roles = {
        "id <1>": {"role": "id", "why": "all 300 values differ, and they count"},
        "age": {"role": "number", "why": "x"},
    }
    read = Reader(render_page(replace(full, roles={"roles": roles, "left_out": ["id <1>"]})))
    assert read.open == []
    assert "Not matched, and in no accuracy: id <1> ." in read.text
    assert "all 300 values differ, and they count" in read.text
    assert "Not matched" not in Reader(render_page(replace(full, roles={"roles": roles, "left_out": []}))).text
    assert "The role of each column" not in Reader(render_page(full)).text


def test_page__of_groups_speaks_of_groups(of_groups):
    read = Reader(render_page(of_groups, "My table"))
    assert read.open == []
    assert "200 synthetic groups of" in read.text
    assert "× 5 columns" in read.text
    assert "measured against 200 original groups and 200 held out" in read.text
    for heading in ["Coherence", "From row to row", "Categories per group", "Groups per category", "Next row"]:
        assert f" {heading} " in read.text
    assert "means of 8 draws" in read.text
    assert "Original groups" in read.text


def test_page__of_groups_draws_lengths_maps_and_panels(of_groups):
    html = render_page(of_groups)
    figures = figures_in(html)
    places = [attributes["data-figure"] for _, attributes in Reader(html).tags if "data-figure" in attributes]
    assert sorted(places) == sorted(figures)
    for figure in figures.values():
        go.Figure(coloured(figure))
    maps = {f"successors{i}_{name}" for i in range(3) for name in ("original", "subset", "difference")}
    panels = {f"{kind}{i}" for kind in ("distinct", "categories") for i in range(5)}
    assert {"lengths", *maps, *panels} <= set(figures)
    assert [trace["name"] for trace in figures["lengths"]["data"]] == [
        "Original",
        "Random pool sample",
        "Holdout",
        "Subset",
    ]
    assert "Coherence" in figures["headline"]["layout"]["yaxis"]["ticktext"]


def test_page__of_groups_never_tells_a_difference_that_gives_a_hidden_share_away(of_groups):
    figures = figures_in(render_page(of_groups))
    for i in range(3):
        original, difference = (figures[f"successors{i}_{name}"]["data"][0]["z"] for name in ("original", "difference"))
        hidden = [[cell is None for cell in row] for row in original]
        assert [[cell is None for cell in row] for row in difference] == hidden
        assert any(any(row) for row in hidden)


def test_page__of_groups_is_escaped():
    tables = [grouped(hostile_table(120, seed), np.full(40, 3)) for seed in range(4)]
    html = render_page(findings_of(*tables, group_key="person"), "<script>alert(0)</script>")
    read = Reader(html)
    assert read.open == []
    assert [tag for tag, _ in read.tags].count("script") == 4
    assert "<img" not in json.dumps(figures_in(html), ensure_ascii=False)


@pytest.mark.parametrize("column", ["wage", "job", "year", "is_new"])
def test_page__of_groups_with_one_column(column):
    tables = (sequence_table(60, seed)[[column, "person"]] for seed in range(2))
    read = Reader(render_page(findings_of(*tables, group_key="person")))
    assert "× 1 column," in read.text
    assert "Random pool sample" not in read.text


def test_page__of_rows_has_no_coherence(full):
    read = Reader(render_page(full))
    assert "Coherence" not in read.text
    assert "synthetic rows ×" in read.text
    shown = read.text[read.text.rindex("issodask report") :]
    assert "group" not in shown.replace("groups of columns", "")


def test_page__asks_the_network_for_nothing(full):
    html = render_page(full)
    for tag, attributes in Reader(html).tags:
        assert tag not in ("link", "img", "iframe", "object")
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
    assert "default-src 'none'" in html
    assert not re.search(r"@import|url\(", html[: html.index("</style>")])


def test_page__stays_small(full):
    assert len(render_page(full).encode()) < 1_950_000


def test_page__of_groups_stays_small(of_groups):
    assert len(render_page(of_groups).encode()) < 2_000_000


def test_page__same_findings_same_bytes(full):
    assert render_page(full) == render_page(full)


def test_page__every_figure_is_one_that_plotly_knows_and_has_a_place(full):
    html = render_page(full)
    figures = figures_in(html)
    places = [attributes["data-figure"] for _, attributes in Reader(html).tags if "data-figure" in attributes]
    assert sorted(places) == sorted(figures)
    for figure in figures.values():
        go.Figure(coloured(figure))


def test_page__colours_are_variables_of_both_schemes(full):
    html = render_page(full)
    names = set(re.findall(r'"@([a-z0-9]+)"', json.dumps(figures_in(html))))
    light, dark = html[: html.index("@media")], html[html.index("@media") : html.index("box-sizing")]
    for name in names:
        assert f"--{name}:" in light
        assert f"--{name}:" in dark or name == "sans"


def test_page__rare_cells_without_support_are_counted_but_not_named(full):
    read = Reader(render_page(full))
    assert "⪰ 58" in read.text
    assert "the-only-one" not in read.text


def test_page__is_escaped_against_hostile_names_and_labels():
    tables = [hostile_table(120, seed) for seed in range(4)]
    unsupported = Unsupported(9, 0.1, (UnfilledCell(("<i>x", "<b>"), ("<u>y", "<b>"), 50),))
    facts = replace(FACTS, stop_reason="<b>bold</b>", unsupported=unsupported, job={"<s>": {"<s>": 1}, "<b>": "<i>"})
    html = render_page(findings_of(*tables, facts=facts), "<script>alert(0)</script>")
    read = Reader(html)
    assert read.open == []
    assert [tag for tag, _ in read.tags].count("script") == 4
    assert not {tag for tag, _ in read.tags} & {"img", "b", "i", "u", "s"}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert "<script>alert(0)</script>" in read.text
    labels = json.dumps(figures_in(html), ensure_ascii=False)
    assert "<img" not in labels
    assert "&lt;img" in labels


def test_page__eighty_columns_are_capped_with_a_note():
    found = findings_of(*(wide_table(60, seed) for seed in range(2)))
    html = render_page(found)
    figures = figures_in(html)
    assert sum(name.startswith("column") for name in figures) == MAX_PANELS
    assert f"the {MAX_PANELS} least accurate of 80 columns" in Reader(html).text
    assert f"the {MAX_MAPPED} least accurate columns" in Reader(html).text
    assert np.shape(figures["pairs_subset"]["data"][0]["z"]) == (MAX_MAPPED, MAX_MAPPED)
    assert figures["pairs_subset"]["layout"]["xaxis"]["showticklabels"] is False
    assert len(html.encode()) < 2_000_000


@pytest.mark.parametrize("columns", [["city"], ["age"], ["city", "age"]])
def test_page__one_or_two_columns(columns):
    found = findings_of(real_table(50, 1)[columns], real_table(50, 2)[columns])
    read = Reader(render_page(found))
    assert f"× {len(columns)} column" in read.text
    assert ("pairs_subset" in figures_in(render_page(found))) is (len(columns) == 2)


def test_page__says_what_is_missing_without_a_holdout():
    read = Reader(render_page(findings_of(real_table(60, 1), real_table(60, 2))))
    assert "No holdout was given" in read.text
    assert "Random pool sample" not in read.text
    assert "DCR share (50% is ideal)" not in read.text
    assert "Cells without support" not in read.text


def test_page__columns_without_any_value():
    empty = pd.DataFrame({"n": np.full(40, np.nan), "t": [None] * 40, "d": pd.Series([pd.NaT] * 40), "ok": range(40)})
    html = render_page(findings_of(empty, empty, empty, empty))
    assert "(n/a)" in json.dumps(figures_in(html))
    assert Reader(html).open == []


def test_page__too_few_rows_for_distances():
    read = Reader(render_page(findings_of(real_table(5, 1), real_table(5, 2))))
    assert "distances were not measured" in read.text
