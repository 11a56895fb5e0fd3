"""CSV as people have it: what is found of its dialect, what stays text, and what is told of the rest."""

import gc
import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.store import csv_files
from issodask.store.csv_files import count_csv_rows, csv_columns, iter_csv, read_csvs
from issodask.store.dialects import Dialect, find_dialect
from issodask.store.utf8 import Utf8


@pytest.fixture
def write(tmp_path):
    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read_csv(path, given=None):
    (table,) = read_csvs([path], given)
    return table


def values(table):
    return {name: table[name].to_pylist() for name in table.column_names}


def types(table):
    return {field.name: str(field.type) for field in table.schema}


DIALECTS = {
    "commas": ("a,b\n1,x;y\n2,u;v\n", ",", None),
    "semicolons": ("a;b\n1;x,y\n2;u\n", ";", None),
    "semicolons in quotes of a comma file": ('a,b\n1,"x;y"\n2,"u;v;w"\n', ",", None),
    "tabs in a .csv": ("a\tb\n1\tx y\n2\tz\n", "\t", None),
    "bars": ("a|b\n1|x,y\n2|z\n", "|", None),
    "decimal commas": ("b;a\nx;1,5\ny;2,25\n", ";", ","),
    "lists between quotes": ('b,a\nx,"1,5"\ny,"2,25"\n', ",", None),
    "commas in the header of a semicolon file": ("Preis, netto;n\n1,5;3\n2,5;4\n", ";", ","),
    "thousands": ('a,b\n"1,234",x\n"12,500",y\n', ",", None),
    "thousands in a semicolon file": ("a;b\n1,234;x\n2,500;y\n", ";", None),
    "points beside commas": ("a;b\n1,5;2.5\n", ";", None),
    "a hint to Excel": ("sep=;\r\na;b\r\n1;x\r\n", ";", None),
    "one column": ("a\n1\n2\n", ",", None),
    "one column of texts": ("a\nx;y\nz\n", ",", None),
    "a header alone": ("a;b;c\n", ";", None),
    "a header without a line end": ("a;b;c", ";", None),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_find_dialect__separator_and_decimal_sign(write, name):
    content, separator, decimal = DIALECTS[name]
    found = find_dialect(write(content))
    assert (found.separator, found.decimal) == (separator, decimal)


def test_find_dialect__what_is_given_is_not_looked_for(write):
    path = write("a,b;c\n1,5;2\n")
    assert list(values(read_csv(path, Dialect(separator=",")))) == ["a", "b;c"]
    assert values(read_csv(path, Dialect(separator=";", decimal="."))) == {"a,b": ["1,5"], "c": [2]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"separator": ";;"}, "one character"),
        ({"separator": '"'}, "one character"),
        ({"decimal": "'"}, "decimal"),
        ({"encoding": "klingon"}, "'klingon' is not known"),
        ({"sep": ";"}, "unknown keys"),
    ],
)
def test_dialect__impossible_ones_are_told(settings, words):
    with pytest.raises(InputError, match=words):
        Dialect.given(settings)


TEXT = "name,n\r\nZürich €,1\r\nx,2\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_csv__encodings_that_are_found(write, encoding, pack):
    path = write(pack(TEXT.encode(encoding)))
    assert values(read_csv(path)) == {"name": ["Zürich €", "x"], "n": [1, 2]}
    assert csv_columns(path) == ["name", "n"]
    assert count_csv_rows(path) == 2


def test_read_csv__tabs_in_utf_16_as_excel_writes_unicode_text(write):
    path = write("a\tb\r\nZürich\t1,5\r\n".encode("utf-16"))
    assert values(read_csv(path)) == {"a": ["Zürich"], "b": [1.5]}


def test_read_csv__an_encoding_that_is_given(write):
    path = write("a,b\nŁódź,1\n".encode("cp1250"))
    assert values(read_csv(path, Dialect(encoding="cp1250")))["a"] == ["Łódź"]


