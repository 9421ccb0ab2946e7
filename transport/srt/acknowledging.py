"""What a receiver of data says back: ACK every 10 ms, light ACK every 64 packets, NAK at once and then periodically.

ACK and ACKACK measure the round trip (draft-sharabayko-srt 4.8, 4.10; libsrt's checkACKTimer and checkNAKTimer). The
10 ms grid starts with the connection, but its timer runs only while there is something to acknowledge.

libsrt looks whether a periodic NAK is due after each packet that it receives, and 10 ms after it looked last
(checkTimers). So a NAK that is due every 20 ms is sent every 20 to 30, and how often a lost packet is sent again
depends on that.
"""

from collections import Counter
from math import ceil, floor, inf

from glassbench.transport.round_trip import RoundTrip
from glassbench.transport.srt.receiving import ReceiveBuffer
from glassbench.transport.srt.timing import PeerClock
from glassbench.transport.srt.wire import (
    ACK,
    NAK,
    SEQUENCE_MASK,
    FullAck,
    Range,
    control,
    pack_full_ack,
    pack_light_ack,
    pack_loss_list,
    timestamp_us,
)

ACK_INTERVAL = 0.01
LIGHT_ACK_PACKETS = 64
FIRST_NAK_INTERVAL = 0.3  # until a NAK was sent
MIN_NAK_INTERVAL = 0.02
_LOOK_INTERVAL = 0.01
_MAX_UNANSWERED = 1024  # ACKs whose ACKACK is still expected (ACK_WND_SIZE)
_RATE_WINDOW = 0.5


