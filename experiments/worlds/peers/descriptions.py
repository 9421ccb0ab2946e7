"""Descriptions of WebRTC (SDP): they go over the side channel, whole, with all candidates (no trickle), so that they do
not cross the link."""

import json

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError

PATIENCE = 5.0
"""Seconds for each step."""

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
