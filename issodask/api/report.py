"""What was measured of a subset, as an object: figures, a page that a notebook shows, and files of several kinds."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.errors import InputError

if TYPE_CHECKING:
    from issodask.store.run_folder import RunFolder

_PAGE_HEIGHT_PX = 800
_OWN_BASE = '<base href="about:srcdoc">'
"""Without it the page's links to its own sections lead to the notebook, within the frame."""


@dataclass(frozen=True, repr=False)
class Report:
    """What was measured of a subset: the content of metrics.json, and a page that needs nothing else.

    `card` is what there is to tell of the table to those who are handed it. `qa_page` is mostlyai-qa's own report,
    where `qa_report` was asked for.
    """

    metrics: dict[str, Any]
    page: str
    card: dict[str, Any]
    qa_page: str | None = None

    @classmethod
    def read(cls, metrics: dict[str, Any], files: "RunFolder") -> "Report":
        """What an evaluation left in a run's folder, beside its metrics."""
        from issodask.store.files import read_json

        page = files.report.read_text(encoding="utf-8")
        qa_page = files.qa_report.read_text(encoding="utf-8") if files.qa_report.is_file() else None
        return cls(metrics, page, read_json(files.card_record), qa_page)

    @property
    def accuracy(self) -> float:
        """Overall accuracy of the subset against the original."""
        return float(self.against_original["subset"])

    @property
    def against_original(self) -> dict[str, float]:
        """Overall accuracy against the original, of each table: subset, pool_sample, holdout."""
        found = self.metrics["issodask"]["accuracy"]["against_original"]
        return {name: float(accuracy["overall"]) for name, accuracy in found.items()}

    def to_html(self, path: str | Path) -> Path:
        """Write the page to `path`."""
        return write_text(path, self.page)

    def to_card(self, path: str | Path) -> Path:
        """Write the card to `path`: as Markdown for the Hugging Face hub, or as JSON where the path ends so."""
        from issodask.report.card import render_card
        from issodask.report.metrics import to_json

        return write_text(path, to_json(self.card) if Path(path).suffix == ".json" else render_card(self.card))

    def to_qa_html(self, path: str | Path) -> Path:
        """Write mostlyai-qa's own report to `path`. Raises InputError where there is none."""
        if self.qa_page is None:
            raise InputError("there is no report of mostlyai-qa's own: ask for it (qa_report=True), with larger tables")
        return write_text(path, self.qa_page)

    def to_json(self, path: str | Path) -> Path:
        """Write the metrics to `path`, by mostlyai-qa's names."""
        from issodask.report.metrics import to_json

        return write_text(path, to_json(self.metrics))

    def __repr__(self) -> str:
        told = {"subset": "accuracy", "pool_sample": "of random units", "holdout": "of the holdout"}
        found = self.against_original
        return f"<Report: {', '.join(f'{told[name]} {found[name]:.5f}' for name in told if name in found)}>"

    def _repr_html_(self) -> str:
        page = html.escape(self.page.replace("<head>", f"<head>{_OWN_BASE}", 1), quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: {_PAGE_HEIGHT_PX}px; border: 0"></iframe>'


def write_text(path: str | Path, text: str) -> Path:
    from issodask.store.files import whole_file
    from issodask.store.places import place

    with whole_file(place(path)) as work:
        work.write_text(text, encoding="utf-8")
    return place(path)
