"""The scheduler's books over one connection: what is in flight, and what may follow it. Sans-IO, nothing of QUIC in it.

All controllers share these books: the pacer, the trains, and the marks of packets around which the window was never
full.
"""

from collections.abc import Iterable, Mapping

from glassbench.transport.congestion.controller import (
    Allowance,
    Controller,
    Feedback,
    FramePlanner,
    PacketResult,
    SentPacket,
)
from glassbench.transport.congestion.frame_budget import paced_budget
from glassbench.transport.congestion.pacer import Pacer
from glassbench.transport.congestion.silence import Silence

_TRAIN_GAP = 0.004  # a longer pause starts a new train; over the 2 ms between releases of a pacer with 1 ms timers


class Flight:
    """Packets in flight, by number. `now` is in seconds, sizes are bytes of UDP payload. The pacer may be ahead for
    `burst` seconds of its rate, if the controller does not allow more. `feedbacks` counts how often the controller was
    told something."""

    def __init__(self, controller: Controller, *, max_datagram_bytes: int, burst: float = 0.0) -> None:
        self.controller = controller
        self._burst = burst
        self.bytes_in_flight = 0
        self.feedbacks = 0
        self._packet = max_datagram_bytes
        self._pacer = Pacer(max_datagram_bytes=max_datagram_bytes)
        self._sent: dict[int, SentPacket] = {}
        self._allowance: Allowance | None = None  # as it is read once after each change
        self._idle_at = -1.0
        self._train_at = 0.0
        self._train_bytes = 0
        self._last_sent_at = -1.0
        self._full_number = -1  # the newest packet in flight when the window was last full
        self._silence = Silence()

    @property
    def allowance(self) -> Allowance:
        """The controller's allowance after its last call."""
        if self._allowance is None:
            self._allowance = self.controller.allowance
        return self._allowance

    def packets_allowed(self, *, now: float) -> int:
        """Full packets that may leave at `now`."""
        allowance = self.allowance
        room = max(0, (allowance.window_bytes - self.bytes_in_flight) // self._packet)
        rate = allowance.pacing_bps / 8
        burst_bytes = max(allowance.burst_bytes, 0 if allowance.even else int(self._burst * rate))
        paced = min(room, max(0, self._pacer.packets(rate, burst_bytes, now=now)))
        return max(paced, (allowance.unpaced_bytes - self.bytes_in_flight) // self._packet)

    def next_send_at(self) -> float | None:
        """When pacing lets the next packets go. None if the window has no room, since then only an ACK can help."""
        allowance = self.allowance
        if allowance.window_bytes - self.bytes_in_flight < self._packet:
            return None
        return self._pacer.next_at(allowance.pacing_bps / 8)

    def arrival_of(self, size_bytes: int, *, now: float) -> float:
        """When the last of so many bytes will arrive if they follow what is in flight."""
        base_rtt, rate = self.allowance.base_rtt, self.allowance.target_bps / 8
        return now + self.queue + size_bytes / rate + base_rtt / 2

    def frame_budget(self, *, waiting_bytes: int, ready_at: float, interval: float, now: float) -> int | None:
        """How many bytes the next frame may have, see `transport.contract.Transport`. `waiting_bytes` have not left."""
        if isinstance(self.controller, FramePlanner):
            return self.controller.frame_budget(
                in_flight_bytes=self.bytes_in_flight + waiting_bytes, ready_at=ready_at, interval=interval, now=now
            )
        return paced_budget(
            self.allowance, waiting_bytes=waiting_bytes, ahead=max(0.0, ready_at - now), interval=interval
        )

    @property
    def queue(self) -> float:
        """Seconds that what is in flight waits in queues of the path."""
        return max(0.0, self.bytes_in_flight / (self.allowance.target_bps / 8) - self.allowance.base_rtt)

    def on_idle(self, *, now: float) -> None:
        """Everything that the application had to send has left."""
        self._idle_at = now

    def on_sent(self, number: int, size_bytes: int, *, now: float) -> None:
        """A packet left."""
        allowance = self.allowance
        release = 0.0 if allowance.unpaced_bytes else 2.5 * self._packet / (allowance.pacing_bps / 8)
        if now - self._last_sent_at > max(_TRAIN_GAP, release):
            self._train_at = now
            self._train_bytes = 0
        else:
            self._train_bytes += size_bytes
        self._last_sent_at = now
        self.bytes_in_flight += size_bytes
        if self.bytes_in_flight > allowance.unpaced_bytes:
            self._pacer.spend(size_bytes)
        if self.bytes_in_flight + self._packet > allowance.window_bytes:
            self._full_number = number
        packet = SentPacket(
            number, size_bytes, now, self.bytes_in_flight, self._idle_at, self._train_at, self._train_bytes
        )
        self._sent[number] = packet
        self.controller.on_sent(packet)
        self._allowance = None

    def on_settled(
        self,
        acked: Iterable[int],
        lost: Iterable[int],
        *,
        rtt: float | None,
        probe_timeout: float,
        ce_packets: int = 0,
        received_at: Mapping[int, float] | None = None,
        now: float,
    ) -> None:
        """What an ACK or the loss timer said of packets; those that are not in flight are ignored.

        `rtt` is the sample of the newest packet without the ACK delay; `probe_timeout` is RFC 9002's PTO; a queue
        marked `ce_packets` of the acknowledged packets. `received_at` says when the peer received acknowledged packets,
        by number, in seconds of the peer's clock; None if the peer does not report that.
        """
        arrived = self._take(acked)
        missing = self._take(lost)
        if not arrived and not missing:
            return
        if rtt is not None:
            self._silence.sampled(now=now)
        times = {} if received_at is None else received_at
        results = [
            PacketResult(packet, False, times.get(packet.number), packet.number > self._full_number)
            for packet in arrived
        ]
        results += [PacketResult(packet, True, None, packet.number > self._full_number) for packet in missing]
        persistent = self._silence.ends(arrived, missing, probe_timeout)
        feedback = Feedback(
            now, tuple(results), rtt, self.bytes_in_flight, ce_packets, received_at is not None, persistent
        )
        self.controller.on_feedback(feedback)
        self._allowance = None
        self.feedbacks += 1

    def discard(self, numbers: Iterable[int]) -> None:
        """Forget packets that say nothing about the path: their keys were discarded, or they probed the packet size."""
        self._silence.lost(self._take(numbers))

    def undo_losses(self, *, since: float, now: float) -> None:
        """See the contract of controllers."""
        self.controller.undo_losses(since=since, now=now)
        self._allowance = None

    def resize(self, max_datagram_bytes: int) -> None:
        """Packets may have another size from now on."""
        self._packet = max_datagram_bytes
        self._pacer.resize(max_datagram_bytes)
        self.controller.resize(max_datagram_bytes)
        self._allowance = None

    def get_timer(self) -> float | None:
        """The controller's own timer."""
        return self.controller.get_timer()

    def handle_timer(self, *, now: float) -> None:
        """Act on the controller's own timer, if it is due."""
        at = self.controller.get_timer()
        if at is not None and at <= now:
            self.controller.handle_timer(now=now)
            self._allowance = None

    def _take(self, numbers: Iterable[int]) -> list[SentPacket]:
        packets = [packet for number in numbers if (packet := self._sent.pop(number, None)) is not None]
        self.bytes_in_flight -= sum(packet.size_bytes for packet in packets)
        return packets
