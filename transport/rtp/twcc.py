"""Transport-wide congestion control feedback: draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1.

Packets of all SSRCs share one row of 16-bit sequence numbers, which a header extension carries (`packet.py`). A report
has a range of them: which came, and when, in ticks of 250 us. It has neither its own instant nor ECN marks.

A report of a few bytes may announce 65535 packets. So what came is kept packet by packet, as each takes a byte on the
wire, and what did not come is the rest of the range.
"""

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp.arrivals import Arrival

TICKS = 4000  # a second: the unit of arrivals
MOST_STATUSES = 512  # in one report of ours; with MOST_PACKETS arrivals it fits the smallest datagram

_HEAD = struct.Struct("!HHI")  # base sequence number, packet status count, reference time and feedback packet count
_REFERENCE_TICKS = 256  # 64 ms, the unit of the reference time
_LOST, _SMALL, _LARGE, _RESERVED = range(4)  # symbols; a delta has as many bytes as its symbol says
_LONGEST_RUN = 0x1FFF
_VECTOR = 0x8000  # the bit of a status vector; a run has none
_TWO_BITS = 0x4000  # the bit of a vector with symbols of two bits
_IN_ONE_BIT, _IN_TWO_BITS = 14, 7  # symbols of a vector
_HALF_SPACE = 2**15  # of sequence numbers; and the large deltas go as far


class TransportReport(NamedTuple):
    """A range of `statuses` packets from the sequence number `base`. `arrived`: those that came, by their places in the
    range, with the instant in ticks of the peer's clock, which has 32 bits. `reference` is a multiple of 64 ms before
    the first of them, on the same clock. `feedback_count` counts the reports modulo 256."""

    base: int
    statuses: int
    arrived: tuple[tuple[int, int], ...]
    reference: int
    feedback_count: int


def pack(arrivals: Sequence[Arrival], feedback_count: int) -> bytes:
    """The body of a report on these arrivals, at least one, behind the two SSRCs: to the last of them, from the first
    from which on the range and all deltas fit. A packet that came twice counts when it came first."""
    zero = arrivals[0].sequence
    ticks: dict[int, int] = {}
    for arrival in arrivals:
        ticks.setdefault((arrival.sequence - zero + _HALF_SPACE) & 0xFFFF, round(arrival.at * TICKS))
    places = _fitting(sorted(ticks), ticks)
    first, last = places[0], places[-1]
    reference = ticks[first] // _REFERENCE_TICKS
    before = reference * _REFERENCE_TICKS
    symbols, deltas = [_LOST] * (last - first + 1), []
    for place in places:
        delta, before = ticks[place] - before, ticks[place]
        is_small = 0 <= delta <= 0xFF
        symbols[place - first] = _SMALL if is_small else _LARGE
        deltas.append(delta.to_bytes(1, "big") if is_small else delta.to_bytes(2, "big", signed=True))
    base = (zero + first - _HALF_SPACE) & 0xFFFF
    head = _HEAD.pack(base, len(symbols), (reference & 0xFF_FFFF) << 8 | feedback_count & 0xFF)
    body = head + b"".join([chunk.to_bytes(2, "big") for chunk in _chunks(symbols)]) + b"".join(deltas)
    return body + bytes(-len(body) % 4)


def parse(body: bytes) -> TransportReport:
    """A report from its body, behind the two SSRCs. Raises Malformed."""
    if len(body) < _HEAD.size:
        raise Malformed("transport-wide feedback without its head")
    base, count, time = _HEAD.unpack_from(body)
    if not 0 < count <= _HALF_SPACE:
        raise Malformed(f"transport-wide feedback on {count} packets, expected 1 to {_HALF_SPACE}")
    runs, at = _parse_chunks(body, count)
    reference = tick = (time >> 8) * _REFERENCE_TICKS
    arrived = []
    place = 0
    for symbol, length in runs:
        if symbol == _RESERVED:
            raise Malformed("transport-wide feedback with the reserved symbol")
        if at + symbol * length > len(body):
            raise Malformed("transport-wide feedback announces more arrivals than it has")
        if symbol != _LOST:
            for index in range(length):
                delta = int.from_bytes(body[at : at + symbol], "big", signed=symbol == _LARGE)
                at += symbol
                tick = (tick + delta) & 0xFFFF_FFFF
                arrived.append((place + index, tick))
        place += length
    if len(body) - at >= 4:  # zero padding goes to the next word only: chunks were taken for deltas
        raise Malformed("transport-wide feedback has more bytes than its packets need")
    return TransportReport(base, count, tuple(arrived), reference, time & 0xFF)


def _fitting(places: list[int], ticks: dict[int, int]) -> list[int]:
    """The end of these places that one report can tell of."""
    start = 0
    for index, (one, two) in enumerate(pairwise(places), 1):
        if not -_HALF_SPACE <= ticks[two] - ticks[one] < _HALF_SPACE or places[-1] - one >= MOST_STATUSES:
            start = index
    return places[start:]


def _chunks(symbols: list[int]) -> list[int]:
    """The symbols in chunks of 16 bits, each the one that takes most of what is left."""
    chunks = []
    at = 0
    while at < len(symbols):
        symbol = symbols[at]
        run = 1
        while at + run < len(symbols) and symbols[at + run] == symbol and run < _LONGEST_RUN:
            run += 1
        bits = symbols[at : at + _IN_ONE_BIT]
        if run >= len(bits) or (_LARGE in bits and run >= _IN_TWO_BITS):
            chunks.append(symbol << 13 | run)
            at += run
        elif _LARGE not in bits:
            chunks.append(_VECTOR | sum(bit << 13 - place for place, bit in enumerate(bits)))
            at += len(bits)
        else:
            pairs = bits[:_IN_TWO_BITS]
            chunks.append(_VECTOR | _TWO_BITS | sum(pair << 12 - 2 * place for place, pair in enumerate(pairs)))
            at += len(pairs)
    return chunks


def _parse_chunks(body: bytes, count: int) -> tuple[list[tuple[int, int]], int]:
    """`count` symbols, each with how often it comes in a row, and where the deltas begin. Raises Malformed."""
    runs: list[tuple[int, int]] = []
    at = _HEAD.size
    while count:
        if at + 2 > len(body):
            raise Malformed("transport-wide feedback announces more packets than it has")
        chunk = int.from_bytes(body[at : at + 2], "big")
        at += 2
        if not chunk & _VECTOR:
            length = min(chunk & _LONGEST_RUN, count)
            if not length:
                raise Malformed("transport-wide feedback with an empty run")
            runs.append((chunk >> 13, length))
            count -= length
        else:
            width = 2 if chunk & _TWO_BITS else 1
            length = min(14 // width, count)
            runs += [(chunk >> 14 - width * (place + 1) & (1 << width) - 1, 1) for place in range(length)]
            count -= length
    return runs, at
