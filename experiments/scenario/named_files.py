"""Which files a scenario names: they decide its results as much as its text does."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sender.regular_file import open_regular


def named_files(content: Any) -> list[Path]:
    """The files that a scenario, or several in a list, as `dump` gives them, name: videos, traces with both their
    directions, recorded sizes and costs."""
    found: dict[Path, None] = {}
    for text in dict.fromkeys(_texts(content)):
        for path in (Path(text), Path(text.partition(":")[2])):
            if path.name and path.is_file():
                found[path] = None
                for direction, other in ((".down", ".up"), (".up", ".down")):
                    sibling = path.with_name(path.name.replace(direction, other))
                    if sibling.is_file():
                        found[sibling] = None
            elif path.name and path.parent.is_dir():  # X stands for X.down and X.up
                for sibling in sorted(path.parent.iterdir()):
                    if sibling.name.startswith((f"{path.name}.down", f"{path.name}.up")) and sibling.is_file():
                        found[sibling] = None
    return list(found)


def digests(files: Iterable[Path]) -> dict[str, str]:
    """A digest of the content of each file. Raises OSError."""
    found = {}
    for path in files:
        with open_regular(path) as file:
            found[str(path)] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return found


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, Iterable):
        for value in content:
            yield from _texts(value)
