"""Which files a scenario names: they decide its results as much as its text does."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from glassbench.netem.traces import GENERATORS, load_pair
from glassbench.netem.traces.files import find, sibling
from glassbench.sender.cost import read_durations
from glassbench.sender.regular_file import open_regular
from glassbench.sender.size_model import read_sizes


class _Named(NamedTuple):
    """A text of a scenario, the field in which it stands, and the columns beside it if it is a log."""

    text: str
    field: str
    columns: str | None


def named_files(content: Any) -> list[Path]:
    """The files that a scenario, or several in a list, as `dump` gives them, name: videos, traces with both their
    directions, recorded sizes and costs."""
    files: dict[Path, None] = {}
    for named in dict.fromkeys(_texts(content, "", None)):
        if (path := _path(named)) is not None:
            files[path] = None
            if named.field == "trace" and (other := sibling(path)) is not None:
                files[other] = None
    return list(files)


def digests(content: Any) -> dict[str, str]:
    """A digest of what each of the named files says: of a trace and of recorded sizes and costs the values, so that
    comments, line ends and a byte order mark are no part of it; of a video the bytes. The digest of a trace is of both
    its directions. Raises OSError, and ValueError for a file that says nothing."""
    return {
        str(path): _digest(path, named)
        for named in dict.fromkeys(_texts(content, "", None))
        if (path := _path(named)) is not None
    }


def _digest(path: Path, named: _Named) -> str:
    if named.field == "trace":
        pair = load_pair(path, columns=named.columns)
        return hashlib.sha256(pair.down.content() + pair.up.content()).hexdigest()[:16]
    kind = named.text.partition(":")[0] if str(path) != named.text else ""
    if kind == "sizes":
        return hashlib.sha256(repr(read_sizes(path)).encode()).hexdigest()[:16]
    if kind == "recorded":
        return hashlib.sha256(repr(read_durations(path)).encode()).hexdigest()[:16]
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _path(named: _Named) -> Path | None:
    """The file that a text names; None if it names something else."""
    if named.field == "trace":  # X stands for X.down and X.up
        return None if named.text in GENERATORS else find(Path(named.text))
    for text in (named.text, named.text.partition(":")[2]):
        if os.path.isfile(text):  # noqa: PTH113  for a name that no file has pathlib raises
            return Path(text)
    return None


def _texts(content: Any, field: str, columns: str | None) -> Iterator[_Named]:
    if isinstance(content, str):
        yield _Named(content, field, columns)
    elif isinstance(content, Mapping):
        beside = content.get("columns", content.get("trace_columns"))
        for name, value in content.items():
            yield from _texts(value, str(name), beside if name == "trace" and isinstance(beside, str) else None)
    elif isinstance(content, Iterable):
        for value in content:
            yield from _texts(value, field, columns)
