"""Slices from x264's own callback."""

import ctypes
import gc
import itertools
import time
import weakref
from fractions import Fraction
from pathlib import Path

import av
import pytest

from glassbench.sender import sliced_encoder, x264_library
from glassbench.sender.encoder import EncoderError, EncoderSettings, PictureEncoder
from glassbench.sender.sliced_encoder import SlicedEncoder
from glassbench.sender.slices import cut
from glassbench.sender.sources import SourceRequest, open_source

FPS = Fraction(25)
BUDGETS = (4000, 9000, 1, 12000, 2500)


def pictures(width=640, height=272, count=10):
    return itertools.islice(open_source("bikes", SourceRequest(width, height, None, 1)).pictures(), count)


def sliced(settings, give, width=640, height=272):
    return SlicedEncoder(settings, width=width, height=height, fps=FPS, give=give)


def both(settings, width=640, height=272):
    """For each picture: what FFmpeg makes of it, and the slices of x264."""
    given = []
    whole = PictureEncoder(settings, width=width, height=height, fps=FPS)
    slices = sliced(settings, given.append, width, height)
    for index, picture in enumerate(pictures(width, height)):
        asked = {"force_keyframe": index == 7, "budget_bytes": BUDGETS[index % 5] if settings.follows else None}
        expected = whole.encode(picture, **asked)
        given.clear()
        last = slices.encode(picture, **asked)
        yield expected, [*given, last]


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize("slices", [2, 4, 8])
@pytest.mark.parametrize(("preset", "size"), [("ultrafast", (640, 272)), ("veryfast", (326, 182))])
def test_slices_are_byte_for_byte_those_of_ffmpeg_with_the_same_settings(preset, size, slices, follows):
    settings = EncoderSettings(
        slices=slices, follows=follows, preset=preset, keyframe_interval=5, bitrate_bps=2_000_000
    )
    for expected, parts in both(settings, *size):
        assert [part.payload for part in parts] == cut(expected.payload, slices)
        assert {part.keyframe for part in parts} == {expected.keyframe}


def test_slices_are_given_in_order_while_the_rest_is_encoded():
    told = []
    encoder = sliced(EncoderSettings(slices=4), lambda part: told.append(time.perf_counter()))
    remaining = []
    for picture in pictures():
        told.clear()
        begun = time.perf_counter()
        encoder.encode(picture, force_keyframe=False)
        ended = time.perf_counter()
        assert told == sorted(told) and len(told) == 3
        remaining.append((ended - told[0]) / (ended - begun))
    assert max(remaining) > 0.5  # of the time of a picture, after the first of its four slices


def test_what_goes_wrong_in_the_callback_is_raised_when_the_picture_is_encoded_and_the_next_one_is_whole():
    parts = []

    def give(part):
        if not parts:
            parts.append(part)
            raise ZeroDivisionError("of whoever takes the slices")
        parts.append(part)

    encoder = sliced(EncoderSettings(slices=4), give)
    first, second = pictures(count=2)
    with pytest.raises(ZeroDivisionError, match="whoever takes"):
        encoder.encode(first, force_keyframe=False)
    parts[1:] = []
    assert encoder.encode(second, force_keyframe=True).keyframe and len(parts) == 4


def test_a_picture_of_another_size_or_format_never_reaches_the_library():
    encoder = sliced(EncoderSettings(slices=2), lambda part: None)
    for picture, described in (
        (av.VideoFrame(320, 136, "yuv420p"), "320x136 in yuv420p"),
        (av.VideoFrame(640, 272, "rgb24"), "640x272 in rgb24"),
    ):
        with pytest.raises(EncoderError, match=f"a picture is {described}; accepted is 640x272 in yuv420p"):
            encoder.encode(picture, force_keyframe=False)


def test_another_number_of_slices_than_was_asked_for_is_an_error(monkeypatch):
    made = sliced_encoder._parameters

    def with_one_more(x264, settings, fps):
        parameters = made(x264, settings, fps)
        x264.set(parameters, "slices", settings.slices + 1)
        return parameters

    monkeypatch.setattr(sliced_encoder, "_parameters", with_one_more)
    encoder = sliced(EncoderSettings(slices=2), lambda part: None)
    with pytest.raises(EncoderError, match="libx264 made 3 slices of a picture that was to have 2"):
        encoder.encode(next(pictures()), force_keyframe=False)


def test_what_the_library_refuses_is_an_error_in_one_sentence():
    with pytest.raises(EncoderError, match="libx264 refuses 0x272 at 25 fps"):
        sliced(EncoderSettings(slices=2), lambda part: None, width=0)


def test_an_encoder_that_nobody_has_any_more_is_closed(monkeypatch):
    closed = []
    x264 = x264_library.load()
    close = x264.close
    monkeypatch.setattr(x264, "close", lambda handle: closed.append(handle) or close(handle))
    encoder = sliced(EncoderSettings(slices=2), lambda part: None)
    encoder.encode(next(pictures()), force_keyframe=False)
    gone = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert gone() is None and len(closed) == 1


@pytest.fixture
def fresh():
    x264_library._load.cache_clear()
    yield
    x264_library._load.cache_clear()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (None, "PyAV has loaded none that can be called"),
        ("/nowhere/libx264.so.165", "libx264.so.165, which PyAV has loaded, cannot be called"),
        ("libc.so.6", "libc.so.6, which PyAV has loaded, is not of build 164 or 165"),
    ],
)
def test_a_library_that_cannot_be_used_is_refused_with_the_reason_and_what_helps(monkeypatch, fresh, path, reason):
    monkeypatch.setattr(x264_library, "_loaded_path", lambda: path)
    with pytest.raises(EncoderError, match=reason) as refused:
        x264_library.load()
    assert "what helps is pip install" in str(refused.value)


def with_sizes(structure, **more):
    """The same structure, with some bytes more or fewer in the gaps that are named."""
    fields = [
        (name, ctypes.c_byte * (kind._length_ + more.get(name, 0)) if name in more else kind)
        for name, kind in structure._fields_
    ]
    return type("Other", (ctypes.Structure,), {"_fields_": fields})


@pytest.mark.parametrize(
    "more", [{"_processor": 4, "_coding": -4}, {"_coding": 4, "_display": -4}, {"_display": -4}, {"_display": 8}]
)
def test_parameters_that_are_laid_out_otherwise_are_found_out(monkeypatch, fresh, more):
    monkeypatch.setattr(x264_library, "X264Parameters", with_sizes(x264_library.X264Parameters, **more))
    with pytest.raises(EncoderError, match=r"the structures of libx264.* are not those of build"):
        x264_library.load()


def test_a_picture_that_is_laid_out_otherwise_is_found_out(monkeypatch, fresh):
    class Other(ctypes.Structure):
        _fields_ = [("_gap", ctypes.c_int), *x264_library.X264Picture._fields_]

    monkeypatch.setattr(x264_library, "X264Picture", Other)
    with pytest.raises(EncoderError, match=r"the structures of libx264"):
        x264_library.load()


@pytest.mark.parametrize("build", x264_library.BUILDS)
def test_the_library_of_a_distribution_is_understood_too(build):
    path = Path(f"/usr/lib/x86_64-linux-gnu/libx264.so.{build}")
    if not path.exists():
        pytest.skip(f"no {path}; apt install libx264-{build}")
    assert x264_library.X264(str(path), build).is_as_declared()
