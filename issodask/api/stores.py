"""Stores elsewhere (s3://, gs://, az:// ...) as the verbs take them: by text, with options that reach them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Verb = TypeVar("Verb", bound=Callable[..., Any])


def reaching_stores(verb: Verb) -> Verb:
    """A verb whose `storage_options` hold for all places that it is given; what it returns can read them later on."""

    @wraps(verb)
    def called(*args: Any, **given: Any) -> Any:
        from issodask.store.places import is_url, place, storage

        with storage(given.get("storage_options")):
            placed = [place(each) if is_url(each) else each for each in args]
            named = {name: place(each) if is_url(each) and name != "runtime" else each for name, each in given.items()}
            return verb(*placed, **named)

    return called  # type: ignore[return-value]
