"""What BBR concludes from losses (draft-ietf-ccwg-bbr, "Updating the Model Upon Packet Loss"): two bounds of what is in
flight, and one of the rate. Rates are bytes per second, sizes bytes."""

import math

from glassbench.transport.congestion.controller import SentPacket
from glassbench.transport.congestion.delivery_rate import RateSample

LOSS_THRESHOLD = 0.02
BETA = 0.7
HEADROOM = 0.15
_MOST_DOUBLINGS = 30


def too_much_lost(lost: float, in_flight: float) -> bool:
    """Whether more than 2 % of what was in flight was lost."""
    return lost > in_flight * LOSS_THRESHOLD


def in_flight_at_loss(packet: SentPacket, lost: float) -> float:
    """How much was in flight when losses passed the threshold, which may have been within this packet. `lost` was lost
    since it left, the packet included."""
    before = packet.in_flight_bytes - packet.size_bytes
    return before + (LOSS_THRESHOLD * before - (lost - packet.size_bytes)) / (1 - LOSS_THRESHOLD)


class ShortTerm:
    """Bounds until the next probe: after a round with losses they fall to what was delivered in it, by 0.7 at most."""

    def __init__(self) -> None:
        self.rate = math.inf  # bw_shortterm
        self.in_flight = math.inf  # inflight_shortterm
        self.latest_rate = 0.0  # the largest of this round (bw_latest)
        self.latest_delivered = 0  # inflight_latest
        self.loss_in_round = False
        self.round_over = False  # with the latest ACK (loss_round_start)
        self._round_ends = 0

    def reset(self) -> None:
        """Forget the bounds, since the path is going to be probed."""
        self.rate = self.in_flight = math.inf

    def forget_signals(self) -> None:
        """Forget losses and deliveries of this round."""
        self.loss_in_round = False
        self.latest_rate, self.latest_delivered = 0.0, 0

    def on_loss(self, delivered: int) -> bool:
        """A packet was lost when so much had been delivered in all. True if it is the first of its round."""
        first = not self.loss_in_round
        if first:
            self._round_ends = delivered
        self.loss_in_round = True
        return first

    def on_sample(self, sample: RateSample, delivered: int) -> None:
        """An ACK arrived; so much is delivered in all now."""
        self.latest_rate = max(self.latest_rate, sample.rate)
        self.latest_delivered = max(self.latest_delivered, sample.delivered)
        self.round_over = sample.at_sending.delivered >= self._round_ends
        if self.round_over:
            self._round_ends = delivered

    def adapt(self, max_rate: float, window: float) -> None:
        """Lower the bounds after a round with losses, at first from this rate and this window."""
        if not self.loss_in_round:
            return
        rate = self.rate if math.isfinite(self.rate) else max_rate
        in_flight = self.in_flight if math.isfinite(self.in_flight) else window
        self.rate = max(self.latest_rate, BETA * rate)
        self.in_flight = max(self.latest_delivered, BETA * in_flight)

    def after_ack(self, sample: RateSample) -> None:
        """The ACK has been dealt with; a new round may begin with it."""
        if self.round_over:
            self.latest_rate, self.latest_delivered = sample.rate, sample.delivered


class LongTerm:
    """A bound that a probe with too much loss sets, and a probe without raises: by 1, 2, 4 ... packets a round."""

    def __init__(self) -> None:
        self.in_flight = math.inf  # inflight_longterm
        self._doublings = 0  # bw_probe_up_rounds
        self._acked = 0.0  # bw_probe_up_acked
        self._acked_per_packet = math.inf  # probe_up_acked_per_inc

    def with_headroom(self, packet: int) -> float:
        """The bound less 15 %, a packet at least, which is left to other flows."""
        if math.isinf(self.in_flight):
            return math.inf
        return self.in_flight - max(packet, HEADROOM * self.in_flight)

    def begin(self) -> None:
        """A probe is about to begin."""
        self._doublings, self._acked = 0, 0.0

    def stop(self) -> None:
        """The probe is over."""
        self._acked_per_packet = math.inf

    def steepen(self, window: float, packet: int) -> None:
        """A round of the probe begins: raise the bound by twice as many packets as in the one before."""
        self._acked_per_packet = max(window / 2**self._doublings, packet)
        self._doublings = min(self._doublings + 1, _MOST_DOUBLINGS)

    def grow(self, newly_acked: int, packet: int) -> None:
        """So much was acknowledged while the bound was used."""
        self._acked += newly_acked
        packets = self._acked // self._acked_per_packet
        if packets:
            self._acked -= packets * self._acked_per_packet
            self.in_flight += packets * packet
