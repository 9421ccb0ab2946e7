"""Access units in parts that leave one after the other."""

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.sender.encoder import EncoderError, EncoderSettings, SourceEncoder
from glassbench.sender.slices import cut
from glassbench.sender.sources import SourceRequest, open_source

BIKES = SourceRequest(640, 272, None, 1)


def encoded(slices, count=4, *, follows=False):
    encoder = SourceEncoder(open_source("bikes", BIKES), EncoderSettings(slices=slices, follows=follows))
    budget = 9000 if follows else None
    return [
        encoder.encode(index, 1002 + index / 25, force_keyframe=index == 2, budget_bytes=budget).payload
        for index in range(count)
    ]


@given(payload=st.binary(max_size=200), count=st.integers(1, 8))
def test_parts_are_as_many_as_asked_and_joined_they_are_the_payload(payload, count):
    parts = cut(payload, count)
    assert len(parts) == count and b"".join(parts) == payload


@pytest.mark.parametrize("follows", [False, True])
def test_each_part_of_a_picture_begins_with_a_slice_of_its_own(follows):
    for payload in encoded(4, follows=follows):
        parts = cut(payload, 4)
        assert b"".join(parts) == payload
        assert all(part.startswith((b"\0\0\1", b"\0\0\0\1")) and len(part) > 20 for part in parts)
        assert all(part[part.index(b"\1") + 1] & 0x1F in (1, 5) for part in parts[1:])


def test_pictures_of_several_slices_are_decoded():
    decoder = av.CodecContext.create("h264", "r")
    pictures = [picture for payload in encoded(4) for picture in decoder.decode(av.Packet(payload))]
    pictures += decoder.decode(None)
    assert len(pictures) == 4


def test_one_unit_without_slices_is_cut_into_parts_of_like_size():
    assert [len(part) for part in cut(b"\0\0\0\1\x41".ljust(1000, b"\x55"), 4)] == [250] * 4


def test_a_codec_without_such_slices_is_refused_with_those_that_have_them():
    with pytest.raises(EncoderError, match="slices leave one by one, which vp8 does not have; accepted are h264"):
        EncoderSettings(codec="vp8", slices=2)
