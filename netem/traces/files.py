"""Trace files are read here, within bounds; the file of the other direction is looked for beside them."""

import stat
from pathlib import Path

from glassbench.netem.traces.columns import Log, parse_columns
from glassbench.netem.traces.columns import parse as parse_log
from glassbench.netem.traces.detect import parse, text_of
from glassbench.netem.traces.trace import Trace, TraceError, TracePair

MAX_FILE_BYTES = 64 * 1024 * 1024


def load(path: str | Path, *, columns: str | None = None) -> Trace:
    """Read one direction from a file; of a log it is the column of the rate. The trace says for which format it was
    taken.

    Raises TraceError.
    """
    if columns is not None:
        return _load_log(Path(path), columns).down
    return parse(read_bounded(Path(path)), str(path))


def load_pair(path: str | Path, up: str | Path | None = None, *, columns: str | None = None) -> TracePair:
    """Both directions of a link. Raises TraceError.

    `columns` names those of a log, as `columns.EXAMPLE` does; a column for the uplink makes the other direction. With
    `up` given, `path` is the downlink. Otherwise the uplink of `X.down` (or `X.down.csv`) is `X.up` (`X.up.csv`) beside
    it, and the other way round; `X` alone finds the two. A file without a sibling serves in both directions, and the
    notes of the pair say so.
    """
    path = Path(path)
    if up is not None:
        return TracePair(path.name, load(path, columns=columns), load(up, columns=columns))
    path = find(path) or path
    opposite = sibling(path)
    log = None if columns is None else _load_log(path, columns)
    if log is not None and log.up is not None:
        return TracePair(path.name, log.down, log.up, log.notes)
    if opposite is None:
        trace, notes = (load(path), ()) if log is None else (log.down, log.notes)
        both = f"{path} has no sibling, so it is used for both directions"
        return TracePair(path.name, trace, trace, (*notes, both))
    down, up = (path, opposite) if _is_down(path) else (opposite, path)
    return TracePair(down.name.replace(".down", "", 1), load(down, columns=columns), load(up, columns=columns))


def find(path: Path) -> Path | None:
    """The file itself, or the downlink if `path` is the stem of a pair of files."""
    if _exists(path):
        return path
    candidates = sorted(path.parent.glob(_escape(path.name) + ".down*"))
    return next((candidate for candidate in candidates if sibling(candidate)), None)


def sibling(path: Path) -> Path | None:
    """The file of the other direction, if there is one."""
    parts = path.name.split(".")
    for index in range(len(parts) - 1, 0, -1):
        if parts[index] in _OTHER:
            parts[index] = _OTHER[parts[index]]
            opposite = path.with_name(".".join(parts))
            return opposite if _exists(opposite) else None
    return None


def read_bounded(path: Path) -> bytes:
    """The content of a regular file of at most MAX_FILE_BYTES. Raises TraceError."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise TraceError(f"{path}: found a directory, but a trace is a file")
        if not stat.S_ISREG(status.st_mode):
            raise TraceError(f"{path}: found a device or pipe, but a trace is a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise TraceError(f"{path}: found {status.st_size} bytes, but a trace file has at most {MAX_FILE_BYTES}")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"{str(path)!a}: is not a file name ({error})") from None


def _load_log(path: Path, columns: str) -> Log:
    named = parse_columns(columns)
    return parse_log(text_of(read_bounded(path), str(path)), str(path), named)


_OTHER = {"down": "up", "up": "down"}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a folder that may not be searched, a name too long
        return False


def _is_down(path: Path) -> bool:
    return next(part for part in reversed(path.name.split(".")) if part in _OTHER) == "down"


def _escape(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
