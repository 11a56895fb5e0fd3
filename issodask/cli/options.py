"""What the commands share: how errors are told, options that several have, and how events are shown."""

import errno
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from issodask.errors import InputError, LostError

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


class Place(click.ParamType):
    """A path, or the address of a file in a store, which stays text."""

    name = "path"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        return value if "://" in str(value) else Path(value)


PLACE = Place()

_BAD_INPUT, _LOST, _STOPPED = 2, 75, 130


def told(command: Command) -> Command:
    """What a user can mend is one line on stderr and exit code 2; what was lost on the way, 75; Ctrl-C, 130."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            _fail(str(error), _BAD_INPUT)
        except LostError as error:
            _fail(str(error), _LOST)
        except ModuleNotFoundError as error:
            _fail(_installable(error), _BAD_INPUT)
        except OSError as error:
            _fail(_mendable(error), _BAD_INPUT)
        except KeyboardInterrupt as stopped:
            _fail(str(stopped) or "stopped", _STOPPED)

    return wrapped  # type: ignore[return-value]


def _installable(error: ModuleNotFoundError) -> str:
    """How to install what a command needs; a module that no extra brings is raised again."""
    from issodask.host import EXTRAS, how_to_install

    if error.name not in EXTRAS:
        raise error
    return how_to_install(error.name, "this command")


def _mendable(error: OSError) -> str:
    """What a user can do about it; anything else is raised again."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk full ({error.filename or 'while writing'}): free some space and run the command again"
    if error.filename is not None and error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EEXIST,
    ):
        return f"can't use {error.filename} ({error.strerror}): check the path and its permissions"
    raise error


def _fail(message: str, code: int) -> None:
    click.echo(f"issodask: {' '.join(message.split())}", err=True)
    sys.exit(code)


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of the settings that were given."""
    return {name: value for name, value in settings.items() if value is not None}


def runtime_options(command: Command) -> Command:
    workers = click.option("--workers", type=click.IntRange(min=1), help="Default: one per processor.")
    scheduler = click.option(
        "--scheduler",
        help="serial, threads, processes, cluster (the one started here), an address, or a scheduler file (.json).",
    )
    return workers(scheduler(command))


def group_key_option(command: Command) -> Command:
    return click.option(
        "--group-key", metavar="COLUMN", help="Says which rows belong together: units are whole groups then."
    )(command)


def columns_option(command: Command) -> Command:
    return click.option(
        "--column",
        "columns",
        metavar="NAME=ROLE",
        multiple=True,
        callback=_read_roles,
        help="Role of a column, where it is not found right: number, time, category, text, id, constant. Repeatable.",
    )(command)


def _read_roles(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """By name; a name may have equal signs of its own."""
    bad = [text for text in given if "=" not in text]
    if bad:
        raise click.BadParameter(f"{bad[0]!r} names no role: give NAME=ROLE, such as customer=id")
    roles: dict[str, str] = {}
    for name, _, role in (text.rpartition("=") for text in given):
        if roles.setdefault(name, role) != role:
            raise click.BadParameter(f"{name!r} is {roles[name]} and {role}: give each column one role")
    return roles


def scheduler_option(command: Command) -> Command:
    return click.option(
        "--scheduler",
        help="An address, or a scheduler file (.json).  [default: the cluster that `issodask cluster up` started]",
    )(command)
