"""Tutorials: notebooks as plain Python (jupytext's percent format), run, and written as pages with their outputs.

In: docs/tutorials/NAME.py. Out: NAME.md and NAME.ipynb beside it, with its pictures; they are made again when the
tutorial or anything of the program has changed.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
LONGEST_CELL_S, LONGEST_START_S = 1_800, 600
_KEY = "made-from"


def sources() -> list[Path]:
    return sorted(TUTORIALS.glob("*.py"))


def make_page(source: Path, folder: Path) -> bool:
    """Write a tutorial's page and notebook into `folder`, unless those there are of now; says if it ran."""
    key = _hash_of([source, *_program()])
    page = folder / f"{source.stem}.md"
    if page.is_file() and f"{_KEY}: {key}" in page.read_text(encoding="utf-8"):
        return False
    notebook = run(source, folder)
    text, resources = MarkdownExporter().from_notebook_node(notebook, {"output_files_dir": f"{source.stem}_files"})
    for name, content in resources["outputs"].items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    jupytext.write(notebook, folder / f"{source.stem}.ipynb")
    page.write_text(f"---\n{_KEY}: {key}\n---\n\n{text.strip()}\n\n{_links(source.stem)}", encoding="utf-8")
    return True


def run(source: Path, folder: Path) -> Any:
    """The tutorial as a notebook with its outputs; what it writes, it writes into `folder`."""
    notebook = jupytext.read(source)
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # of the kernel: threads of torch and scikit-learn wait for one another
    client = NotebookClient(
        notebook,
        timeout=LONGEST_CELL_S,
        startup_timeout=LONGEST_START_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def _links(name: str) -> str:
    return f"---\n\nThis page is a notebook that was run: [as a notebook]({name}.ipynb), [as Python]({name}.py).\n"


def _program() -> Iterator[Path]:
    yield from sorted((ROOT / "issodask").rglob("*.py"))


def _hash_of(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
