"""VP8 payload descriptors as RFC 7741 section 4.2 draws them."""

import pytest

from glassbench.transport.contract import Frame, Track, TransportConfig
from glassbench.transport.framing import Malformed
from glassbench.transport.layers import layer_of, period
from glassbench.transport.rtp import RtpSender, vp8
from glassbench.transport.rtp.packet import parse
from glassbench.transport.rtp.payload_format import CodedFrame, Position

KEY, INTER = b"\x10\x00\x00\x9d\x01\x2a", b"\x11\x00\x00\x01"


def test_a_frame_has_its_picture_id_and_a_start_at_its_beginning_alone():
    first, last = vp8.packetize(CodedFrame(KEY + bytes(300), number=0x12345), 200, 24)
    assert first[:4] == bytes((0x90, 0x80, 0x80 | 0x23, 0x45))  # X S, I, M and 15 bits
    assert last[:4] == bytes((0x80, 0x80, 0x80 | 0x23, 0x45))
    assert len(first) + 24 == len(last)


@pytest.mark.parametrize(
    ("layers", "descriptors"),
    [  # N and S; I L T; TL0PICIDX; TID and Y
        (2, ["90e0 0500", "b0e0 0560"]),
        (3, ["90e0 0500", "b0e0 05a0", "90e0 0560", "b0e0 0580"]),
    ],
)
def test_layers_say_what_they_refer_to_and_whether_anything_refers_to_them(layers, descriptors):
    for place in range(period(layers)):
        frame = CodedFrame(INTER, place, False, layer_of(place, layers), layers, base=0x105, since_base=place)
        [payload] = vp8.packetize(frame, 200, 24)
        assert payload[:2] + payload[4:6] == bytes.fromhex(descriptors[place])
        assert payload[6:] == INTER


def test_the_index_of_base_frames_has_a_gap_where_one_was_not_sent():
    """So a receiver knows that a reference is missing. A keyframe refers to nothing."""
    video = Track(1, "video", "vp8", 1, layers=3)
    sender = RtpSender(TransportConfig(("a", 1), ("b", 2), 1, (video,)))
    sender.connect(now=1000.0)
    indices = []
    for sequence in (0, 1, 2, 4, 5, 12, 16, 17, 20):
        key, layer = sequence in (0, 17), layer_of(sequence - 17 if sequence >= 17 else sequence, 3)
        sender.send_frame(Frame(1, 0, sequence, 1000 + sequence / 32, key, layer, 1, None, INTER), now=1000.0)
        [datagram] = sender.datagrams_to_send(now=1000.0)
        payload = parse(datagram.data).payload
        number, base = (payload[2] << 8 | payload[3]) & 0x7FFF, payload[4]
        indices.append((number, base))
    numbers, bases = zip(*indices, strict=True)
    assert [(number - numbers[0]) & 0x7FFF for number in numbers] == [0, 1, 2, 4, 5, 12, 16, 17, 20]
    assert [(base - bases[0]) & 0xFF for base in bases] == [0, 0, 0, 1, 1, 3, 4, 5, 5]


@pytest.mark.parametrize(
    ("payload", "begins", "keyframe"),
    [
        (b"\x10" + KEY, True, True),  # no extension
        (b"\x10" + INTER, True, False),
        (b"\x90\x80\x05" + KEY, True, True),  # a PictureID of 7 bits
        (b"\x90\xf0\x85\x05\x01\xe7" + INTER, True, False),  # everything, KEYIDX too
        (b"\x90\x10\x07" + KEY, True, True),  # KEYIDX alone
        (b"\x11" + INTER, False, False),  # the second partition
        (b"\x00" + INTER, False, False),
    ],
)
def test_descriptors_of_other_senders_are_understood(payload, begins, keyframe):
    assert vp8.position(payload) == Position(begins, begins, True, not begins, keyframe)
    if begins:
        assert vp8.depacketize([payload]) in (KEY, INTER)
    else:
        assert vp8.depacketize([b"\x10" + KEY, payload]) == KEY + INTER


@pytest.mark.parametrize("payload", ["", "10", "90", "9080", "908081", "908005", "90f0850501"])
def test_a_descriptor_without_bytes_of_a_frame_is_refused(payload):
    with pytest.raises(Malformed, match="without bytes of a frame"):
        vp8.depacketize([bytes.fromhex(payload)])
    assert vp8.position(bytes.fromhex(payload)) == Position()


@pytest.mark.parametrize("payloads", [[], [b"\x00" + INTER], [b"\x10" + KEY, b"\x10" + INTER]])
def test_payloads_that_are_not_of_one_frame_are_refused(payloads):
    with pytest.raises(Malformed, match="frame's beginning"):
        vp8.depacketize(payloads)


def test_a_frame_without_bytes_is_refused():
    with pytest.raises(Malformed, match="without bytes"):
        vp8.packetize(CodedFrame(b""), 200, 24)


@pytest.mark.parametrize("payload", [b"\x00\x10\x0c\x80", b"\x10\x10\x0c\x80\x01\x02\x03", b"\x78" + bytes(20), b""])
def test_sound_does_not_look_like_the_beginning_of_a_frame(payload):
    assert not vp8.may_begin(payload)
    assert vp8.may_begin(b"\x10" + KEY)
