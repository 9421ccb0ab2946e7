"""hls.js (Apache-2.0) in Chromium, over the low-latency HLS of our origin."""

from collections.abc import Mapping

from glassbench.experiments.worlds.peers.browser import BrowserEnd, BrowserStack, Library, target_latency
from glassbench.experiments.worlds.peers.ll_hls import PLAYLIST, origin
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd

_MOST_BEHIND = 0.5  # seconds more than the target, at which it leaves out what it missed
_FASTEST = 1.5  # of playback that catches up


class HlsJs(BrowserStack):
    """The player that most pages use for HLS."""

    library = Library("hls.js", "1.7.4", "dist/hls.min.js", "hls_js.js")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        if context.role == "sender":
            return origin(context)
        host, port = context.peer
        settings = _tuned(target_latency(context)) if context.options["tuned"] else {}
        return BrowserEnd(context, cls.library, {"url": f"http://{host}:{port}/{PLAYLIST}", "settings": settings})


def _tuned(latency: float) -> Mapping[str, object]:
    """Its settings for low latency."""
    return {
        "lowLatencyMode": True,
        "liveSyncDuration": latency,
        "liveMaxLatencyDuration": latency + _MOST_BEHIND,
        "liveSyncOnStallIncrease": 0,
        "maxLiveSyncPlaybackRate": _FASTEST,
    }
