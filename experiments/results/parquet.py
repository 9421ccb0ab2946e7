"""Reading Parquet that somebody else may have written: within a limit, whatever it says of itself.

A few kilobytes can hold terabytes: pages are compressed, and a dictionary has a text once for a million rows. So the
sizes that a file states are held to the limit before it is read, texts stay in dictionaries until their lengths are
counted, and reading ends where the limit is passed. What is left is one page at a time, whose size nobody can know
before it is unpacked: at most 2 GiB by the format.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from glassbench.sender.regular_file import open_regular

MOST_BYTES = 4 * 2**30  # that a table takes in memory

_ROWS = 1 << 16  # that are unpacked at a time


class RefusedTable(ValueError):
    """A table that is too large, or that has columns whose size cannot be told. Its text says what is wrong, in words
    that follow "the file"."""


def read_columns(path: Path, columns: Sequence[str] | None = None, *, rows: ds.Expression | None = None) -> pa.Table:
    """These columns (all by default) of the rows for which a condition holds (all by default). Raises RefusedTable,
    OSError and pa.ArrowException."""
    with open_regular(path) as file:
        stored = pq.read_metadata(file)
        schema = stored.schema.to_arrow_schema()
        _check_columns(stored, schema)
        if rows is None:
            _check_size(stored.num_rows * len(schema if columns is None else columns))
            _check_size(sum(stored.row_group(index).total_byte_size for index in range(stored.num_row_groups)))
        texts = [column.name for column in map(stored.schema.column, range(len(schema))) if _is_text(column)]
        fragment = ds.ParquetFileFormat(dictionary_columns=texts).make_fragment(file)
        names = schema.names if columns is None else list(columns)
        scanner = fragment.scanner(columns=names, filter=rows, batch_size=_ROWS, use_threads=False)
        batches, size = [], 0
        for batch in scanner.to_batches():
            size += sum(map(_size, batch.columns))
            _check_size(size)
            batches.append(batch)
        table = pa.Table.from_batches(batches, scanner.projected_schema)
        return table.cast(pa.schema([schema.field(name) for name in table.column_names]))


def column_names(path: Path) -> list[str]:
    """The names of all columns. Raises OSError and pa.ArrowException."""
    with open_regular(path) as file:
        return list(pq.read_schema(file).names)


def _check_columns(stored: pq.FileMetaData, schema: pa.Schema) -> None:
    """Refuse columns, unless each has one value a row, of a size that is fixed or counted."""
    if stored.num_columns != len(schema) or len(set(schema.names)) != len(schema):
        raise RefusedTable("has columns inside of columns, or two of one name")
    for column in map(stored.schema.column, range(len(schema))):
        if column.max_repetition_level or column.physical_type == "FIXED_LEN_BYTE_ARRAY":
            raise RefusedTable(f"has in its column {ascii(column.name)[:40]} neither numbers nor texts")


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise RefusedTable(f"holds {size / 1e9:.1f} GB or more, and at most {MOST_BYTES / 1e9:.1f} GB are read at once")


def _is_text(column: pq.ColumnSchema) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY")


def _size(column: pa.Array) -> int:
    """The bytes of a column, as if each text stood in it as often as it does for the reader."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return 4 * len(column) + int(pc.sum(pc.take(lengths, column.indices)).as_py() or 0)
