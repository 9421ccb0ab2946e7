"""How session and jitter buffer of RTP in GStreamer are set up beside what they are by themselves."""

from collections.abc import Mapping

from glassbench.experiments.account.reports import Role

# Enough bandwidth for feedback: RFC 4585 makes a receiver with little wait longer than its jitter buffer does. What a
# sender reports as often would take the place of media.
_BANDWIDTH = {"bandwidth": "20000000"}
_OFTEN = {"rtcp-min-interval": "10000000"}
# By itself a sender keeps its last 100 packets: after a fade of half a second those that were lost are not among them.
_HISTORY = {"max-size-time": "1000", "max-size-packets": "0"}
# A stream begins at once, and is not asked again for packets that are only late: pictures come in bursts.
_BUFFER = {"faststart-min-packets": "2", "rtx-next-seqnum": "false"}
SESSION_SETTINGS = "rtp-profile", *_BANDWIDTH, *_OFTEN
HISTORY_SETTINGS = tuple(_HISTORY)
BUFFER_SETTINGS = "latency", "do-retransmission", "do-lost", "mode", *_BUFFER


def session(options: Mapping[str, object], role: Role) -> Mapping[str, str]:
    """What the session of RTP of an end is told."""
    if not options["tuned"]:
        return {}
    return _BANDWIDTH | _OFTEN if role == "receiver" else _BANDWIDTH


def history(options: Mapping[str, object]) -> Mapping[str, str]:
    """What is told to whoever sends packets again: which ones it keeps, for how many ms."""
    return _HISTORY if options["tuned"] else {}


def jitter_buffer(options: Mapping[str, object]) -> Mapping[str, str]:
    """What a jitter buffer is told."""
    return _BUFFER if options["tuned"] else {}


def written(values: Mapping[str, str]) -> str:
    """Properties as gst-launch-1.0 reads them."""
    return " ".join(f"{name}={value}" for name, value in values.items())
