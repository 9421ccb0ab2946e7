"""Captures and encodes for everybody who watches: a capture once, and of it each rendition that somebody wants."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import av
from av.video.reformatter import VideoReformatter

from glassbench.experiments.serve.renditions import Rendition
from glassbench.experiments.worlds.browser.viewer import FilmedPicture
from glassbench.experiments.worlds.live.codec_thread import CodecThread
from glassbench.netem.live.clock import LiveClock
from glassbench.sender.display import SCALING
from glassbench.sender.encoder import EncoderSettings, PictureEncoder
from glassbench.sender.pipeline import capture_instant
from glassbench.sender.source import PixelSource
from glassbench.sender.stamp import write_stamp
from glassbench.transport.stamp_code import Stamp

_KEYFRAME_SPACING = 0.5  # seconds: who asks again and again costs the others no more than this


class _Filmed(NamedTuple):
    """A picture of one rendition, by its place."""

    place: int
    picture: FilmedPicture


class Film:
    """Films from now on. `watched()` says which renditions somebody wants, by their places; `give(place, picture)`
    takes what was made. While nobody watches, time stands still in the source. `dropped` counts captures that found
    the encoder busy."""

    def __init__(
        self,
        source: PixelSource,
        renditions: Sequence[Rendition],
        settings: Sequence[EncoderSettings],
        clock: LiveClock,
        *,
        watched: Callable[[], set[int]],
        give: Callable[[int, FilmedPicture], None],
    ) -> None:
        """`settings` has those of each rendition. Raises EncoderError and SourceError."""
        self.dropped = 0
        self._source = source
        self._pictures = source.pictures()
        self._next: av.VideoFrame | None = None
        if source.is_live:
            next(self._pictures)  # a camera that is not there is found now, not when somebody watches
        self._renditions = renditions
        self._encoders = [
            PictureEncoder(of, width=each.width, height=each.height, fps=source.fps)
            for each, of in zip(renditions, settings, strict=True)
        ]
        self._scaler = VideoReformatter()
        self._clock = clock
        self._watched = watched
        self._give = give
        self._sequence = 0
        self._is_busy = False
        self._wanted: set[int] = set()  # renditions of which a keyframe is wanted
        self._keyframe_at = [float("-inf")] * len(renditions)
        self._thread = CodecThread[_Filmed | None](clock, self._prepare)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._thread.fileno(), self._take)
        self._start_at, self._index = clock.now(), 0
        self._timer: asyncio.Handle = self._loop.call_soon(self._capture)

    def want_keyframe(self, place: int) -> None:
        """The next picture of that rendition is to be a keyframe, if the last one was not just now."""
        self._wanted.add(place)

    def close(self) -> None:
        """Film no more."""
        self._timer.cancel()
        self._loop.remove_reader(self._thread.fileno())
        self._thread.close()
        self._pictures.close()

    def _capture(self) -> None:
        at = capture_instant(self._index, start_at=self._start_at, fps=self._source.fps)
        if watched := sorted(self._watched()):
            if self._is_busy:
                self.dropped += 1
            else:
                self._is_busy = True
                keyframes = {each for each in self._wanted if at >= self._keyframe_at[each] + _KEYFRAME_SPACING}
                for place in keyframes & set(watched):
                    self._keyframe_at[place] = at
                    self._wanted.discard(place)
                self._thread.start(lambda: self._make(watched, at, keyframes))
        now = self._clock.now()
        self._index = max(self._index + 1, int((now - self._start_at) * float(self._source.fps)))  # who is late skips
        due_at = capture_instant(self._index, start_at=self._start_at, fps=self._source.fps)
        self._timer = self._loop.call_later(max(0.0, due_at - now), self._capture)

    def _make(self, places: Sequence[int], at: float, keyframes: set[int]) -> None:
        """In the thread: give a picture of each place, as soon as it is there."""
        picture, self._next = self._next or next(self._pictures), None
        for place in places[::-1]:  # the full one is last: its stamp is written into the picture itself
            began_at = self._clock.now()
            rendition = self._renditions[place]
            size = rendition.width, rendition.height
            own = picture
            if size != (picture.width, picture.height):
                own = self._scaler.reformat(picture, *size, interpolation=SCALING, threads=1)
            write_stamp(own, Stamp(self._sequence, at))
            encoded = self._encoders[place].encode(own, force_keyframe=place in keyframes)._replace(size=size)
            made = FilmedPicture(encoded, at, began_at, self._clock.now(), float(rendition.bitrate_bps))
            self._thread.give(_Filmed(place, made))
        self._sequence += 1

    def _prepare(self) -> None:
        """Read the next picture of a recording now: it has to be there at the instant of capture."""
        if self._next is None and not self._source.is_live:
            self._next = next(self._pictures)

    def _take(self) -> None:
        done = self._thread.take()
        if done is None:
            return
        if done.error is not None:
            raise done.error
        if done.last:
            self._is_busy = False
        elif done.value is not None:
            self._give(done.value.place, done.value.picture)
