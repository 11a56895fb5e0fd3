"""Settings of a file, read and checked: each fault in a line that names its section and key.

In: a TOML or JSON file, or plain values. Out: a frozen model.
"""

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from issodask.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_settings(path: Path) -> dict[str, Any]:
    """What a TOML or JSON file says. Raises InputError for a missing file and text of another kind."""
    if not path.is_file():
        raise InputError(f"no job file at {path}: give the path of a TOML file (examples/ has some)")
    kind, parse = ("JSON", json.loads) if path.suffix == ".json" else ("TOML", tomllib.loads)
    try:
        values = parse(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of either kind, or of text that is not UTF-8
        raise InputError(f"{path} is not valid {kind} ({error}): mend that line") from error
    return values


def validated(model: type[Model], values: dict[str, Any], where: str) -> Model:
    """Build `model` from `values`; every fault becomes part of one InputError line that names its section and key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_describe(fault, model) for fault in error.errors())
        raise InputError(f"{where}: {faults}") from error


def _describe(fault: Any, model: type[BaseModel]) -> str:
    *section, key = [str(step) for step in fault["loc"]] or ["job"]
    place = f"[{'.'.join(section)}] {key}" if section else key
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(key, _keys(model, section), n=1, cutoff=0.5)
        return f"unknown key {place}: " + (f"did you mean {near[0]}?" if near else "remove it")
    if fault["type"] == "missing":
        return f"key {place} is missing: add it"
    return f"{place} is {fault['input']!r}, but {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _keys(model: type[BaseModel], section: list[str]) -> list[str]:
    """What a section may have; one of several is named by its place."""
    for name in section:
        if not name.isdigit():
            kind = model.model_fields[name].annotation
            model = cast(type[BaseModel], get_args(kind)[0] if get_origin(kind) is tuple else kind)
    return list(model.model_fields)
