"""The site is whole: all its pages are there, and what is made from the code says all of it."""

import re
import tomllib

import pytest

from issodask.cli import main
from issodask.config import JobConfig
from tests.docs import reference
from tests.docs.reference import layers, pages

DOCS = reference.ROOT / "docs"


def in_navigation(entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for each in (entry.values() if isinstance(entry, dict) else entry) for page in in_navigation(each)]


def written() -> set[str]:
    """Pages that are written by hand or made, whether made yet or not."""
    by_hand = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    return by_hand | set(pages()) | {f"tutorials/{path.stem}.md" for path in DOCS.glob("tutorials/*.py")}


def test_navigation__has_every_page_and_no_other():
    config = tomllib.loads((reference.ROOT / "zensical.toml").read_text(encoding="utf-8"))
    found = in_navigation(config["project"]["nav"])
    assert sorted(found) == sorted(written())


def test_commands_page__has_every_command_and_option():
    page = pages()["reference/commands.md"]
    for name, command in main.commands.items():
        assert f"## issodask {name}\n" in page
        for inner in getattr(command, "commands", {}):
            assert f"## issodask {name} {inner}\n" in page
    assert "`--time-limit SECONDS`" in page


def test_job_file_page__has_every_key_with_its_default():
    page = pages()["reference/job-file.md"]
    for name, field in JobConfig.model_fields.items():
        assert f"## [{name}]" in page or f"| `{name}` |" in page
        for key in getattr(field.annotation, "model_fields", {}):
            assert f"| `{key}` |" in page
    assert re.search(r"\| `scheduler` \| text \|", page)
    assert '| `source` | text | `"mostlyai"` |' in page


def test_map_page__has_every_room():
    page = pages()["architecture/map.md"]
    for layer in layers():
        for room in layer:
            assert f"## {room}\n" in page
    assert "`fitting/trim.py`" in page


@pytest.fixture
def with_sections():
    pytest.importorskip("griffe", reason="needs the extra docs")
    from tests.docs.docstrings import with_sections

    return with_sections


def test_with_sections__makes_a_list_of_names_a_section(with_sections):
    text = "Do it.\n\nrows     how many,\n         at most\nmore     others\n\nSettings:\n\nseed  of all\n\nRaises X."
    made = with_sections(text, {"rows": "", "more": "**", "seed": ""})
    assert made == (
        "Do it.\n\nRaises X.\n\nArgs:\n    rows: how many,\n        at most\n    **more: others\n    seed: of all"
    )


def test_with_sections__leaves_other_docstrings_alone(with_sections):
    text = "Of two  spaces.\n\n    code = 1   # three"
    assert with_sections(text, {"rows": ""}) == text
