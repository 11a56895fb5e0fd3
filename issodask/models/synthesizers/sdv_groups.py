"""SDV's model of groups: PAR, a probabilistic autoregressive network that draws row after row.

In: an original and the key of its groups. Out: groups under keys of their own. Columns with one value in each group are
drawn first, by a Gaussian copula, and the rows given these. Zhang, Patki, Veeramachaneni (2022): Sequential Models in
the Synthetic Data Vault. arXiv 2207.14406.
"""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from issodask.errors import InputError
from issodask.models.synthesizers.base import STRICT, Positions
from issodask.models.synthesizers.sdv_models import TABLE, Epochs, SdvModel, metadata_of
from issodask.models.synthesizers.sdv_process import prepared, reseed

_KEY = "key"


@checked_dataclass(config=STRICT)
class SdvPar(SdvModel):
    """PAR. A job's group key is its own, too; alone it is given as a setting.

    sample_size  rows that are drawn for each, of which the likeliest is kept
    """

    name: ClassVar[str] = "sdv:PAR"

    epochs: Epochs = 128
    sample_size: Annotated[int, Field(gt=0)] = 1
    group_key: str | None = None

    def use_groups(self, group_key: str | None) -> "SdvPar":
        wanted = group_key or self.group_key
        if wanted is None:
            raise InputError(
                f"{self.source_name} makes groups: give the group_key, or take a synthesizer of single rows"
            )
        if self.group_key not in (None, wanted):
            raise InputError(f"{self.source_name} is of other groups than those by {wanted!r}: leave its group_key out")
        return replace(self, group_key=wanted)

    def fit(self, original: pd.DataFrame, seed: int) -> None:
        key = self.use_groups(None).group_key
        self.key_is_number = pd.api.types.is_numeric_dtype(original[key].dtype)
        self.group_of = pd.factorize(original[key])[0]
        super().fit(original.drop(columns=str(key)), seed)

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        pieces: list[pd.DataFrame] = []
        n_there = 0
        with prepared(seed):
            reseed(self.model, seed)
            reseed(self.model._context_synthesizer, seed)
            while n_there < n:
                drawn = self.model.sample_sequences(n - n_there)[TABLE]
                group_of = pd.factorize(drawn[_KEY])[0]
                keys = pd.Series(n_there + group_of)
                pieces.append(drawn.assign(**{_KEY: keys.array if self.key_is_number else keys.map("group {}".format)}))
                n_there += group_of.max() + 1
        table = pd.concat(pieces, ignore_index=True)
        return self._back(table.drop(columns=_KEY)).assign(**{str(self.group_key): table[_KEY]})

    def _check_size(self) -> None:
        """The network gets all groups as long as the longest."""
        lengths = np.bincount(self.group_of)
        self._refuse_more_than(len(lengths) * int(lengths.max()))
        if all(_is_constant(codes, self.group_of) for codes in self._codes().values()):
            raise InputError(
                f"{self.source_name} needs a column that varies within groups, but none does: leave group_key out"
            )

    def _codes(self) -> dict[str, Positions]:
        """Numbers for the values of each column as SDV is told of it."""
        told = self._as_told()
        return {str(name): pd.factorize(told[name], use_na_sentinel=False)[0] for name in told}

    def _fitted(self, table: pd.DataFrame) -> Any:
        from sdv.sequential import PARSynthesizer

        of_group = [name for name, codes in self._codes().items() if _is_constant(codes, self.group_of)]
        model = PARSynthesizer(
            metadata_of(table, _KEY),
            context_columns=of_group,
            epochs=self.epochs,
            sample_size=self.sample_size,
            cuda=False,
        )
        model.fit({TABLE: table.assign(**{_KEY: pd.Series(self.group_of).astype(str)})})
        return model


def _is_constant(codes: Positions, group_of: Positions) -> bool:
    """Whether no group has two values."""
    first = np.full(group_of.max() + 1, -1)
    first[group_of[::-1]] = codes[::-1]
    return bool((first[group_of] == codes).all())
