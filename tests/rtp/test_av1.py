"""AV1 in RTP as the AOMedia payload format, section 4.4 and 4.5, draws it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import av1
from glassbench.transport.rtp.payload_format import CodedFrame, Position

DELIMITER = b"\x12\x00"
SEQUENCE = b"\x0a\x03abc"  # type 1 with a size
FRAME = b"\x32\x05frame"  # type 6


def unit(kind, body, extension=b""):
    """An OBU with its size."""
    return bytes((kind << 3 | 2 | (4 if extension else 0),)) + extension + av1._leb128(len(body)) + body


def test_delimiter_and_sizes_do_not_travel_and_come_back():
    [payload] = av1.packetize(CodedFrame(DELIMITER + SEQUENCE + FRAME, keyframe=True), 200, 24)
    assert payload == b"\x28" + b"\x04\x08abc" + b"\x30frame"  # two elements of a new sequence, the last without length
    assert av1.depacketize([payload]) == DELIMITER + SEQUENCE + FRAME


def test_an_obu_is_cut_where_a_packet_is_full():
    body = bytes(range(256)) * 2
    payloads = av1.packetize(CodedFrame(DELIMITER + unit(6, body)), 200, 24)
    assert [payload[0] for payload in payloads] == [0x50, 0xD0, 0x90]  # Y, Z Y, Z; one element each
    assert b"".join(payload[1:] for payload in payloads) == b"\x30" + body
    assert len(payloads[0]) + 24 <= 200 and max(map(len, payloads)) <= 200


def test_of_more_than_three_elements_each_has_its_length():
    metadata = b"".join(unit(5, b"m") for _ in range(3))
    [payload] = av1.packetize(CodedFrame(metadata + FRAME), 200, 24)
    assert payload == b"\x00" + b"\x02\x28m" * 3 + b"\x06\x30frame"
    assert av1.depacketize([payload]) == DELIMITER + metadata + FRAME


obus = st.builds(
    unit,
    st.sampled_from([1, 3, 4, 5, 6, 7, 15]),
    st.binary(max_size=2000),
    st.sampled_from([b"", b"\x08"]),
)


@given(st.lists(obus, min_size=1, max_size=20), st.integers(100, 1500), st.booleans())
@settings(max_examples=60)
def test_temporal_units_survive_and_payloads_fit(units, room, keyframe):
    data = DELIMITER + b"".join(units)
    payloads = av1.packetize(CodedFrame(data, keyframe=keyframe), room, 24)
    assert len(payloads[0]) + 24 <= room and max(map(len, payloads)) <= room
    assert [payload[0] & 0x08 for payload in payloads] == [8 if keyframe else 0] + [0] * (len(payloads) - 1)
    assert av1.depacketize(payloads) == data


def test_units_of_other_senders_are_understood():
    with_delimiter = b"\x30" + b"\x02" + DELIMITER + b"\x04\x08abc" + b"\x30frame"
    assert av1.depacketize([with_delimiter]) == DELIMITER + SEQUENCE + FRAME
    with_sizes = b"\x20" + b"\x05" + SEQUENCE + FRAME
    assert av1.depacketize([with_sizes]) == DELIMITER + SEQUENCE + FRAME
    long_length = b"\x00" + b"\x86\x80\x00" + b"\x30frame"
    assert av1.depacketize([long_length]) == DELIMITER + FRAME
    assert av1.depacketize([b"\x20\x02\x40\x00" + b"\x30frame"]) == DELIMITER + FRAME  # a tile list goes


@pytest.mark.parametrize(
    ("payloads", "sentence"),
    [
        ([], "without an OBU"),
        (["10"], "without an OBU"),
        (["9030"], "out of order"),
        (["5030", "1030"], "out of order"),
        (["5030"], "without its end"),
        (["200530"], "cut off"),
        (["20023031"], "1 OBU elements, 2 were said"),
        (["00ffffffffffffffffff"], "length cut off"),
        (["10b0"], "must be zero"),
        (["103205aa"], "OBU is cut off"),
        (["1034"], "OBU is cut off"),
    ],
)
def test_broken_payloads_are_refused_with_what_is_wrong(payloads, sentence):
    with pytest.raises(Malformed, match=sentence):
        av1.depacketize([bytes.fromhex(payload) for payload in payloads])


@pytest.mark.parametrize("data", [b"", DELIMITER, b"\x80", b"\x32\x09frame", b"\x32", b"\x36"])
def test_what_is_not_a_temporal_unit_is_refused(data):
    with pytest.raises(Malformed, match="AV1"):
        av1.packetize(CodedFrame(data), 200, 24)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("18 08616263", Position(True, True, is_keyframe=True)),  # N
        ("10 08616263", Position(True, True)),  # a sequence header
        ("10 30aa", Position()),
        ("90 30aa", Position(continues_picture=True)),
        ("", Position()),
        ("00", Position()),
    ],
)
def test_payloads_say_whether_they_begin_or_continue(payload, expected):
    assert av1.position(bytes.fromhex(payload)) == expected
