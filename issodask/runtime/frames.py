"""Files as a Dask frame, for whoever goes on with Dask."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dask.dataframe as dd


def frame_of(read: Callable[[Any], Any], items: Sequence[Any]) -> "dd.DataFrame":
    """A Dask frame whose partitions are what `read` gives of each item."""
    import dask.dataframe as dd

    return dd.from_map(read, items, enforce_metadata=False)
