"""Annex B of H.264 and of HEVC: an access unit as a stream of bytes, its NAL units behind start codes.

Start codes do not travel over RTP. Access units come out with 4-byte start codes and no trailing zero bytes: bytes
change where the encoder wrote 3-byte start codes (x264 does), NAL units never do.
"""

from glassbench.transport.framing import Malformed

START_CODE = b"\x00\x00\x00\x01"
_SHORT_START_CODE = b"\x00\x00\x01"


def split(access_unit: bytes) -> list[bytes]:
    """The NAL units of an access unit, without start codes and zero padding. Raises Malformed if none."""
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


def aggregated(payload: bytes) -> list[bytes]:
    """The NAL units of an aggregation packet, each behind its size in two bytes, without the packet's own header
    (STAP-A of RFC 6184, AP of RFC 7798). Raises Malformed."""
    units = []
    at = 0
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + size]
        if size == 0 or len(unit) < size:
            raise Malformed("aggregation packet with a NAL unit cut off")
        units.append(unit)
        at += 2 + size
    if not units:
        raise Malformed("empty aggregation packet")
    return units
