"""Records out of a stream, as its bytes come in."""

from collections.abc import Iterator
from typing import NamedTuple

from glassbench.transport.framing import RECORD_HEADER_BYTES, FrameHeader, parse_record_header


class StreamRecord(NamedTuple):
    """A frame that is whole, and the offsets in its stream where the record starts and stops."""

    header: FrameHeader
    payload: bytes
    start: int
    stop: int


class RecordReader:
    """Parses one stream. `header` is that of a record which is not whole yet."""

    __slots__ = ("_buffer", "_length", "_start", "header")

    def __init__(self, first_offset: int) -> None:
        self._buffer = bytearray()
        self._start = first_offset
        self._length = 0
        self.header: FrameHeader | None = None

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[StreamRecord]:
        """The records that `data` completes. Raises Malformed."""
        self._buffer += data
        while True:
            if self.header is None:
                if len(self._buffer) < RECORD_HEADER_BYTES:
                    return
                self.header, self._length = parse_record_header(self._buffer)
            size = RECORD_HEADER_BYTES + self._length
            if len(self._buffer) < size:
                return
            payload = bytes(self._buffer[RECORD_HEADER_BYTES:size])
            del self._buffer[:size]
            record = StreamRecord(self.header, payload, self._start, self._start + size)
            self._start += size
            self.header = None
            yield record
