"""A made-up table and the pool of a generator that learnt it well, but not perfectly. Any shape, seeded, part by part.

The original's rows come from a mixture of classes; within a class, a Gaussian copula with a few common factors ties
the columns together, so that pairs and triples depend on one another. Each column turns its latent number into values
of its kind: numbers (symmetric, skewed, with a spike at zero, counts, rounded), categories (a flag, a few, hundreds), a
date, or the group that another column's value falls into. Some columns lack values, which depends on the factors too.

The pool comes from the same model, a little bent, as generators bend what they learn (`TableModel.bent`): dependencies
are weaker, shares and averages are off, the rarest categories are lost, tails are shorter, and rules that always hold
in the original fail now and then. `strength` says how much. In SHAPES it is such that random rows of the pool score as
those of mostlyai's TabularARGN do on the real tables: 0.968 on census, 0.988 on ACS income. A second sample of the
original's model scores 0.975 and 0.995 there; of the real ones, 0.980 and 0.9935. The prize's table has no public pool
to compare with; its shape gets 0.981, and 0.986 a second sample.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

PART_ROWS = 500_000
_ROW_GROUP_ROWS = 65_536
_N_CLASSES = 12
_N_FACTORS = 5
_EPOCH_DAY = 10_957  # 2000-01-01

Kind = Literal["symmetric", "skewed", "spiked", "counts", "rounded", "flag", "few", "many", "date", "coarse"]
Random = np.random.Generator
Floats = NDArray[np.float32]

_MIXED: tuple[Kind, ...] = (
    *("symmetric", "few", "counts", "flag", "skewed", "coarse", "many", "spiked"),
    *("few", "rounded", "flag", "date", "many", "few", "coarse", "counts"),
)
_FLAGS: tuple[Kind, ...] = (
    *("few", "flag", "flag", "coarse", "many", "flag", "few", "spiked"),
    *("flag", "flag", "counts", "flag", "few", "flag", "coarse", "flag"),
)
_NUMBERS: tuple[Kind, ...] = (
    *("symmetric", "few", "counts", "flag", "skewed", "spiked", "many", "spiked"),
    *("rounded", "few", "spiked", "flag", "coarse", "counts", "date", "skewed"),
)
PATTERNS = {"mixed": _MIXED, "flags": _FLAGS, "numbers": _NUMBERS}
"""The kinds of a table's columns, over and over: as in a census, mostly rare flags as in ACS income, mostly numbers."""


@dataclass(frozen=True)
class Shape:
    """A table's shape, the pool's rows, and how far the pool is off (see the module)."""

    n_rows: int
    n_columns: int
    n_pool: int
    pattern: str = "mixed"
    strength: float = 0.35


SHAPES = {
    "census": Shape(24_000, 15, 600_000, "mixed", 0.52),
    "acs": Shape(100_000, 32, 1_000_000, "flags", 0.36),
    "prize": Shape(100_000, 80, 2_500_000, "numbers", 0.3),
    "small": Shape(20_000, 80, 250_000, "numbers", 0.3),
}


@dataclass(frozen=True)
class ColumnModel:
    """How one column comes about: z = loadings · factors + shift of the row's class + own noise, then `kind`'s values.

    cuts     ascending, where z goes over into the next category (or group of `parent`'s z, for "coarse")
    names    of the categories
    shape    of numbers: a centre, a spread and what the kind makes of a third
    missing  z of the missing values' own factor above which a value is missing; infinite: none are
    slip     share of the rows in which a "coarse" column does not follow its parent
    """

    name: str
    kind: Kind
    loadings: Floats
    class_shifts: Floats
    noise: float
    cuts: Floats
    names: tuple[str, ...]
    shape: tuple[float, float, float]
    missing: float
    missing_loadings: Floats
    parent: int = -1
    slip: float = 0.0
    tail: float = np.inf


