"""VP9 in RTP (RFC 9628): frames to payloads, each behind a payload descriptor (section 4.2), and back.

Sent is the 15-bit Picture ID. A stream with temporal layers is in flexible mode (F=1): TID and U say where a frame
stands, P_DIFF names the one frame that it refers to (`layers.py`), which holds whatever was left out before it. Without
layers F is 0, and a frame may refer to any before it. A superframe goes as it is, between one B and one E. Understood
are both modes, with scalability structures. Of the frames of spatial layers, which come one by one, a superframe is
made (VP9 bitstream specification, Annex B), as decoders expect it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from glassbench.transport.framing import Malformed
from glassbench.transport.layers import reference_distance
from glassbench.transport.rtp.payload_format import CodedFrame, Position, even_cuts

ENCODING = "VP9"
PARAMETERS = "profile-id=0"

_PICTURE_ID = 0x80  # I
_INTER = 0x40  # P: not a keyframe
_LAYER = 0x20  # L
_FLEXIBLE = 0x10  # F
_BEGINS = 0x08  # B
_ENDS = 0x04  # E
_STRUCTURE = 0x02  # V
_LONG = 0x80  # M: the Picture ID has 15 bits
_SWITCHES = 0x10  # U: later frames of higher layers refer to nothing of these layers before this one
_SPATIAL = 0x0E  # SID
_SIZES = 0x10  # Y of a scalability structure
_PATTERN = 0x08  # G
_MOST_REFERENCES = 3
_MARKER = 0x80  # the two bits with which a frame's own header begins, 10
_PROFILE_3 = 0x30  # its two next bits; in this profile a bit more follows
_SHOWS_EXISTING = 0x08
_NON_KEY = 0x04  # frame_type
_MOST_IN_SUPERFRAME = 8


class _Descriptor(NamedTuple):
    """What a payload descriptor says, and the bytes behind it. `spatial`: the spatial layer of its frame."""

    begins: bool
    ends: bool
    spatial: int
    data: bytes


def packetize(frame: CodedFrame, room: int, reserved: int) -> list[bytes]:
    """Payloads of at most `room` bytes, as equal in size as they can be. Raises Malformed for a frame without bytes."""
    if not frame.data:
        raise Malformed("a VP9 frame without bytes")
    first = _PICTURE_ID | (0 if frame.keyframe else _INTER) | (_LAYER | _FLEXIBLE if frame.layers > 1 else 0)
    fields = bytes((_LONG | frame.number >> 8 & 0x7F, frame.number & 0xFF))
    if frame.layers > 1:
        fields += bytes((frame.layer << 5 | _SWITCHES,))
        if not frame.keyframe:
            fields += bytes((reference_distance(frame.layer, frame.layers) << 1,))
    payloads = []
    for start, end in even_cuts(len(frame.data), reserved, room - 1 - len(fields)):
        flags = (_BEGINS if start == 0 else 0) | (_ENDS if end == len(frame.data) else 0)
        payloads.append(bytes((first | flags,)) + fields + frame.data[start:end])
    return payloads


def depacketize(payloads: Sequence[bytes]) -> bytes:
    """The frame, or the frames of all spatial layers, that these payloads, complete and in order, carry. Raises
    Malformed."""
    frames: list[list[bytes]] = []
    inside = False
    for payload in payloads:
        descriptor = _parse(payload)
        if descriptor.begins == inside:
            raise Malformed("VP9 payloads out of order")
        if descriptor.begins:
            frames.append([])
        frames[-1].append(descriptor.data)
        inside = not descriptor.ends
    if inside or not frames:
        raise Malformed("a VP9 frame without its end")
    layers = [b"".join(parts) for parts in frames]
    return layers[0] if len(layers) == 1 else _superframe(layers)


def may_begin(payload: bytes) -> bool:
    """Whether it may be the beginning of a VP9 frame."""
    try:
        descriptor = _parse(payload)
    except Malformed:
        return False
    return descriptor.begins and descriptor.data[0] & 0xC0 == _MARKER


def position(payload: bytes) -> Position:
    """What the descriptor says, and of a first payload the frame's own header: FFmpeg sets P nowhere. The frame of the
    lowest spatial layer begins a picture."""
    try:
        descriptor = _parse(payload)
    except Malformed:
        return Position()
    begins = descriptor.begins and descriptor.spatial == 0
    return Position(
        begins, begins, continues_picture=not begins, is_keyframe=begins and _is_keyframe(descriptor.data[0])
    )


def _is_keyframe(first: int) -> bool:
    """By the first byte of a frame (VP9 bitstream specification, section 6.2)."""
    bits = first << 1 if first & _PROFILE_3 == _PROFILE_3 else first
    return not bits & (_SHOWS_EXISTING | _NON_KEY)


def _parse(payload: bytes) -> _Descriptor:
    """Raises Malformed."""
    try:
        at, spatial = _lengths(payload)
    except IndexError:
        raise Malformed("VP9 payload descriptor cut off") from None
    if at >= len(payload):
        raise Malformed("VP9 payload without bytes of a frame")
    first = payload[0]
    return _Descriptor(bool(first & _BEGINS), bool(first & _ENDS), spatial, payload[at:])


def _lengths(payload: bytes) -> tuple[int, int]:
    """The size of the descriptor, and the spatial layer. Raises IndexError where it is cut off."""
    first, at, spatial = payload[0], 1, 0
    if first & _PICTURE_ID:
        at += 2 if payload[at] & _LONG else 1
    if first & _LAYER:
        spatial = (payload[at] & _SPATIAL) >> 1
        at += 1 if first & _FLEXIBLE else 2
    if first & _FLEXIBLE and first & _INTER:
        references = 1
        while payload[at] & 1:  # N: one more follows
            at += 1
            references += 1
            if references > _MOST_REFERENCES:
                raise Malformed("VP9 payload descriptor with more than three references")
        at += 1
    if first & _STRUCTURE:
        at = _after_structure(payload, at)
    return at, spatial


def _after_structure(payload: bytes, at: int) -> int:
    """Where a scalability structure ends. Raises IndexError."""
    head = payload[at]
    at += 1
    if head & _SIZES:
        at += 4 * ((head >> 5) + 1)
    if head & _PATTERN:
        count = payload[at]
        at += 1
        for _ in range(count):
            at += 1 + (payload[at] >> 2 & 3)
    return at


def _superframe(frames: Sequence[bytes]) -> bytes:
    """These frames, and behind them the index that says where each ends. Raises Malformed."""
    if len(frames) > _MOST_IN_SUPERFRAME:
        raise Malformed(f"{len(frames)} VP9 frames in one picture, at most {_MOST_IN_SUPERFRAME} are possible")
    width = (max(map(len, frames)).bit_length() + 7) // 8
    marker = bytes((0xC0 | (width - 1) << 3 | len(frames) - 1,))
    sizes = [len(frame).to_bytes(width, "little") for frame in frames]
    return b"".join((*frames, marker, *sizes, marker))
