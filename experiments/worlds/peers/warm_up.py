"""A channel that is on the air before the first capture: grey pictures, so that players can join it."""

import threading
from collections.abc import Callable

import av
import numpy as np

from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.peers.peer import PeerContext
from glassbench.netem.simulator import START_AT
from glassbench.sender.encoder import EncoderSettings, PictureEncoder, PicturesEncoder

GREY = 128
"""Each byte of a picture of it."""

LEAD = MEDIA_START - START_AT
"""Seconds from the begin of session time to the first capture."""


class WarmUp:
    """From `start` to `stop`, or to the first capture, it gives a unit per frame interval: its bytes, its session time,
    and whether it is a keyframe. `wants_keyframe` is asked before each. `encoder` is in place of one like ours."""

    def __init__(
        self,
        context: PeerContext,
        give: Callable[[bytes, float, bool], None],
        wants_keyframe: Callable[[float], bool],
        encoder: PicturesEncoder | None = None,
    ) -> None:
        video = context.video
        self._context = context
        self._interval = float(1 / video.fps)
        settings = EncoderSettings(video.codec, video.bitrate_bps)
        self._encoder = encoder or PictureEncoder(settings, width=video.width, height=video.height, fps=video.fps)
        planes = np.full((video.height * 3 // 2, video.width), GREY, np.uint8)
        self._picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._give = give
        self._wants_keyframe = wants_keyframe
        self._left: int | None = None  # units until the first capture
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def fill(self, seconds: float) -> None:
        """Give at once what was on the air for so many seconds before session time began."""
        self._left = round((LEAD + seconds) / self._interval)
        self._give_until(self._context.media_start - LEAD)

    def start(self) -> None:
        if self._left is None:
            self._left = int((self._context.media_start - self._context.outlet.now()) / self._interval)
        self._thread.start()

    def stop(self) -> None:
        """Nothing is given after it has returned."""
        self._over.set()
        with self._lock:
            pass

    def _run(self) -> None:
        while self._left and not self._over.wait(self._interval):
            self._give_until(self._context.outlet.now())

    def _give_until(self, until: float) -> None:
        while self._left and (at := self._context.media_start - self._left * self._interval) <= until:
            encoded = self._encoder.encode(self._picture, force_keyframe=self._wants_keyframe(at))
            with self._lock:
                if self._over.is_set():
                    return
                self._give(encoded.payload, at, encoded.keyframe)
            self._left -= 1
