"""The measurements: which step on which data, and what was promised of it.

Everything that is compared is measured in the same run, each step in a process of its own. Whole selections are
compared with the whole baseline where that takes minutes (census, small); on larger shapes it would take hours, so
there only the product is run, unless `with_baseline` is asked for.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from issodask.warm import warm_up
from tests.bench.data import SHAPES, Shape, write_data
from tests.bench.measure import Measured, measured

MINUTES = {"bounds": 1, "encode": 1, "ipf": 2, "census": 4, "small": 12, "acs": 3, "prize": 9}
"""About how long each part takes on two cores; `small` and `census` mostly for the baseline."""
BASELINE_MINUTES = {"acs": 60, "prize": 300}

_QUICK = 0.02
_BASELINE_PAIRS = 24


@dataclass(frozen=True)
class Row:
    """A line of the table: `value` is the accuracy reached, or a rate, as text. `cpu_seconds` are of all threads."""

    what: str
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    value: str = ""
    steps: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """Something promised: `found` against `limit`, which it should be below (`at_most`) or above."""

    what: str
    found: float
    limit: float
    at_most: bool
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.found <= self.limit if self.at_most else self.found >= self.limit


@dataclass(frozen=True)
class Tables:
    """Paths of an original, of a pool and, maybe, of a holdout."""

    original: Path
    pool: Path
    holdout: Path | None = None


@dataclass
class Suite:
    """Runs the parts that are asked for; `rows` and `bars` grow on the way.

    folder    where made-up data lies, and stays if it is one that was given: a shape that is there is not made again
    quick     everything at a fiftieth of its size, to see that it works; bars mean nothing then
    own       a real table and pool, which take the place of a shape in the part `own`
    """

    folder: Path
    workers: int
    quick: bool = False
    with_baseline: bool = False
    own: Tables | None = None
    config: dict[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] = lambda text: None
    rows: list[Row] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    bounds: dict[str, Any] = field(default_factory=dict)

    def run(self, parts: list[str]) -> None:
        self.tell("compiling the kernels, once")
        warm_up()
        for part in parts:
            self.tell(part)
            self._parts[part](self)

    def _bounds(self) -> None:
        sizes = {"n_units": 2_048, "n_columns": 8, "n_look_ups": 65_536} if self.quick else {}
        self.bounds = measured("bounds", **sizes).found

    def _encode(self) -> None:
        tables = self._made("acs")
        done = measured("encode", **_paths(tables), workers=self.workers)
        n = done.found["rows"] * done.found["columns"]
        title = f"encode {done.found['rows']:,} × {done.found['columns']}, {_cores(self.workers)}"
        self.rows.append(_row(title, done, f"{n / done.found['seconds'] / 1e6:.1f} million values/s"))
        self.bars.append(Bar("encode 1,000,000 × 32", done.found["seconds"], 10, at_most=True, unit="s"))

    def _ipf(self) -> None:
        paths = _paths(self._made("acs"))
        rates, seconds = {}, {}
        for n in (1, 2):
            done = measured("ipf", **paths, workers=n, passes=2)
            rates[n], seconds[n] = _rate(done), done.found["seconds"]
            self.rows.append(_row(f"IPF, {_cores(n)}", done, _rate_text(done)))
        for flat, title in ((False, "as published"), (True, "with flat indices")):
            done = measured("baseline_ipf", **paths, pairs=_BASELINE_PAIRS, flat=flat)
            rates[title] = _rate(done)
            self.rows.append(_row(f"  NumPy's, {title}", done, _rate_text(done)))
        self.bars += [
            Bar("IPF on one core, by NumPy's as published", rates[1] / rates["as published"], 5, False, "×"),
            Bar("IPF on two cores, by one", seconds[1] / seconds[2], 1.7, False, "×"),
        ]

    def _census(self) -> None:
        done, _ = self._select("census", self._made("census"), with_baseline=True)
        self.bars.append(Bar("select, census shape", done.found["seconds"], 15, at_most=True, unit="s"))

    def _small(self) -> None:
        done, other = self._select("small", self._made("small"), with_baseline=True)
        assert other is not None
        errors = [1 - accuracies["subset"] for accuracies in (done.found["accuracy"], other.found["accuracy"])]
        self.bars += [
            Bar("select, 20,000 × 80 from 250,000: error by NumPy's", errors[0] / errors[1], 0.7, True, "×"),
            Bar(
                "select, 20,000 × 80 from 250,000: time by NumPy's",
                done.found["seconds"] / other.found["seconds"],
                0.1,
                True,
                "×",
            ),
        ]

    def _acs(self) -> None:
        done, _ = self._select("acs", self._made("acs"), self.with_baseline)
        self.bars.append(Bar("select, ACS shape", done.found["seconds"], 120, at_most=True, unit="s"))

    def _prize(self) -> None:
        done, _ = self._select("prize", self._made("prize"), self.with_baseline)
        self.bars += [
            Bar("select, prize shape", done.found["seconds"], 360, at_most=True, unit="s"),
            Bar("select, prize shape: peak memory", done.peak_bytes / 1e9, 4, at_most=True, unit="GB"),
        ]

    def _own(self) -> None:
        assert self.own is not None
        self._select("your table", self.own, self.with_baseline)

    _parts: ClassVar[dict[str, Callable[["Suite"], None]]] = {
        "bounds": _bounds,
        "encode": _encode,
        "ipf": _ipf,
        "census": _census,
        "small": _small,
        "acs": _acs,
        "prize": _prize,
        "own": _own,
    }

    def _select(self, name: str, tables: Tables, with_baseline: bool) -> tuple[Measured, Measured | None]:
        """Select, and perhaps by the baseline too; score both. Accuracies are added to what was found."""
        with tempfile.TemporaryDirectory(prefix="issodask-bench-") as work:
            outs = {"select": str(Path(work) / "subset.parquet"), "baseline": str(Path(work) / "baseline.parquet")}
            self.tell(f"{name}: select")
            done = measured("select", **_paths(tables), out=outs["select"], workers=self.workers, config=self._config())
            self._score(done, tables, outs["select"])
            self.rows.append(_row(f"{name}: issodask, {_cores(self.workers)}", done, _accuracy_text(done), steps=True))
            if not with_baseline:
                return done, None
            self.tell(f"{name}: the same by NumPy and pandas")
            recipe = {"iterations": 5} if self.quick else {}
            other = measured("baseline_select", **_paths(tables), out=outs["baseline"], recipe=recipe)
            self._score(other, tables, outs["baseline"])
            self.rows.append(_row(f"{name}: NumPy and pandas", other, _accuracy_text(other), steps=True))
        return done, other

    def _config(self) -> dict[str, Any]:
        config = {"aim": "original", **self.config}  # what the published recipe aims at
        return {"effort": 10.0, "ipf_passes": 2, **config} if self.quick else config

    def _score(self, done: Measured, tables: Tables, subset: str) -> None:
        others = {"holdout": str(tables.holdout)} if tables.holdout else {}
        paths = {"subset": subset, "random": str(tables.pool), **others}
        done.found["accuracy"] = measured("score", original=str(tables.original), tables=paths).found

    def _made(self, name: str) -> Tables:
        """The data of a shape."""
        shape = _shrunk(SHAPES[name]) if self.quick else SHAPES[name]
        folder = self.folder / (f"{name}-quick" if self.quick else name)
        if not (folder / "whole").is_file():
            self.tell(f"making a table of {shape.n_rows:,} × {shape.n_columns} and a pool of {shape.n_pool:,}")
            write_data(folder, shape)
            (folder / "whole").touch()
        return Tables(folder / "original.parquet", folder / "pool", folder / "holdout.parquet")


def minutes(parts: list[str], with_baseline: bool) -> int:
    """About how long these parts take."""
    more = sum(BASELINE_MINUTES.get(part, 0) for part in parts) if with_baseline else 0
    return sum(MINUTES.get(part, 10) for part in parts) + more


def _shrunk(shape: Shape) -> Shape:
    n_columns = min(12, shape.n_columns)
    return Shape(int(shape.n_rows * _QUICK), n_columns, int(shape.n_pool * _QUICK), shape.pattern, shape.strength)


def _paths(tables: Tables) -> dict[str, str]:
    return {"original": str(tables.original), "pool": str(tables.pool)}


def _row(what: str, done: Measured, value: str, steps: bool = False) -> Row:
    return Row(
        what,
        done.found["seconds"],
        done.found["cpu_seconds"],
        done.peak_bytes,
        value,
        done.found["steps"] if steps else {},
    )


def _rate(done: Measured) -> float:
    """Pair-rows per second of processor time: what one core does, whatever else runs on the machine."""
    return float(done.found["pair_rows"] / done.found["cpu_seconds"])


def _rate_text(done: Measured) -> str:
    return f"{_rate(done) / 1e6:.0f} million pair-rows/s of a core"


def _accuracy_text(done: Measured) -> str:
    found = done.found["accuracy"]
    return f"{found['subset']:.4f} (random rows {found['random']:.4f})"


def _cores(n: int) -> str:
    return "one core" if n == 1 else f"{n} cores"


def in_lines(bounds: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The hardware's bounds, as text."""
    hardware = bounds["hardware"]
    yield "stream from memory, one core", f"{hardware['stream_bytes_per_s'] / 1e9:.1f} GB/s"
    for name in ("L1", "L2", "L3", "memory"):
        yield f"look-ups in {name}", f"{1e3 / hardware[f'{name}_look_up_ns']:,.0f} million/s"
    yield "additions in L1", f"{1e3 / hardware['L1_add_ns']:,.0f} million/s"
