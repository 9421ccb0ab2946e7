"""RTP packets and header extensions: bytes as in the RFCs, microseconds exact, bad bytes refused."""

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.contract import Frame
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import packet


@given(st.integers(0, 2**32 * 10**6 - 1), st.integers(0, 2**32 - 1), st.integers(0, 127), st.booleans())
@settings(max_examples=200)
def test_the_identity_of_a_frame_survives_to_the_microsecond(captured_us, sequence, layer, keyframe):
    frame = Frame(1, sequence // 2, sequence, captured_us / 1e6, keyframe, layer, 0, None, b"")
    extension = packet.frame_extension(frame)
    assert len(extension) == packet.FRAME_EXTENSION_BYTES
    data = packet.HEADER.pack(0x90, 96, 1, 2, 3) + extension + b"payload"
    info = packet.parse_frame_info(packet.parse(data).extension)
    assert info == (sequence, sequence // 2, keyframe, layer, captured_us / 1e6)
    assert packet.parse(data).payload == b"payload"


def test_the_capture_time_is_ntp_in_the_published_place():
    frame = Frame(1, 0, 5, 1002.5, True, 0, 0, None, b"")
    extension = packet.frame_extension(frame)
    assert extension[:4] == bytes.fromhex("bede0005")
    assert extension[4:13] == bytes((0x17,)) + struct.pack("!II", 1002, 2**31)


def test_optional_parts_of_the_header_are_skipped():
    plain = packet.HEADER.pack(0x80, 0x80 | 96, 65535, 2**32 - 1, 7) + b"data"
    assert packet.parse(plain) == (True, 96, 65535, 2**32 - 1, 7, b"", b"data")
    sources_and_padding = packet.HEADER.pack(0xA2, 96, 1, 2, 7) + bytes(8) + b"data" + b"\x00\x00\x03"
    assert packet.parse(sources_and_padding).payload == b"data"
    two_byte_extension = packet.HEADER.pack(0x90, 96, 1, 2, 7) + bytes.fromhex("1000 0001 01020000") + b"data"
    assert packet.parse(two_byte_extension).payload == b"data"
    assert packet.parse(two_byte_extension).extension == b""


def test_elements_of_others_are_skipped():
    frame = Frame(1, 2, 5, 1002.5, True, 0, 0, None, b"")
    ours = packet.frame_extension(frame)[4:]
    other = bytes((0x51, 1, 2))
    assert packet.parse_frame_info(other + b"\x00" + ours).sequence == 5
    assert packet.parse_frame_info(other) is None
    assert packet.parse_frame_info(bytes((0xF0,)) + ours) is None  # 15 stops the parsing
    assert packet.parse_frame_info(bytes((0x05,)) + ours) is None  # and so does 0 with a length (RFC 8285 section 4.2)
    with_offset = bytes((0x1F,)) + ours[1:9] + bytes(8) + ours[9:]  # the long form of abs-capture-time
    assert packet.parse_frame_info(with_offset).captured_at == 1002.5


def test_a_transport_wide_sequence_number_goes_into_a_block_of_its_own_or_behind_what_is_there():
    frame = Frame(1, 2, 5, 1002.5, True, 0, 0, None, b"")
    plain = packet.HEADER.pack(0x80, 96, 1, 2, 3) + b"data"
    alone = packet.with_transport_sequence(plain, 0xABCD)
    assert alone[12:-4] == bytes.fromhex("bede0001" + "31abcd00")
    assert len(alone) - len(plain) == packet.TRANSPORT_SEQUENCE_BYTES
    first = packet.HEADER.pack(0x90, 0x80 | 96, 1, 2, 3) + packet.frame_extension(frame) + b"data"
    padding = packet.HEADER.pack(0xA0, 97, 1, 2, 3) + bytes(254) + b"\xff"
    for data in (plain, first, padding):
        before, after = packet.parse(data), packet.parse(packet.with_transport_sequence(data, 0xABCD))
        assert packet.parse_transport_sequence(before.extension) is None
        assert packet.parse_transport_sequence(after.extension) == 0xABCD
        assert packet.parse_frame_info(after.extension) == packet.parse_frame_info(before.extension)
        assert after._replace(extension=before.extension) == before


def test_a_sequence_number_of_another_size_is_none_of_ours():
    assert packet.parse_transport_sequence(bytes.fromhex("30ab0000")) is None
    assert packet.parse_transport_sequence(bytes.fromhex("33abcd0001000000")) is None  # that of version 02


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        packet.HEADER.pack(0x40, 96, 1, 2, 3),  # version 1
        packet.HEADER.pack(0x8F, 96, 1, 2, 3) + bytes(59),  # fewer CSRCs than announced
        packet.HEADER.pack(0x90, 96, 1, 2, 3) + b"\xbe\xde",
        packet.HEADER.pack(0x90, 96, 1, 2, 3) + b"\xbe\xde\x00\x02" + bytes(4),
        packet.HEADER.pack(0xA0, 96, 1, 2, 3) + b"\x05",
        packet.HEADER.pack(0xA0, 96, 1, 2, 3) + b"\x00",
        packet.HEADER.pack(0xA0, 96, 1, 2, 3),
    ],
)
def test_broken_headers_are_refused(data):
    with pytest.raises(Malformed):
        packet.parse(data)


@given(st.binary(max_size=80).map(lambda data: b"\x90\x60" + data) | st.binary(max_size=80))
@settings(max_examples=300)
def test_random_bytes_are_refused_or_parsed(data):
    with contextlib.suppress(Malformed):
        parsed = packet.parse(data)
        packet.parse_frame_info(parsed.extension)
