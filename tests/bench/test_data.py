import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from click.testing import CliRunner

from issodask.report.accuracy import compare
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from tests.bench.__main__ import main
from tests.bench.data import SHAPES, Shape, TableModel, write_data

_SHAPE = Shape(n_rows=2_000, n_columns=17, n_pool=9_001, pattern="numbers", strength=1.0)


def test_write_data__has_the_shape_and_one_schema(tmp_path):
    write_data(tmp_path, _SHAPE)
    original = pq.read_table(tmp_path / "original.parquet")
    parts = [pq.read_table(path) for path in sorted((tmp_path / "pool").glob("*.parquet"))]
    assert original.shape == (2_000, 17)
    assert len(parts) >= 4
    assert sum(len(part) for part in parts) == 9_001
    assert all(part.schema == original.schema for part in parts)


def test_write_data__same_seed_same_values_whatever_the_threads(tmp_path):
    write_data(tmp_path / "a", _SHAPE, seed=3, n_threads=1)
    write_data(tmp_path / "b", _SHAPE, seed=3, n_threads=3)
    write_data(tmp_path / "c", _SHAPE, seed=4)
    one, two, other = (pd.read_parquet(tmp_path / name / "pool") for name in "abc")
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)


def test_table_model__holds_numbers_categories_dates_and_missing_values():
    frame = TableModel.of(32, seed=1).sample(5_000, np.random.default_rng(1)).to_pandas()
    kinds = {dtype.kind if hasattr(dtype, "kind") else "category" for dtype in frame.dtypes}
    assert {"i", "f", "M"} <= kinds
    assert frame.isna().any().sum() >= 3
    assert (frame.isna().mean() < 0.5).all()
    assert frame["many_06"].nunique() > 50


def test_bent__is_as_far_off_as_its_strength_says():
    model = TableModel.of(8, seed=1)
    accuracies = [_accuracy(model, model.bent(strength, seed=1)) for strength in (0.0, 0.5, 2.0)]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] - accuracies[2] > 0.02


def test_shapes__census_scores_like_the_pool_of_a_real_generator():
    shape = SHAPES["census"]
    model = TableModel.of(shape.n_columns, 1, shape.pattern)
    found = _accuracy(model, model.bent(shape.strength, 1), shape.n_rows)
    assert abs(found - 0.968) < 0.003


def test_data_command__says_what_is_missing(tmp_path):
    result = CliRunner().invoke(main, ["data", str(tmp_path), "--rows", "10"])
    assert result.exit_code == 2
    assert "--columns" in result.output


def _accuracy(model: TableModel, other: TableModel, n_rows: int = 20_000) -> float:
    frames = [each.sample(n_rows, np.random.default_rng(i)).to_pandas() for i, each in enumerate((model, other))]
    bins = Bins.fit(frames[0])
    cliques = Cliques.of(bins.sizes)
    counts = [count_marginals([bins.encode(frame)], cliques) for frame in frames]
    return compare(*counts, cliques, bins.names).overall
