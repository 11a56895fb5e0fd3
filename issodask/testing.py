"""Suites for what others bring (see issodask/protocols.py): each raises AssertionError that says what is not kept.

    from issodask.testing import check_generator

    def test_my_generator():
        check_generator(MyGenerator())

`check_runtime` does the same for a place where work runs.
"""

import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pandas as pd

from issodask.errors import InputError
from issodask.protocols import Generator, Runtime
from issodask.stages.called import call
from issodask.store.casts import cast_table
from issodask.store.frames import to_frame
from issodask.store.tables import as_table
from issodask.store.types import schema_of

if TYPE_CHECKING:
    from issodask.table.schema import Schema

_LARGE = 100_000
"""Numbers that are too many to travel with each task."""


def check_generator(
    source: Generator | Callable[..., Any] | str,
    original: Any | None = None,
    *,
    group_key: str | None = None,
    units: int = 100,
) -> None:
    """Check a generator of one's own: an object, a class, a function, or the name of one.

    original   what it is to learn; default: a table of numbers, categories, times and missing values
    group_key  the column that says which rows belong together, where units are groups
    units      how many to draw
    """
    table = as_table(_some_table() if original is None else original)
    schema, frame = schema_of(table), to_frame(table)
    untouched = frame.copy(deep=True)
    copy = source if isinstance(source, str) else _travelled(source)

    def draw(made_by: Any, n_units: int, seed: int) -> pd.DataFrame:
        np.random.seed(seed + n_units)
        return _drawn(made_by, frame, schema, n_units, seed, group_key)

    first = draw(source, units, 1)
    pd.testing.assert_frame_equal(frame, untouched, obj="the original, which has to stay as it is")
    np.random.seed(7)
    again = _drawn(copy, frame, schema, units, 1, group_key)
    pd.testing.assert_frame_equal(first, again, obj="what an equal seed draws, in a copy that travelled")
    assert not first.equals(draw(source, units, 2)), "another seed draws the same rows"
    draw(source, 1, 1)  # the last chunk of a pool may be as small


def _travelled(source: Any) -> Any:
    try:
        return cloudpickle.loads(cloudpickle.dumps(source))
    except Exception as error:
        raise AssertionError(f"it can't be pickled, but has to travel to workers: {error}") from error


def _drawn(
    source: Any, frame: pd.DataFrame, schema: "Schema", n_units: int, seed: int, group_key: str | None
) -> pd.DataFrame:
    """What it makes, in the original's types."""
    try:
        (table,) = call(source, frame, schema, n_units, seed, group_key)
        return to_frame(cast_table(table, schema, where="what it returned"), schema)
    except InputError as error:
        raise AssertionError(str(error)) from error


def _some_table(n_rows: int = 500) -> pd.DataFrame:
    random = np.random.default_rng(1)
    numbers = random.normal(size=n_rows)
    days = pd.to_timedelta(random.integers(0, 1_000, n_rows), unit="D")
    return pd.DataFrame(
        {
            "number": np.where(random.random(n_rows) < 0.1, np.nan, numbers.round(3)),
            "count": random.poisson(4, n_rows),
            "kind": random.choice(["x", "y", "z"], n_rows),
            "level": pd.Categorical(np.where(numbers > 0, "high", "low")),
            "yes": random.random(n_rows) < 0.5,
            "day": pd.Timestamp("2001-01-01") + days,
        }
    )


def check_runtime(runtime: Runtime) -> None:
    """Check a place where work runs."""
    assert runtime.n_workers >= 1, "it has no workers"
    _check_results(runtime)
    _check_shared(runtime)
    _check_errors(runtime)
    _check_hosts(runtime)
    _check_exclusive(runtime)
    with tempfile.TemporaryDirectory(prefix="issodask-check-") as folder:
        _check_retries(runtime, Path(folder))
        runtime.check_seen(Path(folder))


def _check_results(runtime: Runtime) -> None:
    assert list(runtime.map(_slow_first, range(12), label="check")) == list(range(12)), (
        "results are not in the order of the items"
    )
    assert list(runtime.map(_slow_first, [], label="check")) == [], "no items give results"
    assert list(runtime.map(_slow_first, [3, 3], label="check")) == [3, 3], "equal items are not tasks of their own"
    results = runtime.map(_slow_first, range(100), label="check")
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert list(runtime.map(_slow_first, [5], label="check")) == [5], "results that nobody fetched are in the way"


