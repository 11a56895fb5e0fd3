"""What is measured, each step in a process of its own: `python -m tests.bench.steps STEP JSON`.

A step gets its arguments as JSON and prints what it found as one line of JSON, the last one of its output.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import pandas as pd
import psutil

import issodask
from issodask.fitting.ipf import fit_weights
from issodask.fitting.pairs import rank_pairs, scale_block, sum_block
from issodask.report.accuracy import compare
from issodask.runtime import open_runtime
from issodask.runtime.arrays import BlockWeights, block_array
from issodask.stages.encode import encode_pool
from issodask.stages.original import KnownOriginal
from issodask.store.pool_writer import as_pool
from issodask.store.reader import BlockReader
from issodask.store.tables import as_frame
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from tests.bench import baseline

_IPF_RUNS = 5


class Watch:
    """Seconds since it was made: by the clock, and of processor time in all threads, which other work disturbs less."""

    def __init__(self) -> None:
        self._began = perf_counter(), process_time()

    def read(self) -> dict[str, float]:
        return {"seconds": perf_counter() - self._began[0], "cpu_seconds": process_time() - self._began[1]}


def encode(original: str, pool: str, workers: int) -> dict[str, Any]:
    """The pool's codes, from Parquet to disk."""
    with tempfile.TemporaryDirectory(prefix="issodask-bench-") as folder, open_runtime(workers) as runtime:
        known = KnownOriginal.of(as_frame(original), None)
        opened = as_pool(pool, folder, known.schema)
        watch = Watch()
        codes = encode_pool(opened, known.bins, known.schema, Path(folder) / "codes", runtime)  # type: ignore[arg-type]
        taken = watch.read()
    return {**taken, "rows": codes.n_units, "columns": codes.n_columns}


def ipf(original: str, pool: str, workers: int, passes: int) -> dict[str, Any]:
    """Weights by the product's own IPF: pair-rows are the weights summed and scaled, passes x pairs x rows.

    As of the baseline's, the fastest of five runs counts: one takes seconds, and a moment's noise is much of it.
    """
    with tempfile.TemporaryDirectory(prefix="issodask-bench-") as folder, open_runtime(workers) as runtime:
        known = KnownOriginal.of(as_frame(original), None)
        opened = as_pool(pool, folder, known.schema)
        codes = encode_pool(opened, known.bins, known.schema, Path(folder) / "codes", runtime)  # type: ignore[arg-type]
        cliques = known.cliques(known.n_units, codes.counts)
        marginals = count_marginals([known.codes], cliques)
        assert isinstance(cliques, Cliques)
        pairs = rank_pairs(marginals, cliques, len(cliques.by_arity[2]))
        reader = BlockReader(Path(folder))

        def fit(pairs: Any, n_passes: int) -> tuple[dict[str, float], tuple[float, ...]]:
            weights = BlockWeights(
                runtime, block_array(reader.codes, codes.blocks, codes.n_columns), scale_block, sum_block
            )
            watch = Watch()
            result = fit_weights(weights, marginals, cliques, pairs, n_passes)
            return watch.read(), result.residuals

        fit(pairs[:1], 1)  # everything is compiled and mapped then
        taken, residuals = min((fit(pairs, passes) for _ in range(_IPF_RUNS)), key=lambda run: run[0]["seconds"])
    return {**taken, "pair_rows": len(residuals) * len(pairs) * codes.n_units, "residual": residuals[-1]}


def baseline_ipf(original: str, pool: str, pairs: int, flat: bool) -> dict[str, Any]:
    """One pass of the baseline over some pairs; with two indices a row as published, or with one (`flat`)."""
    target, codes, sizes = baseline.bin_frames(as_frame(original), pd.read_parquet(pool))
    chosen = baseline.top_pairs(target, sizes, pairs)
    runs = []
    for _ in range(_IPF_RUNS):
        watch = Watch()
        _, passes = baseline.fit_weights(target, codes, sizes, chosen, 1, oversize=1.25, flat=flat)
        runs.append({**watch.read(), "pair_rows": passes * len(chosen) * codes.shape[1]})
    return min(runs, key=lambda run: run["seconds"])


def select(original: str, pool: str, out: str, workers: int, config: dict[str, Any]) -> dict[str, Any]:
    """The whole selection, from files to files; `steps` in seconds."""
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="issodask-bench-") as folder:
        selected = issodask.select(original, pool, folder=folder, out=out, workers=workers, **config)
    moved = psutil.Process().io_counters()
    return {
        **watch.read(),
        "steps": selected.facts["timings"],
        "rounds": selected.rounds,
        "error": 1 - selected.accuracy,
        "bytes_read": moved.read_chars,
        "bytes_written": moved.write_chars,
    }


def baseline_select(original: str, pool: str, out: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """The whole published recipe, from files to a file."""
    watch = Watch()
    table, rows = as_frame(original), pd.read_parquet(pool)
    outcome = baseline.select(table, rows, baseline.Recipe(**recipe))
    rows.iloc[outcome.rows].reset_index(drop=True).to_parquet(out)
    return {**watch.read(), "steps": outcome.seconds}


def score(original: str, tables: dict[str, str]) -> dict[str, Any]:
    """Overall accuracy of each table against the original, by issodask's scorer (mostlyai-qa's, as its tests prove).

    A folder stands for as many random rows of what it holds. Of a wide table other triples are scored than those that
    the selection held.
    """
    reference = as_frame(original)
    bins = Bins.fit(reference)
    cliques = Cliques.of(bins.sizes, seed=1)
    counts = count_marginals([bins.encode(reference)], cliques)
    found = {}
    for name, path in tables.items():
        frame = as_frame(path)
        if Path(path).is_dir():
            frame = frame.sample(min(len(frame), len(reference)), random_state=1)
        found[name] = compare(counts, count_marginals([bins.encode(frame)], cliques), cliques, bins.names).overall
    return found


def bounds(**sizes: int) -> dict[str, Any]:
    """What the hardware can do, and what the kernels make of it."""
    from tests.bench.bounds import measure

    return measure(**sizes)


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    step.__name__: step for step in (encode, ipf, baseline_ipf, select, baseline_select, score, bounds)
}


if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](**json.loads(sys.argv[2]))))
