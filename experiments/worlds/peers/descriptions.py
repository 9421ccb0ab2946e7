"""Descriptions of WebRTC (SDP): they go over the side channel, whole, with all candidates (no trickle), so that they do
not cross the link."""

import json
import re

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError

PATIENCE = 5.0
"""Seconds for each step."""

START_SHARE = 0.5
"""Of the ceiling, where the rate starts: Chrome would start at 300 kbit/s, whatever is asked for."""

_MOST_BYTES = 2**17  # more than an offer has


def say(context: PeerContext, kind: str, sdp: str) -> None:
    """Tell the other end our description, an "offer" or an "answer"."""
    context.side.send(json.dumps({"type": kind, "sdp": sdp}).encode())


def heard(context: PeerContext) -> dict[str, str]:
    """The description of the other end: its `type` and `sdp`. It waits for it. Raises PeerError."""
    context.side.settimeout(PATIENCE)
    try:
        said: dict[str, str] = json.loads(context.side.recv(_MOST_BYTES))
    except (OSError, ValueError) as error:
        raise PeerError(f"no description came over the side channel: {error}") from None
    return said


def only_of(host: str, sdp: str) -> str:
    """A description with no candidates but those of that address over UDP, so that the media crosses the link."""
    ours = re.compile(rf"a=candidate:.* udp \d+ {re.escape(host)} ", re.IGNORECASE)
    lines = [line for line in sdp.split("\r\n") if not line.startswith("a=candidate") or ours.match(line)]
    return "\r\n".join(lines)


def starting_at(sdp: str, bps: float) -> str:
    """A description, in which every codec starts at that rate (x-google-start-bitrate)."""
    lines = []
    for line in sdp.split("\r\n"):
        lines.append(line)
        if parts := re.match(r"a=rtpmap:(\d+) (VP8|VP9|AV1|H264)/", line):
            lines.append(f"a=fmtp:{parts[1]} x-google-start-bitrate={bps / 1e3:.0f}")
    return "\r\n".join(lines)


def agreed_in(sdp: str) -> dict[str, list[str]]:
    """The feedback and the header extensions in a description."""
    return {
        "feedback": sorted(set(re.findall(r"a=rtcp-fb:\S+ (.+?)\r", sdp))),
        "extensions": sorted(set(re.findall(r"a=extmap:\d+ (\S+)", sdp))),
    }
