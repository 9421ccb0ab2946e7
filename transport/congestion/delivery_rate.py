"""How fast the path delivered what was in flight around one acknowledgement (draft-ietf-ccwg-bbr, "Delivery Rate
Samples"). Sans-IO.

A sample is what was acknowledged between the sending of a packet and its acknowledgement, over the longer of two times:
that in which it was sent and that in which it was acknowledged. So neither ACKs that come in a bunch nor bursts make it
faster than the path. A sample is *application-limited* if the application had nothing to send shortly before.

The draft remembers such a pause as an amount of delivered data, which lost packets would put off. Here it is the number
of the last packet before the pause, as in Chromium: the first packet acknowledged after that one ends the phase.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from glassbench.transport.congestion.controller import SentPacket


class Snapshot(NamedTuple):
    """The totals when a packet left; it is the packet's `memo`. Bytes and instants."""

    delivered: int
    lost: int
    delivered_at: float
    first_sent_at: float
    app_limited: bool


class RateSample(NamedTuple):
    """What the newest of the packets that one ACK acknowledges says of the path."""

    rate: float
    """Bytes per second, 0 if the sample is too short to tell."""
    delivered: int
    """Bytes acknowledged since the packet left."""
    newly_acked: int
    """Bytes that this ACK acknowledges."""
    packet: SentPacket
    at_sending: Snapshot


class DeliveryRate:
    """The totals of one connection, in bytes, and the samples. `app_limited` says how a packet that leaves now is
    marked."""

    def __init__(self) -> None:
        self.delivered = 0
        self.lost = 0
        self.app_limited = False
        self._limited_number = -1  # the last packet before the application's latest pause
        self._delivered_at = 0.0
        self._first_sent_at = 0.0  # when the newest acknowledged packet was sent, or the first one after silence
        self._last: tuple[int, float] | None = None  # number and instant of the packet that left last
        self._least_rtt = math.inf  # of the connection's life

    def on_sent(self, packet: SentPacket) -> None:
        """Note the totals with a packet that leaves."""
        if self._last is not None:
            number, at = self._last
            if packet.idle_at >= at and packet.at > at:
                self.app_limited, self._limited_number = True, number
        self._last = (packet.number, packet.at)
        if packet.in_flight_bytes == packet.size_bytes:
            self._first_sent_at = self._delivered_at = packet.at
        packet.memo = Snapshot(self.delivered, self.lost, self._delivered_at, self._first_sent_at, self.app_limited)

    def limit_here(self) -> None:
        """Mark what is in flight, and what follows until it is acknowledged, as application-limited."""
        if self._last is not None:
            self.app_limited, self._limited_number = True, self._last[0]

    def on_lost(self, size_bytes: int) -> None:
        """So much was declared lost."""
        self.lost += size_bytes

    def on_acked(self, packets: Sequence[SentPacket], rtt: float | None, *, now: float) -> RateSample:
        """The sample of an ACK that acknowledges these packets, one at least."""
        newest = max(packets, key=lambda packet: (packet.at, packet.number))
        newly_acked = sum(packet.size_bytes for packet in packets)
        self.delivered += newly_acked
        self._delivered_at = now
        self._first_sent_at = max(self._first_sent_at, newest.at)
        if newest.number > self._limited_number:
            self.app_limited = False
        if rtt is not None:
            self._least_rtt = min(self._least_rtt, rtt)
        before = snapshot(newest)
        delivered = self.delivered - before.delivered
        interval = max(newest.at - before.first_sent_at, now - before.delivered_at)
        reliable = interval > 0 and (interval >= self._least_rtt or math.isinf(self._least_rtt))
        rate = delivered / interval if reliable else 0.0
        return RateSample(rate, delivered, newly_acked, newest, before)

    def lost_since(self, packet: SentPacket) -> int:
        """Bytes declared lost since the packet left."""
        return self.lost - snapshot(packet).lost


def snapshot(packet: SentPacket) -> Snapshot:
    """What was noted when the packet left."""
    assert isinstance(packet.memo, Snapshot)
    return packet.memo
