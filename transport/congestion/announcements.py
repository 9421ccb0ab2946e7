"""What a sender tells its application of congestion control: the rate that it should send, and what is believed."""

import math
from collections.abc import Iterator

from glassbench.transport.congestion.flight import Flight
from glassbench.transport.congestion.target import TargetRate
from glassbench.transport.contract import Estimated, RateChanged

_ESTIMATE_INTERVAL = 0.1  # seconds, from one estimate that is told to the next


class Announcements:
    """The events of one flight: a new rate, and estimates at intervals.

    After the first look there is news only after feedback, so that its instants do not depend on who else calls.
    """

    def __init__(self) -> None:
        self._target = TargetRate()
        self._estimate_at = -math.inf  # when the next one may be told
        self._feedbacks = -1  # of the flight, as of the last look

    def take(
        self, flight: Flight, rtt: float, *, has_sent_media: bool, now: float
    ) -> Iterator[RateChanged | Estimated]:
        """What is to be told now. `rtt` is the smoothed round-trip time in seconds."""
        if flight.feedbacks == self._feedbacks:
            return
        self._feedbacks = flight.feedbacks
        target_bps = self._target.change(flight.allowance, now=now)
        if target_bps is not None:
            yield RateChanged(now, target_bps)
        if not flight.feedbacks or now < self._estimate_at or not flight.bytes_in_flight or not has_sent_media:
            return
        self._estimate_at = now + _ESTIMATE_INTERVAL
        allowance = flight.allowance
        yield Estimated(
            now,
            allowance.target_bps,
            allowance.pacing_bps,
            allowance.window_bytes,
            flight.bytes_in_flight,
            rtt,
            flight.queue,
        )
