"""WebRTC from Chromium to Chromium: a page at each end, headless, on its host. It encodes and decodes by itself. The
sender offers.
"""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar

from glassbench.experiments.worlds.peers.chromium import CHROMIUM, INSTALL
from glassbench.experiments.worlds.peers.descriptions import (
    PATIENCE,
    START_SHARE,
    agreed_in,
    heard,
    only_of,
    say,
    starting_at,
)
from glassbench.experiments.worlds.peers.page_end import PageEnd
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError
from glassbench.experiments.worlds.peers.raw_pictures import RawPictures
from glassbench.experiments.worlds.peers.warm_up import WarmUp
from glassbench.experiments.worlds.peers.webrtc_page import WebrtcPage
from glassbench.transport.contract import Estimated, Frame, Unsupported

_FLAGS = (
    "--use-fake-ui-for-media-stream",  # nobody is there to allow a camera
    "--use-fake-device-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # nobody answers for names in a namespace
)
_ZERO_PLAYOUT = "WebRTC-ForceSendPlayoutDelay/min_ms:0,max_ms:0/"
_CONNECT_PATIENCE = 60.0  # seconds; ICE gives up before
_CLOSE_PATIENCE = 1.0  # seconds


class BrowserWebrtc(Peer):
    """Two pages with a peer connection: the sender has a track of our pictures, and the receiver gives what is there to
    be drawn."""

    carries: ClassVar[Carries] = "pictures"
    install = INSTALL

    @classmethod
    def version(cls) -> str:
        return cls.told_by(CHROMIUM, "--version").partition(" built")[0]

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return BrowserSender(context) if context.role == "sender" else BrowserReceiver(context)


class _BrowserWebrtcEnd(PageEnd[WebrtcPage]):
    """What both ends share: the page with the connection."""

    def __init__(self, context: PeerContext) -> None:
        self._field_trials = _ZERO_PLAYOUT if context.options["playout"] == "zero" else ""
        trials = [f"--force-fieldtrials={self._field_trials}"] if self._field_trials else []
        super().__init__(context, WebrtcPage(context), [*_FLAGS, *trials])

    def start(self) -> None:
        super().start()
        self.loop.run(self._open(), PATIENCE, "the page made no connection")
        if self.page.is_refused:
            can = "encode" if self.context.role == "sender" else "decode"
            raise Unsupported(f"this Chromium cannot {can} {self.context.options['codec']} for WebRTC")

    def connect(self) -> None:
        self.loop.run(self.page.align(), PATIENCE, "the clock of the page")
        self.loop.run(self.negotiate(), 2 * PATIENCE, "negotiate")
        self.loop.run(self.until(self.page.is_connected), _CONNECT_PATIENCE, "no connection stood")

    def close(self) -> None:
        if self.page.is_connected.is_set() and not self.page.is_over:
            self.page.is_over = True
            with suppress(PeerError):  # a Chromium that has ended closes nothing
                self.loop.run(self._shut(), _CLOSE_PATIENCE, "close")
        super().close()

    def counters(self) -> Mapping[str, int]:
        return self.page.counters()

    def estimates(self) -> Sequence[Estimated]:
        return tuple(self.page.estimates)

    def settings(self) -> Mapping[str, object]:
        stats = self.page.stats
        return {
            "codec": stats.get("codec", {}).get("mimeType"),
            **agreed_in(self.page.description.get("sdp", "")),
            "field_trials": self._field_trials,
            "clock_error_s": self.page.clock_error,
            "round_trip_s": stats.get("candidate-pair", {}).get("currentRoundTripTime"),
            "stats": stats,
        }

    async def negotiate(self) -> None:
        """Exchange descriptions with the other end."""
        raise NotImplementedError

    async def tell_ours(self) -> None:
        """Tell the other end the description of the page, once it has one."""
        await self.until(self.page.is_described)
        ours = self.page.description
        sdp = only_of(self.context.local[0], ours["sdp"])
        await asyncio.to_thread(say, self.context, ours["type"], sdp)

    async def theirs(self) -> dict[str, str]:
        """The description of the other end."""
        return await asyncio.to_thread(heard, self.context)

    async def _open(self) -> None:
        options, video = self.context.options, self.context.video
        wanted = {
            "codec": options["codec"],
            "playout": options["playout"],
            "width": video.width,
            "height": video.height,
            "fps": float(video.fps),
            "bitrate": video.bitrate_bps,
        }
        await self.page.say({"kind": "open", **wanted})
        await self.until(self.page.is_ready)

    async def _shut(self) -> None:
        await self.page.say({"kind": "close"})
        await self.until(self.page.is_closed)


class BrowserSender(_BrowserWebrtcEnd):
    """It has a track of our pictures, which are grey until the first capture."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._warm_up: WarmUp | None = None

    def connect(self) -> None:
        super().connect()
        self._warm_up = WarmUp(self.context, self._feed_grey, lambda at: False, RawPictures())
        self._warm_up.start()

    def send(self, data: bytes, frame: Frame) -> bool:
        if self._warm_up is None:
            return False
        self._warm_up.stop()
        return self._feed(data, frame.captured_at)

    def close(self) -> None:
        if self._warm_up is not None:
            self._warm_up.stop()
        super().close()

    async def negotiate(self) -> None:
        await self.page.say({"kind": "offer"})
        await self.tell_ours()
        answer = await self.theirs()
        sdp = starting_at(answer["sdp"], self.context.video.bitrate_bps * START_SHARE)
        await self.page.say({"kind": "description", "type": "answer", "sdp": sdp})

    def _feed_grey(self, data: bytes, at: float, keyframe: bool) -> None:
        self._feed(data, at)

    def _feed(self, data: bytes, at: float) -> bool:
        """Let the page have a picture of session time `at`. False: there is no room."""
        return self.give(struct.pack("!d", at * 1e6) + data)


class BrowserReceiver(_BrowserWebrtcEnd):
    """It gives what is there to be drawn."""

    async def negotiate(self) -> None:
        offer = await self.theirs()
        await self.page.say({"kind": "description", **offer})
        await self.tell_ours()
