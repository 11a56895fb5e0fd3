"""Dates and times of day that are written as text.

In: the texts of a column. Out: points in time, in UTC where a text names an offset, else as they stand; or an error
with the first text that is none. Arrow reads ISO, strictly. Other ways to write a date are put into ISO first; nothing
that a date leaves open is guessed: 01/02/2020 is read when another date of the column shows which number is the day.
"""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_N_DIGITS = {"us": 6, "ns": 9}
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = f"(?P<name>{'|'.join(f'{name[:3]}(?:{name[3:]})?' for name in _MONTHS)})"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,? )?"
_DATES = (
    r"(?P<year>\d{4})(?P<sign>[-/.])(?P<month>\d\d?)(?P=sign)(?P<day>\d\d?)",
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
    r"(?P<first>\d\d?)(?P<sign>[-/.])(?P<other>\d\d?)(?P=sign)(?P<year>\d{4})",
    rf"{_WEEKDAY}{_MONTH}\.? (?P<day>\d\d?),? (?P<year>\d{{4}})",
    rf"{_WEEKDAY}(?P<day>\d\d?)[-. ]{{1,2}}{_MONTH}\.?,?[- ](?P<year>\d{{4}})",
)
_CLOCK = (
    r"(?:(?:T|,? +)(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r" *(?P<half>[ap]m)? *(?P<offset>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?"
)
_WAYS = [re.compile(date + _CLOCK, re.IGNORECASE | re.ASCII) for date in _DATES]
_UNCLEAR = "a date whose day and month can be told apart (2020-12-31 can)"

_Fields = Mapping[str, str | None]


class UnreadableError(Exception):
    """A text, and what it is not."""

    def __init__(self, text: str, needed: str) -> None:
        super().__init__(text, needed)
        self.text = text
        self.needed = needed


def read_times(texts: pa.Array, unit: str) -> pa.Array:
    """Texts without blanks around them as timestamps without a zone; finer fractions are cut.

    In `unit` ("us" or "ns"), but in microseconds when nanoseconds don't reach that far. Raises UnreadableError.
    """
    for zone in (None, "UTC"):
        try:
            return _without_zone(texts.cast(pa.timestamp(unit, zone)), unit)
        except pa.ArrowInvalid:
            continue
    known = texts.drop_null().to_pylist()
    found = [_fields(text) for text in known]
    is_day_first = _is_day_first(found, known)
    for finest in ("ns", "us") if unit == "ns" else ("us",):
        iso = [_iso(fields, is_day_first, _N_DIGITS[finest]) for fields in found]
        try:
            times = _without_zone(pa.array(iso, pa.string()).cast(pa.timestamp(finest, "UTC")), finest)
        except pa.ArrowInvalid:
            continue
        return pc.replace_with_mask(pa.nulls(len(texts), times.type), texts.is_valid(), times)
    raise UnreadableError(next(text for text, time in zip(known, iso, strict=True) if not _is_time(time)), "a date")


def read_clocks(texts: pa.Array) -> pa.Array:
    """Texts without blanks around them as times of day in nanoseconds. Raises UnreadableError, also for offsets."""
    needed = "a time of day"
    for text in texts.drop_null().to_pylist():
        if ":" not in text or re.search(r"[-+]|Z|UTC|GMT", text, re.IGNORECASE):
            raise UnreadableError(text, needed)
    day = "1970-01-01 "
    try:
        return read_times(pc.binary_join_element_wise(day, texts, ""), "ns").cast(pa.time64("ns"))
    except UnreadableError as error:
        raise UnreadableError(error.text.removeprefix(day), needed) from error


def _fields(text: str) -> _Fields:
    found = next((match for way in _WAYS if (match := way.fullmatch(text))), None)
    if found is None:
        raise UnreadableError(text, "a date")
    return found.groupdict()


def _is_day_first(found: Sequence[_Fields], texts: Sequence[str]) -> bool:
    """Whether dates such as 31/12/2020 begin with the day; with points between, all do."""
    open_ones = [
        (text, int(fields["first"] or 0), int(fields["other"] or 0))
        for text, fields in zip(texts, found, strict=True)
        if fields.get("first") and fields["sign"] != "."
    ]
    open_ones = [(text, first, other) for text, first, other in open_ones if first != other]
    is_first = any(first > 12 for _, first, _ in open_ones)
    is_second = any(other > 12 for _, _, other in open_ones)
    if open_ones and is_first == is_second:
        raise UnreadableError(open_ones[0][0], _UNCLEAR)
    return is_first


def _iso(fields: _Fields, is_day_first: bool, n_digits: int) -> str:
    """The time in ISO, with an offset; digits after the `n_digits` of the fraction are cut."""
    month, day = fields.get("month"), fields.get("day")
    if fields.get("first"):
        month, day = fields["first"], fields["other"]
        if is_day_first or fields["sign"] == ".":
            month, day = day, month
    elif name := fields.get("name"):
        month = str(1 + [month[:3] for month in _MONTHS].index(name[:3].lower()))
    hour = int(fields["hour"] or 0)
    if half := fields["half"]:
        hour = hour % 12 + 12 * (half.lower() == "pm") if 1 <= hour <= 12 else 99
    offset = fields["offset"] or "Z"
    return (
        f"{fields['year']}-{month:0>2}-{day:0>2}T{hour:02}:{fields['minute'] or '00'}:{fields['second'] or '00'}"
        f".{(fields['fraction'] or '0')[:n_digits]}{'Z' if offset.isalpha() else offset}"
    )


def _without_zone(times: pa.Array, unit: str) -> pa.Array:
    return times.view(pa.int64()).view(pa.timestamp(unit))


def _is_time(iso: str) -> bool:
    try:
        return pa.scalar(iso).cast(pa.timestamp("us", "UTC")).is_valid
    except pa.ArrowInvalid:
        return False
