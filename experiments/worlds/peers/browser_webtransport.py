"""WebTransport between an end of ours and a page in Chromium, either of which sends.

With send=server our sender listens, the same as in every arm, and the page calls and watches; it is the page of `glass
serve` without what a person needs (experiments/worlds/browser/page). The page tells the instants of each frame by its
own clock, which is aligned with the session's on its own host. With send=page it encodes our pictures and calls our
receiver. A page has no repair of DATAGRAMs: it is not told of losses.
"""

import base64
import math
import secrets  # noqa: TID251  by which a page would be known; no measurement depends on it
import struct
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.browser.page_hearing import PageHearing
from glassbench.experiments.worlds.browser.page_ledger import PageLedger
from glassbench.experiments.worlds.peers.chromium import CHROMIUM, INSTALL
from glassbench.experiments.worlds.peers.descriptions import heard, say
from glassbench.experiments.worlds.peers.page_end import PageEnd
from glassbench.experiments.worlds.peers.page_receiver import PageReceiver
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerVideo
from glassbench.experiments.worlds.peers.webtransport_page import WebTransportPage
from glassbench.netem.live.alignment_messages import TOKEN_BYTES
from glassbench.receiver.end import ReceiverEnd
from glassbench.transport.contract import Estimated, Frame, Track, Transport, TransportConfig, Unsupported
from glassbench.transport.quic.served import Mapping as Carried
from glassbench.transport.quic.served import served_receiver, served_sender
from glassbench.transport.quic.service import Service
from glassbench.transport.quic.web_certificate import make_certificate

PATH = "/watch"

_PICTURE = struct.Struct("!IQ")  # ahead of the pixels: sequence, captured_at in us
_OK, _NOT_HERE = 200, 404
_JOIN_PATIENCE = 20.0  # seconds until the page has a session
_MOST_UNTAKEN = 4
_MOST_ESTIMATES = 2**16
_MOST_BPS = 2**53


class BrowserWebTransport(Peer):
    """Our sender and Chromium, or Chromium and our receiver."""

    carries: ClassVar[Carries] = "units"
    install = INSTALL

    @classmethod
    def carried(cls, options: Mapping[str, object]) -> Carries:
        return "pictures" if options["send"] == "page" else "units"

    @classmethod
    def version(cls) -> str:
        return cls.told_by(CHROMIUM, "--version").partition(" built")[0].strip()

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        cls.version()
        if video.codec == "hevc":
            raise Unsupported("Chromium has no HEVC here; accepted are h264, vp8, vp9 and av1")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        is_page = (context.options["send"] == "page") == (context.role == "sender")
        if not is_page:
            return _Listening(context)
        return _PageSends(context) if context.role == "sender" else _PageWatches(context)


class _Listening(PeerEnd):
    """The end that is ours: it tells the page by the side channel which certificate to expect."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        now = datetime.now(UTC)  # noqa: TID251  certificates end by the calendar
        self._certificate = make_certificate([context.local[0]], now)

    def own_transport(self, config: TransportConfig) -> Transport | None:
        mapping: Carried = self.context.options["mapping"]  # type: ignore[assignment]
        hearing = PageHearing(VIDEO_TRACK, secrets.token_bytes(TOKEN_BYTES), self.context.outlet.now)
        sends = self.context.role == "sender"
        service = Service(
            self._certificate.certificate,
            self._certificate.private_key,
            lambda headers: _OK if headers.get(b":path") == PATH.encode() else _NOT_HERE,
            (lambda content, now: None) if sends else hearing.take,
            lambda data, now: None,  # the page asks for the time on its own host
        )
        own = replace(config, options={"control": self.context.options["control"]})
        if sends:
            return served_sender(own, service, lambda: mapping)
        hearing.end = served_receiver(own, service, lambda: mapping, VIDEO_TRACK)
        return hearing.end

    def start(self) -> None:
        say(self.context, "certificate", base64.b64encode(self._certificate.fingerprint).decode())

    def connect(self) -> None:
        """Nothing: the page calls."""

    def close(self) -> None:
        """Nothing: our transport has closed."""

    def settings(self) -> Mapping[str, object]:
        return {"mapping": self.context.options["mapping"], "control": self.context.options["control"]}


class _CallingEnd(PageEnd[WebTransportPage]):
    """The end that is a page: it calls the other one."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context, WebTransportPage(context, self.take))

    def take(self, said: Mapping[str, Any]) -> None:
        """Take what the page says. Raises ValueError."""
        raise NotImplementedError

    def join(self, said: Mapping[str, object]) -> None:
        """Tell the page what to do, and wait until it has a session. Raises PeerError."""
        self.loop.run(self._join(said), _JOIN_PATIENCE, "the page got no session")

    def place(self) -> dict[str, object]:
        """Where to call, and what for."""
        host, port = self.context.peer
        video = self.context.video
        return {
            "url": f"https://{host}:{port}{PATH}",
            "hash": heard(self.context)["sdp"],
            "token": base64.b64encode(self.page.token).decode(),
            "local": True,
            "codec": video.codec,
            "width": video.width,
            "height": video.height,
        }

    async def _join(self, said: Mapping[str, object]) -> None:
        await self.page.say(said)
        await self.until(self.page.is_connected)


