"""What a command gives away: one JSON object, and files that the user names, whole or not at all and never over another
in silence."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import typer

from glassbench.experiments.results.files import unwritable, whole_file
from glassbench.experiments.results.json_form import json_text


def print_json(content: Mapping[str, Any], *, results: Path | None = None, notes: Sequence[str] = ()) -> None:
    """What every command prints with `--json`: one object (docs/json.md), which begins with the folder of `results`,
    null without one, and the notes."""
    typer.echo(json_text({"results": None if results is None else str(results), "notes": list(notes), **content}))


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """What processes that are started meanwhile print on stdout goes to stderr, so that stdout has our object alone."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)


def write_file(path: Path, data: bytes, *, follow: bool = True) -> str:
    """Write a file atomically and return what was done, in a few words. Raises ResultsError.

    A link, a device or a pipe stays what it is, and is written to as it is. What is stdout or stderr already, by the
    name /dev/stdout or by its own, is not opened again: that would write over what is there. Without `follow`, for a
    file in a folder that may be from a stranger, a link is replaced.
    """
    replaced = path.exists()
    try:
        if follow and (stream := _open_already(path)) is not None:
            stream.flush()
            stream.buffer.write(data)
            stream.flush()
        elif follow and (path.is_symlink() or (replaced and not path.is_file())):
            path.write_bytes(data)
        else:
            with whole_file(path) as draft:
                draft.write_bytes(data)
            return f"wrote {path}" + (" (it replaced a file of that name)" if replaced else "")
    except OSError as error:
        raise unwritable(path, error) from None
    return f"wrote {path}"


def _open_already(path: Path) -> TextIO | None:
    """The stream of this process that is the file at `path`."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        except (OSError, ValueError, AttributeError):  # there is no file yet, or the stream is closed, or none
            continue
    return None
