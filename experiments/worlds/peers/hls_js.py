"""hls.js (Apache-2.0) in Chromium, over the low-latency HLS of our origin."""

from collections.abc import Mapping

from glassbench.experiments.worlds.peers import ll_hls
from glassbench.experiments.worlds.peers.browser import BrowserStack, Library
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd

_MOST_BEHIND = 0.5  # seconds more than the target, at which it leaves out what it missed
_FASTEST = 1.5  # of playback that catches up


class HlsJs(BrowserStack):
    """The player that most pages use for HLS."""

    library = Library("hls.js", "1.7.4", "dist/hls.min.js", "hls_js.js")
    manifest = ll_hls.PLAYLIST

    @classmethod
    def origin(cls, context: PeerContext) -> PeerEnd:
        return ll_hls.origin(context)

    @classmethod
    def tuned(cls, latency: float) -> Mapping[str, object]:
        return {
            "lowLatencyMode": True,
            "liveSyncDuration": latency,
            "liveMaxLatencyDuration": latency + _MOST_BEHIND,
            "liveSyncOnStallIncrease": 0,
            "maxLiveSyncPlaybackRate": _FASTEST,
        }