@dataclass(frozen=True)
class TableModel:
    """Classes and columns; `sample` draws rows."""

    class_shares: NDArray[np.float64]
    columns: tuple[ColumnModel, ...]

    @classmethod
    def of(cls, n_columns: int, seed: int, pattern: str = "mixed") -> "TableModel":
        """The model of an original of so many columns, of the kinds that PATTERNS[pattern] lists."""
        kinds = PATTERNS[pattern]
        random = np.random.default_rng([seed, n_columns])
        shares = random.dirichlet(np.full(_N_CLASSES, 2.0))
        columns: list[ColumnModel] = []
        for j in range(n_columns):
            columns.append(_column(j, kinds[j % len(kinds)], columns, random))
        return cls(shares, tuple(columns))

    def bent(self, strength: float, seed: int) -> "TableModel":
        """The model of a generator that learnt this one; at `strength` 0 it learnt it perfectly."""
        random = np.random.default_rng([seed, 1])
        shares = self.class_shares * np.exp(0.25 * strength * random.standard_normal(_N_CLASSES))
        return TableModel(shares / shares.sum(), tuple(_bent(column, strength, random) for column in self.columns))

    def sample(self, n_rows: int, random: Random) -> pa.Table:
        """Draw `n_rows` rows: int64, float64, string (as dictionaries) and timestamp columns, some with nulls."""
        classes = np.searchsorted(np.cumsum(self.class_shares)[:-1], random.random(n_rows, np.float32), side="right")
        factors = random.standard_normal((_N_FACTORS, n_rows), np.float32)
        latent: dict[int, Floats] = {}
        parents = {column.parent for column in self.columns}
        arrays = []
        for j, column in enumerate(self.columns):
            z = _latent(column, latent, factors, classes, random)
            if j in parents:
                latent[j] = z
            is_missing = None
            if np.isfinite(column.missing):
                own = column.missing_loadings @ factors + np.float32(0.7) * random.standard_normal(n_rows, np.float32)
                is_missing = own > np.float32(column.missing)
            arrays.append(_VALUES[column.kind](column, z, is_missing))
        return pa.table(arrays, names=[column.name for column in self.columns])


def write_data(folder: Path, shape: Shape, seed: int = 1, n_threads: int = 2) -> None:
    """Write `original.parquet`, `holdout.parquet` (as many other rows of its model) and the parts of `pool/`.

    Parts are drawn from seeds of their own, so memory does not grow with the pool.
    """
    pool = folder / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    model = TableModel.of(shape.n_columns, seed, shape.pattern)
    for i, name in enumerate(("original", "holdout")):
        table = model.sample(shape.n_rows, np.random.default_rng([seed, 2, i]))
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=_ROW_GROUP_ROWS)
    bent = model.bent(shape.strength, seed)

    def write_part(part: tuple[int, int]) -> None:
        i_part, n_rows = part
        table = bent.sample(n_rows, np.random.default_rng([seed, 3, i_part]))
        pq.write_table(table, pool / f"part-{i_part:04d}.parquet", row_group_size=_ROW_GROUP_ROWS)

    with ThreadPoolExecutor(n_threads) as threads:
        for _ in threads.map(write_part, enumerate(_part_rows(shape.n_pool))):
            pass


