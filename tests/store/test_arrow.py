"""Between Arrow and pandas nothing is lost that the original had."""

import pandas as pd
import pyarrow as pa

from issodask.store.arrow import arrow_schema, to_arrow, to_frame
from issodask.table.schema import Schema


def test_to_frame__noted_index_does_not_shift_rows():
    frame = pd.DataFrame({"n": [1, None, 3]}, dtype=object).set_axis(pd.RangeIndex(5, 8))
    table = pa.Table.from_pandas(frame)
    assert to_frame(table)["n"].tolist() == [1, pd.NA, 3]


def test_to_frame__numbers_as_names_are_text():
    table = pa.Table.from_pandas(pd.DataFrame({0: [1], 1: [2]}))
    assert list(to_frame(table).columns) == ["0", "1"]


def test_arrow_schema__fixed_offsets_of_time_zones():
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-01-01T00:00+02:00"])})
    schema = Schema.from_frame(frame)
    table = to_arrow(frame, arrow_schema(schema))
    assert table.schema.field("t").type == pa.timestamp("ns", "+02:00")
    assert to_frame(table)["t"].iloc[0] == frame["t"].iloc[0]
