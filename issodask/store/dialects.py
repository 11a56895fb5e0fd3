"""How a CSV file is written, found from its first bytes, and its bytes as UTF-8.

In: a path, and what the user knows of the file. Out: a `Dialect`, and a stream of UTF-8 whatever the compression
(known by its first bytes, not by the file's name) and the encoding.

UTF-8, and UTF-16 or UTF-32 with a byte order mark, prove themselves. Bytes that are not UTF-8 are taken for cp1252,
which all western Excels write, unless they can't be that either; any other encoding has to be given. Guessing by the
frequency of letters (charset-normalizer) needs long texts, and a wrong guess spoils them without a trace.
"""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa

from issodask.errors import InputError
from issodask.store.csv_values import uses_decimal_commas

SEPARATORS = (",", ";", "\t", "|")
CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 18
_HEAD_ROWS = 2_000
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Excel's hint to itself, and empty lines before the header
_BEFORE_THE_HEADER = re.compile(rb'\A\s*?("?sep=[^\n\r]"?[ \t]*(\r\n|\n|\r))?[\r\n]*', re.IGNORECASE)


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


@contextmanager
def open_utf8(path: Path, encoding: str | None) -> Iterator[io.BufferedReader]:
    """The file's text as UTF-8 bytes, without byte order mark, ending with a line end.

    Raises InputError, now or while reading, for damaged compression and for bytes that are no text.
    """
    with compression_faults_of(path), _open_bytes(path) as file:
        yield io.BufferedReader(Utf8(file, encoding, path), CHUNK_BYTES)


def open_text(stream: io.BufferedReader) -> TextIO:
    """Lines with their own line ends, for Python's csv."""
    return io.TextIOWrapper(stream, encoding="utf-8", newline="")


class Utf8(io.RawIOBase):
    """Turns a stream of bytes into UTF-8; `encoding` is None until a byte is met that tells it.

    `n_quotes` counts the quotes so far, `fault` is what went wrong (Arrow doesn't hand on all exceptions).
    """

    def __init__(self, file: BinaryIO, encoding: str | None, path: Path) -> None:
        self.encoding = encoding
        self.n_quotes = 0
        self.fault: Exception | None = None
        self._file = file
        self._path = path
        self._decoder: Any = None
        self._pending = b""
        self._ready = memoryview(b"")
        self._last = b""
        self._is_at_start = True
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready and not self._is_at_end:
            try:
                self._ready = memoryview(self._next())
            except Exception as fault:
                self.fault = fault
                raise
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def _next(self) -> bytes:
        data = self._file.read(CHUNK_BYTES)
        self._is_at_end = not data
        if self._is_at_start and data:
            self._take_mark(data)
        text = self._decode(data)
        if self._is_at_start and text:
            text = _BEFORE_THE_HEADER.sub(b"", text, count=1)
            self._is_at_start = False
        if self._is_at_end and self._last + text and not (self._last + text).endswith((b"\n", b"\r")):
            text += b"\n"
        self._last = text[-1:] or self._last
        self.n_quotes += text.count(b'"')
        return text

    def _take_mark(self, data: bytes) -> None:
        marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)
        if marked is not None and (self.encoding is None or _is_unicode(self.encoding)):
            self.encoding = marked
        elif self.encoding is None and data[1:200:2].count(0) > 40:
            self.encoding = "utf-16-le"
        if self.encoding is not None and self.encoding != "utf-8":
            self._decoder = codecs.getincrementaldecoder(self.encoding)()

    def _decode(self, data: bytes) -> bytes:
        if self._decoder is not None:
            try:
                return cast(bytes, self._decoder.decode(data, final=not data).encode("utf-8"))
            except UnicodeError as error:
                raise InputError(describe_bad_bytes(self._path, self.encoding or "utf-8", error)) from error
        data, self._pending = self._pending + data, b""
        if data.isascii():
            return data
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            return self._decode_others(data, error)
        self.encoding = "utf-8"
        return data

    def _decode_others(self, data: bytes, error: UnicodeDecodeError) -> bytes:
        """What to do where UTF-8 ends: wait for the rest of a character, or go on in cp1252 if all was ASCII so far."""
        start = error.start
        if not self._is_at_end and error.reason == "unexpected end of data":
            self._pending = data[start:]
            if not data[:start].isascii():
                self.encoding = "utf-8"
            return data[:start]
        if self.encoding is None and data[:start].isascii():
            self.encoding = "cp1252"
            self._decoder = codecs.getincrementaldecoder("cp1252")()
            return self._decode(data)
        raise InputError(describe_bad_bytes(self._path, "utf-8", error)) from error


