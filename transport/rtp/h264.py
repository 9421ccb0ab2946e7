"""H.264 in RTP (RFC 6184, packetization mode 1): Annex B access units to payloads and back.

Sent are single NAL unit packets and FU-A; STAP-A is understood too, as other senders aggregate parameter sets.
Start codes do not travel. Access units come out with 4-byte start codes and no trailing zero bytes: bytes change where
the encoder wrote 3-byte start codes (x264 does), NAL units never do.
"""

from collections.abc import Sequence

from glassbench.transport.framing import Malformed

START_CODE = b"\x00\x00\x00\x01"
_SHORT_START_CODE = b"\x00\x00\x01"

_STAP_A = 24
_FU_A = 28
_FU_START = 0x80
_FU_END = 0x40
_SLICE = 1  # of a picture that is not IDR
_IDR = 5
_SPS = 7
_DELIMITER = 9


def split(access_unit: bytes) -> list[bytes]:
    """The NAL units of an Annex B access unit, without start codes and zero padding. Raises Malformed if none."""
    at = access_unit.find(_SHORT_START_CODE)
    if at < 0 or access_unit[:at].strip(b"\x00"):
        raise Malformed("not an Annex B access unit: it does not begin with a start code")
    units = []
    while at >= 0:
        start = at + 3
        at = access_unit.find(_SHORT_START_CODE, start)
        unit = (access_unit[start:at] if at >= 0 else access_unit[start:]).rstrip(b"\x00")
        if unit:
            units.append(unit)
    if not units:
        raise Malformed("an Annex B access unit without a NAL unit")
    return units


def normalise(access_unit: bytes) -> bytes:
    """The same NAL units with 4-byte start codes: what the receiver of an access unit gets. Raises Malformed."""
    return b"".join([START_CODE + unit for unit in split(access_unit)])


def packetize(access_unit: bytes, room: int, reserved: int) -> list[bytes]:
    """RTP payloads of at most `room` bytes; the first leaves `reserved` bytes free for its header extension.

    The fragments of a large NAL unit are as equal in size as they can be: a short last one would cost a packet's
    overhead and, on a packet-counting link, a full slot. Raises Malformed.
    """
    payloads: list[bytes] = []
    for unit in split(access_unit):
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
            out += _aggregated(payload)
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


def is_payload(payload: bytes) -> bool:
    """Whether a packet of a stream of which nothing is known may be one of H.264 in packetization mode 1."""
    kind = payload[0] if payload else 0xFF
    return kind < 0x80 and (1 <= kind & 0x1F <= _STAP_A or kind & 0x1F == _FU_A)


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
    size = len(unit) - 1
    count = max(2, -(-(size + reserved) // (room - 2)))  # the same NAL unit is never start and end of an FU
    base, longer = divmod(size + reserved, count)
    payloads = []
    start = 1
    for index in range(count):
        end = start + base + (index < longer) - (reserved if index == 0 else 0)
        flags = (_FU_START if index == 0 else 0) | (_FU_END if index == count - 1 else 0)
        payloads.append(bytes((indicator, flags | kind)) + unit[start:end])
        start = end
    return payloads


def _aggregated(payload: bytes) -> list[bytes]:
    """The NAL units of a STAP-A (RFC 6184 section 5.7.1), each after a start code."""
    out: list[bytes] = []
    at = 1
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + size]
        if size == 0 or len(unit) < size:
            raise Malformed("STAP-A with a NAL unit cut off")
        out += (START_CODE, unit)
        at += 2 + size
    if not out:
        raise Malformed("empty STAP-A")
    return out
