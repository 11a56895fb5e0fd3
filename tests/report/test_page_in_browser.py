"""The page in a real browser: drawn with nothing in the console, on a phone, by keyboard, on paper, without scripts."""

from dataclasses import replace
from itertools import pairwise

import pytest

from issodask.api import Report
from issodask.report.facts import AskedCell, AskedFor, AskedRule
from issodask.report.findings import Point
from issodask.report.page import render_page
from tests.browser import browser, installed
from tests.report.tables import FACTS, findings_of, hostile_table, real_table, sequence_table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(installed() is None, reason="no Chromium on this machine (apt-get install chromium)"),
]
ASKED = AskedFor(
    (AskedCell("city", "Wien", 200, 120.0, 130.5, 200), AskedCell("city", "Linz", 30, 75.0, 70.0, 29)),
    (AskedRule("age < 90 and " + 20 * "not ", True, 1.0, 0.9, 1.0),),
    210.5,
)
NAMES = ("flat", "groups", "asked", "bad", "hostile")
DRAW_ALL = """(async () => {
  for (const place of document.querySelectorAll(".plot")) {
    place.scrollIntoView({ behavior: "instant" });
    while (!place.querySelector("svg")) {
      await new Promise((then) => setTimeout(then, 20));
    }
  }
})()"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    flat = findings_of(*(real_table(300, seed) for seed in (1, 2, 3, 4)), facts=FACTS)
    flat = replace(flat, history=tuple(Point(i / 10, ("trim", "refine")[i > 15], 0.02 / (i + 1)) for i in range(30)))
    bad = real_table(300, 2).assign(age=18, city="Wien")
    found = {
        "flat": flat,
        "groups": findings_of(*(sequence_table(200, seed) for seed in range(4)), facts=FACTS, group_key="person"),
        "asked": replace(flat, facts=replace(FACTS, asked=ASKED)),
        "bad": findings_of(real_table(300, 1), bad, real_table(300, 3), bad),
        "hostile": findings_of(*(hostile_table(120, seed) for seed in range(4))),
    }
    paths = {name: folder / f"{name}.html" for name in NAMES}
    for name, path in paths.items():
        path.write_text(render_page(found[name], name), encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def tab():
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("name", "dark"), [*((name, False) for name in NAMES), ("flat", True)])
def test_page__is_drawn_without_an_error(tab, places, name, dark):
    tab.open(places[name], dark=dark)
    tab.run(DRAW_ALL)
    assert tab.run("document.querySelectorAll('.plot').length") >= 5
    assert tab.run("[...document.querySelectorAll('.plot')].filter((p) => !p.querySelector('svg')).length") == 0
    assert "Page.javascriptDialogOpening" not in tab.events
    assert tab.console == []


def test_page__within_a_notebook_leads_to_its_own_sections(tab, places, tmp_path):
    notebook, frame = tmp_path / "notebook.html", "document.querySelector('iframe')"
    shown = Report({}, places["flat"].read_text(encoding="utf-8"), {})._repr_html_()
    notebook.write_text(f'<!doctype html><meta charset="utf-8"><p>A notebook</p>{shown}', encoding="utf-8")
    tab.open(notebook)
    tab.run(f"{frame}.contentDocument.querySelector('nav a[href=\"#privacy\"]').click()")
    tab.wait_for(f"{frame}.contentWindow.location.href === 'about:srcdoc#privacy'")
    tab.wait_for(f"{frame}.contentWindow.scrollY > 0")


@pytest.mark.parametrize("name", NAMES)
def test_page__on_a_phone_never_scrolls_sideways(tab, places, name):
    tab.open(places[name], width=360, height=740)
    tab.run(DRAW_ALL)
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]") == [360, 360]
    assert tab.run("[...document.querySelectorAll('.plot svg')].every((s) => s.getBoundingClientRect().right <= 360)")
    assert tab.console == []


def test_page__draws_a_chart_when_it_comes_into_view(tab, places):
    tab.open(places["groups"])
    tab.wait_for("document.querySelector('[data-figure=headline] svg') !== null")
    assert tab.run("[...document.querySelectorAll('.plot')].pop().querySelector('svg')") is None


def test_page__by_keyboard_skips_to_the_content(tab, places):
    tab.open(places["flat"])
    tab.press("Tab")
    assert tab.run("document.activeElement.className") == "skip"
    assert tab.run("document.activeElement.getBoundingClientRect().top") >= 0
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press("Enter")
    tab.wait_for("document.activeElement.id === 'main'")
    assert tab.run("[...document.querySelectorAll('.scroll')].every((each) => each.tabIndex === 0)")


@pytest.mark.parametrize("name", ["groups", "asked"])
def test_page__says_to_a_screen_reader_what_is_where(tab, places, name):
    tab.open(places[name])
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tab.run(f"document.querySelectorAll('body {landmark}').length") == 1, landmark
    levels = tab.run("[...document.querySelectorAll('h1, h2, h3')].map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tab.run("[...document.querySelectorAll('table')].every((each) => each.caption.textContent.length > 3)")
    unscoped = "document.querySelectorAll('table th:not([scope])')"
    assert tab.run(f"[...{unscoped}].every((each) => each.closest('.numbers') !== null)")
    assert tab.run("[...document.querySelectorAll('.plot')].every((each) => each.ariaLabel.startsWith('Chart: '))")
    targets = tab.run("[...document.querySelectorAll('nav a')].map((each) => each.hash.slice(1))")
    assert targets
    assert all(tab.run(f"document.getElementById('{target}') !== null") for target in targets)


def test_page__on_paper_is_light_and_whole(tab, places):
    """All charts are drawn though nobody scrolled, no wider than paper is, and the screen is as before afterwards."""
    tab.open(places["flat"], dark=True)
    tab.wait_for("document.querySelector('[data-figure=headline] svg') !== null")
    dark = tab.run("getComputedStyle(document.body).backgroundColor")
    tab.run("""window.seen = []; window.addEventListener("beforeprint", () => window.seen.push(
      [...document.querySelectorAll(".plot")].filter((place) => !place.querySelector("svg")).length,
      Math.max(...[...document.querySelectorAll(".plot svg")].map((each) => each.getBoundingClientRect().right)),
      getComputedStyle(document.documentElement).getPropertyValue("--paper").trim()))""")
    assert tab.pdf().startswith(b"%PDF")
    assert tab.run("window.seen[0]") == 0
    assert tab.run("window.seen[1]") <= 690  # 180 mm, and a little for the rounding
    assert tab.run("window.seen[2]") == "#fcfbf8"
    assert tab.run("getComputedStyle(document.body).backgroundColor") == dark
    assert tab.console == []


WITHOUT_CHARTS = "getComputedStyle(document.querySelector('.no-charts')).display"
PLACES_SHOWN = "[...document.querySelectorAll('.plot')].filter((each) => each.offsetHeight > 0).length"


def test_page__without_scripts_has_its_tables_and_says_so(tab, places):
    tab.open(places["flat"], scripts=False)
    assert tab.run(WITHOUT_CHARTS) == "block"
    assert tab.run(PLACES_SHOWN) == 0
    assert tab.run("document.querySelectorAll('.numbers table').length") >= 6
    tab.open(places["flat"])
    assert tab.run(WITHOUT_CHARTS) == "none"


def test_page__in_a_browser_that_can_not_unpack_says_so(tab, places):
    script = tab.send("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
    try:
        tab.open(places["flat"])
        assert tab.run(WITHOUT_CHARTS) == "block"
        assert tab.run(PLACES_SHOWN) == 0
        assert tab.console == []
    finally:
        tab.send("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_page__whose_charts_are_damaged_says_so(tab, places, tmp_path):
    damaged = tmp_path / "damaged.html"
    text = places["flat"].read_text(encoding="utf-8")
    damaged.write_text(text.replace('id="figures">', 'id="figures">0000'), encoding="utf-8")
    tab.open(damaged)
    tab.wait_for(f"{WITHOUT_CHARTS} === 'block'")
    assert tab.run(PLACES_SHOWN) == 0
    assert tab.console != []
