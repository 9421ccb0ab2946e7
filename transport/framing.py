"""Glassbench's own framing: what udp, QUIC, WebTransport and SRT carry, where no standard payload format exists.

A datagram carries one *fragment* of a frame; a stream carries *records*, each a whole frame with its length, or the
word that a frame was dropped; the way back carries *keyframe requests*, and what a browser says beside them as
*messages*, each to the end of its stream. All integers are big-endian. The ideas are
those of MoQ object headers (draft-ietf-moq-transport) with fixed-size fields, so that overhead does not depend on the
values.
"""

import struct
from dataclasses import dataclass

from glassbench.transport.contract import Frame, Track

FRAGMENT = 1
RECORD = 2
KEYFRAME_REQUEST = 3
REPORT = 4  # of receive times, see `transport/quic/reports.py`
MESSAGE = 5

_COMMON = struct.Struct("!BBBBIIQ")  # type, track, layer, flags, group, sequence, captured_at in us
_FRAGMENT_TAIL = struct.Struct("!HH")  # index, count
_RECORD_TAIL = struct.Struct("!I")  # payload bytes
_REQUEST = struct.Struct("!BB")

FRAGMENT_HEADER_BYTES = _COMMON.size + _FRAGMENT_TAIL.size
RECORD_HEADER_BYTES = _COMMON.size + _RECORD_TAIL.size
MAX_FRAME_BYTES = 8 * 2**20
MAX_MESSAGE_BYTES = 2**16
_KEYFRAME_FLAG = 1
_DROPPED_FLAG = 2


class Malformed(ValueError):
    """Bytes that are not what this framing allows."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The fields of a frame that travel with it; deadline and priority follow from the track, which both ends know."""

    track: int
    group: int
    sequence: int
    captured_at: float
    keyframe: bool
    layer: int
    dropped: bool = False  # the sender had no room for it: a record without payload says that it will not come

    def frame(self, payload: bytes, tracks: dict[int, Track]) -> Frame:
        """The received frame. Raises Malformed for a track that was not agreed on."""
        track = tracks.get(self.track)
        if track is None:
            raise Malformed(f"unknown track {self.track}")
        expires_at = None if track.deadline is None else self.captured_at + track.deadline
        return Frame(
            track=self.track,
            group=self.group,
            sequence=self.sequence,
            captured_at=self.captured_at,
            keyframe=self.keyframe,
            layer=self.layer,
            priority=track.priority + self.layer,
            expires_at=expires_at,
            payload=payload,
        )


def split_frame(frame: Frame, max_fragment_bytes: int) -> list[bytes]:
    """Cut a frame into fragments of at most `max_fragment_bytes`, header included, as equal in size as they can be.

    They are equal because a short last fragment would cost a packet's overhead and, on a packet-counting link, a full
    slot.
    """
    room = max_fragment_bytes - FRAGMENT_HEADER_BYTES
    if room <= 0:
        raise ValueError(f"max_fragment_bytes must exceed {FRAGMENT_HEADER_BYTES}, got {max_fragment_bytes}")
    size = len(frame.payload)
    count = max(1, -(-size // room))
    if count > 0xFFFF:
        raise ValueError(f"a frame of {size} bytes needs {count} fragments, at most 65535 can be numbered")
    head = _pack_common(FRAGMENT, frame)
    base, longer = divmod(size, count)
    fragments = []
    start = 0
    for index in range(count):
        end = start + base + (index < longer)
        fragments.append(head + _FRAGMENT_TAIL.pack(index, count) + frame.payload[start:end])
        start = end
    return fragments


def parse_fragment(data: bytes) -> tuple[FrameHeader, int, int, bytes]:
    """Header, index, count and payload of one fragment. Raises Malformed."""
    if len(data) < FRAGMENT_HEADER_BYTES:
        raise Malformed(f"fragment of {len(data)} bytes, shorter than its header")
    header = _unpack_common(FRAGMENT, data)
    index, count = _FRAGMENT_TAIL.unpack_from(data, _COMMON.size)
    if index >= count:
        raise Malformed(f"fragment {index} of {count}")
    return header, index, count, data[FRAGMENT_HEADER_BYTES:]


def record(frame: Frame) -> bytes:
    """A frame as it stands on a stream: header, length, payload."""
    return _pack_common(RECORD, frame) + _RECORD_TAIL.pack(len(frame.payload)) + frame.payload


def dropped_record(frame: Frame) -> bytes:
    """The record that stands on a stream in the place of a frame that will not come."""
    return _pack_common(RECORD, frame, _DROPPED_FLAG) + _RECORD_TAIL.pack(0)


def parse_record_header(data: bytes | bytearray) -> tuple[FrameHeader, int]:
    """Header and payload length from the first RECORD_HEADER_BYTES of a record. Raises Malformed."""
    if len(data) < RECORD_HEADER_BYTES:
        raise Malformed(f"record of {len(data)} bytes, shorter than its header")
    header = _unpack_common(RECORD, data)
    (length,) = _RECORD_TAIL.unpack_from(data, _COMMON.size)
    if length > MAX_FRAME_BYTES:
        raise Malformed(f"record of {length} payload bytes, at most {MAX_FRAME_BYTES} are accepted")
    if header.dropped and length:
        raise Malformed(f"record of a dropped frame with {length} payload bytes")
    return header, length


def keyframe_request(track: int) -> bytes:
    """The message that asks for a recovery point of a track."""
    return _REQUEST.pack(KEYFRAME_REQUEST, track)


def parse_keyframe_request(data: bytes) -> int:
    """The track that a keyframe request names. Raises Malformed."""
    if len(data) != _REQUEST.size or data[0] != KEYFRAME_REQUEST:
        raise Malformed("not a keyframe request")
    return data[1]


def message(content: bytes) -> bytes:
    """What stands on a stream that carries a message."""
    return bytes([MESSAGE]) + content


def parse_message(data: bytes) -> bytes:
    """The content of a message, from all bytes of its stream. Raises Malformed."""
    if not data.startswith(bytes([MESSAGE])) or len(data) > 1 + MAX_MESSAGE_BYTES:
        raise Malformed("not a message")
    return data[1:]


def _pack_common(kind: int, frame: Frame, flags: int = 0) -> bytes:
    return _COMMON.pack(
        kind,
        frame.track,
        frame.layer,
        flags | (_KEYFRAME_FLAG if frame.keyframe else 0),
        frame.group,
        frame.sequence,
        round(frame.captured_at * 1e6),
    )


def _unpack_common(kind: int, data: bytes | bytearray) -> FrameHeader:
    message_kind, track, layer, flags, group, sequence, captured_us = _COMMON.unpack_from(data)
    if message_kind != kind:
        raise Malformed(f"message type {message_kind}, expected {kind}")
    return FrameHeader(
        track=track,
        group=group,
        sequence=sequence,
        captured_at=captured_us / 1e6,
        keyframe=bool(flags & _KEYFRAME_FLAG),
        layer=layer,
        dropped=bool(flags & _DROPPED_FLAG),
    )
