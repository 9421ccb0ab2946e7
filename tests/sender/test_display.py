"""What a file says about the display of its pictures is done or noted, and its limits are those of the options."""

import ctypes
import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassbench.sender.planes import plane
from glassbench.sender.source import SourceError
from glassbench.sender.sources import SourceRequest, open_source

LOSSLESS = {"crf": "0", "preset": "ultrafast"}  # of libx264


def first_luma(source):
    picture = next(iter(source.pictures()))
    assert (picture.width, picture.height) == (source.width, source.height)
    return plane(picture, 0)[:, : picture.width].copy()


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((0, 1, -1, 0), lambda stored: np.rot90(stored, -1)),  # a phone held upright: clockwise
        ((-1, 0, 0, -1), lambda stored: np.rot90(stored, 2)),
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, 1), np.fliplr),  # a camera that faces its owner
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), np.transpose),
    ],
)
def test_pictures_are_turned_and_mirrored_as_the_file_says(make_video, turned, matrix, seen):
    path = make_video("clip.mp4", codec="libx264", options=LOSSLESS, frames=2)
    stored = first_luma(open_source(str(path)))
    source = open_source(str(turned(path, matrix)))
    assert source.notes[0] == "clip.mp4 is turned or mirrored, as the file says"
    assert np.array_equal(first_luma(source), seen(stored))


def test_a_size_is_asked_for_as_it_is_shown(make_video, turned):
    path = turned(make_video("clip.mp4", codec="libx264", frames=2), (0, 1, -1, 0))
    source = open_source(str(path), SourceRequest(width=160))
    assert (source.width, source.height) == (160, 284)
    assert "clip.mp4 is scaled from 180x320 to 160x284" in source.notes
    assert first_luma(source).shape == (284, 160)


def test_pictures_that_would_be_too_narrow_for_a_stamp_stay_as_they_are_stored(make_video, turned):
    path = turned(make_video("clip.mp4", width=160, height=90, codec="libx264", frames=2), (0, 1, -1, 0))
    source = open_source(str(path))
    assert (source.width, source.height) == (160, 90)
    assert "clip.mp4 is to be turned, which is not done: at 90x160" in source.notes[0]


def test_an_angle_in_between_is_noted(make_video, turned):
    source = open_source(str(turned(make_video("clip.mp4", codec="libx264", frames=2), (1, 1, -1, 1))))
    assert "clip.mp4 is to be shown at an angle, which is not done" in source.notes[0]


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(4, 3), (426, 180)), (Fraction(10, 11), (290, 180))])
def test_pixels_are_made_square(make_video, aspect, size):
    source = open_source(str(make_video("clip.mp4", codec="libx264", pixel_aspect=aspect, frames=2)))
    assert (source.width, source.height) == size
    assert source.notes[0] == f"clip.mp4 has pixels {aspect} times as wide as high: they are made square"
    assert first_luma(source).shape == size[::-1]


def test_interlaced_pictures_are_noted(make_video):
    options = {"x264-params": "tff=1", "flags": "+ildct+ilme"}
    source = open_source(str(make_video("clip.mp4", height=192, codec="libx264", options=options)))
    assert "clip.mp4 is interlaced: both fields stay in each picture" in source.notes


def test_a_variable_frame_rate_is_noted_with_the_even_one_in_its_place(make_video):
    path = make_video("clip.mp4", codec="libx264", instants=lambda index: index if index < 10 else 5 * index - 40)
    source = open_source(str(path))
    assert float(source.fps) == pytest.approx(20 / (48 / 25), rel=0.01)
    assert source.notes[0].startswith("clip.mp4 has a variable frame rate, 40 to 200 ms from picture to picture: ")
    assert source.notes[0].endswith("at 10.42 fps")


