"""What both ends of an RTP session agree on: options, payload types, sources, intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.contract import Track, TransportConfig, Unsupported
from glassbench.transport.rtp import av1, h264, hevc, messages, vp8, vp9
from glassbench.transport.rtp.arrivals import CONTROL_INTERVAL, Arrivals
from glassbench.transport.rtp.feedback import DEFAULT_FORMAT, FORMATS, FeedbackFormat, FormatName, ReportMaker
from glassbench.transport.rtp.payload_format import PayloadFormat

PAYLOAD_FORMATS: Mapping[str, PayloadFormat] = {
    "h264": h264,
    "hevc": hevc,
    "vp8": vp8,
    "vp9": vp9,
    "av1": av1,
    "data": messages,
}
"""What carries each media."""
MEDIA = frozenset(PAYLOAD_FORMATS)
FIRST_PAYLOAD_TYPE = 96  # the dynamic range of RFC 3551 ends at 127
MAX_TRACKS = 4
MIN_DATAGRAM_BYTES = 576  # the reports of MAX_TRACKS tracks fit; and a host must take IPv4 packets of this size
REPORT_INTERVAL = 0.5  # seconds between regular reports, before RFC 3550's factor of 0.5 to 1.5 against synchronisation
NO_CONTROL = "none"
HISTORY = 10.0  # seconds for which a sender keeps packets for retransmission
_MOST_BURST = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class RtpOptions:
    """The settings of the `rtp` arm.

    `nack`: repair by generic NACK and RTX. `max_retries`: how often one packet is asked for. `reorder_window`: seconds
    for which a gap may be reordering, before it is asked for or, without repair, given up. 5 ms is a few packets at
    video rates: a retransmission that was not needed costs some bytes, a longer wait costs every repair its time.
    `rtx_share`: retransmitted bytes in any second, at most, as a share of the media's in it (`budget.py`). `ecn`: media
    packets say that they support ECN, and the receiver reports the marks (RFC 8888). `control`: the congestion
    controller, by its name in `transport.congestion.CONTROLLERS`, to which the receiver reports what came; "none" sends
    each frame at once, and slows down for nothing. `feedback`: the format of these reports (`feedback.py`). `burst`:
    for how many seconds of its rate the pacer may be ahead, so that frames leave at once; Chrome has 0.04.
    """

    nack: bool = True
    max_retries: int = 10
    reorder_window: float = 0.005
    rtx_share: float = 1.0
    ecn: bool = False
    control: str = NO_CONTROL
    feedback: FormatName = DEFAULT_FORMAT
    burst: float = 0.0

    @property
    def controlled(self) -> bool:
        """Whether a congestion controller decides what leaves, and when."""
        return self.control != NO_CONTROL

    @property
    def format(self) -> FeedbackFormat:
        """How the receiver reports what came."""
        return FORMATS[self.feedback]

    def __post_init__(self) -> None:
        if not 1 <= self.max_retries <= 100:
            raise ValueError(f"max_retries must be 1 to 100, got {self.max_retries}")
        if not 0 <= self.reorder_window <= 10:
            raise ValueError(f"reorder_window must be 0 to 10 seconds, got {self.reorder_window}")
        if not 0 < self.rtx_share <= 100:
            raise ValueError(f"rtx_share must be above 0 and at most 100, got {self.rtx_share}")
        if self.controlled and self.control not in CONTROLLERS:
            raise ValueError(f"control must be {NO_CONTROL}, {', '.join(CONTROLLERS)}, got {self.control!r}")
        if self.feedback != DEFAULT_FORMAT and not self.controlled:
            raise ValueError(f"feedback={self.feedback} needs a congestion controller, such as control=gcc")
        if not 0 <= self.burst <= _MOST_BURST:
            raise ValueError(f"burst must be 0 to {_MOST_BURST:g} seconds, got {self.burst}")
        if self.burst and not self.controlled:
            raise ValueError("burst is of a pacer and needs a congestion controller, such as control=gcc")
        if self.ecn and not self.format.has_marks:
            raise ValueError(f"feedback={self.feedback} tells nothing of marks; ecn=true needs feedback=rfc8888")
        if self.controlled and "ecn" in CONTROLLERS[self.control].needs and not self.ecn:
            raise ValueError(f"control={self.control} needs ecn=true")


@dataclass(frozen=True, slots=True)
class TrackTypes:
    """A track with its payload types: its own and that of its retransmissions."""

    track: Track
    media: int
    rtx: int

    @property
    def payload_format(self) -> PayloadFormat:
        """What carries its frames."""
        return PAYLOAD_FORMATS[self.track.media]

    @property
    def is_video(self) -> bool:
        """Whether it has pictures, of which a recovery point can be asked for."""
        return self.track.media != "data"


def payload_types(tracks: tuple[Track, ...]) -> list[TrackTypes]:
    """Pairs of payload types from 96 up, video first: 96 and 97 for the video, 98 and 99 for a data track.

    Raises Unsupported for a media without a payload format here, or more than MAX_TRACKS.
    """
    for track in tracks:
        if track.media not in MEDIA:
            raise Unsupported(f"rtp has no payload format for {track.media}; it carries {', '.join(PAYLOAD_FORMATS)}")
    if len(tracks) > MAX_TRACKS:
        raise Unsupported(f"rtp carries at most {MAX_TRACKS} tracks in a session, {len(tracks)} were asked for")
    ordered = sorted(tracks, key=lambda track: track.media == "data")  # stable
    return [
        TrackTypes(track, FIRST_PAYLOAD_TYPE + 2 * i, FIRST_PAYLOAD_TYPE + 2 * i + 1) for i, track in enumerate(ordered)
    ]


def options(config: TransportConfig) -> RtpOptions:
    """The options of one end. Raises ValueError for values, or a datagram size, out of range."""
    if config.max_datagram_bytes < MIN_DATAGRAM_BYTES:
        raise ValueError(
            f"max_datagram_bytes must be at least {MIN_DATAGRAM_BYTES} for rtp, got {config.max_datagram_bytes}"
        )
    values: Mapping[str, object] = config.options
    return RtpOptions(**values)  # type: ignore[arg-type]


def reports(options: RtpOptions) -> ReportMaker | None:
    """What the receiver reports on arrivals under these options, None if nothing."""
    if options.controlled:
        return options.format.make_reports(Arrivals(CONTROL_INTERVAL, twice=True))
    return options.format.make_reports(Arrivals()) if options.ecn else None


class Dice:
    """The chances that RFC 3550 leaves to a source. Two ends made from one seed still draw differently."""

    def __init__(self, seed: int, role: int) -> None:
        self._generator = np.random.default_rng(np.random.SeedSequence([seed, role]))

    def word(self) -> int:
        """32 bits: an SSRC or a timestamp offset, never zero."""
        return int(self._generator.integers(1, 2**32))

    def sequence(self) -> int:
        """An initial sequence number."""
        return int(self._generator.integers(2**16))

    def cname(self) -> str:
        """A canonical name for one session: 96 random bits (RFC 7022 section 4.2)."""
        return "".join([f"{self.word():08x}" for _ in range(3)])

    def report_interval(self) -> float:
        """Seconds to the next regular report (RFC 3550 section 6.3.1; RFC 4585 section 3.5.3 with trr-int)."""
        return REPORT_INTERVAL * float(self._generator.uniform(0.5, 1.5))
