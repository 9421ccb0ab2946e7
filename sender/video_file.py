"""A video file as a source: whatever FFmpeg opens, looped, scaled and cropped as needed."""

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from sender.planes import plane
from sender.source import SourceError
from transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

_ACCEPTED = "a video file that FFmpeg can read is accepted"
_REFUSED_FORMATS = {"tty"}  # FFmpeg renders any .txt as a terminal session
_MAX_COUNTED = 100_000


class VideoFileSource:
    """The pictures of a file, from its first frame, looped forward when it ends.

    One captured frame is one frame of the file, so another `fps` plays it faster or slower; no picture is repeated or
    skipped. A file that stops decoding is used up to there. Sizes must be even (4:2:0): odd ones lose their last row or
    column. Raises SourceError.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        width: int | None = None,
        height: int | None = None,
        fps: Fraction | None = None,
        *,
        attribution: str = "",
    ) -> None:
        self.name = name
        self.attribution = attribution
        self._path = path
        self._notes: dict[str, None] = {}  # a dict keeps the order and drops repetitions
        with self._open() as container:
            stream = self._video_stream(container)
            native_fps = Fraction(stream.average_rate or stream.guessed_rate or 25)
            self._choose_size(stream.width, stream.height, width, height)
            self._count_frames(container, stream)
        self.fps = fps if fps is not None else native_fps
        if self.fps != native_fps:
            pace = float(self.fps / native_fps)
            self._note(f"{name} plays at {float(self.fps):g} fps, {pace:.3g} times as fast as recorded")
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}") from None
        self.identity = f"file {digest} {self.width}x{self.height}"
        if next(self._decode_once(), None) is None:
            raise SourceError(f"no frame of {path} can be decoded")

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Endless; each picture is yuv420p and the caller's own."""
        while True:
            count = 0
            for picture in self._decode_once():
                count += 1
                yield self._fit(picture)
            if count == 0:
                raise SourceError(f"no frame of {self._path} can be decoded")
            if count < self._frames:
                self._note(f"{self.name} is damaged: {count} of its {self._frames} frames decode, and are looped")

    def _decode_once(self) -> Iterator[av.VideoFrame]:
        with self._open() as container:
            stream = self._video_stream(container)
            count = 0
            try:
                for picture in container.decode(stream):
                    count += 1
                    yield picture
            except av.FFmpegError as error:
                self._note(f"{self.name} is damaged after {count} frames ({error.strerror}), and looped from there")

    def _open(self) -> InputContainer:
        try:
            container = av.open(f"file:{self._path}", mode="r", metadata_errors="ignore")
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"cannot open {self._path} as video: {error.strerror}; {_ACCEPTED}") from None
        if container.format.name in _REFUSED_FORMATS:
            container.close()
            raise SourceError(f"{self._path} is a text file; {_ACCEPTED}")
        return container

    def _video_stream(self, container: InputContainer) -> VideoStream:
        if not container.streams.video:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no stream at all"
            raise SourceError(f"{self._path} has no video stream: found {kinds}; {_ACCEPTED}")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return stream

    def _choose_size(self, native_width: int, native_height: int, width: int | None, height: int | None) -> None:
        if native_width <= 0 or native_height <= 0:
            raise SourceError(f"the video stream of {self._path} has no picture size: it is empty or damaged")
        if width is None and height is None:
            width, height = native_width, native_height
        elif width is None:
            assert height is not None
            width = round(native_width * height / native_height)
        elif height is None:
            height = round(native_height * width / native_width)
        self._scaled = (width, height)
        self.width, self.height = width & ~1, height & ~1
        if self._scaled != (native_width, native_height):
            self._note(f"{self.name} is scaled from {native_width}x{native_height} to {width}x{height}")
        if self._scaled != (self.width, self.height):
            self._note(f"{self.name} is cropped from {width}x{height} to {self.width}x{self.height} (4:2:0 is even)")
        if self.width < MIN_WIDTH or self.height < MIN_HEIGHT:
            raise SourceError(
                f"{self._path} is used at {self.width}x{self.height}; "
                f"at least {MIN_WIDTH}x{MIN_HEIGHT} is needed for a readable stamp"
            )

    def _count_frames(self, container: InputContainer, stream: VideoStream) -> None:
        """Without decoding: how many frames there are, and whether the header promises more."""
        self._frames = 0
        try:
            for packet in container.demux(stream):
                self._frames += packet.size > 0
                if self._frames >= _MAX_COUNTED:
                    return
        except av.FFmpegError:
            pass
        if self._frames < stream.frames:
            self._note(f"{self.name} is truncated: {self._frames} of {stream.frames} frames are there")
        self._note(f"{self.name} is looped after {self._frames} frames")

    def _fit(self, picture: av.VideoFrame) -> av.VideoFrame:
        width, height = self._scaled
        if (picture.width, picture.height, picture.format.name) != (width, height, "yuv420p"):
            picture = picture.reformat(width=width, height=height, format="yuv420p", interpolation="BICUBIC", threads=1)
        if (width, height) != (self.width, self.height):
            return _crop(picture, self.width, self.height)
        picture.make_writable()  # the decoder may still refer to it
        return picture

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = None


def _crop(picture: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    cropped = av.VideoFrame(width, height, "yuv420p")
    for index, scale in enumerate((1, 2, 2)):
        area = np.s_[: height // scale, : width // scale]
        plane(cropped, index)[area] = plane(picture, index)[area]
    return cropped
