"""Outages at known times."""

from bisect import bisect_right
from collections.abc import Sequence

from glassbench.netem.checks import not_negative, positive
from glassbench.netem.medium import LossyMedium
from glassbench.netem.packet import Packet


class Outage(LossyMedium):
    """Packets that come in one of the windows are lost: the medium is gone (a blocked beam, a pulled cable).

    Windows are (start, duration) in seconds after `epoch`, sorted and apart; with `period` they repeat, though not
    before `epoch`. A link that holds packets and delivers them afterwards (a handover) is something else: a bottleneck
    whose rate is 0 for a while. There a real queue, with its limit, decides what is held.
    """

    def __init__(self, windows: Sequence[tuple[float, float]], *, epoch: float, period: float | None = None) -> None:
        super().__init__()
        self._edges: list[float] = []  # starts at even places, ends at odd ones
        for start, duration in windows:
            if not_negative("Outage.windows start", start) < (self._edges or [0.0])[-1]:
                raise ValueError(f"Outage.windows: found a start at {start} s before the window ahead of it has ended")
            self._edges += [start, start + positive("Outage.windows duration", duration)]
        if period is not None and self._edges and self._edges[-1] > positive("Outage.period", period):
            raise ValueError(
                f"Outage.period: found {period} s, accepted is at least the end of the last window, {self._edges[-1]} s"
            )
        self._epoch = epoch
        self._period = period

    def loses(self, packet: Packet) -> bool:
        time = packet.at - self._epoch
        if self._period is not None and time >= 0:
            time %= self._period
        return bisect_right(self._edges, time) % 2 == 1
