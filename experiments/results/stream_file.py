"""A file that grows while an arm runs: whole pieces only, and an error waits until somebody asks for it."""

import errno
import os
from contextlib import suppress
from io import FileIO
from itertools import accumulate
from pathlib import Path

from glassbench.experiments.results.files import unwritable

_BUFFER_BYTES = 64 * 2**10


class StreamFile:
    """Writes bytes to disk, with at most _BUFFER_BYTES and one piece of them in memory.

    Only `check` and `close` raise, because protocol code that writes would take an exception for its peer's fault.
    After an error nothing more is written; what is there ends behind a whole piece.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._whole_bytes = 0  # on disk
        self._file: FileIO | None = None
        self._error: OSError | None = None
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            self._error = error

    def write(self, piece: bytes) -> None:
        """Add bytes that belong together."""
        if self._error is not None:
            return
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        if self._waiting_bytes >= _BUFFER_BYTES:
            self._flush()

    @property
    def size_bytes(self) -> int:
        """Of all that was written so far."""
        return self._whole_bytes + self._waiting_bytes

    def replace(self, at: int, piece: bytes) -> None:
        """Write bytes in the place of as many that were written before, from `at` on."""
        if self._error is None:
            self._flush()
        if self._error is not None:
            return
        assert self._file is not None
        try:
            if os.pwrite(self._file.fileno(), piece, at) < len(piece):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        except OSError as error:
            self._error = error

    def check(self) -> None:
        """Raises ResultsError if something could not be written."""
        if self._error is not None:
            raise unwritable(self._path, self._error)

    def close(self) -> None:
        """Write what is left. Raises ResultsError."""
        if self._file is not None:
            self._flush()
            self._file.close()
            self._file = None
        self.check()

    def _flush(self) -> None:
        assert self._file is not None
        pieces, self._pieces, self._waiting_bytes = self._pieces, [], 0
        content, written = memoryview(b"".join(pieces)), 0
        try:
            while written < len(content):
                written += self._file.write(content[written:])
        except OSError as error:
            self._error = error
            self._cut_behind(pieces, written)
        else:
            self._whole_bytes += written

    def _cut_behind(self, pieces: list[bytes], written: int) -> None:
        """Remove the part of a piece that was written last."""
        assert self._file is not None
        ends = [end for end in accumulate(map(len, pieces)) if end <= written]
        with suppress(OSError):
            self._file.truncate(self._whole_bytes + (ends[-1] if ends else 0))
