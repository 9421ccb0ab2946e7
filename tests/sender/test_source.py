import itertools
import wave
from fractions import Fraction

import numpy as np
import pytest

from glassbench.sender.planes import plane
from glassbench.sender.source import SourceError
from glassbench.sender.sources import SOURCES, SourceRequest, open_source


def luma(picture):
    return plane(picture, 0)[:, : picture.width].copy()


def first(source, count):
    return [luma(picture) for picture in itertools.islice(source.pictures(), count)]


@pytest.mark.parametrize("name", [name for name, entry in SOURCES.items() if entry.has_pixels])
def test_each_pixel_source_gives_the_same_pictures_twice(name):
    one, two = open_source(name), open_source(name)
    assert one.identity == two.identity
    for a, b in zip(first(one, 3), first(two, 3), strict=True):
        assert a.shape == (one.height, one.width)
        assert np.array_equal(a, b)


def test_the_default_clip_is_natural_video_in_its_own_size_and_rate():
    source = open_source("bikes")
    assert (source.width, source.height, source.fps) == (640, 272, 25)
    assert source.notes == ("bikes is looped after 250 frames",)


def test_pictures_are_the_callers_own_to_write_to():
    """The decoder predicts later pictures from the ones that it gave out."""
    clean = first(open_source("bikes"), 5)
    for index, picture in enumerate(itertools.islice(open_source("bikes").pictures(), 5)):
        assert np.array_equal(luma(picture), clean[index])
        plane(picture, 0)[:] = 255


def test_a_clip_loops_forward_and_says_so(make_video):
    source = open_source(str(make_video(frames=7)))
    pictures = first(source, 15)
    assert np.array_equal(pictures[7], pictures[0])
    assert np.array_equal(pictures[13], pictures[6])
    assert not np.array_equal(pictures[0], pictures[6])
    assert source.notes == ("clip.mkv is looped after 7 frames",)


def test_another_rate_plays_each_picture_once_and_says_how_fast():
    source = open_source("bikes", SourceRequest(fps=Fraction(30)))
    assert source.fps == 30
    assert "bikes plays at 30 fps, 1.2 times as fast as recorded" in source.notes
    for a, b in zip(first(source, 3), first(open_source("bikes"), 3), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(320, 136, (320, 136)), (320, None, (320, 136)), (None, 136, (320, 136)), (321, 137, (320, 136))],
)
def test_scaling_to_the_size_asked_for(width, height, expected):
    source = open_source("bikes", SourceRequest(width=width, height=height))
    picture = next(source.pictures())
    assert (picture.width, picture.height) == (source.width, source.height) == expected
    assert "scaled from 640x272" in source.notes[0]


def test_odd_sizes_lose_their_last_row_and_column(make_video):
    path = make_video("odd.mkv", width=321, height=181, codec="ffv1")
    source = open_source(str(path))
    picture = next(source.pictures())
    assert (picture.width, picture.height, picture.format.name) == (320, 180, "yuv420p")
    assert source.notes[0] == "odd.mkv is cropped from 321x181 to 320x180 (4:2:0 is even)"
    ramp = np.add.outer(np.arange(180), np.arange(320)) % 256
    assert np.abs(luma(picture).astype(int) - (16 + ramp * 219 / 255)).max() < 4


def test_a_truncated_file_is_used_as_far_as_it_goes(make_video):
    path = make_video(frames=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(str(path))
    (note,) = source.notes
    counted = int(note.removeprefix("clip.mkv is looped after ").removesuffix(" frames"))
    assert 2 < counted < 40
    pictures = first(source, 2 * counted)
    whole = first(open_source(str(make_video("whole.mkv", frames=40))), counted - 1)
    for index in range(counted - 1):  # the last one may be cut
        assert np.array_equal(pictures[index], whole[index])


def test_a_file_that_promises_more_frames_than_it_holds_says_how_many_there_are(make_video):
    path = make_video("clip.avi", frames=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(str(path))
    assert "clip.avi is truncated: " in source.notes[0]
    assert " of 40 frames are there" in source.notes[0]
    assert len(first(source, 50)) == 50


def text(path):
    path.write_text("this is no video\n" * 100)


def audio(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


@pytest.mark.parametrize(
    ("name", "write", "sentence"),
    [
        ("text.mp4", text, "cannot open .*text.mp4 as video.*a video file that FFmpeg can read is accepted"),
        ("text.txt", text, "text.txt"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "empty.mp4"),
        ("noise.mp4", lambda path: path.write_bytes(np.random.default_rng(1).bytes(5000)), "noise.mp4"),
        ("audio.wav", audio, "has no video stream: found audio; a video file"),
        ("folder.mp4", lambda path: path.mkdir(), "folder.mp4"),
    ],
)
def test_what_is_not_a_video_is_refused_in_one_sentence(tmp_path, name, write, sentence):
    write(tmp_path / name)
    with pytest.raises(SourceError, match=sentence) as error:
        open_source(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_file_whose_index_is_cut_off_is_refused(tmp_path, make_video):
    path = make_video("cut.mp4", frames=40)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match=r"cut\.mp4"):
        open_source(str(path))


def test_a_file_without_frames_is_refused(make_video):
    with pytest.raises(SourceError, match=r"clip\.mkv"):
        open_source(str(make_video(frames=0)))


def test_a_picture_too_small_for_the_stamp_is_refused(make_video):
    with pytest.raises(SourceError, match="64x48; at least 160x90 is needed"):
        open_source(str(make_video(width=64, height=48)))


def test_an_unknown_source_names_the_known_ones():
    with pytest.raises(SourceError, match=r"unknown source 'bicycles'.*bikes.*synthetic"):
        open_source("bicycles")


@pytest.mark.parametrize("bad", [{"width": 0}, {"height": 10_000}, {"fps": Fraction(0)}, {"fps": Fraction(1000)}])
def test_requests_out_of_range_are_refused(bad):
    with pytest.raises(SourceError, match="must be"):
        SourceRequest(**bad)


def test_synthetic_pictures_depend_on_the_seed():
    one, two = (open_source("synthetic", SourceRequest(width=320, height=180, seed=seed)) for seed in (1, 2))
    assert one.identity != two.identity
    assert not np.array_equal(first(one, 1)[0], first(two, 1)[0])
    moving = first(one, 2)
    assert np.abs(moving[1].astype(int) - moving[0]).mean() > 1
