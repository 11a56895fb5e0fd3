"""issodask: select, from a huge synthetic pool, the subset whose marginals match the original table.

The verbs of the command line are functions here: `run`, `generate`, `select`, `evaluate`, `plan`. Their settings are
models of `issodask.config`; input that can't be used raises `InputError`.
"""

from typing import TYPE_CHECKING, Any

from issodask.errors import InputError

if TYPE_CHECKING:
    from issodask.stages.evaluate import evaluate
    from issodask.stages.generate import generate
    from issodask.stages.plan import plan
    from issodask.stages.run import run
    from issodask.stages.select import select

__all__ = ["InputError", "evaluate", "generate", "plan", "run", "select"]


def __getattr__(name: str) -> Any:
    """Import a verb when it is first asked for: some of them bring heavy libraries along."""
    if name not in __all__:
        raise AttributeError(f"module 'issodask' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"issodask.stages.{name}"), name)
