"""The files that a study leaves for people: rows as JSON and CSV, a page, and its tables as Markdown."""

from pathlib import Path

from issodask.report.metrics import to_json
from issodask.report.studied import Studied
from issodask.report.study_text import markdown
from issodask.store.files import whole_file
from issodask.store.run_folder import StudyFolder
from issodask.store.tables import csv_text


def write_study(studied: Studied, folder: Path) -> None:
    """Write all of them into the study's folder."""
    from issodask.report.study_page import render_study  # its libraries are not installed where nobody wants a page

    files = StudyFolder(folder)
    texts = {
        files.results_json: to_json(studied.to_dict()),
        files.results_csv: csv_text(studied.to_rows()),
        files.tables: markdown(studied),
        files.page: render_study(studied, folder.name),
    }
    for path, text in texts.items():
        with whole_file(path) as work:
            work.write_text(text, encoding="utf-8")
