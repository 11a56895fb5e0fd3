"""Weigh: a weight for each row of the pool, kept as files beside the search.

In: the pool's codes and the original's marginals. Out: a file of weights per block, and how well the weighted pool
matches. Factors are fitted on a sample of a large pool. Between passes, what the steps summed is kept; a fit that was
interrupted goes on from there, one that is finished and intact is only read.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.events import Damaged, WeightsPassed
from issodask.fitting.ipf import Fit, IpfResult, Repeated, fit_weights, n_fitted
from issodask.fitting.pairs import PairTable, rank_pairs, scale_block, sum_block, sum_cells, weigh_block
from issodask.runtime.arrays import BlockWeights, block_array
from issodask.stages.checkpoint import Pacer, load_sums, save_sums
from issodask.stages.context import SearchContext
from issodask.store.codes import Block
from issodask.store.places import make_folder, remove, remove_tree
from issodask.store.reader import BlockReader, save_weights, weights_path
from issodask.store.receipts import Receipt, key_of
from issodask.table.blocks import draw_samples
from issodask.table.cliques import Cliques

SKIPPED = IpfResult("skipped", (), 0, ())


def weigh(context: SearchContext) -> tuple[IpfResult, dict[str, float]]:
    """Fit the weights of rows, or read those that an earlier run fitted; groups have none.

    Returns how the fit ended, and the seconds that it took, by name.
    """
    cliques = context.objective.cliques
    if not isinstance(cliques, Cliques):
        return SKIPPED, {}
    paths = [weights_path(context.folder.weights, block) for block in context.codes.blocks]
    receipt = Receipt(context.folder.weighed, _key(context), paths)
    known = receipt.facts(lambda path: context.events.emit(Damaged(file=str(path))))
    if known is not None:
        return IpfResult(**{name: _tuples(value) for name, value in known["result"].items()}), known["timings"]
    began = monotonic()
    result, hashes = _weigh_pool(context, _fit(context, cliques, receipt.key))
    timings = {"ipf": round(monotonic() - began, 2)}
    receipt.write({"result": asdict(result), "timings": timings}, hashes)
    remove(context.folder.sums)
    return result, timings


def _key(context: SearchContext) -> str:
    config = context.config
    return key_of(context.data_key, *_sample_size(context), config.max_pairs, config.ipf_passes)


def _sample_size(context: SearchContext) -> tuple[int, float]:
    """How many units factors are fitted on, and how many of them have to stay effective.

    As many rows of the pool stay effective as the subset has; of a sample its share of them.
    """
    n_pool = context.codes.n_units
    n_sample = n_fitted(n_pool, context.n_units)
    return n_sample, context.n_units * n_sample / n_pool


def _fit(context: SearchContext, cliques: Cliques, key: str) -> Fit:
    """Fit the pairs' factors on a sample of the pool, or on all of it if that is not large."""
    config, codes = context.config, context.codes
    n_sample, least_effective = _sample_size(context)
    pairs = rank_pairs(context.marginals, cliques, config.max_pairs)
    array = block_array(context.reader.sample, draw_samples(codes.blocks, n_sample), codes.n_columns)
    path = context.folder.sums
    load_first = context.reader.first_of_sample if context.has_first else None
    fitted = BlockWeights(context.runtime, array, scale_block, sum_block, load_first)
    weights = Repeated(fitted, load_sums(path, key))
    pacer = Pacer(config.checkpoint_s)

    def tell(n: int, residual: float) -> None:
        context.events.emit(WeightsPassed(n=n, of=config.ipf_passes, residual=residual))
        if pacer.is_due():
            with pacer.saving():
                save_sums(path, key, weights.sums)

    return fit_weights(weights, context.marginals, cliques, pairs, config.ipf_passes, least_effective, tell)


def _weigh_pool(context: SearchContext, fit: Fit) -> tuple[IpfResult, list[str]]:
    """Write the weights of the whole pool; returns how well they match, and the hashes of their files."""
    folder = context.folder.weights
    remove_tree(folder)
    make_folder(folder)
    share = context.runtime.share
    shared = share((fit.factors, fit.largest)), share(context.reader), share(folder)
    hashes: list[str] = []
    sums = np.zeros(sum(len(table.factors) for table in fit.factors) + 2)
    for xxh3, own in context.runtime.map(_weigh_block, context.codes.blocks, *shared, label="weigh"):
        hashes.append(xxh3)
        sums += own  # in block order, so that the sums are the same everywhere
    return fit.result(sums), hashes


def _weigh_block(
    block: Block, fitted: tuple[Sequence[PairTable], float], reader: BlockReader, folder: Path
) -> tuple[str, NDArray[np.float64]]:
    """Write a block's weights. Returns the file's hash, and the weights' sums (see `sum_cells`)."""
    codes = reader.codes(block)
    weights = weigh_block(codes, *fitted, reader.first(block))
    return save_weights(folder, block, weights), sum_cells(codes, weights, fitted[0])


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
