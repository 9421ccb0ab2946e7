"""RTCP: reports, source description and goodbye (RFC 3550 section 6), NACK and PLI (RFC 4585), receiver RTT (RFC 3611),
congestion control feedback (RFC 8888, and transport-wide).

Every datagram we send is a compound packet that begins with a report and a CNAME (RFC 3550 section 6.1); feedback
follows them. `parse` takes what others send as well: several reports, reduced-size packets (RFC 5506), unknown types.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import ccfb, twcc

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206
EXTENDED_REPORT = 207

_GENERIC_NACK = 1
_CONGESTION_FEEDBACK = 11
_TRANSPORT_WIDE = 15
_PICTURE_LOSS = 1
_FULL_INTRA_REQUEST = 4
_CNAME = 1
_RECEIVER_REFERENCE = 4
_DELAY_SINCE_REFERENCE = 5
_MAX_BLOCKS = 31

_HEAD = struct.Struct("!BBHI")  # version and count, type, words after the first, SSRC
_SENDER_INFO = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IIIIII")
_XR_REFERENCE = struct.Struct("!BBHQ")
_XR_DELAY_HEAD = struct.Struct("!BBH")
_XR_DELAY = struct.Struct("!III")
_PAIR = struct.Struct("!HH")


class Block(NamedTuple):
    """A reception report block. `lost` is cumulative and may be negative; `jitter` in ticks of the media clock."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay: int


class SenderReport(NamedTuple):
    """SR without its blocks, which follow as Block items. `ntp` is UQ32.32."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int


class ReceiverReport(NamedTuple):
    """RR without its blocks, which follow as Block items."""

    ssrc: int


class Goodbye(NamedTuple):
    ssrcs: tuple[int, ...]


class Nack(NamedTuple):
    """Generic NACK: 16-bit sequence numbers that `media` is asked to send again."""

    ssrc: int
    media: int
    sequences: tuple[int, ...]


class KeyframeRequest(NamedTuple):
    """PLI (RFC 4585 section 6.3.1) or FIR (RFC 5104 section 4.3.1)."""

    ssrc: int
    media: int


class ReceiverReference(NamedTuple):
    """RRTR: the instant at which a receiver sent this, to be answered by a ReferenceDelay (RFC 3611 section 4.4)."""

    ssrc: int
    ntp: int


class ReferenceDelay(NamedTuple):
    """DLRR sub-block: middle 32 bits of the reference time, and the delay since in 1/65536 s (RFC 3611 section 4.5)."""

    ssrc: int
    last_reference: int
    delay: int


class CongestionFeedback(NamedTuple):
    """Which packets of which streams came, and how (RFC 8888). `at` is the middle of the report's NTP time."""

    ssrc: int
    streams: tuple[ccfb.StreamReport, ...]
    at: int


class TransportFeedback(NamedTuple):
    """Which packets of the whole transport came, and when (draft-holmer-rmcat-transport-wide-cc-extensions-01)."""

    ssrc: int
    media: int
    report: twcc.TransportReport


Item = (
    SenderReport
    | ReceiverReport
    | Block
    | Goodbye
    | Nack
    | KeyframeRequest
    | ReceiverReference
    | ReferenceDelay
    | CongestionFeedback
    | TransportFeedback
)


def is_rtcp(data: bytes) -> bool:
    """Tells RTCP from RTP on one port (RFC 5761 section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def middle(ntp: int) -> int:
    """The middle 32 bits of an NTP timestamp, in 1/65536 s: what reports quote."""
    return ntp >> 16 & 0xFFFF_FFFF


def round_trip(ntp_now: int, quoted: int, delay: int) -> float | None:
    """RTT in seconds from a quoted time and the peer's delay (RFC 3550 section 6.4.1), None if that makes no sense."""
    ticks = (middle(ntp_now) - quoted - delay) & 0xFFFF_FFFF
    return ticks / 65536 if quoted and ticks < 60 * 65536 else None