def describe_bad_bytes(path: Path, encoding: str, error: UnicodeError) -> str:
    """Where the bytes are that are not text in `encoding`, and what to do."""
    name = {"utf-8": "UTF-8", "cp1252": "UTF-8, nor cp1252"}.get(encoding, encoding)
    found = f"{path} is not {name}"
    if isinstance(error, UnicodeDecodeError) and not _is_unicode(encoding, of_many_bytes=True):
        found += _place_of_bad_byte(path, encoding)
    return f'{found}: give its encoding, such as csv = {{encoding = "cp1250"}}, or convert it with iconv'


@contextmanager
def compression_faults_of(path: Path) -> Iterator[None]:
    """Turn what the decompressors raise into one line that names the file."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a whole compressed file ({one_line(error)}): copy it again") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise InputError(f"{path} is not a whole compressed file ({one_line(error)}): copy it again") from error


def one_line(error: Any) -> str:
    return " ".join(str(error).split())[:200]


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


@contextmanager
def _open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed as their first ones ask for."""
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            with gzip.open(file) as unpacked:
                yield cast(BinaryIO, unpacked)
        elif magic.startswith(b"BZh"):
            with bz2.open(file) as unpacked:
                yield cast(BinaryIO, unpacked)
        elif magic.startswith(b"\xfd7zXZ"):
            with lzma.open(file) as unpacked:
                yield cast(BinaryIO, unpacked)
        elif magic.startswith(b"\x28\xb5\x2f\xfd"):
            with pa.CompressedInputStream(file, "zstd") as unpacked:
                yield io.BufferedReader(unpacked)
        elif magic.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(file) as archive, archive.open(_only_member(archive, path)) as member:
                yield cast(BinaryIO, member)
        else:
            yield file


def _only_member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise InputError(f"{path} holds {len(names)} files, but one CSV is needed: unpack it into a folder")
    return names[0]


def _is_unicode(encoding: str, of_many_bytes: bool = False) -> bool:
    name = codecs.lookup(encoding).name
    return name.startswith(("utf-16", "utf-32")) or (not of_many_bytes and name.startswith("utf"))


def _place_of_bad_byte(path: Path, encoding: str) -> str:
    decoder: Any = codecs.getincrementaldecoder(encoding)()
    n_lines = n_since = 0
    with _open_bytes(path) as file:
        while data := file.read(CHUNK_BYTES):
            try:
                decoder.decode(data)
            except UnicodeDecodeError as error:
                lines = error.object[: error.start].split(b"\n")
                position = len(lines[-1]) + (n_since if len(lines) == 1 else 0)
                byte = error.object[error.start]
                return f": byte 0x{byte:02x} in line {n_lines + len(lines):,}, position {position + 1:,}"
            n_lines += data.count(b"\n")
            n_since = len(data) - data.rfind(b"\n") - 1 if b"\n" in data else n_since + len(data)
    return ""


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


_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?\s*")


def _columns(records: list[list[str]]) -> list[pa.Array]:
    header, rows = (records or [[]])[0], records[1:]
    whole = [row for row in rows if len(row) == len(header)]
    return [pa.array([row[i] or None for row in whole], pa.string()) for i in range(len(header))]
