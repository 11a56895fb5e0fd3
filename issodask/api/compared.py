"""What compare and benchmark return: tables beside one another, as frames, files and pages."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from issodask.api.folders import Folder
from issodask.api.report import write_text

if TYPE_CHECKING:
    import pandas as pd

    from issodask.report import comparison, studied

_SHOWN = ("accuracy", "unseen", "use", "told_apart", "attack", "dcr_share", "copies")


@dataclass(frozen=True, repr=False)
class Comparison:
    """Where tables stand: `to_pandas` has a row for each, and for the landmarks `original` and `holdout`."""

    found: "comparison.Comparison"
    title: str

    def to_pandas(self) -> "pd.DataFrame":
        """A row per table, with the columns of issodask.report.standings.Standing."""
        import pandas as pd

        return pd.DataFrame(self.found.rows()).set_index("table")

    def to_html(self, path: str | Path) -> Path:
        """Write the page to `path`."""
        from issodask.report.comparison_page import render_comparison

        return write_text(path, render_comparison(self.found, self.title))

    def to_json(self, path: str | Path) -> Path:
        from issodask.report.metrics import to_json

        return write_text(path, to_json(self.found.to_dict()))

    def to_csv(self, path: str | Path) -> Path:
        return write_text(path, self.to_pandas().to_csv())

    def __len__(self) -> int:
        """The tables that were given."""
        return len(self.found.tables)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self)} tables>\n{self._shown().to_string()}"

    def _repr_html_(self) -> str:
        return str(self._shown().to_html())

    def _shown(self) -> "pd.DataFrame":
        return self.to_pandas()[list(_SHOWN)].astype(float).round(4)


@dataclass(frozen=True, repr=False)
class Study:
    """What a benchmark found, and the folder that has it as files."""

    found: "studied.Studied"
    folder: Folder

    @property
    def path(self) -> Path:
        """The folder of all trials and results."""
        return self.folder.path

    def to_pandas(self) -> "pd.DataFrame":
        """A row per trial and way, with the columns of issodask.report.studied.Row and of a Standing."""
        import pandas as pd

        return pd.DataFrame(self.found.to_rows())

    def summary(self) -> "pd.DataFrame":
        """Means over repeats and tables: a row per synthesizer and way."""
        import pandas as pd

        return pd.DataFrame(self.found.summary()).set_index(["synthesizer", "way"])

    def to_html(self, path: str | Path) -> Path:
        """Write the page to `path`."""
        from issodask.report.study_page import render_study

        return write_text(path, render_study(self.found, self.path.name))

    def to_json(self, path: str | Path) -> Path:
        from issodask.report.metrics import to_json

        return write_text(path, to_json(self.found.to_dict()))

    def to_csv(self, path: str | Path) -> Path:
        return write_text(path, self.to_pandas().to_csv(index=False))

    def to_markdown(self, path: str | Path) -> Path:
        """Write the tables as Markdown to `path`, such as for a page of documentation."""
        from issodask.report.study_text import markdown

        return write_text(path, markdown(self.found))

    def __repr__(self) -> str:
        n = len(self.found.rows) - len(self.found.failures)
        return f"<Study at {self.path}: {n} results, {len(self.found.failures)} trials without>\n{self._shown()}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self.path))}</p>{self.summary().round(4).to_html()}"

    def _shown(self) -> str:
        return self.summary().round(4).to_string()
