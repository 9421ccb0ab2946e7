"""Google Congestion Control at the sender: draft-ietf-rmcat-gcc-02, and libwebrtc's
`modules/congestion_controller/goog_cc`.

The target is the smaller of two rates: that of the delay, which falls when the delay of packet groups has a slope
(`overuse.py`, `aimd.py`), and that of the loss (`loss.py`). Probes find a capacity far above both (`probing.py`). It
needs the times at which the peer received packets, of which it takes differences only. Where the documents differ or
leave room, each part says what it does. Of the whole:

- The start rate is 300 kbit/s, libwebrtc's, and it is the target from the first packet on: `probe` is never set, since
  otherwise the application would hear of no limit.
- Packets leave at 2.5 times the target, as libwebrtc's do, so that a frame of average size is gone before half of its
  interval is over. While a probe cluster leaves, its rate is the pacer's. An application that has had more to send for
  a quarter of a second does not follow the target, as libwebrtc's encoders do. Then packets leave at 1.05 times the
  target, so that the pacer keeps the queue short in its place and a backlog still ends.
- libwebrtc has no congestion window by default. Here it holds what the target sends in the base round trip and a
  second, ten packets at least: nothing for the rate control to notice, but an end to sending when nothing is heard.
  libwebrtc instead lowers the rate once the round trip is over 3 s.
"""

import math

from glassbench.transport.congestion.controller import Allowance, Feedback, PacketResult, SentPacket
from glassbench.transport.congestion.gcc.acknowledged import AcknowledgedRate
from glassbench.transport.congestion.gcc.aimd import LEAST_BPS, AimdControl
from glassbench.transport.congestion.gcc.limited import ApplicationLimit
from glassbench.transport.congestion.gcc.loss import LossLimit
from glassbench.transport.congestion.gcc.overuse import DelayDetector, Usage
from glassbench.transport.congestion.gcc.probing import ProbeCluster, Prober

_START_BPS = 300e3
_PACING_FACTOR = 2.5
_BACKLOG_FACTOR = 1.05  # as much over the target as a probe leaves under the capacity
_BACKLOG_TIME = 0.25  # seconds without a pause of the application
_BURST_PACKETS = 2
_WINDOW_TIME = 1.0  # seconds, beyond the base round trip
_LEAST_WINDOW_PACKETS = 10
_FIRST_RTT = 0.2
_LEAST_RTT = 0.001
_BASE_EPOCH = 10.0  # the base round trip is the least of one epoch to two


class GccController:
    """The rate follows the delay, the loss and probes. `start_bps` is the rate before anything is known."""

    def __init__(self, *, max_datagram_bytes: int, start_bps: float = _START_BPS) -> None:
        self._packet = max_datagram_bytes
        self._delay = DelayDetector()
        self._acknowledged = AcknowledgedRate()
        self._aimd = AimdControl(start_bps)
        self._loss = LossLimit()
        self._limit = ApplicationLimit()
        self._prober = Prober(start_bps)
        self._idle_at: float | None = None
        self._busy_at = 0.0  # since when the application has had more to send
        self._backlog = False
        self._rtt: float | None = None  # smoothed
        self._base_rtt = self._epoch_rtt = math.inf
        self._epoch_at = 0.0

    @property
    def target_bps(self) -> float:
        """What the path is believed to carry, in bits per second."""
        return max(LEAST_BPS, min(self._aimd.rate_bps, self._loss.limit_bps))

    @property
    def usage(self) -> Usage:
        """What the delay says of the queue."""
        return self._delay.usage

    @property
    def allowance(self) -> Allowance:
        target = self.target_bps
        base_rtt = self._base_rtt if self._base_rtt < math.inf else _FIRST_RTT
        cluster = self._prober.cluster
        factor = _BACKLOG_FACTOR if self._backlog else _PACING_FACTOR
        return Allowance(
            window_bytes=max(_LEAST_WINDOW_PACKETS * self._packet, int(target / 8 * (base_rtt + _WINDOW_TIME))),
            unpaced_bytes=0,
            pacing_bps=factor * target if cluster is None else cluster.rate_bps,
            burst_bytes=_BURST_PACKETS * self._packet,
            target_bps=target,
            base_rtt=base_rtt,
            probe=False,
            padding_bps=cluster.rate_bps if cluster is not None and cluster.begun else 0.0,
            even=cluster is not None,
        )

    def on_sent(self, packet: SentPacket) -> None:
        if packet.idle_at != self._idle_at:
            self._idle_at, self._busy_at = packet.idle_at, packet.at
        self._backlog = packet.at - self._busy_at > _BACKLOG_TIME
        self._limit.on_sent(packet.size_bytes, self.target_bps, at=packet.at)
        packet.memo = self._prober.on_sent(packet.size_bytes, at=packet.at)

    def on_feedback(self, feedback: Feedback) -> None:
        now = feedback.at
        if feedback.rtt is not None:
            self._update_rtt(max(feedback.rtt, _LEAST_RTT), now=now)
        arrivals = sorted(
            (result.received_at, result.packet.number, result.packet)
            for result in feedback.results
            if result.received_at is not None
        )
        if arrivals:
            self._on_arrivals([(received_at, packet) for received_at, _, packet in arrivals], now=now)
        self._count(feedback.results, now=now)
        if arrivals:
            self._prober.on_target(self.target_bps, self.usage, now=now)

    def undo_losses(self, *, since: float, now: float) -> None:
        self._loss.undo(since=since)

    def resize(self, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes

    def get_timer(self) -> float | None:
        times = (self._prober.waits_until, self._prober.limited_at(self._limit))
        return min((at for at in times if at is not None), default=None)

    def handle_timer(self, *, now: float) -> None:
        self._prober.handle_timer(self._limit, self.usage, now=now)

    def _update_rtt(self, rtt: float, *, now: float) -> None:
        self._rtt = rtt if self._rtt is None else self._rtt + (rtt - self._rtt) / 8
        self._aimd.rtt = self._rtt
        if now - self._epoch_at > _BASE_EPOCH:
            self._base_rtt, self._epoch_rtt, self._epoch_at = self._epoch_rtt, math.inf, now
        self._epoch_rtt = min(self._epoch_rtt, rtt)
        self._base_rtt = min(self._base_rtt, rtt)

    def _on_arrivals(self, arrivals: list[tuple[float, SentPacket]], *, now: float) -> None:
        """Packets with their times of reception, in that order."""
        probed_bps: float | None = None
        recovered = False
        for received_at, packet in arrivals:
            self._acknowledged.add(packet.size_bytes, received_at=received_at)
            usage = self.usage
            self._delay.add(sent_at=packet.at, received_at=received_at, now=now)
            recovered |= usage is Usage.UNDERUSE and self.usage is Usage.NORMAL
            cluster = packet.memo
            if isinstance(cluster, ProbeCluster):
                shown_bps = cluster.on_received(packet.size_bytes, sent_at=packet.at, received_at=received_at)
                probed_bps = probed_bps if shown_bps is None else shown_bps
        if probed_bps is not None and self.usage is not Usage.OVERUSE:
            self._aimd.set_rate(probed_bps, now=now)
            self._loss.raise_to(probed_bps)
            return
        self._aimd.update(self.usage, self._acknowledged.bps, now=now)
        if recovered:
            self._prober.on_recovered(self._limit, now=now)

    def _count(self, results: tuple[PacketResult, ...], *, now: float) -> None:
        lost = sum(result.lost for result in results)
        self._loss.add(lost=lost, arrived=len(results) - lost, delay_bps=self._aimd.rate_bps, now=now)