def _part_rows(n_pool: int) -> Iterator[int]:
    """At least four parts, of at most PART_ROWS rows."""
    most = min(PART_ROWS, -(-n_pool // 4))
    for first in range(0, n_pool, most):
        yield min(most, n_pool - first)


# the model


def _column(j: int, kind: Kind, earlier: list[ColumnModel], random: Random) -> ColumnModel:
    loadings = random.normal(0, 0.45, _N_FACTORS) * (random.random(_N_FACTORS) < 0.6)
    has_missing = random.random() < 0.3
    column = ColumnModel(
        name=f"{kind}_{j:02d}",
        kind=kind,
        loadings=loadings.astype(np.float32),
        class_shifts=random.normal(0, 0.5, _N_CLASSES).astype(np.float32),
        noise=float(random.uniform(0.4, 0.8)),
        cuts=np.zeros(0, np.float32),
        names=(),
        shape=(float(random.uniform(-2, 6)), float(random.lognormal(0, 0.6)), float(random.random())),
        missing=float(random.uniform(0.8, 2.5)) if has_missing else np.inf,
        missing_loadings=random.normal(0, 0.3, _N_FACTORS).astype(np.float32),
    )
    if kind == "coarse":
        numbers = [i for i, other in enumerate(earlier) if other.kind != "coarse"]
        column = replace(column, parent=int(random.choice(numbers)) if numbers else -1, slip=0.01)
    n_categories = {
        "flag": 2,
        "few": int(random.integers(4, 10)),
        "many": int(random.integers(100, 500)),
        "coarse": int(random.integers(3, 7)),
    }
    if kind not in n_categories:
        return column
    n = n_categories[kind]
    if kind == "many":
        shares = random.permutation(1 / np.arange(1, n + 1) ** random.uniform(1.2, 2.2))
    elif kind == "flag":
        shares = random.permutation([rare := random.uniform(0.01, 0.3), 1 - rare])
    else:
        shares = random.dirichlet(np.full(n, 0.6)) + 0.01
    names = tuple(f"{kind}-{i:03d}" for i in random.permutation(n))
    return replace(column, cuts=_cuts(shares), names=names)


def _cuts(shares: NDArray[np.float64]) -> Floats:
    """Where a normal number goes over into the next category. Categories without a share get none."""
    return ndtri(np.cumsum(shares / shares.sum())[:-1]).astype(np.float32)


def _bent(column: ColumnModel, strength: float, random: Random) -> ColumnModel:
    normal = random.standard_normal
    softened = 1 - 0.10 * strength * random.random()
    changed = replace(
        column,
        loadings=(softened * column.loadings + 0.03 * strength * normal(_N_FACTORS)).astype(np.float32),
        class_shifts=(column.class_shifts + strength * (0.03 * normal() + 0.06 * normal(_N_CLASSES))).astype(
            np.float32
        ),
        noise=column.noise * (1 + 0.05 * strength * random.random()),
        missing=column.missing + 0.08 * strength * normal(),
        missing_loadings=(softened * column.missing_loadings).astype(np.float32),
        slip=column.slip + 0.02 * strength * random.random(),
        tail=2.2 if strength else np.inf,
    )
    if not column.names:
        return changed
    upper = np.append(_cumulated(column.cuts), 1.0)
    shares = np.diff(upper, prepend=0.0)
    shares = shares * np.exp(0.06 * strength * normal(len(shares)))
    if column.kind == "many":
        shares[shares < 0.0005 * strength * random.random(len(shares))] = 0.0
    return replace(changed, cuts=_cuts(shares))


def _cumulated(cuts: Floats) -> NDArray[np.float64]:
    return ndtr(cuts.astype(np.float64))


# values


def _latent(
    column: ColumnModel, latent: dict[int, Floats], factors: Floats, classes: NDArray[np.intp], random: Random
) -> Floats:
    n = len(classes)
    z = column.loadings @ factors
    z += column.class_shifts[classes]
    z += np.float32(column.noise) * random.standard_normal(n, np.float32)
    if column.parent >= 0:
        z = np.where(random.random(n, np.float32) < np.float32(column.slip), z, latent[column.parent])
    if np.isfinite(column.tail):
        tail = np.float32(column.tail)
        z = np.where(np.abs(z) > tail, np.sign(z) * (tail + np.float32(0.7) * (np.abs(z) - tail)), z)
    return z


def _categories(column: ColumnModel, z: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    indices = np.searchsorted(column.cuts, z, side="right").astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=is_missing), pa.array(column.names))


def _symmetric(column: ColumnModel, z: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    return _decimals(column.shape[0] + column.shape[1] * z, 3, is_missing)


def _skewed(column: ColumnModel, z: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    return _decimals(np.exp(column.shape[0] + np.float32(0.5 + column.shape[2]) * z), 2, is_missing)


def _spiked(column: ColumnModel, z: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    beyond = np.maximum(z - np.float32(1.8 * column.shape[2]), 0)
    return _whole(1_000 * beyond * np.exp(beyond), is_missing)


def _counts(column: ColumnModel, z: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    return _whole(np.exp(np.float32(0.3 + column.shape[2]) + np.float32(0.7) * z), is_missing)


def _rounded(column: ColumnModel, z: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    return _whole(5 * np.round(8 + 2 * z), is_missing)


def _date(column: ColumnModel, z: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    days = (_EPOCH_DAY + 1_500 * z).astype(np.int64)
    return pa.array(days.view("datetime64[D]").astype("datetime64[us]"), mask=is_missing)


def _decimals(values: Floats, n: int, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    return pa.array(np.round(values.astype(np.float64), n), mask=is_missing)


def _whole(values: Floats, is_missing: NDArray[np.bool_] | None) -> pa.Array:
    """Whole numbers; floats where some are missing, as pandas reads them."""
    whole = np.floor(values)
    return (
        pa.array(whole.astype(np.int64)) if is_missing is None else pa.array(whole.astype(np.float64), mask=is_missing)
    )


_VALUES: dict[Kind, Callable[[ColumnModel, Floats, NDArray[np.bool_] | None], pa.Array]] = {
    "symmetric": _symmetric,
    "skewed": _skewed,
    "spiked": _spiked,
    "counts": _counts,
    "rounded": _rounded,
    "flag": _categories,
    "few": _categories,
    "many": _categories,
    "date": _date,
    "coarse": _categories,
}
