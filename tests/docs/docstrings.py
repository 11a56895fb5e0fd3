"""Signatures and docstrings as the site's reference shows them.

In: what griffe read from the sources. Out: the same, with the settings that a decorator adds as keywords; lists of
`name    meaning`, as the code has them, are "Args:" sections of Google's style now, which mkdocstrings shows with types
and defaults.
"""

import inspect
import re
from importlib import import_module
from typing import Any

import griffe

_ENTRY = re.compile(r"(?P<name>\w+)(?P<gap> {2,})(?P<meaning>\S.*)")
_DECORATOR = "with_settings"


class Readable(griffe.Extension):
    """Named in zensical.toml; griffe calls it for each function of the package."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Rewrite a function in place."""
        if func.docstring is None:
            return
        if any(_DECORATOR in str(decorator.value) for decorator in func.decorators):
            take_over(getattr(import_module(func.module.path), func.name), func)
        stars = {parameter.name.lstrip("*"): _stars(parameter.kind) for parameter in func.parameters}
        func.docstring.value = with_sections(func.docstring.value, stars)


def take_over(verb: Any, func: griffe.Function) -> None:
    """Let `func` have the parameters and the docstring that the verb shows to `help`."""
    assert func.docstring is not None
    func.docstring.value = re.sub(r"\s+\[default: [^\]]*\]", "", inspect.getdoc(verb) or "")  # shown with types anyway
    func.parameters = griffe.Parameters(*map(_parameter, inspect.signature(verb).parameters.values()))


def _parameter(shown: inspect.Parameter) -> griffe.Parameter:
    kind = griffe.ParameterKind[shown.kind.name.lower()]
    default = None if shown.default is inspect.Parameter.empty else repr(shown.default)
    return griffe.Parameter(shown.name, kind=kind, default=default, annotation=_written(shown.annotation))


def _written(annotation: Any) -> str | None:
    """As one would write it: `int | None`, `Literal['a', 'b']`."""
    if annotation is inspect.Parameter.empty:
        return None
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)


def _stars(kind: griffe.ParameterKind | None) -> str:
    return "**" if kind is griffe.ParameterKind.var_keyword else ""


def with_sections(text: str, parameters: dict[str, str]) -> str:
    """The docstring with one "Args:" section of all that is listed in it, at its end.

    parameters  the names that a list may have, with the stars that stand before them in the signature
    """
    prose: list[str] = []
    entries: list[str] = []
    indent = None
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry and entry["name"] in parameters:
            indent = " " * entry.start("meaning")
            entries.append(f"    {parameters[entry['name']]}{entry['name']}: {entry['meaning']}")
        elif indent is not None and line.startswith(indent):
            entries.append(f"        {line.strip()}")
        else:
            indent = None
            prose.append(line)
    if not entries:
        return text
    told = "\n".join(line for line in prose if line.strip() != "Settings:").strip()
    return "\n".join([re.sub(r"\n{3,}", "\n\n", told), "", "Args:", *entries])
