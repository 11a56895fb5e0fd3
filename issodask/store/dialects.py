"""How a CSV file is written, found from its first bytes.

In: a path, and what the user knows of the file. Out: a `Dialect`.
"""

import codecs
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from issodask.errors import InputError
from issodask.store.csv_values import uses_decimal_commas
from issodask.store.utf8 import open_utf8

SEPARATORS = (",", ";", "\t", "|")
_HEAD_BYTES = 1 << 18
_HEAD_ROWS = 2_000
_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written; None is what is still to be found.

    `decimal` is the decimal sign; an `encoding` of None is UTF-8 or, as soon as bytes are not that, cp1252.
    """

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    @classmethod
    def given(cls, settings: "Dialect | Mapping[str, Any] | None") -> "Dialect":
        """From a mapping, such as a job file's. Raises InputError for what no file can be written with."""
        if isinstance(settings, Dialect):
            return settings
        settings = settings or {}
        unknown = sorted(set(settings) - {"separator", "decimal", "encoding"})
        if unknown:
            raise InputError(f"csv has unknown keys {unknown}: give separator, decimal or encoding")
        dialect = cls(**settings)
        _check(dialect)
        return dialect


def describe_dialect(path: Path, given: Dialect | None = None) -> str | None:
    """How a file is read, in one line for the user; None when there is nothing unusual about it."""
    found = find_dialect(path, given)
    signs = []
    if found.encoding == "cp1252" and (given is None or given.encoding is None):
        signs.append("is not UTF-8: read as cp1252")
    if found.separator != ",":
        signs.append(f"fields lie between {found.separator!r}")
    if found.decimal == ",":
        signs.append("numbers have decimal commas")
    return f"{path.name} {'; '.join(signs)}" if signs else None


def find_dialect(path: Path, given: Dialect | None = None) -> Dialect:
    """What is `given`, and of the rest what the first 256 kB of the file say.

    Raises InputError for an empty file, damaged compression, and bytes that are no text.
    """
    given = given or Dialect()
    with open_utf8(path, given.encoding) as stream:
        head = stream.read(_HEAD_BYTES)
        is_whole = not stream.read(1)
        encoding = given.encoding or stream.raw.encoding  # type: ignore[attr-defined]
    text = head.decode("utf-8", errors="ignore")
    if not text.strip():
        raise InputError(f"{path} is empty: a CSV file needs a header line and rows")
    separators = (given.separator,) if given.separator else _in_order(path)
    cut = {separator: _records(text, separator, is_whole) for separator in separators}
    separator = max(cut, key=lambda separator: _score(cut[separator]))
    if '\\"' in text and not _is_strict(text, separator, is_whole):
        raise InputError(
            f"{path} has quotes that backslashes protect: write it with doubled quotes "
            """(in Spark .option("escape", '"'), in pandas escapechar=None)"""
        )
    found = replace(given, separator=separator, encoding=encoding)
    if given.decimal is None and uses_decimal_commas(_columns(cut[separator]), separator):
        found = replace(found, decimal=",")
    return found


def _check(dialect: Dialect) -> None:
    separator = dialect.separator
    if separator is not None and (len(separator) != 1 or not separator.isascii() or separator in '"\r\n'):
        raise InputError(f"csv separator is {separator!r}, but one character, such as ';', is needed")
    if dialect.decimal not in (None, ".", ","):
        raise InputError(f"csv decimal is {dialect.decimal!r}, but '.' or ',' is needed")
    try:
        codecs.lookup(dialect.encoding or "utf-8")
    except LookupError as error:
        raise InputError(
            f"csv encoding {dialect.encoding!r} is not known: give one that Python knows, such as 'cp1250'"
        ) from error


def _in_order(path: Path) -> tuple[str, ...]:
    is_tsv = ".tsv" in [suffix.lower() for suffix in path.suffixes]
    return ("\t", *(s for s in SEPARATORS if s != "\t")) if is_tsv else SEPARATORS


def _records(text: str, separator: str, is_whole: bool) -> list[list[str]]:
    """The first records, the header among them, without empty lines and without one that is cut off."""
    records = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if record:
                records.append(record)
            if len(records) > _HEAD_ROWS:
                return records
    except csv.Error:  # a field of more than 131,072 characters
        return records
    return records if is_whole or len(records) < 2 else records[:-1]


def _is_strict(text: str, separator: str, is_whole: bool) -> bool:
    """Whether quotes within quoted fields are doubled everywhere."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end" in str(error) and not is_whole
    return True


def _score(records: list[list[str]]) -> tuple[bool, float, float, int]:
    """How well a separator explains the records: several columns, as many in each row, numbers where cut, many."""
    if not records:
        return False, 0.0, 0.0, 0
    header, rows = records[0], records[1:]
    even = sum(len(row) == len(header) for row in rows) / max(1, len(rows))
    fields = [field for row in rows for field in row]
    numbers = sum(_NUMBER.fullmatch(field) is not None for field in fields) / max(1, len(fields))
    return len(header) > 1, round(even, 2), round(numbers, 2), len(header)


def _columns(records: list[list[str]]) -> list[pa.Array]:
    header, rows = (records or [[]])[0], records[1:]
    whole = [row for row in rows if len(row) == len(header)]
    return [pa.array([row[i] or None for row in whole], pa.string()) for i in range(len(header))]
