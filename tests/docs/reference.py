"""Pages of the reference that are made from the code: commands, job file, and the map of all modules.

In: click's commands, pydantic's fields, docstrings. Out: Markdown. No default and no option is written by hand.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from issodask.cli import main
from issodask.config import JobConfig
from issodask.study import StudiedTable, StudyConfig

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "issodask"
_EXAMPLE = (
    'out = "run"',
    "",
    "[original]",
    'path = "people.parquet"',
    "holdout_share = 0.5",
    "",
    "[generate]",
    "generators = 4",
    "",
    "[select]",
    "units = 20_000",
)


def pages() -> dict[str, str]:
    """All of them, by their paths below docs/."""
    return {
        "reference/commands.md": commands_page(),
        "reference/job-file.md": job_file_page(),
        "architecture/map.md": map_page(),
    }


def commands_page() -> str:
    lines = ["# Commands", "", "Every command says the same with `--help`. This page is made from them.", ""]
    for name, command in main.commands.items():
        lines += _command(click.Context(command, info_name=name, parent=click.Context(main, info_name="issodask")))
    return "\n".join(lines)


def _command(context: click.Context) -> Iterator[str]:
    command = context.command
    yield from (f"## {context.command_path}", "", (command.help or "").replace("\n", " ").strip(), "")
    yield from ("```text", command.get_usage(context).removeprefix("Usage: "), "```", "")
    with context:
        found = [each.get_help_record(context) for each in command.get_params(context)]
    records = [record for record in found if record and record[1] and "--help" not in record[0]]
    if records:
        yield from ("| option | meaning |", "|---|---|")
        yield from (f"| `{_cell(options)}` | {_cell(meaning)} |" for options, meaning in records)
        yield ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(click.Context(inner, info_name=name, parent=context))


def job_file_page() -> str:
    """A table of keys for each section, in the order of the job file."""
    parts = [
        "# Job file",
        "",
        "A job is a TOML file; only `out` and `[original] path` have to be there. Each key of `[generate]`, `[select]` "
        "and `[evaluate]` is an option of the command of that name and a keyword of the function too. This page is "
        "made from the code.",
        "",
        *("```toml", *_EXAMPLE, "```", ""),
        "The files in `examples/` are whole jobs that explain themselves.",
        "",
    ]
    top, sections = [], []
    for name, field in JobConfig.model_fields.items():
        model = _model_of(field)
        if model is None:
            top.append((name, field))
        else:
            sections += [f"## [{name}]", "", *_prose(model), *_keys(model.model_fields.items())]
    return "\n".join([*parts, "## The job itself", "", *_keys(top), *sections, *_of_studies()])


def _of_studies() -> Iterator[str]:
    """The keys of a benchmark's file that are not those of a job."""
    yield from ("## A study", "", "The file of `issodask benchmark`.", "", *_prose(StudyConfig))
    shared = ("generate", "select", "evaluate", "runtime")
    yield from _keys((name, field) for name, field in StudyConfig.model_fields.items() if name not in shared)
    yield from ("`[generate]`, `[select]`, `[evaluate]` and `[runtime]` are those of a job.", "")
    yield from ("## [[tables]] of a study", "", *_prose(StudiedTable), *_keys(StudiedTable.model_fields.items()))


def _prose(model: type[BaseModel]) -> Iterator[str]:
    for paragraph in (ast.get_docstring(_class_node(model)) or "").split("\n\n"):
        yield from (paragraph.replace("\n", " "), "")


def _class_node(model: type[BaseModel]) -> Any:
    path = PACKAGE / f"{model.__module__.rpartition('.')[2]}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model.__name__)


def _keys(fields: Any) -> Iterator[str]:
    yield from ("| key | kind | default | meaning |", "|---|---|---|---|")
    for name, field in fields:
        yield f"| `{name}` | {_cell(_kind(field.annotation))} | {_default(field)} | {_cell(field.description or '')} |"
    yield ""


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _kind(annotation: Any) -> str:
    """What a value may be, in TOML's words."""
    words = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): ""}
    if get_origin(annotation) is Literal:
        return " or ".join(f'`"{each}"`' for each in get_args(annotation))
    if get_origin(annotation) is dict:
        return "table"
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        is_table = isinstance(inner, type) and issubclass(inner, BaseModel)
        return f"tables: {', '.join(f'`{name}`' for name in inner.model_fields)}" if is_table else "list"
    if annotation in words:
        return words[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table: " + ", ".join(f"`{name}`" for name in annotation.model_fields)
    kinds = get_args(annotation) if _is_union(annotation) else ()
    return " or ".join(
        filter(None, (_kind(each) for each in kinds if each in words or get_origin(each) in (Literal, tuple)))
    )


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) is Union or type(annotation).__name__ == "UnionType"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "needed"
    if value is None or isinstance(value, dict | tuple | BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:,}`".replace(",", "_").replace(".0`", "`")


def map_page() -> str:
    """Every module with the first sentence of its docstring, room by room, in the order of the layers."""
    parts = ["# Map of all modules", "", "The first sentence of every module, by rooms, from the top layer down.", ""]
    for layer in layers():
        for room in layer:
            modules = sorted((PACKAGE / room).rglob("*.py")) if (PACKAGE / room).is_dir() else [PACKAGE / f"{room}.py"]
            told = [(path, _first_sentence(path)) for path in modules]
            parts += [f"## {room}", "", "| module | what it does |", "|---|---|"]
            parts += [f"| `{path.relative_to(PACKAGE)}` | {_cell(text)} |" for path, text in told if text]
            parts.append("")
    return "\n".join(parts)


def layers() -> list[list[str]]:
    """The layers that `make lint` holds, from the top down, each with its rooms."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    found = next(contract for contract in contracts if contract["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in found["layers"]]


def _first_sentence(path: Path) -> str:
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return told.split("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    """One line that breaks no table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
