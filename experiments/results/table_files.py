"""Tables of a run as Parquet files: equal bytes for equal content, refused with one sentence."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from glassbench.experiments.results.files import ResultsError, first_line, reason_of, write_bytes
from glassbench.experiments.results.parquet import RefusedTable, column_names, read_columns
from glassbench.experiments.results.schema import LATER


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write Parquet without anything that differs from day to day, such as times and versions. Raises ResultsError."""
    content = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    pq.write_table(content, sink, compression="zstd")
    write_bytes(path, sink.getvalue().to_pybytes())


def read_table(
    path: Path, types: Mapping[str, str], *, columns: Sequence[str] | None = None, rows: ds.Expression | None = None
) -> pd.DataFrame:
    """Read Parquet that has at least the columns of `types`, as these types; only `columns` of it and the `rows` for
    which a condition holds, if they are given. Those of LATER may be missing. Raises ResultsError."""
    with parquet_errors(path):
        names = column_names(path)
        missing = [name for name in types if name not in names]
        if refused := [name for name in missing if name not in LATER]:
            raise ResultsError(f"{path} has no column {', '.join(refused)}; found are {', '.join(names)}")
        stored = None if columns is None else [name for name in columns if name not in missing]
        table: pd.DataFrame = read_columns(path, stored, rows=rows).to_pandas()
    try:
        return table.assign(**dict.fromkeys(missing, math.nan)).astype(dict(types))
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{path} has a column of another type than expected: {first_line(error)}") from None


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """What reading a Parquet file raises, as ResultsError."""
    try:
        yield
    except FileNotFoundError:
        raise ResultsError(f"{path} is missing; the results cannot be read without it") from None
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {reason_of(error)}") from None
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not a readable Parquet file: {first_line(error)}") from None
    except RefusedTable as error:
        raise ResultsError(f"{path} {error}") from None
