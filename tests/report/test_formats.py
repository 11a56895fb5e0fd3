"""Numbers as readers see them."""

from issodask.report.formats import count, percent, plain, points
from issodask.report.style import shorten, text


def test_percent__is_never_rounded_up_to_perfection():
    assert percent(0.99304) == "99.30%"
    assert percent(0.999999) == "99.99%"
    assert percent(1.0) == "100.00%"
    assert percent(0.9996, 1) == "99.9%"
    assert percent(None) == "–"


def test_points__have_a_sign():
    assert points(0.0012) == "+0.12 points"
    assert points(-0.0012) == "−0.12 points"


def test_plain__any_setting():
    assert [plain(value) for value in (None, True, 0.1, 3, [1, None], "x")] == ["–", "yes", "0.1", "3", "1, –", "x"]
    assert count(1234567) == "1,234,567"
    assert [plain(value) for value in ({"sep": ";", "decimal": None}, {"sep": None}, {})] == ["sep ;", "–", "–"]


def test_shorten__keeps_both_ends_and_drops_marks_that_disturb():
    assert shorten("x" * 50, 20) == "x" * 13 + "…" + "x" * 6
    assert len(shorten("a long name" * 9, 20)) == 20
    assert shorten("a\u202eb\x00c", 20) == "a b c"
    assert shorten("می‌خواهم", 20) == "می‌خواهم"
    assert text("<b>&", 9) == "&lt;b&gt;&amp;"
