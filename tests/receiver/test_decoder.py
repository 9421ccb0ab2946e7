from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.receiver.decoder import DECODERS, DecodeError, NullDecoder, VideoDecoder
from glassbench.receiver.stamp import read_stamp
from glassbench.sender.encoder import EncoderSettings, SourceEncoder
from glassbench.sender.sources import SourceRequest, open_source


def frames(codec, count, forced=()):
    source = open_source("bikes", SourceRequest(width=320, height=180, fps=Fraction(30)))
    encoder = SourceEncoder(source, EncoderSettings(codec=codec, bitrate_bps=1_000_000))
    return [encoder.encode(index, 1002 + index / 32, force_keyframe=index in forced).payload for index in range(count)]


H264 = frames("h264", 8, forced=(5,))


@pytest.mark.parametrize("codec", DECODERS)
def test_after_an_error_the_next_keyframe_gives_a_whole_picture_again(codec):
    payloads = frames(codec, 8, forced=(5,))
    decoder = VideoDecoder(codec)
    decoder.decode(payloads[0])
    with pytest.raises(DecodeError):
        decoder.decode(b"\xff" * 200)
    for index in range(5, 8):
        assert read_stamp(decoder.decode(payloads[index])) == (index, 1002 + index / 32)


@pytest.mark.parametrize("codec", DECODERS)
def test_a_gap_before_a_keyframe_leaves_no_trace_in_the_pictures(codec):
    payloads = frames(codec, 8, forced=(5,))
    whole, gapped = VideoDecoder(codec), VideoDecoder(codec)
    expected = [whole.decode(payload).to_ndarray() for payload in payloads]
    for index in (0, 1, 5, 6, 7):
        assert (gapped.decode(payloads[index]).to_ndarray() == expected[index]).all()


@pytest.mark.parametrize("codec", DECODERS)
def test_an_empty_payload_is_an_error(codec):
    with pytest.raises(DecodeError):
        VideoDecoder(codec).decode(b"")


@given(st.binary(min_size=1, max_size=400))
@settings(max_examples=60)
def test_random_bytes_raise_decode_error(payload):
    with pytest.raises(DecodeError):
        VideoDecoder("h264").decode(payload)


@given(st.integers(5, len(H264[0]) - 1), st.integers(1, 255))
@settings(max_examples=60)
def test_mutated_frames_give_one_picture_or_an_error(position, change):
    damaged = bytearray(H264[0])
    damaged[position] ^= change
    decoder = VideoDecoder("h264")
    try:
        picture = decoder.decode(bytes(damaged))
    except DecodeError:
        return
    assert picture.width > 0


def test_a_truncated_frame_is_an_error():
    with pytest.raises(DecodeError):
        VideoDecoder("h264").decode(H264[0][: len(H264[0]) // 2])


def test_a_delta_frame_without_its_keyframe_is_an_error():
    with pytest.raises(DecodeError):
        VideoDecoder("h264").decode(H264[3])


def test_pictures_may_become_smaller_and_a_larger_one_than_was_agreed_is_an_error():
    assert VideoDecoder("h264", (640, 272)).decode(H264[0]).width == 320
    for size in ((318, 272), (640, 178)):
        with pytest.raises(DecodeError, match="320x180 is larger than was agreed"):
            VideoDecoder("h264", size).decode(H264[0])


def test_an_unknown_codec_is_refused():
    with pytest.raises(ValueError, match="no decoder for 'h266'; accepted are h264"):
        VideoDecoder("h266")


def test_the_null_decoder_takes_anything():
    assert NullDecoder().decode(b"whatever") is None
