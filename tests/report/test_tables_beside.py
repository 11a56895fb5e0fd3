"""The pages of comparisons and studies: complete, escaped, and the same for the same findings."""

from dataclasses import replace

from issodask.report.comparison import Comparison
from issodask.report.comparison_page import render_comparison, sentences
from issodask.report.figures_of_tables import Place, places
from issodask.report.study_page import render_study
from tests.report.studies import MINE, sized_study, small_study, standing

BAD = "<script>alert(1)</script>"


def comparison(**more):
    tables = {
        "first": standing(0.95, scores={"income": 0.81}, rules={"age > 3": 0.99}),
        BAD: standing(0.90, 0.7, copies=0.5, are_copies_beyond_chance=True, scores={"income": 0.7}),
    }
    landmarks = {"original": standing(0.96, 0.8), "holdout": replace(standing(None, 0.5), use=None)}
    return Comparison({**tables, **landmarks, **more}, "row", ("id",), {"issodask": "1.2.3"})


def test_comparison__names_the_best_and_what_is_wrong():
    texts = sentences(comparison())
    assert "Closest to unseen people: first (0.9500)." in texts
    assert "Least told of members: first (0.5200)." in texts
    assert f"{BAD} tells who was in the original: an attack finds them with an AUC of 0.700." in texts
    assert any("has copies of the original beyond chance (50.00% of its rows)" in text for text in texts)


def test_comparison__without_a_holdout_says_what_is_not_known():
    found = comparison()
    found = replace(found, standings={name: one for name, one in found.standings.items() if name != "holdout"})
    assert any("Without a holdout" in text for text in sentences(found))


def test_comparison_page__shows_every_table_and_escapes_names():
    page = render_comparison(comparison(), "Two vendors")
    assert BAD not in page
    for text in (
        "Two vendors",
        "first",
        "The original itself",
        "Real people, held out",
        "age &gt; 3",
        "income",
        "0.9500",
    ):
        assert text in page
    assert page == render_comparison(comparison(), "Two vendors")


def test_study_page__shows_means_pictures_and_failures():
    page = render_study(small_study(), "My study")
    for text in ("My study", "All 2 tables", MINE, "all pools together", "no idea", 'data-figure="places0"'):
        assert text in page
    assert "<b>CTGAN" not in page


def test_study_page__of_sizes_draws_a_curve_for_each_measure():
    page = render_study(sized_study())
    for name in ("size0_unseen", "size0_use", "size0_seconds"):
        assert f'data-figure="{name}"' in page


def test_places__a_line_leads_from_alone_to_selected():
    shown = places(
        [Place("mine", 0.55, 0.95, before=(0.52, 0.90)), Place("real", 0.5, 0.96, is_landmark=True)], "accuracy"
    )
    line, alone, selected, real = shown.data
    assert (line["x"], line["y"]) == ([0.52, 0.55, None], [0.9, 0.95, None])
    assert [trace["name"] for trace in (alone, selected, real)] == ["alone", "selected", "real data"]
