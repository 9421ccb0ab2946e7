"""HEVC in RTP (RFC 7798): Annex B access units to payloads and back.

Sent are single NAL unit packets and fragmentation units; aggregation packets are understood too, as other senders
aggregate parameter sets. No packet has a DONL field (sprop-max-don-diff is 0): NAL units come in the order of decoding.
"""

from collections.abc import Sequence

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.annex_b import START_CODE, aggregated, split
from glassbench.transport.rtp.payload_format import CodedFrame, Position, even_cuts

ENCODING = "H265"
PARAMETERS = ""

_HEADER_BYTES = 2  # of a NAL unit and of a payload
_AGGREGATION = 48
_FRAGMENT = 49
_START = 0x80
_END = 0x40
_KIND = 0x3F
_FIRST_SLICE = 0x80  # the bit behind the header of a slice: it is the first of its picture
_RECOVERY_POINTS = range(16, 24)  # IRAP pictures
_SLICES = range(32)
_VPS = 32
_DELIMITER = 35
_BEFORE_PICTURE = (*range(_VPS, _DELIMITER + 1), 39, *range(41, 45))  # HEVC section 7.4.2.4.4


def packetize(frame: CodedFrame, room: int, reserved: int) -> list[bytes]:
    """RTP payloads of at most `room` bytes; the first leaves `reserved` bytes free for its header extension. Raises
    Malformed for what is not an Annex B access unit of HEVC."""
    payloads: list[bytes] = []
    for unit in split(frame.data):
        if len(unit) < _HEADER_BYTES:
            raise Malformed("an HEVC NAL unit without its header")
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
        if len(payload) <= _HEADER_BYTES:
            raise Malformed("HEVC payload without a NAL unit")
        kind = payload[0] >> 1 & _KIND
        if kind == _FRAGMENT:
            flags = payload[2]
            if bool(flags & _START) == inside:
                raise Malformed("HEVC fragments out of order")
            if flags & _START:
                out += (START_CODE, _unit_header(payload))
            out.append(payload[3:])
            inside = not flags & _END
        elif inside:
            raise Malformed("a fragmented NAL unit without its end")
        elif kind == _AGGREGATION:
            for unit in aggregated(payload[_HEADER_BYTES:]):
                out += (START_CODE, unit)
        elif kind < _AGGREGATION:
            out += (START_CODE, payload)
        else:
            raise Malformed(f"HEVC payload structure {kind} is not understood")
    if inside:
        raise Malformed("a fragmented NAL unit without its end")
    return b"".join(out)


def may_begin(payload: bytes) -> bool:
    """Whether a stream of which nothing is known may have such a packet: its NAL unit is of the base layer."""
    if len(payload) <= _HEADER_BYTES or payload[0] & 0x81 or payload[1] >> 3 or not payload[1] & 7:
        return False
    return payload[0] >> 1 in (*range(41), _AGGREGATION, _FRAGMENT)


def position(payload: bytes) -> Position:
    """What the NAL units in a payload say, or the fragment of one. Before a recovery point, parameter sets may be
    missing."""
    heads = _heads(payload)
    if not heads:
        return Position(holds_picture=False)
    kinds = [head[0] >> 1 & _KIND for head in heads]
    is_middle = payload[0] >> 1 & _KIND == _FRAGMENT and not payload[2] & _START
    is_first_slice = kinds[0] in _SLICES and not is_middle and bool(heads[0][2] & _FIRST_SLICE)
    begins = kinds[0] in (_VPS, _DELIMITER) or (is_first_slice and kinds[0] not in _RECOVERY_POINTS)
    return Position(
        begins_frame=begins and not is_middle,
        precedes_picture=kinds[0] in _BEFORE_PICTURE and not is_middle,
        holds_picture=any(kind in _SLICES for kind in kinds),
        continues_picture=kinds[0] in _SLICES and not is_first_slice,
        is_keyframe=any(kind in _RECOVERY_POINTS for kind in kinds),
    )


def _heads(payload: bytes) -> list[bytes]:
    """The NAL units in a payload, of a fragment its header and the next byte; none where it makes no sense."""
    kind = payload[0] >> 1 & _KIND if payload else _KIND
    units = [payload]
    if kind == _AGGREGATION:
        try:
            units = aggregated(payload[_HEADER_BYTES:])
        except Malformed:
            return []
    elif kind == _FRAGMENT and len(payload) > _HEADER_BYTES:
        units = [_unit_header(payload) + payload[3:4]]
    return [unit for unit in units if len(unit) > _HEADER_BYTES]


def _unit_header(fragment: bytes) -> bytes:
    """The header of the NAL unit that a fragment is of."""
    return bytes((fragment[0] & 0x81 | (fragment[2] & _KIND) << 1, fragment[1]))


def _fragments(unit: bytes, room: int, reserved: int) -> list[bytes]:
    """Fragmentation units (section 4.4.3); the type of the NAL unit travels in their third byte."""
    header = bytes((unit[0] & 0x81 | _FRAGMENT << 1, unit[1]))
    kind = unit[0] >> 1 & _KIND
    body = unit[_HEADER_BYTES:]
    cuts = even_cuts(len(body), reserved, room - _HEADER_BYTES - 1, least=2)  # none is both start and end
    payloads = []
    for index, (start, end) in enumerate(cuts):
        flags = (_START if index == 0 else 0) | (_END if index == len(cuts) - 1 else 0)
        payloads.append(header + bytes((flags | kind,)) + body[start:end])
    return payloads
