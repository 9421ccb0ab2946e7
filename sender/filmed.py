"""Sources that never give the same pictures again: a camera of this host, and what a page filmed."""

import threading
from collections.abc import Generator
from fractions import Fraction

import av
from av.video.reformatter import VideoReformatter

from glassbench.sender.source import SourceError
from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

DEVICE = "/dev/video0"
_FORMAT = "v4l2"
_PATIENCE = 5.0  # seconds until a camera has given a picture


class CameraSource:
    """A camera of Linux (Video4Linux), asked for this size and rate, or 640x480 at 30 frames per second. It is opened
    by `pictures`, which gives the newest picture at each turn; how old that is nobody knows, an interval at most beside
    what the camera takes itself."""

    attribution = ""
    is_live = True

    def __init__(self, device: str, width: int | None, height: int | None, fps: Fraction | None) -> None:
        """Raises SourceError for a size that has no room for a stamp."""
        self.name = "camera"
        self.width = (width or 640) & ~1
        self.height = (height or 480) & ~1
        if self.width < MIN_WIDTH or self.height < MIN_HEIGHT:
            raise SourceError(f"width and height must be at least {MIN_WIDTH}x{MIN_HEIGHT} for a readable stamp")
        self.fps = fps or Fraction(30)
        self.identity = f"camera {device} {self.width}x{self.height}"
        self._device = device
        self._changed = threading.Condition()
        self._newest: av.VideoFrame | None = None
        self._ended: str | None = None
        self._is_over = False

    @property
    def notes(self) -> tuple[str, ...]:
        return ("a camera films something else each time",)

    @property
    def asked(self) -> dict[str, str]:
        """What the device is asked for."""
        return {"video_size": f"{self.width}x{self.height}", "framerate": str(self.fps)}

    def pictures(self) -> Generator[av.VideoFrame]:
        """Endless; each picture is yuv420p and the caller's own. Raises SourceError, when the first one is asked for,
        if there is no such camera, and when the camera goes away."""
        container = self._open()
        thread = threading.Thread(target=self._read, args=(container,), daemon=True)
        thread.start()
        scaler = VideoReformatter()
        try:
            while True:
                yield scaler.reformat(self._take(), self.width, self.height, "yuv420p")
        finally:
            self._is_over = True
            thread.join()

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(self._device, format=_FORMAT, options=self.asked)
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SourceError(
                f"camera {self._device}: {reason}; accepted is camera:DEVICE, {DEVICE} by default"
            ) from None
        if not container.streams.video:
            container.close()
            raise SourceError(f"camera {self._device}: found no video")
        return container

    def _take(self) -> av.VideoFrame:
        """The newest picture; the next one, if that was taken already. Raises SourceError."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._newest is not None or self._ended is not None, _PATIENCE)
            picture, self._newest = self._newest, None
        if picture is None:
            reason = self._ended if came else f"no picture came within {_PATIENCE:g} s"
            raise SourceError(f"camera {self._device}: {reason}")
        return picture

    def _read(self, container: av.container.InputContainer) -> None:
        """In the thread: keep the newest picture."""
        ended = "it gives no more pictures"
        try:
            for picture in container.decode(video=0):
                with self._changed:
                    self._newest = picture
                    self._changed.notify()
                if self._is_over:
                    break
        except (av.FFmpegError, OSError) as error:
            ended = str(error)
        finally:
            container.close()
            with self._changed:
                self._ended = ended
                self._changed.notify()


class PageSource:
    """What a page filmed with its "camera", "screen" or "canvas": here are no pictures of it."""

    attribution = ""
    is_live = True

    def __init__(self, what: str, width: int | None, height: int | None, fps: Fraction | None) -> None:
        """Raises SourceError."""
        if what not in FILMED_BY_PAGES:
            raise SourceError(f"unknown source page:{what}; a page films with {', '.join(FILMED_BY_PAGES)}")
        self.name = f"page:{what}"
        self.width, self.height, self.fps = width or 640, height or 360, fps or Fraction(30)
        self.identity = self.name

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def pictures(self) -> Generator[av.VideoFrame]:
        """Raises SourceError."""
        raise SourceError(f"{self.name} was filmed by a page, and its pictures were not kept")


FILMED_BY_PAGES = ("camera", "screen", "canvas")
