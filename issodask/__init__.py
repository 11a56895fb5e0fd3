"""issodask: select, from a huge synthetic pool, the subset whose marginals match the original table.

    import issodask as iss

    pool = iss.generate(people, units=1_000_000, generators=4)
    chosen = iss.select(people, pool, units=20_000, time_limit_s=60)
    report = chosen.evaluate(holdout=others)

`run` does a whole job from its file, `plan` says what one will need. All settings of a job file are keywords, and
`help(issodask.select)` lists them. Input that can't be used raises `InputError`, in one line that says what to do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from issodask.errors import InputError, LostError

if TYPE_CHECKING:
    from issodask.api import (
        Comparison,
        Finished,
        Plan,
        Pool,
        Report,
        Selection,
        Study,
        Target,
        benchmark,
        compare,
        evaluate,
        generate,
        impute,
        plan,
        run,
        select,
    )

    __version__: str

__all__ = [
    "Comparison",
    "Finished",
    "InputError",
    "LostError",
    "Plan",
    "Pool",
    "Report",
    "Selection",
    "Study",
    "Target",
    "__version__",
    "benchmark",
    "compare",
    "evaluate",
    "generate",
    "impute",
    "plan",
    "run",
    "select",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: the command line's help needs none of it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("issodask")
    if name not in __all__:
        raise AttributeError(f"module 'issodask' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module("issodask.api"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
