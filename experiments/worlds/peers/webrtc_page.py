"""The page of a peer connection in Chromium: what it tells of its state, its description and its statistics."""

import asyncio
import math
from collections import deque
from collections.abc import Mapping

from glassbench.experiments.worlds.peers.page_end import counts_of, number_of, page_file
from glassbench.experiments.worlds.peers.peer import PeerContext
from glassbench.experiments.worlds.peers.shown_page import ShownPage
from glassbench.transport.contract import Estimated

_MOST_ESTIMATES = 2**16
_COUNTED = {
    "outbound-rtp": ("framesEncoded", "framesSent", "packetsSent", "retransmittedPacketsSent", "nackCount", "pliCount",
                     "keyFramesEncoded", "qualityLimitationResolutionChanges"),
    "inbound-rtp": ("framesReceived", "framesDecoded", "framesDropped", "packetsReceived", "packetsLost",
                    "packetsDiscarded", "nackCount", "pliCount", "freezeCount", "retransmittedPacketsReceived"),
    "page": ("displayed", "not_copied", "not_written"),
}  # fmt: skip


class WebrtcPage(ShownPage):
    """`stats` is what getStats said last, by kind, and of candidates of those that were chosen. `estimates` is what the
    congestion control of the sender believed."""

    def __init__(self, context: PeerContext) -> None:
        scripts = {
            "role.js": page_file(f"webrtc_{context.role}.js"),
            "webrtc.js": page_file("webrtc.js"),
        }
        super().__init__(context, "peer connection", "webrtc.html", scripts)
        self._sends = context.role == "sender"
        self.is_ready, self.is_described = asyncio.Event(), asyncio.Event()
        self.is_connected, self.is_closed = asyncio.Event(), asyncio.Event()
        self.is_refused = False
        self.description: Mapping[str, str] = {}
        self.stats: Mapping[str, Mapping[str, object]] = {}
        self.estimates: deque[Estimated] = deque(maxlen=_MOST_ESTIMATES)

    def counters(self) -> Mapping[str, int]:
        """What it counted, by the names of getStats."""
        return {
            name: value
            for kind, names in _COUNTED.items()
            for name, value in counts_of(self.stats.get(kind, {}), names).items()
        }

    def take_said(self, kind: object, said: Mapping[str, object]) -> bool:
        match kind:
            case "ready":
                self.is_ready.set()
            case "refused":
                self.is_refused = True
                self.is_ready.set()
            case "description":
                self.description = {name: str(said.get(name)) for name in ("type", "sdp")}
                self.is_described.set()
            case "state":
                self._take_state(said.get("state"))
            case "stats":
                self._take_stats(self.object_of(said, "stats"), self.object_of(said, "counted"))
            case _:
                return super().take_said(kind, said)
        return True

    def _take_state(self, state: object) -> None:
        if state == "connected":
            self.is_connected.set()
        elif state == "closed":
            self.is_closed.set()
        elif state == "failed" and not self.is_over:
            self._outlet.fail("the connection failed")

    def _take_stats(self, stats: Mapping[str, object], counted: Mapping[str, object]) -> None:
        self.stats = {kind: _plain(each) for kind, each in {**stats, "page": counted}.items() if isinstance(each, dict)}
        pair = self.stats.get("candidate-pair", {})
        available = number_of(pair.get("availableOutgoingBitrate"))
        if self._sends and math.isfinite(available):
            self.estimates.append(
                Estimated(
                    at=self._outlet.now(),
                    target_bps=available,
                    pacing_bps=math.nan,
                    window_bytes=None,
                    in_flight_bytes=None,
                    rtt=number_of(pair.get("currentRoundTripTime")),
                    queue=math.nan,
                )
            )


def _plain(entry: Mapping[str, object]) -> dict[str, object]:
    """What results can hold of an entry."""
    return {
        name: value
        for name, value in entry.items()
        if isinstance(value, str) or (isinstance(value, bool | int | float) and math.isfinite(number_of(value)))
    }
