"""What the receiver believes that a path carries, to tell a sender that measures nothing itself.

draft-ietf-rmcat-gcc-02 section 3 lets the delay-based controller run at the receiver, which then tells its rate (REMB).
A page that sends is such a sender: WebTransport shows it neither when its packets arrive nor what its own congestion
control thinks. It tells when it handed each frame to the browser; the receiver knows when the frame came. Two choices:

- The delay is that of the first byte of a frame, which waits for what is queued ahead of it and not for its own size.
- Nothing is probed, so that the rate begins with what the sender asks for, and falls from there.
"""

from glassbench.transport.congestion.gcc.acknowledged import AcknowledgedRate
from glassbench.transport.congestion.gcc.aimd import LEAST_BPS, AimdControl
from glassbench.transport.congestion.gcc.loss import LossLimit
from glassbench.transport.congestion.gcc.overuse import DelayDetector


class RemoteEstimate:
    """`start_bps` is the rate before anything is known, in bits per second. Times are in seconds; of departures, which
    are on the sender's clock, only differences mean something."""

    def __init__(self, start_bps: float) -> None:
        self._delay = DelayDetector()
        self._acknowledged = AcknowledgedRate()
        self._aimd = AimdControl(start_bps)
        self._loss = LossLimit()

    @property
    def rate_bps(self) -> float:
        """What the sender should send, in bits per second."""
        return max(LEAST_BPS, min(self._aimd.rate_bps, self._loss.limit_bps))

    def arrived(self, size_bytes: int, *, sent_at: float, first_arrival_at: float, complete_at: float) -> None:
        """A frame arrived whole; frames are told in the order in which they left."""
        self._acknowledged.add(size_bytes, received_at=complete_at)
        self._delay.add(sent_at=sent_at, received_at=first_arrival_at, now=first_arrival_at)
        self._aimd.update(self._delay.usage, self._acknowledged.bps, now=complete_at)
        self._loss.add(lost=0, arrived=1, delay_bps=self._aimd.rate_bps, now=complete_at)

    def lost(self, *, now: float) -> None:
        """A frame left and did not arrive whole."""
        self._loss.add(lost=1, arrived=0, delay_bps=self._aimd.rate_bps, now=now)
