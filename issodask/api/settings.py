"""Settings of a job file as keywords of a verb: their names, types, defaults and meanings are in config.py only.

In: a verb that takes a validated section as `config`. Out: one that takes its settings one by one, and shows them in
its signature and its documentation, so that `help` and completion know them.
"""

import inspect
from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter
from textwrap import fill
from typing import Any, TypeVar

from pydantic.fields import FieldInfo

from issodask.config import described, section_of
from issodask.validation import validated

_DOC_WIDTH = 100

Result = TypeVar("Result")


def with_settings(
    section: str, leave_out: Collection[str] = ()
) -> Callable[[Callable[..., Result]], "Callable[..., Result]"]:
    """Give a verb the settings of `section` as keywords; those that it has itself, such as `units`, it gets as well.

    Called with an unknown keyword, it raises TypeError that names the nearest.
    """
    model = section_of(section)
    fields = {name: field for name, field in model.model_fields.items() if name not in leave_out}

    def decorate(verb: Callable[..., Result]) -> Callable[..., Result]:
        own = [each for each in inspect.signature(verb).parameters.values() if each.name != "config"]
        names = [each.name for each in own]

        @wraps(verb)
        def called(*args: Any, **given: Any) -> Result:
            _check_names(given, [*names, *fields], verb.__name__)
            settings = {name: value for name, value in given.items() if name in fields}
            if args and isinstance(args[-1], model):  # a whole section, after the tables
                *args, section_given = args  # type: ignore[assignment]
                settings = section_given.model_dump(exclude_unset=True) | settings
            config = validated(model, settings, where=verb.__name__)
            return verb(*args, config=config, **{name: value for name, value in given.items() if name in names})

        more = {name: field for name, field in fields.items() if name not in names}
        called.__signature__ = inspect.Signature([*own, *map(_parameter, more, more.values())])  # type: ignore[attr-defined]
        called.__doc__ = f"{inspect.cleandoc(verb.__doc__ or '')}\n\nSettings:\n\n{_documented(more)}\n"
        return called

    return decorate


def _check_names(given: Collection[str], known: Collection[str], verb: str) -> None:
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"help(issodask.{verb}) lists those that it has"
            raise TypeError(f"{verb} has no keyword {name!r}: {hint}")


def _parameter(name: str, field: FieldInfo) -> Parameter:
    default = field.default.__class__() if isinstance(field.default, dict) else field.default
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=field.annotation)


def _documented(fields: dict[str, FieldInfo]) -> str:
    width = max(map(len, fields)) + 2
    texts = [f"{name:<{width}}{described(field)}" for name, field in fields.items()]
    return "\n".join(fill(text, _DOC_WIDTH, subsequent_indent=" " * width) for text in texts)
