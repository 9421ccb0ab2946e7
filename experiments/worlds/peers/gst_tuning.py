"""How session and jitter buffer of RTP in GStreamer are set up beside what they are by themselves."""

from collections.abc import Mapping

# Enough bandwidth for feedback: RFC 4585 makes a receiver with little wait longer than its jitter buffer does.
_SESSION = {"bandwidth": "20000000", "rtcp-min-interval": "10000000"}
# A stream begins at once, and is not asked again for packets that are only late: pictures come in bursts.
_BUFFER = {"faststart-min-packets": "2", "rtx-next-seqnum": "false"}
SESSION_SETTINGS = "rtp-profile", *_SESSION
BUFFER_SETTINGS = "latency", "do-retransmission", "do-lost", "mode", *_BUFFER


def session(options: Mapping[str, object]) -> Mapping[str, str]:
    """What a session of RTP is told."""
    return _SESSION if options["tuned"] else {}


def jitter_buffer(options: Mapping[str, object]) -> Mapping[str, str]:
    """What a jitter buffer is told."""
    return _BUFFER if options["tuned"] else {}


def written(values: Mapping[str, str]) -> str:
    """Properties as gst-launch-1.0 reads them."""
    return " ".join(f"{name}={value}" for name, value in values.items())
