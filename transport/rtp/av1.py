"""AV1 in RTP (AOMedia, RTP Payload Format For AV1, v1.0): temporal units to payloads and back.

OBUs travel without their size fields and without the temporal delimiter (section 5); the receiver puts both back, so a
temporal unit comes out as encoders of low-overhead streams write it. A payload begins with an aggregation header (4.4).
OBUs share packets and are cut where a packet is full. Understood are all forms, also OBUs that kept their size field.
"""

from collections.abc import Sequence

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.payload_format import CodedFrame, Position

ENCODING = "AV1"
PARAMETERS = ""

_CONTINUES = 0x80  # Z: the first element goes on with one of the packet before
_GOES_ON = 0x40  # Y: the last element goes on in the next packet
_COUNT = 0x30  # W: how many elements; 0 if each has a length, otherwise the last has none
_NEW_SEQUENCE = 0x08  # N: the first packet of a coded video sequence
_RESERVED = 0x07
_MOST_COUNTED = 3
_LENGTH_BYTES = 3  # of an element in a packet, at most

_HAS_SIZE = 0x02  # in an OBU header
_HAS_EXTENSION = 0x04
_FORBIDDEN = 0x81  # the bits of an OBU header that are zero
_SEQUENCE_HEADER = 1
_DELIMITER = 2
_TILE_LIST = 8
_PADDING = 15
_TYPES = (*range(_SEQUENCE_HEADER, _TILE_LIST), _PADDING)  # what may be sent
_UNSENT = (_DELIMITER, _TILE_LIST)
_DELIMITER_OBU = bytes((_DELIMITER << 3 | _HAS_SIZE, 0))
_MOST_LEB128_BYTES = 8