def sender_report(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    """One SR packet without blocks: our senders receive no media."""
    info = _SENDER_INFO.pack(ntp, timestamp & 0xFFFF_FFFF, packets & 0xFFFF_FFFF, octets & 0xFFFF_FFFF)
    return _packet(SENDER_REPORT, 0, ssrc, info)


def receiver_report(ssrc: int, blocks: Sequence[Block] = ()) -> bytes:
    """One RR packet."""
    return _packet(RECEIVER_REPORT, len(blocks), ssrc, _pack_blocks(blocks))


def source_description(ssrcs: Sequence[int], cname: str) -> bytes:
    """One SDES packet that gives all our sources the same CNAME."""
    item = bytes((_CNAME, len(cname))) + cname.encode("ascii")
    item += bytes(4 - len(item) % 4)  # at least one zero byte ends the list of items
    rest = b"".join([ssrc.to_bytes(4, "big") + item for ssrc in ssrcs[1:]])
    return _packet(SOURCE_DESCRIPTION, len(ssrcs), ssrcs[0], item + rest)


def goodbye(ssrcs: Sequence[int]) -> bytes:
    """One BYE packet."""
    return _packet(GOODBYE, len(ssrcs), ssrcs[0], b"".join([ssrc.to_bytes(4, "big") for ssrc in ssrcs[1:]]))


def nack(ssrc: int, media: int, sequences: Iterable[int]) -> bytes:
    """One generic NACK for 16-bit sequence numbers in sending order: pairs of a first one and a mask of 16 more."""
    pairs: list[list[int]] = []
    for sequence in sequences:
        distance = (sequence - pairs[-1][0]) & 0xFFFF if pairs else 0
        if 1 <= distance <= 16:
            pairs[-1][1] |= 1 << (distance - 1)
        else:
            pairs.append([sequence, 0])
    body = b"".join([_PAIR.pack(*pair) for pair in pairs])
    return _packet(TRANSPORT_FEEDBACK, _GENERIC_NACK, ssrc, media.to_bytes(4, "big") + body)


def picture_loss(ssrc: int, media: int) -> bytes:
    """One PLI."""
    return _packet(PAYLOAD_FEEDBACK, _PICTURE_LOSS, ssrc, media.to_bytes(4, "big"))


def congestion_feedback(ssrc: int, streams: bytes) -> bytes:
    """One RFC 8888 packet, with what `ccfb.pack` gave."""
    return _packet(TRANSPORT_FEEDBACK, _CONGESTION_FEEDBACK, ssrc, streams)


def transport_feedback(ssrc: int, media: int, report: bytes) -> bytes:
    """One transport-wide feedback packet, with what `twcc.pack` gave."""
    return _packet(TRANSPORT_FEEDBACK, _TRANSPORT_WIDE, ssrc, media.to_bytes(4, "big") + report)


def receiver_reference(ssrc: int, ntp: int) -> bytes:
    """One XR packet with an RRTR block."""
    return _packet(EXTENDED_REPORT, 0, ssrc, _XR_REFERENCE.pack(_RECEIVER_REFERENCE, 0, 2, ntp))


def reference_delay(ssrc: int, answer: ReferenceDelay) -> bytes:
    """One XR packet with a DLRR block."""
    return _packet(
        EXTENDED_REPORT, 0, ssrc, _XR_DELAY_HEAD.pack(_DELAY_SINCE_REFERENCE, 0, 3) + _XR_DELAY.pack(*answer)
    )


def parse(data: bytes) -> list[Item]:
    """All items of a compound packet that we know, in order. Raises Malformed (validity checks of RFC 3550 A.2)."""
    items: list[Item] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise Malformed("RTCP packet cut off")
        first, kind = data[at], data[at + 1]
        end = at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        if first >> 6 != 2 or not 192 <= kind <= 223 or end > len(data):
            raise Malformed("RTCP packet with a wrong version, type or length")
        body = data[at + 4 : end]
        if first & 0x20:
            if end != len(data) or not body or not 0 < body[-1] <= len(body):
                raise Malformed("RTCP padding out of place")
            body = body[: -body[-1]]
        items += _parse_one(kind, first & 0x1F, body)
        at = end
    if not items and not data:
        raise Malformed("empty RTCP packet")
    return items


def _packet(kind: int, count: int, ssrc: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, 1 + len(body) // 4, ssrc) + body


def _pack_blocks(blocks: Sequence[Block]) -> bytes:
    return b"".join(
        [
            _BLOCK.pack(
                block.ssrc,
                block.fraction_lost << 24 | max(-(2**23), min(2**23 - 1, block.lost)) & 0xFF_FFFF,
                block.highest_sequence & 0xFFFF_FFFF,
                block.jitter & 0xFFFF_FFFF,
                block.last_report,
                block.delay,
            )
            for block in blocks[:_MAX_BLOCKS]
        ]
    )


def _parse_one(kind: int, count: int, body: bytes) -> list[Item]:
    if kind == GOODBYE:
        return [Goodbye(struct.unpack_from(f"!{_fitting(body, 0, 4, count)}I", body))]
    if kind not in (SENDER_REPORT, RECEIVER_REPORT, TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK, EXTENDED_REPORT):
        return []
    if len(body) < 4:
        raise Malformed("RTCP packet without its SSRC")
    ssrc = int.from_bytes(body[:4], "big")
    if kind == SENDER_REPORT:
        if len(body) < 4 + _SENDER_INFO.size:
            raise Malformed("SR cut off")
        return [
            SenderReport(ssrc, *_SENDER_INFO.unpack_from(body, 4)),
            *_parse_blocks(body, 4 + _SENDER_INFO.size, count),
        ]
    if kind == RECEIVER_REPORT:
        return [ReceiverReport(ssrc), *_parse_blocks(body, 4, count)]
    if kind == EXTENDED_REPORT:
        return _parse_extended(ssrc, body)
    if kind == TRANSPORT_FEEDBACK and count == _CONGESTION_FEEDBACK:
        if len(body) < 8:
            raise Malformed("congestion feedback without its time")
        return [CongestionFeedback(ssrc, ccfb.parse(body[4:]), int.from_bytes(body[-4:], "big"))]
    if len(body) < 8:
        raise Malformed("RTCP feedback without its media SSRC")
    media = int.from_bytes(body[4:8], "big")
    if kind == TRANSPORT_FEEDBACK and count == _GENERIC_NACK:
        return [Nack(ssrc, media, tuple(_nacked(body)))]
    if kind == TRANSPORT_FEEDBACK and count == _TRANSPORT_WIDE:
        return [TransportFeedback(ssrc, media, twcc.parse(body[8:]))]
    if kind == PAYLOAD_FEEDBACK and count == _PICTURE_LOSS:
        return [KeyframeRequest(ssrc, media)]
    if kind == PAYLOAD_FEEDBACK and count == _FULL_INTRA_REQUEST:
        return [KeyframeRequest(ssrc, int.from_bytes(body[at : at + 4], "big")) for at in range(8, len(body) - 7, 8)]
    return []


def _parse_blocks(body: bytes, start: int, count: int) -> list[Item]:
    items: list[Item] = []
    for index in range(_fitting(body, start, _BLOCK.size, count)):
        ssrc, lost, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, start + index * _BLOCK.size)
        cumulative = lost & 0xFF_FFFF
        if cumulative >= 2**23:
            cumulative -= 2**24
        items.append(Block(ssrc, lost >> 24, cumulative, highest, jitter, last_report, delay))
    return items


def _parse_extended(ssrc: int, body: bytes) -> list[Item]:
    items: list[Item] = []
    at = 4
    while at + 4 <= len(body):
        kind, _, words = _XR_DELAY_HEAD.unpack_from(body, at)
        end = at + 4 + 4 * words
        if end > len(body):
            raise Malformed("XR block cut off")
        if kind == _RECEIVER_REFERENCE and words == 2:
            items.append(ReceiverReference(ssrc, int.from_bytes(body[at + 4 : end], "big")))
        elif kind == _DELAY_SINCE_REFERENCE:
            items += [ReferenceDelay(*_XR_DELAY.unpack_from(body, sub)) for sub in range(at + 4, end - 11, 12)]
        at = end
    return items


def _nacked(body: bytes) -> Iterable[int]:
    for at in range(8, len(body) - 3, 4):
        first, mask = _PAIR.unpack_from(body, at)
        yield first
        for bit in range(16):
            if mask >> bit & 1:
                yield (first + 1 + bit) & 0xFFFF


def _fitting(body: bytes, start: int, size: int, count: int) -> int:
    """`count`, if that many parts of `size` bytes are there. Raises Malformed."""
    if len(body) < start + count * size:
        raise Malformed(f"RTCP packet announces {count} parts and is too short for them")
    return count