class _PageWatches(_CallingEnd):
    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._ledger = PageLedger()
        self._lock = threading.Lock()

    def own_receiver(
        self, transport: Transport, track: Track, announced: Mapping[int, int] | None
    ) -> ReceiverEnd | None:
        return PageReceiver(transport, track, self._ledger, self._lock, announced)

    def connect(self) -> None:
        self.join({"kind": "watch", "place": self.place()})

    def take(self, said: Mapping[str, Any]) -> None:
        with self._lock:
            self._ledger.take(said)
        self.context.outlet.wake()

    def send_back(self, data: bytes) -> None:
        """Nothing: the page asks for keyframes by itself."""

    def counters(self) -> Mapping[str, int]:
        return self._ledger.counted

    def settings(self) -> Mapping[str, object]:
        return {"agent": self.page.agent, "refused_rows": self._ledger.refused}


class _PageSends(_CallingEnd):
    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._given = self._took = 0  # pictures, and those of them that the encoder of the page took: two threads count
        self._counted: dict[str, int] = {}
        self._configured: Mapping[str, object] = {}
        self._estimates: deque[Estimated] = deque(maxlen=_MOST_ESTIMATES)

    def connect(self) -> None:
        video, options = self.context.video, self.context.options
        place = {
            **self.place(),
            "mapping": options["mapping"],
            "fps": float(video.fps),
            "bitrate": video.bitrate_bps,
            "keyframe_interval": video.keyframe_interval,
        }
        self.join({"kind": "send", "place": place})

    def send(self, data: bytes, frame: Frame) -> bool:
        if self._given - self._took >= _MOST_UNTAKEN:
            return False
        if not self.give(_PICTURE.pack(frame.sequence, round(frame.captured_at * 1e6)) + data):
            return False
        self._given += 1
        return True

    def take(self, said: Mapping[str, Any]) -> None:
        match said:
            case {"kind": "refused", "reason": str(reason)}:
                self.context.outlet.refuse(reason[:200])
            case {"kind": "told", "counted": dict(counted), "configured": dict(configured)}:
                self._counted = {str(name): value for name, value in counted.items() if isinstance(value, int)}
                self._configured = configured
            case {"kind": "took"}:
                self._took += 1
            case {"kind": "rate", "bps": int(rate)} if 0 < rate < _MOST_BPS:
                self._estimates.append(self._estimated(float(rate)))
            case _:
                raise ValueError("accepted is what send.js says")

    def estimates(self) -> Sequence[Estimated]:
        """What our receiver told the page to send."""
        return tuple(self._estimates)

    def counters(self) -> Mapping[str, int]:
        return self._counted

    def settings(self) -> Mapping[str, object]:
        return {"agent": self.page.agent, **self._configured}

    def _estimated(self, rate_bps: float) -> Estimated:
        return Estimated(
            at=self.context.outlet.now(),
            target_bps=rate_bps,
            pacing_bps=math.nan,
            window_bytes=None,
            in_flight_bytes=None,
            rtt=math.nan,
            queue=math.nan,
        )
