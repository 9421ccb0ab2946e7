"""The sending end of our scheduler."""

import math

from glassbench.transport.congestion.announcements import Announcements
from glassbench.transport.congestion.flight import Flight
from glassbench.transport.contract import Datagram, Frame, TransportConfig
from glassbench.transport.quic.carrier import Carrier
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.path_mtu import BASE_BYTES
from glassbench.transport.quic.sender import LEAST_PRIORITY, CarrierFactory, QuicSender
from glassbench.transport.quic.service import Service
from glassbench.transport.quic.session import Session
from glassbench.transport.quic.stack import Stack
from glassbench.transport.quic.streams import StreamCarrier

_ESTIMATE_SLACK = 0.01  # seconds, for delayed ACKs, late timers and small errors of the rate


class ScheduledSender(QuicSender):
    """Our scheduler: what may leave now is decided by the congestion controller, what leaves by priority and deadline.

    A frame waits in our queue until packets can carry it at once; only then it gets a stream or fragments, so that a
    more important one that comes later overtakes it and an expired one costs nothing.
    """

    def __init__(
        self,
        config: TransportConfig,
        options: QuicOptions,
        session: type[Session],
        carrier: CarrierFactory,
        service: Service | None = None,
    ) -> None:
        super().__init__(config, options, session, carrier, service)
        self._send_at: float | None = None  # when pacing lets waiting bytes go
        self._announcements = Announcements()

    def get_timer(self) -> float | None:
        at = super().get_timer()
        carrier = self._carrier
        if carrier is None or self._closed:
            return at
        expires_at = min(self._queue.expires_at(), carrier.expires_at())
        control = self._stack.control if self._stack is not None else None
        control_at = control.flight.get_timer() if control is not None else None
        return min(
            (each for each in (at, self._send_at, expires_at, control_at) if each is not None and each < math.inf),
            default=None,
        )

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        control = self._stack.control if self._stack is not None else None
        if control is None:
            return None
        waiting_bytes = self._queue.bytes + (0 if self._carrier is None else self._carrier.unsent_bytes(LEAST_PRIORITY))
        budget = control.flight.frame_budget(waiting_bytes=waiting_bytes, ready_at=ready_at, interval=interval, now=now)
        if self._qlog is not None:
            self._qlog.note_frame_budget(budget)
        return budget

    def handle_timer(self, *, now: float) -> None:
        super().handle_timer(now=now)
        if self._stack is not None and self._stack.control is not None:
            self._stack.control.flight.handle_timer(now=now)
        self._expire(now=now)

    def stats(self) -> dict[str, int]:
        control = self._stack.control if self._stack is not None else None
        path = control.path_mtu if control is not None else None
        return dict(self._count) | {
            "lost_packets": control.lost_packets if control is not None else 0,
            "ce_packets": control.ce_packets if control is not None else 0,
            "spurious_losses": self._stack.spurious_losses if self._stack is not None else 0,
            "mtu_probes": path.probes if path is not None else 0,
            "black_holes": path.black_holes if path is not None else 0,
            "max_datagram_bytes": path.size_bytes if path is not None else BASE_BYTES,
        }

    def _admit(self, frame: Frame, *, now: float) -> None:
        self._expire(now=now)
        for victim in self._queue.push(frame):
            self._drop_full(victim)

    def _equip(self, stack: Stack, session: Session) -> None:
        super()._equip(stack, session)
        if isinstance(self._carrier, StreamCarrier):
            stack.urgency = self._carrier.urgency

    def _transmit(self, stack: Stack, *, now: float) -> list[Datagram]:
        self._send_at = None
        carrier = self._carrier
        if carrier is None or stack.control is None or not self._connected:
            return super()._transmit(stack, now=now)
        flight = stack.control.flight
        self._tell_dropped(stack)
        self._expire(now=now)
        datagrams: list[Datagram] = []
        while True:
            packets = flight.packets_allowed(now=now)
            wanted = max(packets, 1) if stack.probe_due else packets
            self._start_frames(carrier, flight, wanted, now=now)
            carrier.fill(wanted)
            sent = stack.transmit(wanted, now=now)
            datagrams += [Datagram(data, peer) for data, peer in sent]
            if not self._queue and not carrier.waiting():
                if padding := self._pad(stack, flight, now=now):
                    datagrams += padding
                    break
                flight.on_idle(now=now)
                if flight.packets_allowed(now=now):  # a probe delays nobody, and is subject to the window
                    datagrams += [Datagram(data, peer) for data, peer in stack.probe_path(now=now)]
                break
            if not packets:
                self._send_at = flight.next_send_at()
                break
            if not sent:
                break  # held by the peer's flow control: its next packet will tell
        has_sent_media = bool(self._count["media_bytes"])
        told = list(self._announcements.take(flight, stack.rtt, has_sent_media=has_sent_media, now=now))
        self._events += told
        if self._qlog is not None:
            self._qlog.log_estimates(stack.control, told)
        return datagrams

    def _pad(self, stack: Stack, flight: Flight, *, now: float) -> list[Datagram]:
        """What a controller that probes wants to leave, though nobody has anything to say."""
        padding: list[Datagram] = []
        while flight.allowance.padding_bps > 0 and flight.packets_allowed(now=now) > 0:
            datagrams = stack.pad(now=now)
            if not datagrams:
                return padding  # the handshake is not confirmed yet
            padding += [Datagram(data, peer) for data, peer in datagrams]
            self._count["padding_packets"] += len(datagrams)
        if flight.allowance.padding_bps > 0:
            self._send_at = flight.next_send_at()
        return padding

    def _start_frames(self, carrier: Carrier, flight: Flight, packets: int, *, now: float) -> None:
        """Bring into the carrier what can leave now.

        A frame that cannot arrive in time would take the time of the next one, which then is late too, and so on: under
        overload nearly every frame would be sent in part and arrive never. It is dropped, unless it is the last one:
        something must be sent, or a rate once believed too low would stay. Frames of higher layers, which would be left
        out next, do not count for that.
        """
        assert self._stack is not None
        room = packets * self._stack.datagram_bytes
        while self._queue:
            frame = self._queue.first()
            layered = self._layers.get(frame.track, 1) > 1
            if layered:
                self._make_way(frame, carrier, flight, now=now)
            if carrier.unsent_bytes(frame.track_priority) >= room or not carrier.accepts(frame):
                return
            frame = self._queue.pop()
            ahead = carrier.unsent_bytes(frame.track_priority)
            if self._queue.has_rival(frame) and self._is_hopeless(frame, flight, ahead, now=now):
                self._give_up_on(frame)
                continue
            if layered:
                self._drop_overtaken(self._queue.overtaken(frame))
            carrier.start(frame)

    def _make_way(self, frame: Frame, carrier: Carrier, flight: Flight, *, now: float) -> None:
        """Drop what has begun of higher layers, and what needs that, if a frame would be late behind it. Even if it is
        late without it: others refer to that frame, and the later it leaves, the more of them are late with it."""
        if self._is_hopeless(frame, flight, carrier.unsent_bytes(frame.track_priority), now=now):
            for begun in carrier.overtaken(frame):
                needing = self._queue.skip_after(begun, layers=self._layers[frame.track])
                self._drop_overtaken([begun, *needing])

    def _is_hopeless(self, frame: Frame, flight: Flight, bytes_ahead: int, *, now: float) -> bool:
        if frame.expires_at is None or flight.allowance.probe:
            return False
        arrives_at = flight.arrival_of(bytes_ahead + len(frame.payload), now=now)
        return arrives_at + _ESTIMATE_SLACK > frame.expires_at

    def _expire(self, *, now: float) -> None:
        expired = self._carrier.expire(now=now) if self._carrier is not None else []
        for frame in expired + self._queue.expire(now=now):
            self._give_up_on(frame)

    def _give_up_on(self, frame: Frame) -> None:
        """Drop a frame, and of a video track also what is not worth sending without it."""
        self._drop_expired(frame)
        if (layers := self._layers.get(frame.track)) is not None:
            for skipped in self._queue.skip_after(frame, layers=layers):
                self._drop_expired(skipped)
