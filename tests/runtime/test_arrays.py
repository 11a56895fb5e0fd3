"""Codes and weights by block: the same bytes on every runtime."""

import numpy as np
import pytest

from issodask.fitting.ipf import fit_weights
from issodask.fitting.pairs import rank_pairs, scale_block, sum_block
from issodask.runtime import open_runtime
from issodask.runtime.arrays import BlockWeights, block_array
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from tests.runtime.tasks import DrawnBlock, draw_codes

SIZES = (3, 4, 2, 5)


def drawn_blocks(*rows):
    starts = np.cumsum([0, *rows])
    return [DrawnBlock(n, int(start), SIZES, seed) for seed, (n, start) in enumerate(zip(rows, starts, strict=False))]


def fitted(runtime, blocks, n_passes=3):
    """Weights by block after some passes of IPF, and how they ended."""
    layout = Cliques.of(SIZES)
    marginals = count_marginals([draw_codes(DrawnBlock(50, 0, SIZES, 99))], layout)
    weights = BlockWeights(runtime, block_array(draw_codes, blocks, len(SIZES)), scale_block, sum_block)
    pairs = rank_pairs(marginals, layout, 100)
    fit = fit_weights(weights, marginals, layout, pairs, n_passes)
    factors = [table.factors.tobytes() for table in fit.factors]
    return [*factors, weights.compute().tobytes()], fit.residuals


def test_block_array__one_chunk_per_block():
    blocks = drawn_blocks(5, 0, 7)
    codes = block_array(draw_codes, blocks, len(SIZES))
    assert (codes.shape, codes.chunks[0], codes.dtype) == ((12, 4), (5, 0, 7), np.uint8)
    assert np.array_equal(codes.compute(scheduler="sync"), np.concatenate([draw_codes(block) for block in blocks]))


@pytest.mark.parametrize(
    "rows",
    [(40, 25, 60), (1,), (10, 0, 3), (9, 8, 7, 6, 5, 4, 3, 2, 1)],
    ids=["blocks", "single unit", "empty block", "many blocks"],
)
def test_block_weights__same_bytes_on_every_runtime(runtime, rows):
    blocks = drawn_blocks(*rows)
    with open_runtime(1, "serial") as serial:
        expected = fitted(serial, blocks)
    assert fitted(runtime, blocks) == expected


def test_block_weights__begin_at_one(runtime):
    weights = BlockWeights(runtime, block_array(draw_codes, drawn_blocks(4, 2), len(SIZES)), scale_block, sum_block)
    assert weights.compute().tolist() == [1.0] * 6


def test_block_weights__one_block_or_many_agree():
    blocks = drawn_blocks(30, 20)
    whole = np.concatenate([draw_codes(block) for block in blocks])
    with open_runtime(1, "serial") as runtime:
        parts, residuals = fitted(runtime, blocks)
        layout = Cliques.of(SIZES)
        marginals = count_marginals([draw_codes(DrawnBlock(50, 0, SIZES, 99))], layout)
        weights = BlockWeights(
            runtime, block_array(lambda _: whole, [DrawnBlock(50, 0, SIZES, 0)], 4), scale_block, sum_block
        )
        expected = fit_weights(weights, marginals, layout, rank_pairs(marginals, layout, 100), 3)
        together = weights.compute()
    assert np.frombuffer(parts[-1]) == pytest.approx(together)
    assert residuals == pytest.approx(expected.residuals)
