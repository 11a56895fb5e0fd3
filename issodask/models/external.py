"""Any Python callable as a generator: `python:MODULE:FUNCTION`, called as `function(original, n, seed)`.

MODULE is a module's name, or the path of a file (`python:examples/copula.py:draw`). The callable gets the original as a
pandas frame and returns a table (of pandas, Arrow, polars: see `store/tables.py`) of at least `n` units with the
original's columns: rows, or, for a sequential table, groups of rows with keys of their own. It is called once per
generator, each time with another seed.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from issodask.errors import InputError

PREFIX = "python:"

Function = Callable[[pd.DataFrame, int, int], Any]


def is_callable_source(source: str) -> bool:
    return source.startswith(PREFIX)


def load(source: str) -> Function:
    """The function that `source` names; a module is looked for in the current directory, and where Python looks.

    Raises InputError when `source` is not of that form, the module can't be imported, or has no such function.
    """
    module_name, _, function_name = source.removeprefix(PREFIX).partition(":")
    if not module_name or not function_name:
        raise InputError(f"source {source!r} names no function: give python:MODULE:FUNCTION")
    try:
        module = _run_file(Path(module_name)) if module_name.endswith(".py") else _import(module_name)
    except Exception as error:  # a module may raise anything while it is imported
        raise InputError(
            f"source {source!r}: module {module_name!r} can't be imported ({type(error).__name__}: {error}): "
            "mend or install it, or run in the directory that holds it"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"source {source!r}: module {module_name!r} has no function {function_name!r}: check its name")
    return function


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
