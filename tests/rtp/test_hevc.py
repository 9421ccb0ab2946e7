"""HEVC payloads as RFC 7798 section 4.4 draws them."""

import pytest

from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import hevc
from glassbench.transport.rtp.annex_b import START_CODE
from glassbench.transport.rtp.payload_format import CodedFrame, Position

VPS, SPS, PPS, DELIMITER = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1", b"\x46\x01\x50"
IDR, TRAIL, LATER = b"\x26\x01\xaf", b"\x02\x01\xd0", b"\x02\x01\x50"  # the last is not the first of its picture


def test_single_unit_and_fragment_bytes_are_those_of_the_rfc():
    assert hevc.packetize(CodedFrame(START_CODE + VPS + START_CODE + IDR), 200, 24) == [VPS, IDR]
    first, middle, last = hevc.packetize(CodedFrame(START_CODE + b"\x26\x01" + b"\x55" * 500), 200, 24)
    assert first[:3] == b"\x62\x01\x93"  # type 49; start and type 19
    assert (middle[:3], last[:3]) == (b"\x62\x01\x13", b"\x62\x01\x53")
    assert max(len(first) + 24, len(middle), len(last)) <= 200
    assert hevc.depacketize([first, middle, last]) == START_CODE + b"\x26\x01" + b"\x55" * 500


def test_aggregated_units_are_taken_apart():
    sets = b"\x60\x01" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in (VPS, SPS, PPS))
    assert hevc.depacketize([sets, IDR]) == b"".join(START_CODE + unit for unit in (VPS, SPS, PPS, IDR))
    assert hevc.position(sets) == Position(True, True, holds_picture=False)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (VPS, Position(True, True, False)),
        (DELIMITER, Position(True, True, False)),
        (PPS, Position(False, True, False)),  # other sets may have come before
        (IDR, Position(is_keyframe=True)),
        (TRAIL, Position(True)),
        (LATER, Position(continues_picture=True)),
        (b"\x62\x01\x93\xaf", Position(is_keyframe=True)),  # the first fragment of IDR
        (b"\x62\x01\x13\xaf", Position(continues_picture=True, is_keyframe=True)),
        (b"\x62\x01\x81\xd0", Position(True)),
        (b"\x62\x01\x27\x00", Position(holds_picture=False)),  # the middle of SEI
        (b"\x60\x01\x00\x09\x40", Position(holds_picture=False)),  # cut off
        (b"", Position(holds_picture=False)),
    ],
)
def test_payloads_say_where_in_a_picture_they_stand(payload, expected):
    assert hevc.position(payload) == expected


@pytest.mark.parametrize(
    ("payloads", "sentence"),
    [
        ([b""], "without a NAL unit"),
        ([b"\x62\x01"], "without a NAL unit"),
        ([b"\x62\x01\x13\x00"], "out of order"),
        ([b"\x62\x01\x93\x00", b"\x62\x01\x93\x00"], "out of order"),
        ([b"\x62\x01\x93\x00"], "without its end"),
        ([b"\x62\x01\x93\x00", TRAIL], "without its end"),
        ([b"\x60\x01\x00\x09\x40"], "cut off"),
        ([b"\x64\x01\x00"], "structure 50"),
    ],
)
def test_broken_payloads_are_refused_with_what_is_wrong(payloads, sentence):
    with pytest.raises(Malformed, match=sentence):
        hevc.depacketize(payloads)


@pytest.mark.parametrize("data", [b"", IDR, START_CODE, START_CODE + b"\x26"])
def test_what_is_not_an_access_unit_is_refused(data):
    with pytest.raises(Malformed, match=r"Annex B|without its header"):
        hevc.packetize(CodedFrame(data), 200, 24)


@pytest.mark.parametrize("payload", [b"", b"\x26\x00\xaf", b"\xa6\x01\xaf", b"\x26\x09\xaf", b"\x54\x01\x00"])
def test_other_bytes_do_not_look_like_hevc(payload):
    assert not hevc.may_begin(payload)
    assert hevc.may_begin(IDR)
