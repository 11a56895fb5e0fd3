"""Models of SDV, the Synthetic Data Vault: Gaussian copula, CTGAN, TVAE, CopulaGAN.

In: an original. Out: rows. SDV is told what each column is, rather than left to guess: numbers (times among them, as
whole steps) and categories. Missing numbers it fills and takes away again at random, as by default.

SDV's licence is the Business Source Licence: it is not open source. Patki, Wedge, Veeramachaneni (2016): The Synthetic
Data Vault. IEEE DSAA.
"""

from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from issodask.errors import InputError
from issodask.models.synthesizers.base import STRICT, Synthesizer, taken
from issodask.models.synthesizers.coded import Categories, Coded, Measure
from issodask.models.synthesizers.sdv_process import first_line, prepared, reseed

Distribution = Literal["beta", "norm", "truncnorm", "uniform", "gamma", "gaussian_kde"]
Epochs = Annotated[int, Field(gt=0)]
TensBatch = Annotated[int, Field(gt=0, multiple_of=10)]
"""The discriminator looks at ten rows together."""

_NUMBERS_OF_A_MEASURE = 11
"""Networks get a number as one of up to ten modes, and where within it."""
_MOST_NUMBERS = 250_000_000
"""Of a network's table, 2 GB, of which there are up to four at a time."""
_NUMBERS_AT_ONCE = 50_000_000
TABLE = "table"
_SDV_NAMES = {"distribution": "default_distribution"}


@checked_dataclass(config=STRICT)
class SdvModel(Synthesizer):
    """What all have in common. `is_network` says whether each category becomes a column."""

    needs: ClassVar[str] = "sdv"
    sdv_name: ClassVar[str]
    is_network: ClassVar[bool] = True

    def fit(self, original: pd.DataFrame, seed: int) -> None:
        self.original = original.reset_index(drop=True)
        self.columns = Coded.of(original).columns
        self.model: Any = None
        self._check_size()
        if self.columns:
            with prepared(seed):
                try:
                    self.model = self._fitted(self._as_told())
                except Exception as error:  # its parts raise anything
                    raise InputError(
                        f"{self.source_name} can't learn the original ({first_line(error)}): leave columns out, or "
                        "take another synthesizer"
                    ) from error

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        if self.model is None:
            return taken(self.original, dict.fromkeys(self.original.columns, np.zeros(n, np.int64)))
        step = max(1_000, _NUMBERS_AT_ONCE // self._width)
        with prepared(seed):
            reseed(self.model, seed)
            drawn = [self.model.sample(min(step, n - start))[TABLE] for start in range(0, n, step)]
        return self._back(pd.concat(drawn, ignore_index=True))

    def _fitted(self, table: pd.DataFrame) -> Any:
        from sdv import single_table

        settings = {_SDV_NAMES.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}
        if self.is_network:
            settings["enable_gpu"] = False  # the same seed gives the same rows on all workers
        model = getattr(single_table, self.sdv_name)(metadata_of(table), **settings)
        model.fit({TABLE: table})
        return model

    def _as_told(self) -> pd.DataFrame:
        """Columns under plain names: float64 with NaN, or texts of codes."""
        told = {
            f"c{i}": column.values if isinstance(column, Measure) else column.codes.astype(str).astype(object)
            for i, column in enumerate(self.columns.values())
        }
        return pd.DataFrame(told)

    def _back(self, drawn: pd.DataFrame) -> pd.DataFrame:
        """What SDV drew, as the original's columns."""
        rows = dict.fromkeys(self.original.columns, np.zeros(len(drawn), np.int64))  # of constants, any
        numbers = {}
        for (name, column), told in zip(self.columns.items(), drawn, strict=True):
            if isinstance(column, Measure):
                numbers[name] = column.back(drawn[told].to_numpy(np.float64, na_value=np.nan))
            else:
                rows[name] = column.first[drawn[told].astype(np.int64)]
        return taken(self.original, rows).assign(**numbers)

    @property
    def _width(self) -> int:
        widths = (
            column.n if isinstance(column, Categories) and self.is_network else _NUMBERS_OF_A_MEASURE
            for column in self.columns.values()
        )
        return sum(widths)

    def _check_size(self) -> None:
        if self.is_network:
            self._refuse_more_than(len(self.original))

    def _refuse_more_than(self, n_rows: int) -> None:
        width = self._width
        if n_rows * width <= _MOST_NUMBERS:
            return
        n_categories = {name: column.n for name, column in self.columns.items() if isinstance(column, Categories)}
        most = max(n_categories, key=lambda name: n_categories[name], default="")
        at_fault = f", {n_categories[most]:,} of them for {most!r}" if most else ""
        raise InputError(
            f"{self.source_name} would learn from {n_rows:,} x {width:,} numbers{at_fault}, at most {_MOST_NUMBERS:,} "
            "are possible: leave columns of many categories out, or take fewer rows or another synthesizer"
        )


def metadata_of(table: pd.DataFrame, sequence_key: str | None = None) -> Any:
    """What SDV is told of the columns: floating ones are numbers, all others categories."""
    from sdv.metadata import Metadata

    types = {str(name): {"sdtype": "categorical" if table[name].dtype == object else "numerical"} for name in table}
    told: dict[str, Any] = {"columns": types}
    if sequence_key is not None:
        types[sequence_key] = {"sdtype": "id"}
        told["sequence_key"] = sequence_key
    return Metadata.load_from_dict({"tables": {TABLE: told}})


@checked_dataclass(config=STRICT)
class GaussianCopula(SdvModel):
    """Columns by a distribution each, and their correlations."""

    name: ClassVar[str] = "sdv:GaussianCopula"
    sdv_name: ClassVar[str] = "GaussianCopulaSynthesizer"
    is_network: ClassVar[bool] = False

    distribution: Distribution = "beta"


@checked_dataclass(config=STRICT)
class Ctgan(SdvModel):
    """A conditional GAN. Xu et al. (2019): Modeling Tabular Data using Conditional GAN. NeurIPS."""

    name: ClassVar[str] = "sdv:CTGAN"
    sdv_name: ClassVar[str] = "CTGANSynthesizer"

    epochs: Epochs = 300
    batch_size: TensBatch = 500
    discriminator_steps: Annotated[int, Field(gt=0)] = 1


@checked_dataclass(config=STRICT)
class Tvae(SdvModel):
    """A variational autoencoder, of the same paper."""

    name: ClassVar[str] = "sdv:TVAE"
    sdv_name: ClassVar[str] = "TVAESynthesizer"

    epochs: Epochs = 300
    batch_size: Annotated[int, Field(gt=0)] = 500
    loss_factor: Annotated[float, Field(gt=0)] = 2.0


@checked_dataclass(config=STRICT)
class CopulaGan(Ctgan):
    """CTGAN of numbers that a Gaussian copula's distributions made normal before."""

    name: ClassVar[str] = "sdv:CopulaGAN"
    sdv_name: ClassVar[str] = "CopulaGANSynthesizer"

    distribution: Distribution = "beta"
