"""Files of a run: written whole or not at all, byte-identical for equal content, refused with one sentence."""

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from glassbench.experiments.results.json_form import json_text, no_number
from glassbench.experiments.results.parquet import RefusedTable, column_names, read_columns
from glassbench.sender.regular_file import read_regular_text

_MOST_DIGITS = 100
_MAX_JSON_BYTES = 64 * 2**20


class ResultsError(ValueError):
    """Results that cannot be written or read: one sentence with the path, what is wrong, and what was kept."""


class OutputError(ResultsError):
    """The machine would not take what was to be written: the disk is full or broken. What was asked for is not at
    fault."""


NOT_TAKEN = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
"""How a file says that it takes no more, whatever is written to it."""


def unwritable(what: object, error: OSError) -> ResultsError:
    """The error to raise when something, such as a path, cannot be written."""
    return (OutputError if error.errno in NOT_TAKEN else ResultsError)(f"cannot write {what}: {_reason(error)}")


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
    which a condition holds, if they are given. Raises ResultsError."""
    with parquet_errors(path):
        names = column_names(path)
        if missing := [name for name in types if name not in names]:
            raise ResultsError(f"{path} has no column {', '.join(missing)}; found are {', '.join(names)}")
        table: pd.DataFrame = read_columns(path, columns, rows=rows).to_pandas()
    try:
        return table.astype(dict(types))
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{path} has a column of another type than expected: {_first_line(error)}") from None


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """What reading a Parquet file raises, as ResultsError."""
    try:
        yield
    except FileNotFoundError:
        raise ResultsError(f"{path} is missing; the results cannot be read without it") from None
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {_reason(error)}") from None
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} is not a readable Parquet file: {_first_line(error)}") from None
    except RefusedTable as error:
        raise ResultsError(f"{path} {error}") from None


def write_json(path: Path, content: object) -> None:
    """Write JSON. Raises ResultsError."""
    write_bytes(path, (json_text(content, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises ResultsError."""
    try:
        content = json.loads(
            read_regular_text(path, most_bytes=_MAX_JSON_BYTES), parse_constant=no_number, parse_int=_whole
        )
    except FileNotFoundError:
        raise ResultsError(f"{path} is missing; is this the folder of a run?") from None
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {_reason(error)}") from None
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is not valid JSON: {_first_line(error)}") from None
    if not isinstance(content, dict):
        raise ResultsError(f"{path} must hold a JSON object, found {type(content).__name__}")
    return content


def _whole(digits: str) -> int:
    """Refuse numbers that no float holds: we never write one, and one would end every reader that formats it."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits, at most {_MOST_DIGITS} are accepted")
    return int(digits)


def make_folder(path: Path, *, exist_ok: bool) -> None:
    """Make a folder and those above it. Raises ResultsError; FileExistsError passes if it must be new."""
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        if not exist_ok and path.is_dir():
            raise
        raise ResultsError(f"cannot write results to {path}: a file of that name is in the way") from None
    except OSError as error:
        raise unwritable(f"results to {path}", error) from None


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which then takes its place, so that no reader and no crash ever sees half a
    file. A link at `path` is replaced, not followed: folders of results come from strangers, too. Raises
    ResultsError."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.unlink(missing_ok=True)
        beside.touch(exist_ok=False)
        yield beside
        beside.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with suppress(OSError):
            beside.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of any kind. Raises ResultsError."""
    with whole_file(path) as beside:
        beside.write_bytes(content)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
