"""A video file as a source: whatever FFmpeg opens in one file, looped, turned, scaled and cropped as needed."""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from glassbench.sender.display import Display, Orientation, Size, chosen_size, orientation_of, square_size
from glassbench.sender.regular_file import open_regular
from glassbench.sender.source import MAX_FPS, MAX_SIDE, MIN_FPS, SourceError
from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

_ACCEPTED = "a video file that FFmpeg can read is accepted"
_REFUSED_FORMATS = {"tty"}  # FFmpeg renders any .txt as a terminal session
_MAX_COUNTED = 100_000
_UNEVEN = 1.2  # times the mean spacing: from there on a frame rate is called variable


class VideoFileSource:
    """The pictures of a file, from its first frame, looped forward when it ends.

    One captured frame is one frame of the file, so another `fps` plays it faster or slower; no picture is repeated or
    skipped. They are shown as a player would show them: turned and mirrored as the file says, with square pixels. What
    is not done, such as deinterlacing, is noted. A file that stops decoding is used up to there. Sizes must be even
    (4:2:0): odd ones lose their last row or column. Raises SourceError.
    """

    is_live = False

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
        first = next(self._decode_once(), None)
        if first is None:
            raise SourceError(f"no frame of {path} can be decoded")
        with self._open() as (container, stream):
            self._display = self._choose_display(first, stream.sample_aspect_ratio, width, height)
            self.fps = self._choose_rate(Fraction(stream.average_rate or stream.guessed_rate or 25), fps)
            self._count_frames(container, stream)
        self.width, self.height = self._display.size
        self.identity = f"file {self._digest()} {self.width}x{self.height}"

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def pictures(self) -> Generator[av.VideoFrame]:
        """Endless; each picture is yuv420p and the caller's own."""
        while True:
            count = 0
            for picture in self._decode_once():
                count += 1
                yield self._display.show(picture)
            if count == 0:
                raise SourceError(f"no frame of {self._path} can be decoded")
            if count < self._frames:
                self._note(f"{self.name} gives {count} pictures out of {self._frames} frames, and is looped after them")

    def _decode_once(self) -> Iterator[av.VideoFrame]:
        with self._open() as (container, stream):
            count = 0
            try:
                for picture in container.decode(stream):
                    count += 1
                    if picture.interlaced_frame:
                        self._note(f"{self.name} is interlaced: both fields stay in each picture")
                    yield picture
            except av.FFmpegError as error:
                if count == 0:
                    raise SourceError(f"no frame of {self._path} can be decoded ({error.strerror})") from None
                self._note(f"{self.name} is damaged after {count} frames ({error.strerror}), and looped from there")

    @contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """The container and its video stream. Only this one file is read: a playlist cannot make us open others."""
        try:
            with (
                open_regular(self._path) as file,
                av.open(file, "r", metadata_errors="ignore", options={"protocol_whitelist": "none"}) as container,
            ):
                if container.format.name in _REFUSED_FORMATS:
                    raise SourceError(f"{self._path} is a text file; {_ACCEPTED}")
                yield container, self._video_stream(container)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"cannot open {self._path} as video: {error.strerror}; {_ACCEPTED}") from None

    def _video_stream(self, container: InputContainer) -> VideoStream:
        """The movie: never a cover or a thumbnail, which are video streams of one picture."""
        pictures = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
        movies = [stream for stream in container.streams.video if not stream.disposition & pictures]
        if not movies:
            kinds = {"a cover" if stream.type == "video" else stream.type for stream in container.streams}
            listed = ", ".join(sorted(kinds)) or "no stream at all"
            raise SourceError(f"{self._path} has no video stream: found {listed}; {_ACCEPTED}")
        best = container.streams.best("video")
        stream = best if isinstance(best, VideoStream) and best in movies else movies[0]
        if stream.codec_context is None:
            raise SourceError(
                f"the video of {self._path} is of no codec that FFmpeg knows, or the file is damaged; {_ACCEPTED}"
            )
        stream.codec_context.thread_count = 1
        return stream

    def _choose_display(
        self, first: av.VideoFrame, pixel_aspect: Fraction | None, width: int | None, height: int | None
    ) -> Display:
        stored = Size(first.width, first.height)
        square = square_size(stored, pixel_aspect)
        if square != stored:
            self._note(f"{self.name} has pixels {pixel_aspect} times as wide as high: they are made square")
        orientation = orientation_of(first)
        if orientation is None:
            self._note(
                f"{self.name} is to be shown at an angle, which is not done: its pictures are as they are stored"
            )
            orientation = Orientation()
        shown = orientation.of_size(square)
        display = Display(orientation, chosen_size(shown, width, height))
        as_stored = Display(Orientation(), chosen_size(square, width, height))
        if orientation != Orientation() and not _is_readable(display.size) and _is_readable(as_stored.size):
            self._note(f"{self.name} is to be turned, which is not done: at {display.size} its stamp could not be read")
            shown, display = square, as_stored
        elif orientation != Orientation():
            self._note(f"{self.name} is turned or mirrored, as the file says")
        if max(display.scaled) > MAX_SIDE:
            raise SourceError(
                f"{self._path} has pictures of {stored}, here {display.scaled}; at most {MAX_SIDE} pixels a side are "
                "accepted: give another width or height"
            )
        if display.scaled != shown:
            self._note(f"{self.name} is scaled from {shown} to {display.scaled}")
        if display.size != display.scaled:
            self._note(f"{self.name} is cropped from {display.scaled} to {display.size} (4:2:0 is even)")
        if not _is_readable(display.size):
            raise SourceError(
                f"{self._path} is used at {display.size}; "
                f"at least {MIN_WIDTH}x{MIN_HEIGHT} is needed for a readable stamp"
            )
        return display

    def _choose_rate(self, native: Fraction, fps: Fraction | None) -> Fraction:
        if fps is None and not MIN_FPS <= native <= MAX_FPS:
            raise SourceError(
                f"{self._path} has {float(native):g} frames per second; accepted are {MIN_FPS} to {MAX_FPS}: give fps"
            )
        if fps is not None and fps != native:
            pace = float(fps / native)
            self._note(f"{self.name} plays at {float(fps):g} fps, {pace:.4g} times as fast as recorded")
        return native if fps is None else fps

    def _count_frames(self, container: InputContainer, stream: VideoStream) -> None:
        """Without decoding: how many frames there are, whether the header promises more, and how even they are.

        What an edit list leaves out is no frame of the movie, and no damage.
        """
        promised = len(stream.index_entries) if "mov" in container.format.name else stream.frames
        stored, instants = 0, []
        self._frames = 0
        try:
            for packet in container.demux(stream):
                stored += packet.size > 0
                if packet.size > 0 and not packet.is_discard:
                    self._frames += 1
                    instants.append(packet.pts)
                if self._frames >= _MAX_COUNTED:
                    break
        except av.FFmpegError:
            pass
        if stored < min(promised, _MAX_COUNTED):
            self._note(f"{self.name} is truncated: {stored} of {promised} frames are there")
        self._note_uneven(instants, stream.time_base)
        self._note(f"{self.name} is looped after {self._frames} frame{'' if self._frames == 1 else 's'}")

    def _note_uneven(self, instants: list[int | None], unit: Fraction | None) -> None:
        """`instants` of pictures in `unit` seconds, in the order in which they are stored."""
        timed = sorted(instant for instant in instants if instant is not None)
        if unit is None or len(timed) < max(3, len(instants)):
            return
        gaps = [later - earlier for earlier, later in pairwise(timed)]
        mean = sum(gaps) / len(gaps)
        # A container that counts milliseconds says 33, 33, 34.
        if max(gaps) > max(_UNEVEN * mean, mean + 1) or min(gaps) < min(mean / _UNEVEN, mean - 1):
            least, most = (float(gap * unit * 1000) for gap in (min(gaps), max(gaps)))
            self._note(
                f"{self.name} has a variable frame rate, {least:.0f} to {most:.0f} ms from picture to picture: here "
                f"they follow each other evenly, at {float(self.fps):.4g} fps"
            )

    def _digest(self) -> str:
        try:
            with open_regular(self._path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise SourceError(f"cannot read {self._path}: {error.strerror}") from None

    def _note(self, sentence: str) -> None:
        self._notes[sentence] = None


def _is_readable(size: Size) -> bool:
    """Whether a stamp fits into pictures of this size."""
    return size.width >= MIN_WIDTH and size.height >= MIN_HEIGHT
