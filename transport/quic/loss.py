"""Loss detection that learns from its mistakes: aioquic's, with thresholds that follow the reordering of the path.

RFC 9002 takes a packet for lost when one sent three later, or 9/8 of a round trip later, is acknowledged. On a path
that reorders more than that the packet arrives after all, and its acknowledgement proves the loss *spurious*. aioquic
forgets what it has declared lost, so that is remembered here, for two probe timeouts.

- The thresholds grow to what would have kept the packet (RFC 9002 6.1.1 and 6.1.2; RFC 8985 does so for TCP) and stay
  there: at most at 300 packets, as Linux has it, and at two round trips.
- Where all losses of an episode were spurious, the controller is told that there was none (RFC 4015).

Without a spurious loss nothing is different.
"""

from typing import Any

from aioquic.quic.rangeset import RangeSet
from aioquic.quic.recovery import K_PACKET_THRESHOLD, K_TIME_THRESHOLD, QuicPacketRecovery, QuicPacketSpace

from glassbench.transport.congestion.suspects import Suspects
from glassbench.transport.quic.path_mtu import PathMtu

_MOST_PACKETS = 300  # tcp_max_reordering
_MOST_ROUND_TRIPS = 2.0
_TIME_STEP = K_TIME_THRESHOLD - 1


class LossDetection(QuicPacketRecovery):
    """Loss detection of one connection. `spurious` counts the packets that were declared lost and arrived after all."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.spurious = 0
        self.path_mtu: PathMtu | None = None  # whose probes are lost by their size, if they are
        self._packets: int = K_PACKET_THRESHOLD
        self._round_trips: float = K_TIME_THRESHOLD
        self._suspects = Suspects()
        self._spurious_since: float | None = None

    def take_spurious_since(self) -> float | None:
        """Since when all losses were spurious, if that has turned out since the last call."""
        since, self._spurious_since = self._spurious_since, None
        return since

    def on_ack_received(self, *, ack_rangeset: RangeSet, ack_delay: float, now: float, space: QuicPacketSpace) -> None:
        if self._suspects and space.is_application_data:
            self._take_late(ack_rangeset, space.largest_acked_packet, now=now)
        super().on_ack_received(ack_rangeset=ack_rangeset, ack_delay=ack_delay, now=now, space=space)

    def _take_late(self, ranges: RangeSet, largest_acked: int, *, now: float) -> None:
        self._suspects.forget(until=now - 2 * self.get_probe_timeout())
        late = self._suspects.take(ranges)
        for suspect in late:
            self.spurious += 1
            self._packets = max(self._packets, min(largest_acked - suspect.number + 1, _MOST_PACKETS))
            took = (now - suspect.sent_at) / max(self._rtt_latest, self._rtt_smoothed)
            self._round_trips = max(self._round_trips, min(took + _TIME_STEP, _MOST_ROUND_TRIPS))
        if late and not self._suspects:
            self._spurious_since = self._suspects.episode_at

    def _detect_loss(self, *, now: float, space: QuicPacketSpace) -> None:
        """RFC 9002 appendix A.10, with our thresholds."""
        rtt = max(self._rtt_latest, self._rtt_smoothed) if self._rtt_initialized else self._rtt_initial
        patience = self._round_trips * rtt
        space.loss_time = None
        lost = []
        for number, packet in space.sent_packets.items():
            if number > space.largest_acked_packet:
                break
            assert packet.sent_time is not None
            if number <= space.largest_acked_packet - self._packets or packet.sent_time <= now - patience:
                lost.append(packet)
            elif space.loss_time is None or packet.sent_time + patience < space.loss_time:
                space.loss_time = packet.sent_time + patience
        if lost and space.is_application_data:
            self._suspects.forget(until=now - 2 * self.get_probe_timeout())
            for packet in lost:
                assert packet.sent_time is not None
                is_probe = self.path_mtu is not None and self.path_mtu.is_probe(packet.packet_number)
                if packet.in_flight and not is_probe:
                    self._suspects.add(packet.packet_number, packet.sent_time, now=now)
        self._on_packets_lost(now=now, packets=lost, space=space)
