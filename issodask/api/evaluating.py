"""evaluate: any table, or a subset that was selected, of which more is known than what its rows say."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.api.folders import Folder
from issodask.api.report import Report
from issodask.api.settings import with_settings
from issodask.api.stores import reaching_stores
from issodask.api.working import work
from issodask.config import EvaluateConfig
from issodask.events import Evaluating

if TYPE_CHECKING:
    from issodask.stages.select import Selected


class Chosen(ABC):
    """What `evaluate` asks of a subset that was selected: its file, how it went, what stands beside it."""

    selected: "Selected"
    folder: Folder

    @property
    @abstractmethod
    def path(self) -> Path:
        """The subset, a Parquet file."""

    @abstractmethod
    def random_units(self) -> Any:
        """As many units of the pool, drawn at random."""


@with_settings("evaluate")
@reaching_stores
def evaluate(
    original: Any,
    subset: Any,
    *,
    holdout: Any | None = None,
    pool_sample: Any | None = None,
    group_key: str | None = None,
    seed: int = 1,
    columns: Mapping[str, str] | None = None,
    csv: Mapping[str, Any] | None = None,
    title: str = "Synthetic table",
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    config: EvaluateConfig,
) -> Report:
    """Measure how well `subset` matches `original`, and how private it is.

    original     the private table: of pandas, Arrow, polars or Dask, or a path of Parquet or CSV
    subset       the table to evaluate, or what `select` returned
    holdout      real rows that nothing has seen
    pool_sample  as many random units of the pool: what the subset would be without selection
    group_key    the column that says which rows belong together, where units are groups
    seed         of what is drawn on the way
    columns      roles of columns by name, where they are not found right
    csv          how CSV files of all tables are written, where that can't be found in them: separator, decimal and
                 encoding
    title        of the report
    storage_options  options of fsspec's file systems that reach stores (s3://, gs:// ...), where the
                     environment doesn't say
    progress     show it; default: in a terminal or a notebook
    """
    from issodask.stages.evaluate import evaluate
    from issodask.store.tables import as_table

    def read(table: Any, where: str) -> Any:
        return None if table is None else as_table(table, where=f"the {where}", csv=csv)

    chosen = subset if isinstance(subset, Chosen) else None
    scratch = Folder()
    with work("evaluate", scratch, progress) as events:
        events.emit(Evaluating(n=0, of=1, what="accuracy, distances, report"))
        metrics = evaluate(
            read(original, "original"),
            read(subset, "subset") if chosen is None else chosen.path,
            read(holdout, "holdout"),
            chosen.random_units() if chosen is not None and pool_sample is None else pool_sample,
            config,
            seed=seed,
            select_facts=None if chosen is None else chosen.selected.facts,
            events_path=None if chosen is None else chosen.folder.files.events,
            html_path=scratch.files.report,
            qa_path=scratch.files.qa_report,
            card_path=scratch.files.card,
            title=title,
            group_key=group_key,
            columns=columns,
            asked=None if chosen is None else chosen.selected.asked,
        )
        events.emit(Evaluating(n=1, of=1, what="done"))
    return Report.read(metrics, scratch.files)