def _check_shared(runtime: Runtime) -> None:
    for n in (1_000, _LARGE):
        shared = runtime.share(np.ones(n))
        sums = [sum(runtime.map(_sum, [item], shared, 0.5, label="check")) for item in (1, 2)]
        assert sums == [n + 0.5, 2 * n + 0.5], f"{n:,} shared numbers do not arrive, or only once"


def _check_errors(runtime: Runtime) -> None:
    results = runtime.map(_fail_at_two, range(20), label="check")
    assert [next(results), next(results)] == [0, 1], "an error hides the results before it"
    _expect(RuntimeError, "no 2", lambda: next(results))
    assert list(runtime.map(_slow_first, [4], label="check")) == [4], "nothing runs after an error"


def _check_retries(runtime: Runtime, folder: Path) -> None:
    for name in ("kept", "given up", "refused"):
        (folder / name).mkdir()
    kept = list(runtime.map(_fail_until, [(str(folder / "kept"), 3)], label="check", retries=2))
    assert kept == [3], "a task that fails is not tried again"
    tried = runtime.map(_fail_until, [(str(folder / "given up"), 3)], label="check", retries=1)
    _expect(RuntimeError, "attempt 2", lambda: list(tried))
    refused = runtime.map(_refuse, [str(folder / "refused")], label="check", retries=3)
    _expect(InputError, "found 7, needed another: change it", lambda: list(refused))
    assert len(list((folder / "refused").iterdir())) == 1, "bad input is tried again"


def _check_exclusive(runtime: Runtime) -> None:
    spans = list(runtime.map(_span, range(6), label="check", exclusive=True))
    for worker in {worker for worker, _, _ in spans}:
        own = sorted((began, ended) for name, began, ended in spans if name == worker)
        assert all(a[1] <= b[0] for a, b in pairwise(own)), "exclusive tasks of a worker overlap"


def _check_hosts(runtime: Runtime) -> None:
    items = list(range(min(2, runtime.n_workers)))
    with runtime.hosts(_Tally, items, runtime.share(np.ones(_LARGE)), label="check") as hosts:
        assert hosts.n_hosts == len(items), "there is not a host for each item"
        assert hosts.ask("add", [1] * len(items))() == [_LARGE + i + 1 for i in items], "hosts do not answer in order"
        assert hosts.ask("add", [1])() == [_LARGE + 2], "a host forgets, or others are called too"
        _expect(ValueError, "no 7", lambda: hosts.ask("add", [7])())
        assert hosts.ask("add", [0] * len(items))() == [_LARGE + 2, *(_LARGE + i + 1 for i in items[1:])], (
            "a host that raised an error forgets"
        )


class _Tally:
    """Counts on from what it was made with."""

    def __init__(self, item: int, values: Any) -> None:
        self._total = item + float(values.sum())

    def add(self, number: int) -> float:
        if number == 7:
            raise ValueError(f"no {number}")
        self._total += number
        return self._total


def _expect(kind: type[Exception], message: str, act: Callable[[], Any]) -> None:
    told = None
    try:
        act()
    except kind as error:
        told = str(error)
    assert told is not None, f"{kind.__name__} does not reach who asked for the result"
    assert told == message, f"{kind.__name__} says {told}, not {message}"


def _slow_first(i: int) -> int:
    time.sleep(0.05 if i == 0 else 0)
    return i


def _sum(factor: int, values: Any, offset: float) -> float:
    return float(values.sum() * factor + offset)


def _fail_at_two(i: int) -> int:
    if i == 2:
        raise RuntimeError(f"no {i}")
    return i


def _attempt(folder: str) -> int:
    """Attempts are counted in a folder, since workers share nothing else."""
    attempt = len(list(Path(folder).iterdir())) + 1
    (Path(folder) / f"{attempt}").touch()
    return attempt


def _fail_until(item: tuple[str, int]) -> int:
    folder, n = item
    attempt = _attempt(folder)
    if attempt < n:
        raise RuntimeError(f"attempt {attempt}")
    return attempt


def _refuse(folder: str) -> None:
    _attempt(folder)
    raise InputError("found 7, needed another: change it")


def _span(_: int) -> tuple[int, float, float]:
    began = time.time()
    time.sleep(0.02)
    return os.getpid(), began, time.time()
