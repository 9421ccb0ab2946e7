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
_SLICE = 1  # of a picture that is not IDR
_IDR = 5
_SPS = 7
_DELIMITER = 9


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
        kind = payload[0] & 0x1F
        if kind == _FU_A:
            if len(payload) < 3:
                raise Malformed("FU-A without a fragment")
            flags = payload[1]
            if bool(flags & _FU_START) == inside:
                raise Malformed("FU-A fragments out of order")
            if flags & _FU_START:
                out += (START_CODE, bytes((payload[0] & 0xE0 | flags & 0x1F,)))
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


def begins_access_unit(payload: bytes) -> bool:
    """Whether no packet that a decoder needs can come before this one in its access unit (H.264 section 7.4.1.2.3).

    True for a delimiter, for a parameter set, and for the first slice of a picture that is not IDR: `first_mb_in_slice`
    is zero, which is a one bit after the NAL unit header. Before an IDR picture, parameter sets may be missing.
    """
    kind = payload[0] & 0x1F if payload else 0
    if kind == _STAP_A:  # the first unit in it
        payload = payload[3:]
        kind = payload[0] & 0x1F if payload else 0
    if kind == _FU_A and len(payload) > 2 and payload[1] & 0xBF == _FU_START | _SLICE:
        return payload[2] >= 0x80
    if kind == _SLICE and len(payload) > 1:
        return payload[1] >= 0x80
    return kind in (_DELIMITER, _SPS)


def may_begin(payload: bytes) -> bool:
    """Whether a stream of which nothing is known may have such a packet: it is one of packetization mode 1."""
    kind = payload[0] if payload else 0xFF
    return kind < 0x80 and (1 <= kind & 0x1F <= _STAP_A or kind & 0x1F == _FU_A)


def position(payload: bytes) -> Position:
    """Where in its stream a payload stands, as far as it says so itself."""
    return Position(
        begins_access_unit(payload),
        precedes_picture(payload),
        holds_slice(payload),
        continues_picture(payload),
        is_idr(payload),
    )


def precedes_picture(payload: bytes) -> bool:
    """Whether it begins with a NAL unit that can only stand before the first slice of a picture: a delimiter, parameter
    sets, SEI, types 14 to 18 (H.264 section 7.4.1.2.3)."""
    kinds = _kinds(payload)
    is_middle = payload[:1] and payload[0] & 0x1F == _FU_A and len(payload) > 1 and not payload[1] & _FU_START
    return bool(kinds) and not is_middle and (6 <= kinds[0] <= _DELIMITER or 14 <= kinds[0] <= 18)


def holds_slice(payload: bytes) -> bool:
    """Whether it holds a slice of a picture (a VCL NAL unit), or a part of one."""
    return any(_SLICE <= kind <= _IDR for kind in _kinds(payload))


def continues_picture(payload: bytes) -> bool:
    """Whether it holds a slice and cannot be the beginning of a picture: `first_mb_in_slice` is not zero, or it is
    the rest of a slice."""
    kind = payload[0] & 0x1F if payload else 0
    if kind == _FU_A and len(payload) > 2:
        return _SLICE <= payload[1] & 0x1F <= _IDR and not (payload[1] & _FU_START and payload[2] >= 0x80)
    return _SLICE <= kind <= _IDR and len(payload) > 1 and payload[1] < 0x80


def is_idr(payload: bytes) -> bool:
    """Whether it holds a slice of an IDR picture, or a part of one."""
    return _IDR in _kinds(payload)


def _kinds(payload: bytes) -> list[int]:
    """The types of the NAL units in a payload; of a fragment that of its unit. Cut off where it makes no sense."""
    if len(payload) < 2:
        return [payload[0] & 0x1F] if payload else []
    kind = payload[0] & 0x1F
    if kind == _FU_A:
        return [payload[1] & 0x1F]
    if kind != _STAP_A:
        return [kind]
    kinds = []
    at = 1
    while at + 2 < len(payload):
        kinds.append(payload[at + 2] & 0x1F)
        at += 2 + int.from_bytes(payload[at : at + 2], "big")
    return kinds


def _fragments(unit: bytes, room: int, reserved: int) -> list[bytes]:
    """FU-A payloads of one NAL unit (RFC 6184 section 5.8); its own header byte travels in the FU bytes."""
    indicator = unit[0] & 0xE0 | _FU_A
    kind = unit[0] & 0x1F
    cuts = even_cuts(len(unit) - 1, reserved, room - 2, least=2)  # the same NAL unit is never start and end of an FU
    payloads = []
    for index, (start, end) in enumerate(cuts):
        flags = (_FU_START if index == 0 else 0) | (_FU_END if index == len(cuts) - 1 else 0)
        payloads.append(bytes((indicator, flags | kind)) + unit[1 + start : 1 + end])
    return payloads
