"""The stamp through pixels, codec and scaler. How far it goes is measured by benchmarks/stamp_robustness.py."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.stamp import read_stamp
from glassbench.receiver.viewing import black_picture
from glassbench.sender.planes import plane
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.sender.stamp import write_stamp
from glassbench.transport.stamp_code import BITS, Stamp, decode_stamp, encode_stamp

STAMPS = st.builds(
    Stamp, st.integers(0, 2**32 - 1), st.integers(0, 2**51 - 1).map(lambda microseconds: microseconds / 1e6)
)


def test_the_bits_hold_the_whole_stamp():
    for stamp in (Stamp(0, 0.0), Stamp(2**32 - 1, (2**52 - 1) / 1e6), Stamp(77, 1_790_000_000.123456)):
        assert decode_stamp(encode_stamp(stamp)) == stamp


@given(STAMPS)
@settings(max_examples=100)
def test_any_stamp_is_read_back_from_its_pixels(stamp):
    picture = black_picture(640, 272)
    write_stamp(picture, stamp)
    assert read_stamp(picture) == stamp


@given(st.integers(160, 1300).map(lambda n: n & ~1), st.integers(90, 800).map(lambda n: n & ~1), STAMPS)
@settings(max_examples=40)
def test_any_even_size_from_160x90_holds_a_stamp(width, height, stamp):
    picture = black_picture(width, height)
    write_stamp(picture, stamp)
    assert read_stamp(picture) == stamp


@given(STAMPS, st.integers(0, BITS - 1), st.integers(0, BITS - 1))
def test_one_or_two_wrong_bits_are_never_another_stamp(stamp, first, second):
    bits = encode_stamp(stamp)
    assert decode_stamp(bits ^ 1 << first) is None
    if first != second:
        assert decode_stamp(bits ^ 1 << first ^ 1 << second) is None


@given(st.integers(0, 2**BITS - 1))
@settings(max_examples=300)
def test_random_bits_are_no_stamp(bits):
    assert decode_stamp(bits) is None or encode_stamp(decode_stamp(bits)) == bits


@pytest.mark.parametrize("level", [0, 16, 128, 235, 255])
def test_a_plain_picture_has_no_stamp(level):
    picture = black_picture(640, 360)
    plane(picture, 0)[:] = level
    assert read_stamp(picture) is None


def test_natural_pictures_without_a_stamp_have_none():
    for name in ("bikes", "synthetic"):
        for picture in itertools.islice(open_source(name).pictures(), 50):
            assert read_stamp(picture) is None


def test_noise_has_no_stamp():
    rng = np.random.default_rng(6)
    for _ in range(200):
        picture = black_picture(320, 180)
        cells = np.kron(rng.integers(0, 2, (45, 80), np.uint8), np.ones((4, 4), np.uint8))
        plane(picture, 0)[:, :320] = 16 + 219 * cells
        assert read_stamp(picture) is None


def test_a_picture_below_the_smallest_size_is_not_read():
    assert read_stamp(av.VideoFrame(96, 64, "yuv420p")) is None


@pytest.mark.parametrize("stamp", [Stamp(-1, 0.0), Stamp(2**32, 0.0), Stamp(0, -1.0), Stamp(0, 2.0**53)])
def test_fields_out_of_range_are_refused(stamp):
    with pytest.raises(ValueError, match="a stamp cannot hold"):
        encode_stamp(stamp)


@pytest.mark.parametrize("size", [(640, 272), (640, 360), (1280, 720)])
@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5, 2.0])
def test_a_scaled_picture_reads_the_same(size, scale):
    rng = np.random.default_rng(5)
    picture = next(open_source("bikes", SourceRequest(width=size[0], height=size[1])).pictures())
    for _ in range(10):
        stamp = Stamp(int(rng.integers(2**32)), int(rng.integers(2**51)) / 1e6)
        write_stamp(picture, stamp)
        scaled = picture.reformat(width=round(size[0] * scale), height=round(size[1] * scale))
        assert read_stamp(scaled) == stamp


@pytest.mark.parametrize("qp", [20, 40, 51])
def test_the_stamp_survives_x264_at_a_constant_quantiser(qp):
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.thread_count = 640, 272, "yuv420p", 1
    context.time_base = Fraction(1, 30)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "qp": str(qp)}
    decoder = VideoDecoder("h264")
    for index, picture in enumerate(itertools.islice(open_source("bikes").pictures(), 20)):
        stamp = Stamp(index, 1002 + index / 25)
        write_stamp(picture, stamp)
        picture.pts, picture.time_base, picture.pict_type = index, context.time_base, 0
        (packet,) = context.encode(picture)
        assert read_stamp(decoder.decode(bytes(packet))) == stamp
