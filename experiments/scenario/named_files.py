"""Which files a scenario names: they decide its results as much as its text does.

A field whose text may name a file says so in its type, by a marker: `Annotated[str, TRACE]`. Nothing else names one.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

from glassbench.experiments.scenario.schema import Spec
from glassbench.experiments.scenario.tracks import GREEDY
from glassbench.netem.traces import GENERATORS, load_pair
from glassbench.netem.traces.files import find, sibling
from glassbench.sender.cost import read_durations
from glassbench.sender.regular_file import open_regular
from glassbench.sender.size_model import read_sizes
from glassbench.sender.sources import SOURCES


class NamedFile(NamedTuple):
    """The files that a text stands for, the one that it names first, and a digest of what they say."""

    paths: tuple[Path, ...]
    digest: Callable[[], str]


@dataclass(frozen=True)
class NamesFile:
    """The marker of a field whose text may name a file. `look` gives what a text names, with the columns of a log, or
    None if that is no file. `columns` is the field beside it that has the columns."""

    look: Callable[[str, str | None], NamedFile | None]
    columns: str | None = None


def named_files(*specs: Spec) -> list[Path]:
    """The files that scenarios or parts of them name: videos, traces with both their directions, recorded sizes and
    costs."""
    return list(dict.fromkeys(path for named in _named(specs) for path in named.paths))


def digests(specs: Iterable[Spec]) -> dict[str, str]:
    """A digest of what each of the named files says. Of a trace and of recorded sizes and costs it is of the values, so
    that comments, line ends and a byte order mark make no difference; of a video it is of the bytes.

    The digest of a trace is of both its directions. Raises OSError, and ValueError for a file that says nothing.
    """
    return {str(named.paths[0]): named.digest() for named in _named(specs)}


def _named(specs: Iterable[Spec]) -> Iterator[NamedFile]:
    for marker, text, columns in dict.fromkeys(field for spec in specs for field in _fields(spec)):
        if (named := marker.look(text, columns)) is not None:
            yield named


def _fields(value: object) -> Iterator[tuple[NamesFile, str, str | None]]:
    """The marked fields of a spec and of the specs inside of it, with their texts and columns."""
    if isinstance(value, tuple):
        for item in value:
            yield from _fields(item)
    if not isinstance(value, Spec):
        return
    for name, field in type(value).model_fields.items():
        content = getattr(value, name)
        if isinstance(content, str):
            for marker in _markers((*field.metadata, field.annotation)):
                yield marker, content, None if marker.columns is None else getattr(value, marker.columns)
        else:
            yield from _fields(content)


def _markers(parts: tuple[Any, ...]) -> Iterator[NamesFile]:
    """The markers in a type: `Annotated[str, TRACE]` may be a part of a union."""
    for part in parts:
        if isinstance(part, NamesFile):
            yield part
        yield from _markers(get_args(part))


def _trace(text: str, columns: str | None) -> NamedFile | None:
    """NAME|FILE: a generator, or a trace; X stands for X.down and X.up."""
    path = None if text in GENERATORS else find(Path(text))
    if path is None:
        return None
    opposite = sibling(path)

    def digest() -> str:
        pair = load_pair(path, columns=columns)
        return _short(pair.down.content() + pair.up.content())

    return NamedFile((path,) if opposite is None else (path, opposite), digest)


def _source(text: str, columns: str | None) -> NamedFile | None:
    """NAME|FILE|sizes:FILE: a source by its name, a video, or recorded sizes."""
    if text in SOURCES:
        return None
    kind, _, name = text.partition(":")
    if kind in ("camera", "page"):
        return None
    if kind == "sizes" and name:
        return NamedFile((Path(name),), lambda: _short(repr(read_sizes(Path(name))).encode()))

    def digest() -> str:
        with open_regular(Path(text)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    return NamedFile((Path(text),), digest)


def _cost(text: str, columns: str | None) -> NamedFile | None:
    """NAME|fixed:2ms|recorded:FILE."""
    kind, _, name = text.partition(":")
    if kind != "recorded":
        return None
    return NamedFile((Path(name),), lambda: _short(repr(read_durations(Path(name))).encode()))


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


TRACE = NamesFile(_trace, "columns")
TRACE_OF_THE_SHORT_FORM = NamesFile(_trace, "trace_columns")
SOURCE = NamesFile(_source)
FLOW_SOURCE = NamesFile(lambda text, columns: None if text == GREEDY else _source(text, columns))
COST = NamesFile(_cost)
