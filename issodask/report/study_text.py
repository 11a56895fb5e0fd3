"""A study's tables as Markdown, for a page of documentation or a pull request."""

from issodask.report.studied import Studied
from issodask.report.study_tables import MEANINGS_OF_STUDIES, conclusions, sheets


def markdown(studied: Studied) -> str:
    """Conclusions, all sheets, and what their columns mean."""
    lines = [f"- {text}" for text in conclusions(studied)]
    for sheet in sheets(studied):
        lines += ["", f"### {_inert(sheet.title)}", "", sheet.note, "", _line(sheet.head)]
        lines.append(_line(["---"] * 2 + ["---:"] * (len(sheet.head) - 2)))
        lines += [_line(row) for row in sheet.rows]
    lines += ["", *(f"- **{name}**: {meaning}" for name, meaning in MEANINGS_OF_STUDIES.items())]
    return "\n".join(lines).strip() + "\n"


def _line(cells: "tuple[str, ...] | list[str]") -> str:
    return f"| {' | '.join(_inert(cell) for cell in cells)} |"


def _inert(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
