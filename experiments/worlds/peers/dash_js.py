"""dash.js (BSD), the reference player of DASH, in Chromium, over the low-latency DASH of our origin."""

from collections.abc import Mapping

from glassbench.experiments.worlds.peers import ll_dash
from glassbench.experiments.worlds.peers.browser import BrowserStack, Library
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd

_MOST_BEHIND = 1.0  # seconds more than the target, at which it leaves out what it missed
_SLOWER, _FASTER = -0.5, 0.5  # of playback that keeps the target
_STALLED = 0.02  # seconds of media, with which it has not stalled yet


class DashJs(BrowserStack):
    """The player of the DASH Industry Forum."""

    library = Library("dashjs", "5.2.1", "dist/modern/umd/dash.all.min.js", "dash_js.js")
    manifest = ll_dash.MANIFEST

    @classmethod
    def origin(cls, context: PeerContext) -> PeerEnd:
        return ll_dash.origin(context)

    @classmethod
    def tuned(cls, latency: float) -> Mapping[str, object]:
        catch_up = {"enabled": True, "maxDrift": _MOST_BEHIND, "playbackRate": {"min": _SLOWER, "max": _FASTER}}
        return {
            "streaming": {
                "delay": {"liveDelay": latency},
                "liveCatchup": catch_up,
                "buffer": {"lowLatencyStallThreshold": _STALLED},
            }
        }
