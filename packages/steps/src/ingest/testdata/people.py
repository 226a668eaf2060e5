# Makes people.parquet, for formats.test.ts. Made with pyarrow 26.0.1: python people.py
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table(
    {
        "text": pa.array(["first", "zweite 🙂", "third"]),
        "names": pa.array([["b", "a"], [], ["b"]], pa.list_(pa.string())),
        "count": pa.array([1, 9007199254740993, None], pa.int64()),
        "score": pa.array([0.5, None, 2.0]),
        "day": pa.array([date(2020, 1, 2), date(1999, 12, 31), None]),
    }
)
# Two row groups, so that rows are counted on over them; zstd is one of the codecs that hyparquet has not itself.
pq.write_table(table, Path(__file__).with_suffix(".parquet"), row_group_size=2, compression="zstd")
