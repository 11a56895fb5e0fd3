"""Options made from the settings of a job file's section: name, type, meaning and default are in config.py only.

In: a section, and the names of settings that are no options of the command. Out: a command class. The settings are
looked up when a command parses its arguments or shows its help, since pydantic takes far longer to load than click.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_UNITS = {"_s": "SECONDS", "_min": "MINUTES"}


def command_with(section: str, leave_out: Collection[str] = ()) -> type[click.Command]:
    """A command that has the settings of `section` as options; those that are not given are None."""

    class SettingsCommand(click.Command):
        def get_params(self, ctx: click.Context) -> list[click.Parameter]:
            return [*super().get_params(ctx), *options_of(section, leave_out)]

        def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            own, settings = super().get_params(ctx), options_of(section, leave_out)
            for title, params in (("Options", own), (f"Settings of [{section}]", settings)):
                records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
                with formatter.section(title):
                    formatter.write_dl(records)

    return SettingsCommand


def options_of(section: str, leave_out: Collection[str] = ()) -> list[click.Option]:
    """One option for each setting of a section, in its order; settings that are tables are the job file's alone."""
    from pydantic import BaseModel

    from issodask.config import section_of

    return [
        _option(name, field)
        for name, field in section_of(section).model_fields.items()
        if name not in leave_out and not isinstance(field.default, BaseModel)
    ]


def option_name(setting: str) -> str:
    """`time_limit_s` as `--time-limit`: units of time are what the value is called, not the option."""
    for suffix in _UNITS:
        setting = setting.removesuffix(suffix)
    return "--" + setting.replace("_", "-")


def _option(name: str, field: "FieldInfo") -> click.Option:
    from issodask.config import described

    kind = _kind(field.annotation)
    shown: dict[str, Any] = {"help": described(field)}
    if kind is bool:
        return click.Option([option_name(name), name], is_flag=True, default=None, **shown)
    if get_origin(kind) is Literal:
        return click.Option([option_name(name), name], type=str, metavar="|".join(get_args(kind)), **shown)
    if get_origin(kind) is tuple:
        return click.Option(
            [option_name(name), name], type=str, metavar="COLUMN", multiple=True, callback=_if_given, **shown
        )
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), None)
    return click.Option([option_name(name), name], type=kind, metavar=unit, **shown)


def _if_given(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    return given or None


def _kind(annotation: Any) -> Any:
    """The type of a setting, without None."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if kinds and get_origin(annotation) is not Literal else annotation
