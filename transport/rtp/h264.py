"""H.264 in RTP (RFC 6184, packetization mode 1): Annex B access units to payloads and back.

Sent are single NAL unit packets and FU-A; STAP-A is understood too, as other senders aggregate parameter sets.
"""

from collections.abc import Sequence

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.annex_b import START_CODE, aggregated, split
from glassbench.transport.rtp.payload_format import CodedFrame, Position, even_cuts

ENCODING = "H264"
# Constrained baseline 3.1, which every receiver accepts as an offer; the stream says its own.
PARAMETERS = "packetization-mode=1;profile-level-id=42e01f"

_STAP_A = 24
_FU_A = 28
_FU_START = 0x80
_FU_END = 0x40
_KIND = 0x1F  # the type of a NAL unit, in its header
_SLICE = 1  # of a picture that is not IDR
_IDR = 5
_SLICES = range(_SLICE, _IDR + 1)
_SPS = 7
_DELIMITER = 9
_BEFORE_PICTURE = (*range(6, _DELIMITER + 1), *range(14, 19))  # a delimiter, parameter sets, SEI, and what is reserved


def packetize(frame: CodedFrame, room: int, reserved: int) -> list[bytes]:
    """RTP payloads of at most `room` bytes; the first leaves `reserved` bytes free for its header extension. Raises
    Malformed for what is not an Annex B access unit."""
    payloads: list[bytes] = []
    for unit in split(frame.data):
        if len(unit) + reserved <= room:
            payloads.append(unit)
        else:
            payloads += _fragments(unit, room, reserved)
        reserved = 0
    return payloads


def depacketize(payloads: Sequence[bytes]) -> bytes:
    """The access unit that these payloads, complete and in order, carry. Raises Malformed."""
    out: list[bytes] = []
    inside = False  # a fragmented NAL unit
    for payload in payloads:
        if not payload:
            raise Malformed("empty H.264 payload")
        kind = payload[0] & _KIND
        if kind == _FU_A:
            if len(payload) < 3:
                raise Malformed("FU-A without a fragment")
            flags = payload[1]
            if bool(flags & _FU_START) == inside:
                raise Malformed("FU-A fragments out of order")
            if flags & _FU_START:
                out += (START_CODE, bytes((payload[0] & 0xE0 | flags & _KIND,)))
            out.append(payload[2:])
            inside = not flags & _FU_END
        elif inside:
            raise Malformed("a fragmented NAL unit without its end")
        elif kind == _STAP_A:
            for unit in aggregated(payload[1:]):
                out += (START_CODE, unit)
        elif 1 <= kind <= 23:
            out += (START_CODE, payload)
        else:
            raise Malformed(f"H.264 payload structure {kind} is not part of packetization mode 1")
    if inside:
        raise Malformed("a fragmented NAL unit without its end")
    return b"".join(out)


def may_begin(payload: bytes) -> bool:
    """Whether a stream of which nothing is known may have such a packet: it is one of packetization mode 1."""
    kind = payload[0] if payload else 0xFF
    return kind < 0x80 and (1 <= kind & _KIND <= _STAP_A or kind & _KIND == _FU_A)


def position(payload: bytes) -> Position:
    """What the NAL units in a payload say, or the fragment of one (H.264 section 7.4.1.2.3). A slice is the first of
    its picture if `first_mb_in_slice` is zero, which is a one bit after its header. Before an IDR picture, parameter
    sets may be missing."""
    heads = _heads(payload)
    if not heads:
        return Position(holds_picture=False)
    kinds = [head[0] & _KIND for head in heads]
    is_middle = payload[0] & _KIND == _FU_A and not payload[1] & _FU_START
    is_first_slice = kinds[0] in _SLICES and not is_middle and heads[0][1] >= 0x80
    begins = kinds[0] in (_DELIMITER, _SPS) or (kinds[0] == _SLICE and is_first_slice)
    return Position(
        begins_frame=begins and not is_middle,
        precedes_picture=kinds[0] in _BEFORE_PICTURE and not is_middle,
        holds_picture=any(kind in _SLICES for kind in kinds),
        continues_picture=kinds[0] in _SLICES and not is_first_slice,
        is_keyframe=_IDR in kinds,
    )


def _heads(payload: bytes) -> list[bytes]:
    """The NAL units in a payload, of a fragment its header and the next byte; none where it makes no sense."""
    kind = payload[0] & _KIND if payload else 0
    units = [payload]
    if kind == _STAP_A:
        try:
            units = aggregated(payload[1:])
        except Malformed:
            return []
    elif kind == _FU_A and len(payload) > 1:
        units = [bytes((payload[0] & 0xE0 | payload[1] & _KIND,)) + payload[2:3]]
    return [unit for unit in units if len(unit) > 1]


def _fragments(unit: bytes, room: int, reserved: int) -> list[bytes]:
    """FU-A payloads of one NAL unit (RFC 6184 section 5.8); its own header byte travels in the FU bytes."""
    indicator = unit[0] & 0xE0 | _FU_A
    kind = unit[0] & _KIND
    cuts = even_cuts(len(unit) - 1, reserved, room - 2, least=2)  # the same NAL unit is never start and end of an FU
    payloads = []
    for index, (start, end) in enumerate(cuts):
        flags = (_FU_START if index == 0 else 0) | (_FU_END if index == len(cuts) - 1 else 0)
        payloads.append(bytes((indicator, flags | kind)) + unit[1 + start : 1 + end])
    return payloads
