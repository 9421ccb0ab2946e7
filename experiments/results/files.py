"""Files of a run: written whole or not at all, byte-identical for equal content, refused with one sentence."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from glassbench.experiments.results.json_form import json_text, no_number
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
    return (OutputError if error.errno in NOT_TAKEN else ResultsError)(f"cannot write {what}: {reason_of(error)}")


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
        raise ResultsError(f"{path} cannot be read: {reason_of(error)}") from None
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is not valid JSON: {first_line(error)}") from None
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


def reason_of(error: OSError) -> str:
    """Why the machine did not do it, in its words."""
    return error.strerror or str(error)


def first_line(error: Exception) -> str:
    """What an error of a library says, as the end of a sentence."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
