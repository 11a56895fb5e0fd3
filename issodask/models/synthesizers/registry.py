"""Synthesizers by name: `cart`, `perturb:0.3`, `sdv:CTGAN?epochs=50&batch_size=500`.

A name, for some a main setting after a colon, and after a question mark settings, joined by `&`. A name is always the
synthesizer: a folder that is called the same is written as a path (`./cart`).
"""

from dataclasses import Field as DataclassField
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from issodask.errors import InputError
from issodask.host import check_installed
from issodask.models.synthesizers.arf import Arf
from issodask.models.synthesizers.base import Synthesizer
from issodask.models.synthesizers.cart import Cart
from issodask.models.synthesizers.resampled import Copy, Perturb
from issodask.models.synthesizers.sdv_groups import SdvPar
from issodask.models.synthesizers.sdv_models import CopulaGan, Ctgan, GaussianCopula, Tvae

_ALL: tuple[type[Synthesizer], ...] = (Arf, Cart, Copy, Perturb, GaussianCopula, Ctgan, Tvae, CopulaGan, SdvPar)
_BY_NAME = {kind.name: kind for kind in _ALL}
_LIBRARIES = ("sdv:",)
"""What begins like this is never a folder."""


def names() -> tuple[str, ...]:
    """The names of all synthesizers, sorted."""
    return tuple(sorted(_BY_NAME))


def synthesizer(name: str, **settings: Any) -> Synthesizer:
    """A synthesizer, not yet fitted, by its name; settings may be part of the name, or keywords.

    Raises InputError for a name or a setting that does not exist, a value that can't be used, and when the package that
    it computes with is not installed.
    """
    made = _made(name, settings)
    if made.needs is not None:
        check_installed(made.needs, name)
    return made


def is_name(source: str) -> bool:
    """Whether a source names a synthesizer, if perhaps one that does not exist, rather than a folder."""
    return _split(source)[0] in _BY_NAME or source.startswith(_LIBRARIES)


def check_spelling(source: str) -> None:
    """Raise InputError for a name or a setting that does not exist; it need not be installed here."""
    if is_name(source):
        _made(source, {})


def check_no_name(source: str) -> None:
    """Raise InputError for what is no folder, if it looks like the name of a synthesizer."""
    name = _split(source)[0]
    meant = _did_you_mean(name)
    if meant:
        raise InputError(
            f"source {source!r} is neither a folder nor a synthesizer: {meant}there are mostlyai, {_listed()}"
        )


def _made(source: str, settings: dict[str, Any]) -> Synthesizer:
    name, main, written = _split(source)
    kind = _BY_NAME.get(name)
    if kind is None:
        raise InputError(f"there is no synthesizer {name!r}: {_did_you_mean(name)}there are {_listed()}")
    return _with_settings(kind, source, main | written | settings)


def _listed() -> str:
    return ", ".join(names())


def _did_you_mean(name: str, among: tuple[str, ...] | None = None) -> str:
    known = {one.casefold(): one for one in (among or ("mostlyai", *names()))}
    near = get_close_matches(name.casefold(), list(known), n=1, cutoff=0.7)
    return f"did you mean {known[near[0]]}? " if near else ""


def _split(source: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The name, its main setting, and those after the question mark."""
    head, _, query = source.partition("?")
    settings = dict(pair.partition("=")[::2] for pair in query.split("&")) if query else {}
    name, colon, value = head.partition(":")
    if head in _BY_NAME or not colon or name not in _BY_NAME:
        return head, {}, settings
    main = _BY_NAME[name].main
    return name, {main or value: value}, settings


def _with_settings(kind: type[Synthesizer], source: str, settings: dict[str, Any]) -> Synthesizer:
    known = {field.name: field for field in fields(kind)}
    for name in settings:
        if name not in known:
            raise InputError(f"source {source!r}: {kind.name} has no setting {name!r}: {_existing(name, known)}")
    try:
        return kind(**settings)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        raise InputError(
            f"source {source!r}: {name} is {settings[name]!r}, but {fault['msg'][0].lower()}{fault['msg'][1:]}"
        ) from error


def _existing(name: str, known: dict[str, "DataclassField[Any]"]) -> str:
    if not known:
        return "it has none, so remove it"
    return f"{_did_you_mean(name, tuple(known))}it has {', '.join(map(_told, known.values()))}"


def _told(field: "DataclassField[Any]") -> str:
    """A setting, and the values that it may have where they are few."""
    kind: Any = field.type
    values = get_args(kind) if get_origin(kind) is Literal else ()
    return f"{field.name} ({' or '.join(values)})" if values else field.name