def test_read_csv__the_first_odd_byte_may_come_late(write):
    path = write(("a\n" + "x\n" * 2_000_000).encode() + "Zürich\n".encode("cp1252"))
    assert read_csv(path)["a"][-1].as_py() == "Zürich"


def test_read_csv__bytes_that_are_no_text_in_any_encoding_we_know(write):
    with pytest.raises(InputError, match=r"not UTF-8, nor cp1252: byte 0x81 in line 3, position 1: give its encoding"):
        read_csv(write(b"a\nx\n\x81\n"))


KEPT = {
    "zip codes": ["01234", "90210"],
    "telephone numbers": ["+4366412", "+49301"],
    "more than 64 bits": ["1" * 40, "5"],
    "more digits than floating numbers hold": ["9007199254740993", "1.5"],
    "hexadecimal": ["0x1F", "0x20"],
    "percent": ["12%", "5%"],
    "thousands": ["1.234,56", "7,5"],
    "dates": ["2020-01-01", "2020-02-01"],
    "words alone": ["NA", "None"],
    "words among texts": ["NA", "DE"],
    "numbers until the last row": ["1"] * 70_000 + ["x"],
    "spaces": [" x", "y "],
    "underscores": ["1_000", "2"],
}


@pytest.mark.parametrize("name", KEPT)
def test_read_csv__stays_text(write, name):
    path = write("a;b\n" + "".join(f"{text};x\n" for text in KEPT[name]))
    assert values(read_csv(path, Dialect(decimal=".")))["a"] == KEPT[name]


NUMBERS = {
    "whole ones with gaps": (["1577134800018226901", "", "NA"], "int64", [1577134800018226901, None, None]),
    "unsigned ones": (["18446744073709551615", "5"], "uint64", [2**64 - 1, 5]),
    "minus zero": (["-0.0", "1.5"], "double", [-0.0, 1.5]),
    "signs": (["+5", "-3", "0"], "int64", [5, -3, 0]),
    "long ones that floating numbers hold": (["9007199254740992.0", "-0.5"], "double", [2.0**53, -0.5]),
    "exponents": (["1e5", "2"], "double", [1e5, 2.0]),
    "infinity": (["-inf", "Infinity", "nan"], "double", [-np.inf, np.inf, None]),
    "between quotes": (['"1"', '"2"'], "int64", [1, 2]),
    "blanks": ([" ", "1.5 "], "double", [None, 1.5]),
    "booleans": (["true", "", "FALSE"], "bool", [True, None, False]),
    "nothing": (["", ""], "double", [None, None]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_read_csv__numbers_and_booleans(write, name):
    texts, type_, wanted = NUMBERS[name]
    table = read_csv(write("a,b\n" + "".join(f"{text},x\n" for text in texts)))
    assert types(table)["a"] == type_
    assert values(table)["a"] == wanted
    assert np.signbit(wanted[0] or 0) == np.signbit(values(table)["a"][0] or 0)


def test_iter_csv__words_are_missing_where_the_original_has_no_texts(write):
    path = write("t,n,v,x\nNA,NA,NA,1\nNone,2,None,1\n,007,2020-01-01,1\n")
    (table,) = iter_csv(path, {"v": "value", "t": "text", "n": "number"})
    wanted = {"v": [None, None, "2020-01-01"], "t": ["NA", "None", None], "n": [None, 2, 7]}
    assert values(table) == wanted
    assert pa.types.is_dictionary(table.schema.field("t").type)


def test_iter_csv__numbers_that_are_none_are_handed_on(write):
    (table,) = iter_csv(write("n\n1\nold\n"), {"n": "number"})
    assert values(table)["n"] == ["1", "old"]


def test_iter_csv__long_numbers_beside_others_keep_their_digits(write):
    (table,) = iter_csv(write("n;m\n9007199254740993;1,5\n1,0;2\n"), {"n": "number", "m": "number"})
    assert values(table) == {"n": ["9007199254740993", "1.0"], "m": [1.5, 2.0]}


def test_iter_csv__decimal_commas(write):
    (table,) = iter_csv(write("n;v;t\n1,5;2,5;3,5\n"), {"n": "number", "v": "value", "t": "text"})
    assert values(table) == {"n": [1.5], "v": ["2.5"], "t": ["3,5"]}


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 9), block=st.integers(40, 400))
def test_iter_csv__same_rows_however_they_are_cut(tmp_path_factory, cut, block):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    texts = [None if i % 7 == 0 else f'line\n{i}, "q"' for i in range(30)]
    pd.DataFrame({"n": range(30), "t": texts}).to_csv(path, index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_files, "BLOCK_BYTES", block)
        tables = list(iter_csv(path, {"n": "number", "t": "text"}, batch_rows=cut))
        assert count_csv_rows(path) == 30
        assert values(read_csv(path)) == {"n": list(range(30)), "t": texts}
    assert max(map(len, tables)) <= cut
    assert [row for table in tables for row in table["t"].to_pylist()] == texts


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_read_csv__line_ends(write, end):
    path = write(end.join(["", "a,b", "1,x", "", "2,y", ""]))
    assert values(read_csv(path)) == {"a": [1, 2], "b": ["x", "y"]}


