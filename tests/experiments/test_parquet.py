"""Result files of somebody else: none takes more memory than a limit, whatever it is packed into."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from glassbench.experiments.results import parquet
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.parquet import RefusedTable, read_columns
from glassbench.experiments.results.table_files import read_table
from glassbench.experiments.results.tables import Merged

ROWS = 300_000
LIMIT = 1_000_000


def _one_number(path: Path) -> None:
    pq.write_table(pa.table({"cell": np.zeros(ROWS)}), path, compression="zstd")


def _one_text(path: Path) -> None:
    pq.write_table(pa.table({"cell": pa.array(["x" * 1000] * 3000).dictionary_encode()}), path)


def _many_rows_of_nothing(path: Path) -> None:
    pq.write_table(pa.table({"cell": pa.nulls(2 * LIMIT, pa.int8())}), path)


def _large_page(path: Path) -> None:
    pq.write_table(pa.table({"cell": ["x" * 3 * LIMIT]}), path, compression="zstd", use_dictionary=False)


@pytest.mark.parametrize("bomb", [_one_number, _one_text, _many_rows_of_nothing, _large_page])
def test_a_small_file_that_holds_much_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: Callable[[Path], None]
) -> None:
    file = tmp_path / "ledger.parquet"
    bomb(file)
    assert file.stat().st_size < LIMIT / 10
    assert len(read_columns(file))  # within the usual limit
    monkeypatch.setattr(parquet, "MOST_BYTES", LIMIT)
    with pytest.raises(ResultsError, match=r"ledger\.parquet holds 0\.0 GB or more, and at most 0\.0 GB are read at "):
        read_table(file, {"cell": "int64"})


def test_a_text_that_stands_in_a_million_rows_is_counted_before_it_is_copied(tmp_path: Path) -> None:
    """A megabyte that would be a terabyte: the file itself says 1 MB."""
    file = tmp_path / "summary.parquet"
    text = pa.DictionaryArray.from_arrays(np.zeros(10**6, dtype=np.int32), ["x" * 10**6])
    pq.write_table(pa.table({"cell": np.arange(10**6), "notes": text}), file, store_schema=False)
    assert pq.read_metadata(file).row_group(0).total_byte_size < 20e6
    tracemalloc.start()
    with pytest.raises(ResultsError, match=r"summary\.parquet holds \d+\.\d GB or more, and at most 4\.3 GB are read"):
        Dataset(tmp_path, {"name": "of somebody"}, Merged(tmp_path, frames=True)).notes_by_cell  # noqa: B018
    assert tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() < 200e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[1.0] * 100]), "neither numbers nor texts"),
        (pa.array([b"1234"], pa.binary(4)), "neither numbers nor texts"),
        (pa.array([{"a": 1, "b": 2}]), "columns inside of columns"),
    ],
)
def test_columns_whose_size_cannot_be_told_are_refused(tmp_path: Path, column: pa.Array, said: str) -> None:
    pq.write_table(pa.table({"odd\n": column}), tmp_path / "links.parquet")
    with pytest.raises(RefusedTable, match=said):
        read_columns(tmp_path / "links.parquet")


def test_what_was_written_is_read_with_its_types_and_only_the_rows_that_were_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "ledger.parquet"
    frame = pd.DataFrame({"cell": [1, 1, 2, 3], "arm": ["rtp", "rtp", None, "udp"], "at": [0.5, np.inf, np.nan, -1.0]})
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, file, row_group_size=2)
    assert read_columns(file).equals(table)
    assert read_columns(file, ["at", "arm"]).equals(table.select(["at", "arm"]))
    assert read_columns(file, ["arm"], rows=ds.field("cell") == 1).to_pydict() == {"arm": ["rtp", "rtp"]}
    assert read_columns(file, rows=ds.field("cell") == 9).equals(table.slice(0, 0))


def test_a_pipe_in_the_place_of_a_table_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "summary.parquet")
    data = Dataset(tmp_path, {"name": "of somebody"}, Merged(tmp_path, frames=True))
    for read in (lambda: data.summary, lambda: data.notes_by_cell, data.impairments):
        with pytest.raises(ResultsError, match=r"summary\.parquet cannot be read: a pipe or a device, not a regular"):
            read()
