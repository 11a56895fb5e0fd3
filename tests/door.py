"""Frames as the program sees them after its door: described, binned and brought to an original's types."""

from typing import Any

import numpy as np
import pandas as pd

from issodask.store.casts import cast_table, written_table
from issodask.store.frames import to_frame
from issodask.store.plain import plain
from issodask.store.tables import as_table, to_arrow
from issodask.store.types import noted_as, schema_of
from issodask.table.bins import Bins
from issodask.table.schema import Schema


def schema_from(source: Any) -> Schema:
    """What the door makes of a table's columns."""
    return schema_of(as_table(source))


def as_written(source: Any, schema: Schema) -> pd.DataFrame:
    """A table in the types of `schema`, as pandas reads it once it is written."""
    written = noted_as(written_table(cast_table(to_arrow(source), schema), schema), schema)
    return written.to_pandas()


def seen(source: Any) -> pd.DataFrame:
    """A table as the door hands it to those who compute with pandas."""
    return to_frame(to_arrow(source))


class Binned:
    """The bins of an original, and what they make of other tables; both come in through the door."""

    def __init__(self, original: Any, **options: Any) -> None:
        table = to_arrow(original)
        self.schema = schema_of(table)
        self.bins = Bins.fit(plain(table, self.schema), **options)

    def encode(self, source: Any) -> np.ndarray:
        return self.bins.encode(plain(to_arrow(source), self.schema))

    @property
    def labels(self) -> tuple[tuple[str, ...], ...]:
        return self.bins.labels

    @property
    def sizes(self) -> np.ndarray:
        return self.bins.sizes