def test_csv_columns__those_without_a_name_get_one(write):
    assert csv_columns(write(',"a\nb",\n1,2,3\n')) == ["Unnamed: 0", "a\nb", "Unnamed: 2"]


FAULTS = {
    "too many fields": ('a,b\n"x\ny",2\n1,2,3\n', r"has 3 fields in line 4, but the header names 2"),
    "too few fields": ("a,b,c\n1,2,3\n1,2\n", r"has 2 fields in line 3, but the header names 3"),
    "too few names": ("a,b\n1,2,3\n4,5,6\n", "more fields than the header has names"),
    "an open quote": ('a,b\n1,"2\n1,3\n', "ends within a quoted field"),
    "the same name twice": ('a,"a"\n1,2\n', "duplicate column names 'a'"),
    "backslashes": ('a,b\n"x \\"y\\" z",1\n', "backslashes protect"),
    "a long field": ("a,b\n" + "x" * 200_000 + "\n", "has 1 fields in line 2|can't be read as CSV"),
    "an open quote in the header": ('a,"b\n1,2\n', "a row without an end"),
    "nothing": ("", "is empty"),
    "empty lines": ("\n\n \n", "is empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_read_csv__faults_in_one_line(write, name):
    content, words = FAULTS[name]
    path = write(content)
    with pytest.raises(InputError, match=words):
        read_csv(path)


def test_read_csv__a_row_longer_than_a_block(write, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1 << 20)
    with pytest.raises(InputError, match="of more than 1 MB: close the quote"):
        read_csv(write('a,b\n1,"' + "x\n" * 3_000_000))


@pytest.mark.slow
def test_iter_csv__no_thread_reads_on_when_it_is_left_early(write):
    path = write("a\n" + "1\n" * 10_000_000)
    tables = iter_csv(path, {"a": "number"})
    next(tables)
    tables.close()
    assert not [thing for thing in gc.get_objects() if type(thing) is Utf8]


def test_read_csv__compression_is_known_by_the_bytes(write):
    assert values(read_csv(write(gzip.compress(b"a\n1\n")))) == {"a": [1]}
    assert values(read_csv(write(b"a\n1\n", "t.csv.gz"))) == {"a": [1]}


def test_read_csv__zstandard(tmp_path):
    with pa.CompressedOutputStream(str(tmp_path / "t.csv.zst"), "zstd") as file:
        file.write(b"a\n" + b"1\n" * 100_000)
    assert len(read_csv(tmp_path / "t.csv.zst")) == 100_000
    data = (tmp_path / "t.csv.zst").read_bytes()
    (tmp_path / "t.csv.zst").write_bytes(data[:-20])
    with pytest.raises(InputError, match="not a whole compressed file"):
        read_csv(tmp_path / "t.csv.zst")
