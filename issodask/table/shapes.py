"""What texts look like, learnt from the original, and new ones that look the same.

In: the original's distinct texts and how often each occurs. Out: as many different ones as wanted, none of them an
original's. Texts are runs of digits and letters between separators: numbers in the original's range ("12:52:1"), or
one alphabet per place ("C-0000123", UUIDs). Whole numbers count on, or lie in the original's range. Where a shape has
too few values left, it is widened: longer texts, larger numbers.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_SHAPE_COUNT = 5  # rarer shapes are not told, unless most are
MAX_SHAPES = 200
MAX_LOOKED_AT = 20_000
_FEW_RUNS = 8
_ENUMERATE = 4  # times the values that are needed or taken: below that all values of a shape are looked at
_UNLIKELY = 1e-4
_MAX_DIGITS = 18
_RUN = re.compile(r"\d+|[^\W\d_]+")
_WORD = re.compile(r"[^\W_]+")
_DIGITS, _LOWER, _UPPER = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CLASSES = [
    _DIGITS,
    _DIGITS + _LOWER[:6],
    _DIGITS + _UPPER[:6],
    _LOWER,
    _UPPER,
    _DIGITS + _LOWER,
    _DIGITS + _UPPER,
    _LOWER + _UPPER,
    _DIGITS + _LOWER + _UPPER,
]


class _Field(Enum):
    NUMBER = "digits"
    WORD = "letters, or both"


# texts


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`, with zeros in front up to `width` digits."""

    low: int
    high: int
    width: int

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    def texts(self, places: NDArray[np.int64]) -> NDArray[np.str_]:
        texts = (places + self.low).astype(str)
        return np.char.zfill(texts, self.width) if self.width else texts

    def widened(self) -> "Number":
        whole = 10**self.width - 1 if self.width else self.high
        if self.high < whole or self.low > 0:
            return replace(self, low=0, high=whole)
        if self.high >= 10 ** (_MAX_DIGITS - 1):
            return self
        return replace(self, high=10 * self.high + 9, width=self.width + 1 if self.width else 0)


@dataclass(frozen=True)
class Letter:
    """One of the letters or digits of `alphabet`; a single one is always the same."""

    alphabet: str

    @property
    def size(self) -> int:
        return len(self.alphabet)

    def texts(self, places: NDArray[np.int64]) -> NDArray[np.str_]:
        return np.array(list(self.alphabet))[places]


