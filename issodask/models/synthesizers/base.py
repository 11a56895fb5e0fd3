"""What all synthesizers that are known by name have in common: a name, settings, and what has to be installed.

The settings of one are the fields of its class, which pydantic checks. What `fit` learns is set beside them.
"""

from abc import abstractmethod
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from issodask.errors import InputError

Positions = NDArray[np.int64]

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@checked_dataclass(config=STRICT)
class Synthesizer:
    """A generator with a name; those below say what they learn and draw.

    main    the setting that may follow the name after a colon
    needs   the module that it computes with, where not everybody has it
    """

    name: ClassVar[str]
    main: ClassVar[str | None] = None
    needs: ClassVar[str | None] = None

    @property
    def source_name(self) -> str:
        """The source that names it in a job file, with the settings that are not the defaults."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        main = "" if self.main is None else f":{given.pop(self.main)}"
        changed = [f"{name}={value}" for name, value in given.items() if value != defaults[name]]
        return f"{self.name}{main}" + ("?" if changed else "") + "&".join(changed)

    def use_groups(self, group_key: str | None) -> "Synthesizer":
        """One for groups by that column, or for rows. Raises InputError where that can't be."""
        if group_key is not None:
            raise InputError(
                f"{self.source_name} makes single rows, but groups by {group_key!r} are wanted: take mostlyai, sdv:PAR "
                "or a generator of your own, or leave group_key out"
            )
        return self

    @abstractmethod
    def fit(self, original: pd.DataFrame, seed: int) -> Any:
        """Learn the original."""

    @abstractmethod
    def sample(self, n: int, seed: int) -> pd.DataFrame:
        """Draw `n` rows."""


def taken(original: pd.DataFrame, rows: dict[str, Positions]) -> pd.DataFrame:
    """A table whose columns have the values of the given rows of the original, each column of its own rows.

    So values are exactly the original's, of whatever type.
    """
    columns = {name: original[name].take(own).array for name, own in rows.items()}
    return pd.DataFrame(columns, columns=list(original.columns))
