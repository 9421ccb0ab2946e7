"""The log of an end of a stack: a file without a name, which outlives whoever writes to it and goes with us."""

import fcntl
import os
import tempfile
from typing import IO

MOST_BYTES = 64 * 2**20
"""A stack that writes more is ended."""

_END_BYTES = 4000


def open_log() -> IO[bytes]:
    """A log to which several processes can write, each behind what is there."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asks for it closes it
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return file


def size_of(log: IO[bytes]) -> int:
    """How many bytes are in it."""
    return os.fstat(log.fileno()).st_size


def end_of(log: IO[bytes]) -> str:
    """What was written last, as text."""
    log.seek(max(0, size_of(log) - _END_BYTES))
    return log.read(_END_BYTES).decode(errors="replace")