class Acknowledger:
    """Decides when to acknowledge packets and when to ask for missing ones, and makes the control packets."""

    def __init__(
        self,
        buffer: ReceiveBuffer,
        clock: PeerClock,
        round_trip: RoundTrip,
        *,
        peer_socket: int,
        max_payload_bytes: int,
        started_at: float,
        stats: Counter[str],
        now: float,
    ) -> None:
        self._buffer = buffer
        self._clock = clock
        self._round_trip = round_trip
        self._peer_socket = peer_socket
        self._max_payload_bytes = max_payload_bytes
        self._started_at = started_at
        self._grid_at = now
        self._stats = stats
        self._ack_at = inf
        self._nak_at = inf  # not sent before, but at the next look
        self._nak_interval = FIRST_NAK_INTERVAL
        self._looked_at = now
        self._fresh = 0  # packets since the last full ACK
        self._light_acks = 0
        self._position = self._confirmed = buffer.position()  # last acknowledged; last the peer is known to know of
        self._full_ack_at = -inf
        self._number = 0
        self._unanswered: dict[int, tuple[int, float]] = {}  # position and instant of each ACK, by its number
        self._window_at = now
        self._window_packets = self._window_bytes = 0
        self._packet_rate = self._byte_rate = 0

    def on_data(self, size_bytes: int, asked: list[Range], *, now: float) -> bytes | None:
        """A data packet came, and perhaps showed that `asked` are missing. Returns a NAK or light ACK to send at once,
        if there is one."""
        self._window_packets += 1
        self._window_bytes += size_bytes
        self._fresh += 1
        if self._fresh == 1:
            self._ack_at = min(self._ack_at, self._tick_after(now))
        if not self._buffer.misses_any():
            self._nak_at = inf
        elif self._nak_at == inf:
            self._nak_at = self._look_before(now) + self._nak_interval
        if asked:
            return self._nak(asked, now)
        if self._fresh >= LIGHT_ACK_PACKETS * (self._light_acks + 1):
            self._light_acks += 1
            return self._control(ACK, 0, pack_light_ack(self._buffer.position() & SEQUENCE_MASK), now)
        return None

    def on_skip(self, *, now: float) -> None:
        """Missing packets were given up, so the position moved without data."""
        self._ack_at = min(self._ack_at, self._tick_after(now))

    def on_ackack(self, number: int, timestamp: int, *, now: float) -> None:
        """The peer answered ACK `number`: a sample of the round trip and of the drift."""
        acknowledged = self._unanswered.get(number)
        if acknowledged is None:
            return
        position, sent_at = acknowledged
        for older in list(self._unanswered):  # in the order of sending
            del self._unanswered[older]
            if older == number:
                break
        self._confirmed = max(self._confirmed, position)
        if now > sent_at:
            self._round_trip.add(now - sent_at)
            self._clock.add_sample(timestamp, now, now - sent_at)

    def look(self, *, now: float) -> bytes | None:
        """After each packet received, of whatever kind: the periodic NAK, if it is due."""
        self._looked_at = now
        return self._periodic_nak(now) if self._nak_at <= now else None

    def next_at(self) -> float:
        """When `take` has something to do; inf for never."""
        return self._ack_at if self._nak_at == inf else min(self._ack_at, self._look_at_or_after(self._nak_at))

    def take(self, *, now: float) -> list[bytes]:
        """The control packets that are due."""
        packets: list[bytes] = []
        if self._ack_at <= now:
            ack = self._full_ack(now)
            if ack is not None:
                packets.append(ack)
        if self._nak_at < inf and self._look_at_or_after(self._nak_at) <= now:
            self._looked_at = now
            nak = self._periodic_nak(now)
            if nak is not None:
                packets.append(nak)
        return packets

    def _periodic_nak(self, now: float) -> bytes | None:
        if not self._buffer.misses_any():
            self._nak_at = inf
            return None
        nak = self._nak(self._buffer.missing(), now)
        self._nak_at = now + self._nak_interval
        return nak

    def _full_ack(self, now: float) -> bytes | None:
        position = self._buffer.position()
        self._fresh = self._light_acks = 0
        if position == self._confirmed:
            self._ack_at = inf
            return None
        round_trip = self._round_trip
        repeat_at = self._full_ack_at + round_trip.smoothed + 4 * round_trip.variance
        if position == self._position and now < repeat_at:
            self._ack_at = self._tick_after(repeat_at)
            return None
        self._position = position
        self._full_ack_at = now
        self._ack_at = self._tick_after(now + round_trip.smoothed + 4 * round_trip.variance)
        self._measure_rates(now)
        self._number = self._number + 1 & SEQUENCE_MASK or 1
        self._unanswered[self._number] = (position, now)
        if len(self._unanswered) > _MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        cif = pack_full_ack(
            FullAck(
                sequence=position & SEQUENCE_MASK,
                rtt_us=_microseconds(round_trip.smoothed),
                rtt_variance_us=_microseconds(round_trip.variance),
                free_packets=max(2, self._buffer.free_packets()),  # never 0, so that the peer cannot stop for ever
                packet_rate=self._packet_rate,
                capacity=0,  # packet pairs are not measured: live mode does not use it
                byte_rate=self._byte_rate,
            )
        )
        return self._control(ACK, self._number, cif, now)

    def _nak(self, ranges: list[Range], now: float) -> bytes:
        self._stats["naks_sent"] += 1
        self._nak_interval = max(self._round_trip.timeout() / 2, MIN_NAK_INTERVAL)
        return self._control(NAK, 0, pack_loss_list(ranges, self._max_payload_bytes), now)

    def _look_before(self, now: float) -> float:
        """When the receiver looked last before `now`, if nothing has arrived since the last look that is known."""
        return self._looked_at + floor((now - self._looked_at) / _LOOK_INTERVAL) * _LOOK_INTERVAL

    def _look_at_or_after(self, instant: float) -> float:
        """The first look from `instant` on, if nothing arrives."""
        looks = ceil((instant - self._looked_at) / _LOOK_INTERVAL - 1e-6)  # so much is lost in the division
        return self._looked_at + max(0, looks) * _LOOK_INTERVAL

    def _tick_after(self, instant: float) -> float:
        # The millionth of a tick keeps a tick from being its own successor when the division rounds down.
        return self._grid_at + (floor((instant - self._grid_at) / ACK_INTERVAL + 1e-6) + 1) * ACK_INTERVAL

    def _measure_rates(self, now: float) -> None:
        elapsed = now - self._window_at
        if elapsed >= _RATE_WINDOW:
            self._packet_rate = int(self._window_packets / elapsed)
            self._byte_rate = int(self._window_bytes / elapsed)
            self._window_at, self._window_packets, self._window_bytes = now, 0, 0

    def _control(self, kind: int, info: int, cif: bytes, now: float) -> bytes:
        stamp = timestamp_us(now - self._started_at)
        return control(kind, timestamp=stamp, destination=self._peer_socket, info=info, cif=cif)


def _microseconds(duration: float) -> int:
    return min(int(duration * 1e6), 0x7FFF_FFFF)
