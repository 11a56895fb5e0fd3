"""impute: the verb that fills what is missing; its arguments are in the order of the others (verbs.py)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.api.folders import Folder
from issodask.api.settings import with_settings
from issodask.api.working import opened, work
from issodask.config import GenerateConfig
from issodask.errors import InputError

if TYPE_CHECKING:
    from issodask.api.working import Where


@with_settings("generate", leave_out=["csv", "source", "units", "generators", "temperature", "top_p", "part_rows"])
def impute(
    original: Any,
    fill: "str | Sequence[str]",
    *,
    draws: int = 1,
    seed: int = 1,
    runtime: "Where" = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    columns: Mapping[str, str] | None = None,
    csv: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    config: GenerateConfig,
) -> Any:
    """Fill missing values with what a generator draws given all other columns; observed values stay as they are.

    original   a flat table: of pandas, Arrow, polars or Dask, or a path of Parquet or CSV
    fill       the columns to fill
    draws      how many tables to make: values are drawn, so that several show how sure they are
    seed       the same seed gives the same values
    runtime    serial, processes, cluster (of `issodask cluster up`), an address, or a Dask client; default: processes
    folder     where what can be resumed is kept; default: one that goes with the results
    workers    how many; default: one
    columns    roles of columns by name, where they are not found right
    csv        how CSV files are written, where that can't be found in them: separator, decimal and encoding
    progress   show it; default: in a terminal or a notebook

    Returns a table, of pandas if that was given, else of Arrow; of several draws a list.
    """
    import pandas as pd

    from issodask.stages.impute import impute
    from issodask.stages.place import place_to_make
    from issodask.store.frames import to_frame
    from issodask.store.tables import as_table

    if draws < 1:
        raise InputError(f"draws is {draws}: ask for at least one")
    kept = Folder(folder)
    table = as_table(original, where="the original", csv=csv)
    names = [fill] if isinstance(fill, str) else list(fill)
    workers, default = place_to_make(config, workers or 1, None) if runtime is None else (workers, None)
    with work("impute", kept, progress) as events, opened(runtime or default, workers, events, kept.path) as place:
        found = impute(table, names, config, kept.path, place, seed=seed, draws=draws, roles=columns, events=events)
    if isinstance(original, pd.DataFrame):
        found = [to_frame(one).astype(original.dtypes.to_dict()).set_index(original.index) for one in found]
    return found[0] if draws == 1 else found
