"""VP9 payload descriptors as RFC 9628 section 4.2 draws them, and superframes of spatial layers."""

import pytest

from glassbench.transport.framing import Malformed
from glassbench.transport.layers import layer_of
from glassbench.transport.rtp import vp9
from glassbench.transport.rtp.payload_format import CodedFrame, Position

KEY, INTER = b"\x82\x49\x83\x42", b"\x86\x00\x40\x92"


def test_a_frame_has_its_picture_id_and_says_where_it_begins_and_ends():
    first, middle, last = vp9.packetize(CodedFrame(KEY + bytes(500), number=0x12345, keyframe=True), 200, 24)
    assert first[:3] == bytes((0x88, 0x80 | 0x23, 0x45))  # I B; M and 15 bits
    assert middle[:3] == bytes((0x80, 0x80 | 0x23, 0x45))
    assert last[:3] == bytes((0x84, 0x80 | 0x23, 0x45))  # I E
    [whole] = vp9.packetize(CodedFrame(INTER), 200, 24)
    assert whole[0] == 0xCC  # I P B E


def test_with_layers_each_frame_names_the_one_that_it_refers_to():
    places = [CodedFrame(INTER, place, place == 0, layer_of(place, 3), 3) for place in range(5)]
    payloads = [vp9.packetize(place, 200, 24)[0] for place in places]
    # I L F B E, P unless it is a keyframe; Picture ID; TID and U; P_DIFF
    assert [payload[:-4].hex(" ") for payload in payloads] == [
        "bc 80 00 10",
        "fc 80 01 50 02",
        "fc 80 02 30 04",
        "fc 80 03 50 02",
        "fc 80 04 10 08",
    ]
    assert all(vp9.depacketize([payload]) == INTER for payload in payloads)


@pytest.mark.parametrize(
    ("descriptor", "begins"),
    [
        ("0c", True),  # nothing optional, as FFmpeg has it
        ("8c05", True),  # a Picture ID of 7 bits
        ("dc8005 02", True),  # flexible: one reference
        ("dc8005 03 05 06", True),  # three
        ("fc8005 50 03 02", True),  # flexible with layers: no TL0PICIDX
        ("ac8005 00 07", True),  # not flexible: TL0PICIDX
        ("ac8005 02 07", False),  # the second spatial layer
        ("8e8005 38 014000b4 02800168 02 0401 0801 02", True),  # sizes of two layers, and a pattern
        ("44", False),
    ],
)
@pytest.mark.parametrize(
    ("frame", "is_key"),
    [(KEY, True), (INTER, False), (b"\xb1", True), (b"\xb3", False), (b"\x88", False), (b"\xb4", False)],
)
def test_descriptors_of_other_senders_are_understood(descriptor, begins, frame, is_key):
    """The frame's own header says whether it is a keyframe, in profile 3 too, and not one that is shown again."""
    payload = bytes.fromhex(descriptor) + frame
    assert vp9.position(payload) == Position(begins, begins, True, not begins, begins and is_key)
    if payload[0] & 0x08:
        assert vp9.depacketize([payload]) == frame


@pytest.mark.parametrize(
    "payload", ["", "8c", "8c80", "8c8005", "dc8005", "dc800503", "ac8005", "8e8005", "8e800508ff04"]
)
def test_a_descriptor_that_is_cut_off_is_refused(payload):
    with pytest.raises(Malformed, match=r"cut off|without bytes of a frame"):
        vp9.depacketize([bytes.fromhex(payload)])
    assert vp9.position(bytes.fromhex(payload)) == Position()


@pytest.mark.parametrize(
    ("payloads", "sentence"),
    [
        ([], "without its end"),
        (["08aa"], "without its end"),
        (["04aa"], "out of order"),
        (["08aa", "08aa"], "out of order"),
        (["0caa", "04aa"], "out of order"),
        (["dc8005030303 aa"], "more than three references"),
        (["0caa"] * 9, "at most 8"),
    ],
)
def test_payloads_that_are_not_of_one_picture_are_refused(payloads, sentence):
    with pytest.raises(Malformed, match=sentence):
        vp9.depacketize([bytes.fromhex(payload) for payload in payloads])


def test_frames_of_spatial_layers_become_a_superframe():
    """VP9 bitstream specification, Annex B: marker, sizes, marker."""
    low, high = KEY + bytes(300), INTER + bytes(20)
    payloads = [
        b"\xa8\x80\x05\x00\x07" + low[:200],
        b"\xa4\x80\x05\x00\x07" + low[200:],
        b"\xac\x80\x05\x02\x07" + high,
    ]
    assert vp9.depacketize(payloads) == low + high + bytes.fromhex("c9 3001 1800 c9")
    assert [vp9.position(payload).begins_frame for payload in payloads] == [True, False, False]
