"""H.264 payload format: NAL units survive, also those of a real encoder; broken payloads are refused."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import h264
from glassbench.transport.rtp.annex_b import START_CODE, normalise, split
from glassbench.transport.rtp.payload_format import CodedFrame, Position

ROOM = 1438
RESERVED = 24

# A NAL unit: a header byte, then bytes in which no start code can arise, the last not zero.
units = st.builds(
    lambda kind, size, salt: bytes((0x60 | kind,)) + bytes((i * salt) % 255 + 1 for i in range(size)),
    kind=st.integers(1, 23),
    size=st.integers(1, 8000),
    salt=st.integers(1, 254),
)


@given(st.lists(units, min_size=1, max_size=5), st.integers(100, 1500))
@settings(max_examples=60)
def test_access_units_survive_and_payloads_fit(parts, room):
    access_unit = b"".join(START_CODE + unit for unit in parts)
    payloads = h264.packetize(CodedFrame(access_unit), room, RESERVED)
    assert len(payloads[0]) <= room - RESERVED
    assert all(len(payload) <= room for payload in payloads)
    assert h264.depacketize(payloads) == access_unit


def test_fragments_of_one_unit_are_equal_in_size_counting_the_reserved_bytes():
    payloads = h264.packetize(CodedFrame(START_CODE + b"\x65" + b"\x55" * 10_000), ROOM, RESERVED)
    sizes = [len(payloads[0]) + RESERVED, *map(len, payloads[1:])]
    assert max(sizes) - min(sizes) <= 1


def test_single_unit_and_fragment_bytes_are_those_of_the_rfc():
    assert h264.packetize(CodedFrame(b"\x00\x00\x01\x41\xaa\xbb"), ROOM, RESERVED) == [b"\x41\xaa\xbb"]
    first, last = h264.packetize(CodedFrame(b"\x00\x00\x01\x65" + b"\x55" * 1500), ROOM, RESERVED)
    assert first[:2] == bytes((0x7C, 0x85))  # FU-A with the NRI of 0x65; start bit and type 5
    assert last[:2] == bytes((0x7C, 0x45))  # end bit


@pytest.mark.parametrize("start_code", [b"\x00\x00\x01", b"\x00\x00\x00\x01"])
@pytest.mark.parametrize("padding", [b"", b"\x00", b"\x00\x00\x00"])
def test_start_codes_become_four_bytes_and_zero_padding_goes(start_code, padding):
    access_unit = start_code + b"\x67\x42" + padding + start_code + b"\x65\x88\x80" + padding
    assert normalise(access_unit) == b"\x00\x00\x00\x01\x67\x42\x00\x00\x00\x01\x65\x88\x80"


@pytest.mark.parametrize("options", [{}, {"slice-max-size": "600"}, {"aud": "1", "repeat-headers": "1"}])
def test_output_of_x264_comes_back_with_all_its_units_and_decodes_to_the_same_pictures(options):
    access_units = encode(options)
    assert any(b"\x00\x00\x01" in unit.replace(START_CODE, b"") for unit in access_units), "it mixes start codes"
    decoders = [av.CodecContext.create("h264", "r") for _ in range(2)]
    for access_unit in access_units:
        arrived = h264.depacketize(h264.packetize(CodedFrame(access_unit), ROOM, RESERVED))
        assert arrived == normalise(access_unit)
        assert split(arrived) == split(access_unit)
        pictures = [
            [frame.to_ndarray() for frame in decoder.decode(av.Packet(data))]
            for decoder, data in zip(decoders, (access_unit, arrived), strict=True)
        ]
        assert len(pictures[0]) == len(pictures[1]) == 1
        assert np.array_equal(pictures[0][0], pictures[1][0])


def test_aggregated_units_are_taken_apart():
    sps, pps, idr = b"\x67\x42\xc0", b"\x68\xce", b"\x65\x88\x84"
    aggregate = b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in (sps, pps))
    assert h264.depacketize([aggregate, idr]) == b"".join(START_CODE + unit for unit in (sps, pps, idr))
    assert h264.position(aggregate) == Position(True, True, holds_picture=False)
    for payload in (idr, b"\x7c\x05\x00", b"\x78\x00\x02\x65\x88"):
        assert h264.position(payload).is_keyframe


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        ("09f0", True),  # access unit delimiter
        ("6742", True),  # SPS
        ("68ce", False),  # PPS
        ("0605", False),  # SEI
        ("419a", True),  # a slice from macroblock 0 on
        ("411a", False),  # a later slice
        ("6588", False),  # IDR: parameter sets may have come before
        ("5c819a", True),  # FU-A start of a slice from macroblock 0 on
        ("5c811a", False),
        ("5c019a", False),  # FU-A, not its start
        ("7c8588", False),
        ("780002419a", True),  # STAP-A of a slice from macroblock 0 on
        ("780002411a", False),
        ("7800", False),
        ("", False),
        ("41", False),
        ("5c81", False),
    ],
)
def test_what_can_begin_an_access_unit(payload, begins):
    assert h264.position(bytes.fromhex(payload)).begins_frame is begins


@pytest.mark.parametrize(
    ("payloads", "sentence"),
    [
        ([b""], "empty"),
        ([b"\x7c\x85"], "without a fragment"),
        ([b"\x7c\x05\x00"], "out of order"),
        ([b"\x7c\x85\x00", b"\x7c\x85\x00"], "out of order"),
        ([b"\x7c\x85\x00"], "without its end"),
        ([b"\x7c\x85\x00", b"\x41\x00"], "without its end"),
        ([b"\x78"], "empty aggregation packet"),
        ([b"\x78\x00\x05\x67"], "cut off"),
        ([b"\x78\x00\x00"], "cut off"),
        ([b"\x79\x00\x05\x67"], "structure 25"),
        ([b"\x7d\x85\x00\x00\x00"], "structure 29"),
    ],
)
def test_broken_payloads_are_refused_with_what_is_wrong(payloads, sentence):
    with pytest.raises(Malformed, match=sentence):
        h264.depacketize(payloads)


@pytest.mark.parametrize("payload", [b"", b"\x00\x00\x00", b"\x65\x88", b"\x00\x00\x00\x01", b"\x07\x00\x00\x01\x65"])
def test_what_is_not_annex_b_is_refused(payload):
    with pytest.raises(Malformed, match="Annex B"):
        h264.packetize(CodedFrame(payload), ROOM, RESERVED)


def encode(options, count=20):
    """Access units of 320x240 noise that changes every third frame, by libx264 without delay."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
    context.time_base = Fraction(1, 30)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1", "g": "10", **options}
    context.bit_rate = 2_000_000
    access_units = []
    for index in range(count):
        pixels = np.random.default_rng(index // 3).integers(0, 255, (360, 320), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts = index
        access_units += [bytes(packet) for packet in context.encode(frame)]
    return access_units


@pytest.mark.parametrize(
    ("payload", "precedes", "holds", "continues"),
    [
        (b"\x67\x42", True, False, False),
        (b"\x09\x10", True, False, False),
        (b"\x0c\xff\xff", False, False, False),  # filler
        (b"\x65\x88\x01", False, True, False),
        (b"\x41\x44\x01", False, True, True),  # not the first macroblock
        (b"\x5c\x81\x9a", False, True, False),  # FU-A, the beginning of the first slice
        (b"\x5c\x81\x44", False, True, True),
        (b"\x5c\x01\x9a", False, True, True),
        (b"\x7c\x86\x05", True, False, False),  # FU-A, the beginning of SEI
        (b"\x7c\x06\x05", False, False, False),
        (b"\x18\x00\x02\x67\x42\x00\x03\x65\x88\x01", True, True, False),  # STAP-A of a set and a slice
        (b"\x18\x00\x99\x67", False, False, False),  # cut off
    ],
)
def test_payloads_say_where_in_a_picture_they_stand(payload, precedes, holds, continues):
    position = h264.position(payload)
    assert (position.precedes_picture, position.holds_picture, position.continues_picture) == (
        precedes,
        holds,
        continues,
    )
