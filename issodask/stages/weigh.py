"""Weigh: a weight for each row of the pool, kept as files beside the search.

In: the pool's codes and the original's marginals. Out: a file of weights per block, and how well the weighted pool
matches. Factors are fitted on a sample of a large pool. Between passes, what the steps summed is kept; a fit that was
interrupted goes on from there, one that is finished and intact is only read.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.config import SelectConfig
from issodask.events import Events
from issodask.fitting.ipf import Fit, IpfResult, Repeated, fit_weights, n_fitted
from issodask.fitting.pairs import PairTable, rank_pairs, scale_block, sum_block, sum_cells, weigh_block
from issodask.runtime import Runtime
from issodask.runtime.arrays import BlockWeights, block_array
from issodask.stages.checkpoint import Pacer, hash_of, load_sums, read_note, save_sums
from issodask.store.codes import Block, Codes
from issodask.store.files import file_hash, write_json
from issodask.store.reader import BlockReader, save_weights
from issodask.table.blocks import draw_samples
from issodask.table.cliques import Cliques


class Weighing:
    """The weights of one search, in `folder`; `key` names the codes and the target that they are fitted to."""

    def __init__(
        self,
        codes: Codes,
        cliques: Cliques,
        marginals: NDArray[np.int64],
        n_units: int,
        config: SelectConfig,
        folder: Path,
        key: str,
        reader: BlockReader,
        runtime: Runtime,
        events: Events,
    ) -> None:
        self._codes = codes
        self._cliques = cliques
        self._marginals = marginals
        self._config = config
        self._folder = folder
        self._reader = reader
        self._runtime = runtime
        self._events = events
        self._n_fitted = n_fitted(codes.n_units, n_units)
        # As many rows stay effective as the subset has; of a sample its share of them.
        self._least_effective = n_units * self._n_fitted / codes.n_units
        self._key = hash_of(key, self._n_fitted, self._least_effective, config.max_pairs, config.ipf_passes)

    def before(self) -> IpfResult | None:
        """What an earlier run fitted, if the weights are still what it wrote; those that are not are named."""
        note = read_note(self._folder / "ipf.json")
        if note.pop("key", None) != hash_of(self._key, note):
            return None
        for name, xxh3 in note["weights"].items():
            path = self._folder / "weights" / name
            if not path.is_file() or file_hash(path) != xxh3:
                self._events.emit("damaged", file=str(path))
                return None
        return IpfResult(**{name: _tuples(value) for name, value in note["result"].items()})

    def run(self) -> IpfResult:
        """Fit the factors, and write the weights of the whole pool."""
        fit = self._fit()
        folder = self._folder / "weights"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        share = self._runtime.share
        shared = share((fit.factors, fit.largest)), share(self._reader), share(folder)
        hashes: dict[str, str] = {}
        sums = np.zeros(sum(len(table.factors) for table in fit.factors) + 2)
        for name, xxh3, own in self._runtime.map(_weigh, self._codes.blocks, *shared, label="weigh"):
            hashes[name] = xxh3
            sums += own  # in block order, so that the sums are the same everywhere
        result = fit.result(sums)
        note = {"weights": hashes, "result": asdict(result)}
        write_json(self._folder / "ipf.json", {"key": hash_of(self._key, note), **note})
        (self._folder / "ipf.npz").unlink(missing_ok=True)
        return result

    def _fit(self) -> Fit:
        """Fit the pairs' factors on a sample of the pool, or on all of it if that is not large."""
        config = self._config
        pairs = rank_pairs(self._marginals, self._cliques, config.max_pairs)
        samples = draw_samples(self._codes.blocks, self._n_fitted)
        array = block_array(self._reader.sample, samples, self._codes.n_columns)
        path = self._folder / "ipf.npz"
        weights = Repeated(BlockWeights(self._runtime, array, scale_block, sum_block), load_sums(path, self._key))
        pacer = Pacer()

        def tell(n: int, residual: float) -> None:
            self._events.emit("ipf", n=n, of=config.ipf_passes, residual=residual)
            if pacer.is_due():
                with pacer.saving():
                    save_sums(path, self._key, weights.sums)

        target = self._marginals, self._cliques, pairs
        return fit_weights(weights, *target, config.ipf_passes, self._least_effective, tell)


def _weigh(
    block: Block, fitted: tuple[Sequence[PairTable], float], reader: BlockReader, folder: Path
) -> tuple[str, str, NDArray[np.float64]]:
    """Write a block's weights. Returns the file's name and hash, and the weights' sums (see `sum_cells`)."""
    codes = reader.codes(block)
    weights = weigh_block(codes, *fitted)
    return *save_weights(folder, block, weights), sum_cells(codes, weights, fitted[0])


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
