"""The landmarks between which synthesizers stand: the original's own rows, as they are or with values drawn anew."""

from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from issodask.models.synthesizers.base import STRICT, Synthesizer, taken


@checked_dataclass(config=STRICT)
class Copy(Synthesizer):
    """The original's rows, shuffled, and again from the start where more are wanted: the landmark that fails privacy.

    As accurate as can be, and it gives away everybody.
    """

    name: ClassVar[str] = "copy"

    def fit(self, original: pd.DataFrame, seed: int) -> None:
        self.original = original

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        order = np.random.default_rng(seed).permutation(len(self.original))
        rows = np.resize(order, n)
        return taken(self.original, dict.fromkeys(self.original.columns, rows))


@checked_dataclass(config=STRICT)
class Perturb(Synthesizer):
    """Rows of the original, drawn with replacement, with a share of the values replaced: classic perturbation.

    Each value is replaced, or not, by itself: by a draw from all values of its column. A share of 0 is a bootstrap, of
    1 columns that know nothing of each other. The values that stay are real ones of one real row.
    """

    name: ClassVar[str] = "perturb"
    main: ClassVar[str] = "share"

    share: Annotated[float, Field(ge=0, le=1, description="of the values that are replaced")] = 0.3

    def fit(self, original: pd.DataFrame, seed: int) -> None:
        self.original = original

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        n_rows = len(self.original)
        rows = random.integers(0, n_rows, n)
        replaced = {
            name: np.where(random.random(n) < self.share, random.integers(0, n_rows, n), rows)
            for name in self.original.columns
        }
        return taken(self.original, replaced)
