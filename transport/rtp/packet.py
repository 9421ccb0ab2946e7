"""RTP packets (RFC 3550 section 5.1) with one-byte header extensions (RFC 8285 section 4.2).

The first packet of each frame carries two extensions: the published `abs-capture-time` (64-bit NTP, UQ32.32), in which
the whole microsecond of the capture survives exactly, and our own `urn:glassbench:frame` with the frame's sequence
(u32), group (u32), and keyframe bit and layer (one byte). Receivers that do not know them skip them. With transport-
wide feedback each packet carries its sequence number there in a third extension
(draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2).

NTP timestamps count from the epoch of the driver's clock: RFC 3550 section 6.4.1 allows that without a wall clock.
"""

import struct
from typing import NamedTuple

from glassbench.transport.contract import Frame
from glassbench.transport.framing import Malformed

CLOCK_RATE = 90_000  # Hz, of every video (RFC 3551 section 5), and of messages here
HEADER_BYTES = 12
FRAME_EXTENSION_BYTES = 24

CAPTURE_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
CAPTURE_TIME_ID = 1
FRAME_URI = "urn:glassbench:frame"
FRAME_ID = 2
TRANSPORT_SEQUENCE_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
TRANSPORT_SEQUENCE_ID = 3
TRANSPORT_SEQUENCE_BYTES = 8  # at most, with the header of the extension

HEADER = struct.Struct("!BBHII")
_EXTENSION_HEADER = struct.Struct("!HH")
_FRAME_EXTENSION = struct.Struct(
    "!HHBQBIIBx"
)  # 0xBEDE, words, id/length, time, id/length, sequence, group, flags, padding
_FRAME_FIELDS = struct.Struct("!IIB")
_TRANSPORT_SEQUENCE = struct.Struct("!BHx")  # id/length, sequence number, padding
_EXTENSION_BIT = 0x10
_ONE_BYTE_PROFILE = 0xBEDE
_KEYFRAME_FLAG = 0x80


class RtpPacket(NamedTuple):
    """The fields of one RTP packet; `extension` holds the one-byte elements, or nothing."""

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    extension: bytes
    payload: bytes


class FrameInfo(NamedTuple):
    """What our extensions say of the frame that a packet begins."""

    sequence: int
    group: int
    keyframe: bool
    layer: int
    captured_at: float


def parse(data: bytes) -> RtpPacket:
    """One RTP packet. Raises Malformed."""
    if len(data) < HEADER_BYTES:
        raise Malformed(f"RTP packet of {len(data)} bytes, shorter than its header")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    start = HEADER_BYTES
    extension = b""
    if first == 0x80:  # nothing optional: nearly every packet
        payload = data[start:]
    else:
        if first >> 6 != 2:
            raise Malformed(f"RTP version {first >> 6}, expected 2")
        start += 4 * (first & 0x0F)
        if first & _EXTENSION_BIT:
            if len(data) < start + 4:
                raise Malformed("RTP header extension cut off")
            profile, words = _EXTENSION_HEADER.unpack_from(data, start)
            start += 4
            if profile == _ONE_BYTE_PROFILE:
                extension = data[start : start + 4 * words]
            start += 4 * words
        end = len(data)
        if first & 0x20:
            if not 0 < data[-1] <= end - start:
                raise Malformed("RTP padding longer than the payload")
            end -= data[-1]
        if start > end:
            raise Malformed("RTP header longer than the packet")
        payload = data[start:end]
    return RtpPacket(second >= 0x80, second & 0x7F, sequence, timestamp, ssrc, extension, payload)


def frame_extension(frame: Frame) -> bytes:
    """The extension block of the first packet of a frame: FRAME_EXTENSION_BYTES with its own header."""
    return _FRAME_EXTENSION.pack(
        _ONE_BYTE_PROFILE,
        FRAME_EXTENSION_BYTES // 4 - 1,
        CAPTURE_TIME_ID << 4 | 7,
        ntp(frame.captured_at),
        FRAME_ID << 4 | 8,
        frame.sequence,
        frame.group,
        (_KEYFRAME_FLAG if frame.keyframe else 0) | frame.layer,
    )


def parse_frame_info(extension: bytes) -> FrameInfo | None:
    """What the extension elements say of a frame, or None if it is not one of ours. Raises Malformed."""
    elements = _elements(extension)
    fields = elements.get(FRAME_ID, b"")
    time = elements.get(CAPTURE_TIME_ID, b"")
    if len(fields) != _FRAME_FIELDS.size or len(time) not in (8, 16):  # 16: with the clock offset, which we do not use
        return None
    sequence, group, flags = _FRAME_FIELDS.unpack(fields)
    captured_at = round(int.from_bytes(time[:8], "big") * 1_000_000 / 2**32) / 1e6
    return FrameInfo(sequence, group, bool(flags & _KEYFRAME_FLAG), flags & 0x7F, captured_at)


def with_transport_sequence(data: bytes, sequence: int) -> bytes:
    """A packet of ours with its transport-wide sequence number, the last element of its extension block."""
    element = _TRANSPORT_SEQUENCE.pack(TRANSPORT_SEQUENCE_ID << 4 | 1, sequence)
    words, end = 0, HEADER_BYTES
    if data[0] & _EXTENSION_BIT:
        _, words = _EXTENSION_HEADER.unpack_from(data, HEADER_BYTES)
        end += _EXTENSION_HEADER.size + 4 * words
    head = bytes((data[0] | _EXTENSION_BIT,)) + data[1:HEADER_BYTES]
    block = _EXTENSION_HEADER.pack(_ONE_BYTE_PROFILE, words + 1) + data[HEADER_BYTES + _EXTENSION_HEADER.size : end]
    return b"".join((head, block, element, data[end:]))


def parse_transport_sequence(extension: bytes) -> int | None:
    """The transport-wide sequence number in a packet's one-byte elements, None if there is none. Raises Malformed."""
    element = _elements(extension).get(TRANSPORT_SEQUENCE_ID, b"")
    return int.from_bytes(element, "big") if len(element) == 2 else None


def ntp(instant: float) -> int:
    """A 64-bit NTP timestamp, UQ32.32; exact to the microsecond and back."""
    return (round(instant * 1e6) * 2**32 + 500_000) // 1_000_000 & 0xFFFF_FFFF_FFFF_FFFF


def rtp_time(instant: float) -> int:
    """An instant in ticks of the RTP clock, not yet offset or wrapped."""
    return round(instant * CLOCK_RATE)


def _elements(extension: bytes) -> dict[int, bytes]:
    """The elements of a one-byte extension block by id. Raises Malformed."""
    elements: dict[int, bytes] = {}
    at = 0
    while at < len(extension):
        head = extension[at]
        at += 1
        if head == 0:  # padding
            continue
        if head >> 4 in (0, 15):  # padding with a length, or reserved: processing stops here
            break
        length = (head & 0x0F) + 1
        if at + length > len(extension):
            raise Malformed("RTP header extension element cut off")
        elements[head >> 4] = extension[at : at + length]
        at += length
    return elements
