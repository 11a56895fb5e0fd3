"""Any Python callable as a generator: `python:MODULE:FUNCTION`, called as `function(original, n, seed)`.

MODULE is a module's name, or the path of a file (`python:examples/copula.py:draw`). The callable gets the original as a
pandas frame and returns a table (pandas, Arrow, or anything with `to_pandas()`) of at least `n` units with the
original's columns: rows, or, for a sequential table, groups of rows with keys of their own. It is called once per
generator, each time with another seed.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from issodask.errors import InputError
from issodask.table.coerce import check_columns
from issodask.table.groups import Groups
from issodask.table.schema import Schema, check_names

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


def call(
    source: str, original: pd.DataFrame, schema: Schema, n_units: int, seed: int, group_key: str | None = None
) -> pd.DataFrame:
    """The first `n_units` units that the callable makes, with the original's columns; each group's rows together.

    Raises InputError when it returns no table, another table's columns, fewer units, or rows without a group key.
    """
    frame = _as_frame(load(source)(original, n_units, seed), source)
    check_names(frame.columns, where=f"the table from {source}")
    check_columns(frame.columns, schema, where=f"the table from {source}")
    groups = None if group_key is None else Groups.of(frame[group_key], where=f"the table from {source}")
    what, n_found = ("rows", len(frame)) if groups is None else ("groups", groups.n_groups)
    if n_found < n_units:
        raise InputError(
            f"{source} returned {n_found:,} {what}, but {n_units:,} are needed: let it return n {what}, or lower units"
        )
    wanted = slice(n_units) if groups is None else groups.rows_of(np.arange(n_units))
    return frame[list(schema.names)].iloc[wanted].reset_index(drop=True)


def _as_frame(table: Any, source: str) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        return table
    if hasattr(table, "to_pandas"):
        return table.to_pandas()
    raise InputError(
        f"{source} returned {type(table).__name__}, but a table is needed: return a pandas frame or an Arrow table"
    )


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
