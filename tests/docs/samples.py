"""Samples of code in the documentation: found by their fences, and tried by their language.

Python runs as it stands, page by page, in a folder that has the tables that pages speak of. Commands are parsed by the
program's own commands, job files by its own settings.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from markdown_it import MarkdownIt

from issodask.cli import main
from issodask.config import JobConfig, is_study, job_of
from issodask.study import StudyConfig, study_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MADE = ("reference/commands.md", "reference/job-file.md", "architecture/map.md")
LANGUAGES = {"python", "sh", "toml", "text"}

_INSTALLED = re.compile(r"issodask(\[(?P<extras>[\w,]+)\])?")


@dataclass(frozen=True)
class Sample:
    """A block of code on a page, which begins at `line`."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """The pages that are written by hand: tutorials are run by themselves, and the reference is made from the code."""
    docs = ROOT / "docs"
    return [
        page
        for page in PAGES
        if docs not in page.parents
        or (page.relative_to(docs).as_posix() not in MADE and page.parent.name != "tutorials")
    ]


def samples_of(page: Path) -> Iterator[Sample]:
    """The fenced blocks of a page, also those within tabs."""
    text = page.read_text(encoding="utf-8")
    for token in MarkdownIt().parse(_without_tabs(text)):
        if token.type == "fence" and token.map is not None:
            yield Sample(page, token.map[0] + 1, token.info.strip(), token.content)


def _without_tabs(text: str) -> str:
    """The page with what is indented under `=== "Tab"` moved out, line by line."""
    lines, in_tab = [], False
    for line in text.splitlines():
        in_tab = line.startswith("=== ") or (in_tab and (not line or line.startswith("    ")))
        lines.append(line.removeprefix("    ") if in_tab else line)
    return "\n".join(lines)


def check_commands(code: str) -> None:
    """Raise what is wrong with the commands of a block: unknown ones, unknown options, values that can't be."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            _check_command(words)


def _check_command(words: list[str]) -> None:
    name, rest = Path(words[0]).name, words[1:]
    if name == "issodask":
        _parse(main, rest)
    elif name == "make":
        _check_targets([word for word in rest if "=" not in word])
    elif name == "pip":
        _check_install(rest)
    else:
        raise ValueError(f"{words[0]!r} is no command that samples may have")


def _parse(command: click.Command, words: list[str]) -> None:
    """Let click read the words, down to the command that they end at, without running it."""
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            raise ValueError(f"issodask has no command {words[0]!r}")
        command, words = command.commands[words[0]], words[1:]
    try:
        command.make_context(command.name or "issodask", words)
    except click.exceptions.Exit:  # --help, --version
        return


def _check_targets(targets: list[str]) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for target in targets:
        if target not in known:
            raise ValueError(f"make has no target {target!r}")


def _check_install(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for word in words:
        found = _INSTALLED.fullmatch(word)
        for extra in (found["extras"] or "").split(",") if found else ():
            if extra and extra not in extras:
                raise ValueError(f"there is no extra {extra!r}")


def job_in(code: str) -> JobConfig | StudyConfig:
    """The job or study that a block of TOML says, or a part of it: what it leaves out is filled in."""
    job = tomllib.loads(code)
    if is_study(job):
        return study_of({"out": "study", **job}, {})
    return job_of({"out": "run", **job, "original": {"path": "people.parquet", **job.get("original", {})}}, {})
