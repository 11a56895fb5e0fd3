"""Generators of one's own: any Python callable, or an object that learns first, itself or by its name.

Beside them the synthesizers that are known by name (`cart`, `sdv:CTGAN`: see `synthesizers/`), which are such objects.

`python:MODULE:NAME` is called as `function(original, n, seed)`, or is a generator (see issodask/protocols.py), or a
class of such. MODULE is a module's name, or the path of a file (`python:examples/copula.py:draw`). The callable gets
the original as a pandas frame and returns a table (of pandas, Arrow, polars: see `store/tables.py`) of at least `n`
units with the original's columns: rows, or, for a sequential table, groups of rows with keys of their own. It is called
once per generator, each time with another seed.
"""

import copy
import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from issodask.errors import InputError
from issodask.models.synthesizers import registry
from issodask.models.synthesizers.base import Synthesizer
from issodask.models.synthesizers.registry import check_no_name, check_spelling
from issodask.protocols import Generator, named

__all__ = ["PREFIX", "Source", "check_no_name", "check_spelling", "identity_of", "is_callable_source", "load"]

PREFIX = "python:"

Source = str | Callable[..., Any] | Generator


def is_callable_source(source: Source) -> bool:
    return not isinstance(source, str) or source.startswith(PREFIX) or registry.is_name(source)


def identity_of(source: Source) -> str:
    """What tells one source from another; of an object itself, also by what it holds, or does if it is of a script.

    Raises InputError for one that can't travel to other processes.
    """
    if isinstance(source, str):
        return source
    if isinstance(source, Synthesizer):
        return source.source_name  # which is how the job file of its run names it
    try:
        content = cloudpickle.dumps(source)
    except Exception as error:  # whatever its parts raise
        raise InputError(
            f"source {named(source)} can't be pickled ({type(error).__name__}: {error}), but has to travel to the "
            "processes that make the pool: build what can't within it, when it is called"
        ) from error
    return f"{named(source)}#{hashlib.sha256(content).hexdigest()[:16]}"


def load(source: Source, group_key: str | None = None) -> Callable[..., Any] | Generator:
    """The function or a fresh generator; a module is looked for in the current directory, and where Python looks.

    Raises InputError when a name is not of that form, the module can't be imported, or has no such function, and for a
    synthesizer of rows where groups by `group_key` are wanted.
    """
    loaded = _loaded(source)
    return loaded.use_groups(group_key) if isinstance(loaded, Synthesizer) else loaded


def _loaded(source: Source) -> Callable[..., Any] | Generator:
    if isinstance(source, str) and not source.startswith(PREFIX):
        return registry.synthesizer(source)
    found = _named(source) if isinstance(source, str) else source
    if isinstance(found, type) and isinstance(found, Generator):
        return found()
    return copy.deepcopy(found) if isinstance(found, Generator) else found


def _named(source: str) -> Callable[..., Any] | Generator:
    module_name, _, name = source.removeprefix(PREFIX).partition(":")
    if not module_name or not name:
        raise InputError(f"source {source!r} names no function: give python:MODULE:NAME")
    try:
        module = _run_file(Path(module_name)) if module_name.endswith(".py") else _import(module_name)
    except Exception as error:  # a module may raise anything while it is imported
        raise InputError(
            f"source {source!r}: module {module_name!r} can't be imported ({type(error).__name__}: {error}): "
            "mend or install it, or run in the directory that holds it"
        ) from error
    found = getattr(module, name, None)
    if not callable(found) and not isinstance(found, Generator):
        raise InputError(f"source {source!r}: module {module_name!r} has no function {name!r}: check its name")
    return found


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(here)


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module
