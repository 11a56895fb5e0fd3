"""The bytes of a CSV file as UTF-8, whatever its compression (known by its first bytes, not by its name) and encoding.

UTF-8, and UTF-16 or UTF-32 with a byte order mark, prove themselves. Bytes that are not UTF-8 are taken for cp1252,
which all western Excels write, unless they can't be that either; any other encoding has to be given. Guessing by the
frequency of letters (charset-normalizer) needs long texts, and a wrong guess spoils them without a trace.
"""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa

from issodask.errors import InputError
from issodask.store.places import store_faults_of

CHUNK_BYTES = 1 << 20
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Excel's hint to itself, and empty lines before the header
_BEFORE_THE_HEADER = re.compile(rb'\A\s*?("?sep=[^\n\r]"?[ \t]*(\r\n|\n|\r))?[\r\n]*', re.IGNORECASE)


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


@contextmanager
def _open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed as their first ones ask for."""
    with store_faults_of(path), path.open("rb") as file:
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