@dataclass(frozen=True)
class Shape:
    """Fields one after the other; each can be any of its values, whatever the others are."""

    fields: tuple[Number | Letter, ...]

    @property
    def size(self) -> int:
        size = 1
        for field in self.fields:
            size *= field.size
        return size

    def draw(self, n: int, taken: set[str], random: np.random.Generator) -> list[str]:
        """`n` different texts, none of which is `taken`; fewer when there are no more."""
        if self.size <= _ENUMERATE * (n + len(taken)):
            order = random.permutation(self.size)
            return _fresh(self._texts(self._apart(order), self.size), taken)[:n]
        found: list[str] = []
        seen = set(taken)
        while len(found) < n:  # at least three in four are free
            wanted = 2 * (n - len(found)) + 8
            places = [random.integers(0, field.size, wanted) for field in self.fields]
            new = _fresh(self._texts(places, wanted), seen)
            found += new
            seen.update(new)
        return found[:n]

    def _apart(self, places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The numbers of texts as the places within each field."""
        apart = []
        for field in self.fields:
            places, own = np.divmod(places, field.size)
            apart.append(own)
        return apart

    def _texts(self, places: Sequence[NDArray[np.int64]], n: int) -> NDArray[np.str_]:
        texts = np.full(n, "", dtype=np.str_)
        for field, own in zip(self.fields, places, strict=True):
            texts = np.char.add(texts, field.texts(own))
        return texts

    def widened(self) -> "Shape":
        """At least ten times as many texts."""
        numbers = [i for i, field in enumerate(self.fields) if isinstance(field, Number)]
        fields = list(self.fields)
        if numbers:
            last = max(numbers, key=lambda i: fields[i].size)
            wider = fields[last].widened() if isinstance(fields[last], Number) else fields[last]  # type: ignore[union-attr]
            fields[last] = wider
            if wider.size > self.fields[last].size:
                return Shape(tuple(fields))
        letters = [field for field in self.fields if field.size > 1]
        return Shape((*self.fields, letters[-1] if letters else Letter(_DIGITS)))


@dataclass(frozen=True)
class TextShapes:
    """Shapes and their shares."""

    shapes: tuple[Shape, ...]
    shares: tuple[float, ...]

    @classmethod
    def learn(cls, texts: Sequence[str], counts: NDArray[np.int64]) -> "TextShapes":
        """`texts`: different ones, at least one; `counts`: how often each occurs."""
        step = 1 + len(texts) // MAX_LOOKED_AT
        texts, counts = texts[::step], counts[::step]
        apart = _taken_apart(texts)
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, key in enumerate(_keys(apart)):
            groups.setdefault(key, []).append(i)
        sizes = {key: int(counts[members].sum()) for key, members in groups.items()}
        largest = sorted(groups, key=lambda key: (-sizes[key], groups[key][0]))
        told = [key for key in largest if sizes[key] >= MIN_SHAPE_COUNT][:MAX_SHAPES]
        if sum(sizes[key] for key in told) < 0.5 * sum(sizes.values()):
            told = largest[:MAX_SHAPES]
        shapes = tuple(_shape_of([apart[i] for i in groups[key]]) for key in told)
        total = sum(sizes[key] for key in told)
        return cls(shapes, tuple(sizes[key] / total for key in told))

    def draw(self, n: int, taken: set[str], random: np.random.Generator) -> list[str]:
        """`n` different texts in a random order, none of which is `taken`."""
        found: list[str] = []
        seen = set(taken)
        shapes = list(self.shapes)
        while len(found) < n:
            for i, wanted in enumerate(_shared_out(n - len(found), self.shares)):
                new = shapes[i].draw(wanted, seen, random)
                found += new
                seen.update(new)
                if len(new) < wanted:
                    shapes[i] = shapes[i].widened()
        return [found[i] for i in random.permutation(len(found))]


def _fresh(texts: NDArray[np.str_], taken: set[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts.tolist()) if text not in taken]


def _shared_out(n: int, shares: Sequence[float]) -> list[int]:
    """`n` in whole numbers by shares: largest remainders."""
    exact = n * np.array(shares)
    whole = np.floor(exact).astype(int)
    order = np.lexsort((np.arange(len(exact)), -(exact - whole)))
    whole[order[: n - int(whole.sum())]] += 1
    return whole.tolist()


@dataclass(frozen=True)
class _Apart:
    """A text as its separators (themselves) and fields (of a kind), and what stands in each place."""

    skeleton: tuple[str | _Field, ...]
    fields: tuple[str, ...]


def _taken_apart(texts: Sequence[str]) -> list[_Apart]:
    """Runs of digits and of letters are fields of their own where few patterns of them describe nearly all texts.

    Else (hexadecimal numbers) a field is all that lies between separators.
    """
    by_runs = [_apart(text, _RUN) for text in texts]
    patterns = Counter(item.skeleton for item in by_runs).most_common(_FEW_RUNS)
    if sum(n for _, n in patterns) >= 0.95 * len(texts):
        return by_runs
    return _with_numbers([_apart(text, _WORD) for text in texts])


def _with_numbers(apart: Sequence[_Apart]) -> list[_Apart]:
    """Words that are digits in all texts of a skeleton are numbers; in a few of them, by chance."""
    plain = [tuple(_Field.WORD if isinstance(place, _Field) else place for place in item.skeleton) for item in apart]
    are_numbers: dict[tuple[str | _Field, ...], list[bool]] = {}
    for item, skeleton in zip(apart, plain, strict=True):
        marks = are_numbers.setdefault(skeleton, [place is _Field.WORD for place in skeleton])
        for i, place in enumerate(item.skeleton):
            marks[i] &= place is _Field.NUMBER
    kinds = {
        skeleton: tuple(_Field.NUMBER if mark else place for mark, place in zip(marks, skeleton, strict=True))
        for skeleton, marks in are_numbers.items()
    }
    return [replace(item, skeleton=kinds[skeleton]) for item, skeleton in zip(apart, plain, strict=True)]


def _apart(text: str, pattern: re.Pattern[str]) -> _Apart:
    skeleton: list[str | _Field] = []
    fields: list[str] = []
    end = 0
    for found in pattern.finditer(text):
        between = text[end : found.start()]
        skeleton += [*between, _Field.NUMBER if found[0].isdigit() else _Field.WORD]
        fields += [*between, found[0]]
        end = found.end()
    return _Apart((*skeleton, *text[end:]), (*fields, *text[end:]))


def _keys(apart: Sequence[_Apart]) -> list[tuple[Any, ...]]:
    """What texts of one shape share: the skeleton, and the lengths of all fields but numbers without zeros in front."""
    padded: dict[tuple[Any, ...], list[bool]] = {}
    for item in apart:
        marks = padded.setdefault(item.skeleton, [False] * len(item.skeleton))
        for i, field in enumerate(item.fields):
            marks[i] |= (len(field) > 1 and field[0] == "0") or not _is_plain(field)
    keys = []
    for item in apart:
        marks = padded[item.skeleton]
        lengths = [
            0 if place is _Field.NUMBER and not mark else len(field)
            for field, place, mark in zip(item.fields, item.skeleton, marks, strict=True)
        ]
        keys.append((item.skeleton, tuple(lengths)))
    return keys


def _is_plain(digits: str) -> bool:
    return len(digits) <= _MAX_DIGITS and digits.isascii()


def _shape_of(apart: Sequence[_Apart]) -> Shape:
    """The shape of texts with the same skeleton."""
    fields: list[Number | Letter] = []
    columns = zip(*(item.fields for item in apart), strict=True)
    for place, own in zip(apart[0].skeleton, columns, strict=True):
        if isinstance(place, str):
            fields.append(Letter(place))
        elif place is _Field.NUMBER and all(map(_is_plain, own)):
            fields.append(_number_of(own))
        else:
            whole = _smallest_class("".join(own))
            fields += [_letter_of(letters, whole) for letters in zip(*own, strict=True)]
    return Shape(tuple(fields))


def _number_of(texts: Sequence[str]) -> Number:
    numbers = [int(text) for text in texts]
    is_padded = any(len(text) > 1 and text[0] == "0" for text in texts)
    return Number(min(numbers), max(numbers), len(texts[0]) if is_padded else 0)


def _letter_of(letters: Sequence[str], whole: str) -> Letter:
    """The alphabet of one place, within the class `whole`: what was seen, or as much as chance may have left out."""
    seen = "".join(sorted(set(letters)))
    own = _smallest_class(seen, within=whole)
    is_all = (len(seen) / len(own)) ** len(letters) < _UNLIKELY
    return Letter(seen if is_all else own)


def _smallest_class(letters: str, within: str | None = None) -> str:
    """The first of the classes that has all of `letters`; these themselves where none has (letters with accents).

    Letters alone call for no digits.
    """
    seen = set(letters)
    for own in _CLASSES:
        fits = own.isalpha() or not letters.isalpha() if within is None else set(own) <= set(within)
        if fits and seen <= set(own):
            return own
    return within if within is not None else "".join(sorted(seen))