def packetize(frame: CodedFrame, room: int, reserved: int) -> list[bytes]:
    """Payloads of at most `room` bytes, as equal in size as they can be. Raises Malformed for what is not a temporal
    unit of OBUs."""
    units = split(frame.data)
    packets = _fill(units, room - 1, reserved)
    total = sum(map(len, units)) + reserved + _LENGTH_BYTES * sum(len(pieces) for pieces in packets)
    # Once more, with no more in a packet than so many of them need.
    even = _fill(units, min(room - 1, -(-total // len(packets))), reserved)
    if len(even) == len(packets):
        packets = even
    payloads = []
    starts_whole = True
    for number, pieces in enumerate(packets):
        ends_whole = pieces[-1][1]
        count = len(pieces) if len(pieces) <= _MOST_COUNTED else 0
        head = (0 if starts_whole else _CONTINUES) | (0 if ends_whole else _GOES_ON) | count << 4
        head |= _NEW_SEQUENCE if number == 0 and frame.keyframe else 0
        parts = [bytes((head,))]
        for index, (piece, _) in enumerate(pieces):
            if count == 0 or index < count - 1:
                parts.append(_leb128(len(piece)))
            parts.append(piece)
        payloads.append(b"".join(parts))
        starts_whole = ends_whole
    return payloads


def depacketize(payloads: Sequence[bytes]) -> bytes:
    """The temporal unit that these payloads, complete and in order, carry: a delimiter, then OBUs with size fields.
    Raises Malformed."""
    units: list[list[bytes]] = []
    inside = False
    for payload in payloads:
        elements = _elements(payload)
        if bool(payload[0] & _CONTINUES) != inside:
            raise Malformed("fragments of an OBU out of order")
        for element in elements:
            if inside:
                units[-1].append(element)
                inside = False
            else:
                units.append([element])
        inside = bool(payload[0] & _GOES_ON)
    if inside:
        raise Malformed("an OBU without its end")
    return join([b"".join(pieces) for pieces in units])


def may_begin(payload: bytes) -> bool:
    """Whether a first packet of a temporal unit may look like this."""
    head = payload[0] if payload else 0xFF
    return not head & (_CONTINUES | _RESERVED) and _first_type(payload) in _TYPES


def position(payload: bytes) -> Position:
    """What the aggregation header says. A sequence header stands at the beginning of a temporal unit only."""
    head = payload[0] if payload else 0
    continues = bool(head & _CONTINUES)
    begins = not continues and (bool(head & _NEW_SEQUENCE) or _first_type(payload) == _SEQUENCE_HEADER)
    return Position(begins, begins, continues_picture=continues, is_keyframe=bool(head & _NEW_SEQUENCE))


def split(temporal_unit: bytes) -> list[bytes]:
    """The OBUs that are sent, without size fields. Raises Malformed if there are none."""
    units = []
    at = 0
    while at < len(temporal_unit):
        header = temporal_unit[at]
        if header & _FORBIDDEN:
            raise Malformed("not an AV1 temporal unit: the header of an OBU has a bit that must be zero")
        start = at + (2 if header & _HAS_EXTENSION else 1)
        if header & _HAS_SIZE:
            size, begin = _read_leb128(temporal_unit, start)
        else:
            size, begin = len(temporal_unit) - start, start
        at = begin + size
        if size < 0 or at > len(temporal_unit):
            raise Malformed("not an AV1 temporal unit: an OBU is cut off")
        if header >> 3 not in _UNSENT:
            extension = temporal_unit[start - 1 : start] if header & _HAS_EXTENSION else b""
            units.append(bytes((header & ~_HAS_SIZE,)) + extension + temporal_unit[begin:at])
    if not units:
        raise Malformed("an AV1 temporal unit without an OBU")
    return units


def join(units: Sequence[bytes]) -> bytes:
    """A temporal unit of these OBUs, which may have size fields: a delimiter, and each with its size. Raises
    Malformed."""
    out = [_DELIMITER_OBU]
    for unit in units:
        if not unit or unit[0] >> 3 in _UNSENT:
            continue
        for plain in split(unit):
            start = 2 if plain[0] & _HAS_EXTENSION else 1
            out += (bytes((plain[0] | _HAS_SIZE,)), plain[1:start], _leb128(len(plain) - start), plain[start:])
    if len(out) == 1:
        raise Malformed("an AV1 temporal unit without an OBU")
    return b"".join(out)


def _fill(units: Sequence[bytes], room: int, reserved: int) -> list[list[tuple[bytes, bool]]]:
    """The OBUs in packets of at most `room` bytes, the first smaller by `reserved`: pieces, and whether each is the end
    of its OBU."""
    packets: list[list[tuple[bytes, bool]]] = [[]]
    left = room - reserved
    for unit in units:
        start = 0
        while start < len(unit):
            if left <= _LENGTH_BYTES:
                packets.append([])
                left = room
            end = min(len(unit), start + left - _LENGTH_BYTES)
            packets[-1].append((unit[start:end], end == len(unit)))
            left -= end - start + _LENGTH_BYTES
            start = end
    return packets


def _elements(payload: bytes) -> list[bytes]:
    """The OBU elements of a payload. Raises Malformed."""
    if len(payload) < 2:
        raise Malformed("AV1 payload without an OBU")
    count = (payload[0] & _COUNT) >> 4
    elements: list[bytes] = []
    at = 1
    while at < len(payload):
        size = len(payload) - at
        if len(elements) + 1 != count:
            size, at = _read_leb128(payload, at)
        if at + size > len(payload):
            raise Malformed("AV1 payload with an OBU element cut off")
        elements.append(payload[at : at + size])
        at += size
    if count not in (0, len(elements)):
        raise Malformed(f"AV1 payload with {len(elements)} OBU elements, {count} were said")
    return elements


def _first_type(payload: bytes) -> int | None:
    """The type of the first OBU, None if it does not look like one."""
    try:
        first = _elements(payload)[0]
    except Malformed:
        return None
    return first[0] >> 3 if first and not first[0] & _FORBIDDEN else None


def _leb128(number: int) -> bytes:
    """AV1 specification, section 4.10.5, in as few bytes as can be."""
    out = []
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _read_leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends. Raises Malformed."""
    number = 0
    for index, byte in enumerate(data[at : at + _MOST_LEB128_BYTES]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise Malformed("AV1 length cut off")
