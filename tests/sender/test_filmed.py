"""Sources that never give the same pictures again."""

from collections.abc import Iterator
from fractions import Fraction

import pytest

from glassbench.sender import filmed
from glassbench.sender.filmed import CameraSource, PageSource
from glassbench.sender.source import SourceError
from glassbench.sender.sources import SourceRequest, open_source


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A device that FFmpeg pretends: its test picture, as soon as it is asked for."""
    monkeypatch.setattr(filmed, "_FORMAT", "lavfi")
    monkeypatch.setattr(CameraSource, "asked", property(lambda self: {}))
    yield "testsrc=size=320x240:rate=30:duration=2,realtime"


def test_a_camera_gives_pictures_of_the_size_that_was_asked_for(pretended: str) -> None:
    source = open_source(f"camera:{pretended}", SourceRequest(width=320, height=180, fps=Fraction(30)))
    assert isinstance(source, CameraSource) and source.is_live
    pictures = source.pictures()
    shown = [next(pictures) for _ in range(5)]
    assert {(picture.width, picture.height, picture.format.name) for picture in shown} == {(320, 180, "yuv420p")}
    assert len({bytes(picture.planes[0]) for picture in shown}) == 5, "each is a newer one"
    pictures.close()


def test_a_camera_that_goes_away_says_so_in_a_sentence(pretended: str) -> None:
    with pytest.raises(SourceError, match="it gives no more pictures"):
        for _ in CameraSource(pretended.replace("duration=2", "duration=0.2"), 320, 180, None).pictures():
            pass


def test_a_camera_that_is_not_there_is_refused_when_it_is_asked_for_pictures() -> None:
    source = open_source("camera:/dev/no-such-camera")
    assert isinstance(source, CameraSource)
    with pytest.raises(SourceError, match=r"camera /dev/no-such-camera: .*accepted is camera:DEVICE"):
        next(source.pictures())


def test_a_camera_has_to_have_room_for_the_stamp() -> None:
    with pytest.raises(SourceError, match="at least 160x90"):
        CameraSource("/dev/video0", 100, 50, None)


def test_what_a_page_filmed_has_a_name_and_no_pictures() -> None:
    source = open_source("page:screen", SourceRequest(width=1280, height=720))
    assert isinstance(source, PageSource) and (source.name, source.width) == ("page:screen", 1280)
    with pytest.raises(SourceError, match="its pictures were not kept"):
        source.pictures()
    with pytest.raises(SourceError, match="a page films with camera, screen, canvas"):
        open_source("page:window")