def test_some_pictures_that_follow_sooner_are_a_variable_frame_rate_too(make_video):
    """Each fifth comes after 16 ms, the others after 38 ms, in ticks of 1/90000 s."""
    path = make_video(
        "clip.mp4", codec="libx264", rate=Fraction(90_000), instants=lambda index: 3000 * index + 400 * (index % 5)
    )
    (uneven, _) = open_source(str(path)).notes
    assert uneven.startswith("clip.mp4 has a variable frame rate, 16 to 38 ms from picture to picture: ")


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4", "clip.webm"])
def test_a_constant_rate_counted_in_milliseconds_is_constant(make_video, name):
    codec = "libvpx" if name.endswith("webm") else "libx264"
    assert open_source(str(make_video(name, codec=codec, rate=Fraction(30)))).notes == (
        f"{name} is looped after 20 frames",
    )


def test_the_movie_is_chosen_and_not_its_cover(make_video):
    source = open_source(str(make_video("clip.mp4", width=160, height=90, cover=True)))
    assert (source.width, source.height, source.fps) == (160, 90, 25)
    one, two = itertools.islice(source.pictures(), 2)
    assert not np.array_equal(plane(one, 0), plane(two, 0))


def test_an_edit_list_is_not_damage(make_video):
    options = {"bf": "2", "g": "30", "sc_threshold": "0"}
    path = make_video("clip.mp4", codec="libx264", instants=lambda index: index - 8, options=options)
    source = open_source(str(path))
    assert len(list(itertools.islice(source.pictures(), 30))) == 30
    assert source.notes == ("clip.mp4 is looped after 12 frames",)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("clip.avi", Fraction(1, 10)),
        ("clip.avi", Fraction(300)),
        ("clip.avi", Fraction(960)),
        ("clip.mp4", Fraction(90_000)),
    ],
)
def test_a_frame_rate_beyond_the_limits_of_fps_is_refused_unless_fps_is_given(make_video, name, rate):
    path = make_video(name, rate=rate, frames=3, codec="ffv1")
    with pytest.raises(SourceError, match=rf"has {float(rate):g} frames per second; accepted are 1 to 240: give fps"):
        open_source(str(path))
    assert open_source(str(path), SourceRequest(fps=Fraction(25))).fps == 25


def test_a_picture_beyond_the_limits_of_a_side_is_refused_unless_a_size_is_given(make_video):
    path = make_video("clip.mkv", width=9000, height=90, frames=2, codec="ffv1")
    with pytest.raises(
        SourceError, match=r"pictures of 9000x90, here 9000x90; at most 8192 pixels a side are accepted"
    ):
        open_source(str(path))
    assert open_source(str(path), SourceRequest(width=640, height=90)).width == 640
    with pytest.raises(SourceError, match=r"here 64000x640; at most 8192"):
        open_source(str(path), SourceRequest(height=640))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_a_damaged_file_is_used_or_refused_in_one_sentence(make_video, tmp_path, data):
    whole = tmp_path / "whole.mp4"
    if not whole.exists():
        make_video("whole.mp4", width=160, height=90, codec="libx264", frames=5)
    content = bytearray(whole.read_bytes())
    header = content.index(b"moov")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(header, len(content) - 1) | st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)) | st.just(len(content)))])
    try:
        source = open_source(str(path))
        for _ in itertools.islice(source.pictures(), 8):
            pass
    except SourceError as error:
        assert "\n" not in str(error)


def test_a_scaled_clip_has_the_same_pixels_on_a_processor_without_simd():
    def pictures():
        source = open_source("bikes", SourceRequest(width=400, height=226))
        return [picture.to_ndarray() for picture in itertools.islice(source.pictures(), 2)]

    maps = Path("/proc/self/maps").read_text().split()
    library = ctypes.CDLL(next(part for part in maps if "libavutil" in part))
    with_simd = pictures()
    library.av_force_cpu_flags(0)
    try:
        without = pictures()
    finally:
        library.av_force_cpu_flags(-1)
    assert all(np.array_equal(one, other) for one, other in zip(with_simd, without, strict=True))
