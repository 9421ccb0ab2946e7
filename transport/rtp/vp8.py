"""VP8 in RTP (RFC 7741): frames to payloads, each behind a payload descriptor (section 4.2), and back.

Sent are the 15-bit PictureID, and for a stream with temporal layers TL0PICIDX, TID and Y. S stands at the beginning of
a frame alone, with PID 0: like other senders, this one does not look into a frame for its partitions. N is set where
nothing refers to the frame. All descriptors are understood, KEYIDX and 7-bit PictureID too.
"""

from collections.abc import Sequence

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.payload_format import CodedFrame, Position, even_cuts

ENCODING = "VP8"
PARAMETERS = ""

_EXTENDED = 0x80  # X
_DISCARDABLE = 0x20  # N
_START = 0x10  # S, of a partition
_RESERVED = 0x48
_PARTITION = 0x07  # PID
_PICTURE_ID = 0x80  # I
_BASE_INDEX = 0x40  # L
_LAYER = 0x20  # T
_KEY_INDEX = 0x10  # K
_LONG = 0x80  # M: the PictureID has 15 bits
_SYNC = 0x20  # Y
_START_CODE = b"\x9d\x01\x2a"
_INTER = 0x01  # P of the frame's own header (section 4.3): not a keyframe


def packetize(frame: CodedFrame, room: int, reserved: int) -> list[bytes]:
    """Payloads of at most `room` bytes, as equal in size as they can be. Raises Malformed for a frame without bytes."""
    if not frame.data:
        raise Malformed("a VP8 frame without bytes")
    first = _EXTENDED | (_DISCARDABLE if frame.is_discardable else 0)
    fields = bytes((_LONG | frame.number >> 8 & 0x7F, frame.number & 0xFF))
    if frame.layers > 1:
        sync = _SYNC if frame.refers_to_base else 0
        fields += bytes((frame.base & 0xFF, frame.layer << 6 | sync))
    rest = bytes((_PICTURE_ID | (_BASE_INDEX | _LAYER if frame.layers > 1 else 0),)) + fields
    cuts = even_cuts(len(frame.data), reserved, room - 1 - len(rest))
    return [bytes((first | (_START if start == 0 else 0),)) + rest + frame.data[start:end] for start, end in cuts]


def depacketize(payloads: Sequence[bytes]) -> bytes:
    """The frame that these payloads, complete and in order, carry. Raises Malformed."""
    parts = [_parse(payload) for payload in payloads]
    if [begins for begins, _ in parts] != [True] + [False] * (len(parts) - 1):
        raise Malformed("VP8 payloads do not begin with that of a frame's beginning, or do so twice")
    return b"".join([data for _, data in parts])


def may_begin(payload: bytes) -> bool:
    """Whether it may be the beginning of a VP8 frame, the keyframe's with its start code (RFC 6386 section 9.1)."""
    try:
        begins, data = _parse(payload)
    except Malformed:
        return False
    return begins and not payload[0] & _RESERVED and (bool(data[0] & _INTER) or data[3:6] == _START_CODE)


def position(payload: bytes) -> Position:
    """What the descriptor says, and of a first payload the frame's own header."""
    try:
        begins, data = _parse(payload)
    except Malformed:
        return Position()
    return Position(begins, begins, continues_picture=not begins, is_keyframe=begins and not data[0] & _INTER)


def _parse(payload: bytes) -> tuple[bool, bytes]:
    """Whether a frame begins here, and the bytes behind the descriptor. Raises Malformed."""
    first = payload[0] if payload else 0
    at = 1
    if first & _EXTENDED:
        flags = payload[1] if len(payload) > 1 else 0
        at = 2
        if flags & _PICTURE_ID:
            at += 2 if len(payload) > at and payload[at] & _LONG else 1
        at += bool(flags & _BASE_INDEX) + bool(flags & (_LAYER | _KEY_INDEX))
    if len(payload) <= at:
        raise Malformed("VP8 payload without bytes of a frame")
    return first & (_START | _PARTITION) == _START, payload[at:]
