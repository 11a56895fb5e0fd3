"""The texts of a CSV file as values: numbers and booleans where they can be that without losing a digit.

A column of an original tells its type by all its values (`infer`), one of a pool has the original's (`as_reading`).
Whatever a number would change stays text: leading zeros (a zip code), a leading plus (a telephone number), whole
numbers of more than 64 bits, thousands separators, percent signs, hexadecimal digits. Dates stay text, as pandas
leaves them.

Empty fields are missing. The words that pandas takes for missing (NA, None, nan) are that only among numbers, booleans
and the like. In a column of texts they are texts: what was NA in the file is "NA" in the subset, so nothing is lost,
and whoever meant a missing value still sees that; the other way round a country would be gone.
"""

import re
from collections.abc import Iterable
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

Reading = Literal["text", "number", "value"]
"""What a column of a pool is to be: text as it stands; numbers; or text of other values (dates, booleans), where the
words of missing values are missing and decimal commas points."""

# Those of pandas 2 (pandas.read_csv, na_values).
MISSING_WORDS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"),
    *("NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
_TRUE = ("True", "TRUE", "true")
_FALSE = ("False", "FALSE", "false")
_EXPONENT = r"([eE][+-]?[0-9]+)?"
_POINT_NUMBER = rf"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}$"
_COMMA_NUMBER = rf"^[+-]?([0-9]+,?[0-9]*|,[0-9]+){_EXPONENT}$"
_WHOLE_NUMBER = r"^[+-]?[0-9]+$"
_SAMPLE = 64


def infer(texts: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray:
    """The whole column of an original: int64, uint64, float64 or boolean if all its values are that, else as it is."""
    if texts.null_count == len(texts):
        return pa.chunked_array([pa.nulls(len(texts), pa.float64())])
    values = _without_words(texts)
    if values.null_count == len(values):
        return texts
    for read in (_as_booleans, _as_exact_numbers):
        found = read(values, decimal)
        if found is not None:
            return found
    return texts


def as_reading(texts: pa.Array, reading: Reading, decimal: str) -> pa.Array:
    """A stretch of a pool's column; numbers that are none, or would be rounded, are handed on as text.

    The caller knows which numbers are wanted, and names those that are none.
    """
    if reading == "text":
        return texts
    values = _without_words(_strings(texts))
    if reading == "number":
        found = _as_numbers(values, decimal)
        if found is not None and _is_rounded(values, found):
            return _with_points(values) if decimal == "," else values
        return values if found is None else found
    values = _with_points(values) if decimal == "," and _all(values, _COMMA_NUMBER) else values
    return values.dictionary_encode()  # whoever takes some rows still has the other texts, which show how to read these


def uses_decimal_commas(columns: Iterable[pa.Array], separator: str) -> bool:
    """Whether some columns of texts are numbers with decimal commas, and none has decimal points.

    Groups of three digits are no evidence, since 1,234 may be a thousand; nor is anything where commas separate the
    fields, since "1,3" may be a list there.
    """
    if separator == ",":
        return False
    found = {",": False, ".": False}
    for column in columns:
        for sign, pattern in ((",", _COMMA_NUMBER), (".", _POINT_NUMBER)):
            if not found[sign] and _has(column, sign):
                values = _without_words(column)
                found[sign] = _has_fractions(values, sign) and _all(values, pattern)
    return found[","] and not found["."]


def _has_fractions(values: Any, sign: str) -> bool:
    with_sign = values.filter(pc.match_substring(values, sign))
    return len(with_sign) > 0 and not _all(with_sign, rf"^[+-]?[1-9][0-9]{{0,2}}(\{sign}[0-9]{{3}})+$")


def _as_booleans(values: pa.ChunkedArray, _decimal: str) -> pa.ChunkedArray | None:
    truths = pa.array(_TRUE + _FALSE)
    if not all(pc.all(pc.is_in(some.drop_null(), value_set=truths)).as_py() for some in (_sample(values), values)):
        return None
    return pc.if_else(pc.is_null(values), None, pc.is_in(values, value_set=pa.array(_TRUE)))


def _as_exact_numbers(values: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray | None:
    """Numbers, unless they would lose something."""
    for prefix in ("0", "-0", "+0"):
        starts = pc.and_not(pc.starts_with(values, prefix), pc.starts_with(values, f"{prefix}."))
        if pc.any(starts).as_py() and _any(values.filter(starts), r"^[+-]?0[0-9]"):
            return None
    if _starts(values, "+") and not _starts(values, "-"):
        return None
    numbers = _as_numbers(values, decimal)
    if numbers is None or not pa.types.is_floating(numbers.type):
        return numbers
    is_whole = _all(_sample(values), _WHOLE_NUMBER) and _all(values, _WHOLE_NUMBER)
    return None if is_whole or _is_rounded(values, numbers) else numbers


def _as_numbers(values: Any, decimal: str) -> Any:
    """Numbers from trimmed texts, in the first of int64, uint64 and float64 that holds them all; else None.

    A sample says which to try, since Arrow takes a microsecond for each text that is no number.
    """
    if decimal == ",":
        if _has(values, "."):
            return None
        values = _with_points(values)
    if _starts(values, "+"):
        values = pc.replace_substring_regex(values, r"^\+([0-9.])", r"\1")
    if any(_starts(values, prefix) for prefix in ("0x", "0X")):
        return None
    sample = _sample(values)
    if _cast(sample, pa.float64()) is None:
        return None
    is_whole = _all(sample, _WHOLE_NUMBER)
    numbers = _cast(values, pa.int64()) if is_whole else None
    if numbers is None and is_whole and _all(values, r"^[0-9]+$"):
        numbers = _cast(values, pa.uint64())
    return _cast(values, pa.float64()) if numbers is None else numbers


def _is_rounded(texts: Any, numbers: Any) -> bool:
    """Whether a whole number lost digits, since others beside it have fractions or exponents."""
    if not pa.types.is_floating(numbers.type):
        return False
    is_long = pc.match_substring_regex(texts, r"^[+-]?[0-9]{16,}([.,]0*)?$")
    pairs = zip(texts.filter(is_long).to_pylist(), numbers.filter(is_long).to_pylist(), strict=True)
    return any(int(re.split("[.,]", text)[0]) != number for text, number in pairs)


def _cast(values: Any, type_: pa.DataType) -> Any:
    try:
        return pc.cast(values, type_)
    except pa.ArrowInvalid:
        return None


def _with_points(values: Any) -> Any:
    return pc.replace_substring(values, ",", ".")


def _without_words(texts: Any) -> Any:
    """The texts, trimmed, but for those that are missing values among numbers; blanks are, too."""
    values = pc.utf8_trim_whitespace(texts)
    is_word = pc.is_in(values, value_set=pa.array(MISSING_WORDS))
    return pc.if_else(is_word, None, values) if pc.any(is_word).as_py() else values


def _sample(values: Any) -> Any:
    """Some that are not missing, from all over."""
    known = values.drop_null() if values.null_count else values
    return known.take(pa.array(range(0, len(known), max(1, len(known) // _SAMPLE)), pa.int64()))


def _strings(texts: pa.Array) -> pa.Array:
    return pc.cast(texts, pa.string()) if pa.types.is_dictionary(texts.type) else texts


def _starts(values: Any, prefix: str) -> bool:
    return bool(pc.any(pc.starts_with(values, prefix)).as_py())


def _has(values: Any, text: str) -> bool:
    return bool(pc.any(pc.match_substring(values, text)).as_py())


def _any(values: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _all(values: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern), min_count=0).as_py())
