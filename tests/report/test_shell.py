"""The shell: packing, charts as JSON and as tables of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.report.numbers import numbers_of
from issodask.report.shell import packed, packed_plotly, render_shell
from issodask.report.style import Along, axis, chart
from tests.report.pages import Reader, figures_in, unpacked


def bars(values, along=None, **layout):
    return chart([{"type": "bar", "name": "Subset", "x": values, "y": [0, 1]}], height=99, along=along, **layout)


@given(st.text())
def test_packed__is_unpacked_as_it_was(text):
    letters = packed(text)
    assert not set(letters) & set("<>&\"' \n")
    assert unpacked(f'<script type="text/plain" id="x">{letters}</script>', "x") == text


def test_packed_plotly__is_packed_once():
    assert packed_plotly() is packed_plotly()
    assert 1_000_000 < len(packed_plotly()) < 1_850_000


def test_render_shell__of_any_template_has_the_charts(tmp_path):
    charts = {"one": bars([0.5, 0.25])}
    html = render_shell("shell.html", "A <page>", charts)
    read = Reader(html)
    assert read.open == []
    assert "A <page> · issodask" in read.text
    assert figures_in(html) == {"one": {"data": charts["one"].data, "layout": charts["one"].layout}}


@pytest.mark.parametrize(
    ("upwards", "rows"),
    [(False, (("a<b", "50.00%"), ("c", "25.00%"))), (True, (("c", "25.00%"), ("a<b", "50.00%")))],
)
def test_numbers_of__a_row_for_each_label_as_it_is_seen(upwards, rows):
    along = Along("y", "City", ("a&lt;b", "c"), is_upwards=upwards)
    numbers = numbers_of(bars([0.5, 0.25], along, xaxis=axis(tickformat=".0%"), yaxis=axis()))
    assert numbers.head == ("City", "Subset")
    assert numbers.rows == rows


def test_numbers_of__what_is_no_share_or_missing():
    numbers = numbers_of(bars([12.3456, None], Along("y", "City", ("a", "b")), xaxis=axis(), yaxis=axis()))
    assert [row[1] for row in numbers.rows] == ["12.35", "–"]


def test_numbers_of__nothing_where_no_labels_are_named():
    assert numbers_of(bars([0.5, 0.25])) is None
