"""One SRT connection in live mode, of either role: handshake, then messages both ways, then shutdown.

It ties the pieces together and knows nothing of frames: `send` takes messages, `take_messages` gives those that are
due.
"""

from collections import Counter, deque
from math import inf

from glassbench.transport.contract import Address, Closed, Connected, Datagram, Event
from glassbench.transport.framing import Malformed
from glassbench.transport.srt import handshake_packet
from glassbench.transport.srt.acknowledging import Acknowledger
from glassbench.transport.srt.bandwidth import Bandwidth
from glassbench.transport.srt.estimate import RateEstimate
from glassbench.transport.srt.handshake import CONNECT_TIMEOUT, Agreed, Caller, Listener, Offer, RefusedError
from glassbench.transport.srt.options import SrtOptions
from glassbench.transport.srt.receiving import BufferedMessage, DiscrepancyError, ReceiveBuffer
from glassbench.transport.srt.sending import SendBuffer
from glassbench.transport.srt.timing import INITIAL_RTT, SharedRoundTrip, idle_timeout
from glassbench.transport.srt.wire import (
    ACK,
    ACKACK,
    CONTROL_BIT,
    DROPREQ,
    ENCRYPTED_BITS,
    HANDSHAKE,
    HEADER,
    HEADER_BYTES,
    KEEPALIVE,
    NAK,
    RETRANSMITTED_BIT,
    SHUTDOWN,
    control,
    control_kind,
    pack_range,
    parse_ack,
    parse_loss_list,
    parse_range,
    timestamp_us,
)

KEEPALIVE_INTERVAL = 1.0
_MAX_CONTROL = 512  # control packets between two drains; nobody can fill our memory by asking


class SrtConnection:
    """Sans-IO, with the verbs of `transport.contract.Transport`. A listener may start by its first datagram."""

    def __init__(
        self,
        offer: Offer,
        options: SrtOptions,
        *,
        caller: bool,
        peer: Address,
        cookie_secret: bytes,
        events: deque[Event],
        stats: Counter[str],
    ) -> None:
        self._offer = offer
        self._options = options
        self._is_caller = caller
        self._peer = peer
        self._cookie_secret = cookie_secret
        self._events = events
        self._stats = stats
        self._started_at: float | None = None
        self._caller: Caller | None = None
        self._listener: Listener | None = None
        self._agreed: Agreed | None = None
        self._send_buffer: SendBuffer | None = None
        self._estimate: RateEstimate | None = None
        self._receive_buffer: ReceiveBuffer | None = None
        self._acknowledger: Acknowledger | None = None
        self._round_trip = SharedRoundTrip()
        self._control: list[Datagram] = []
        self._messages: list[tuple[int, BufferedMessage]] = []
        self._heard_at = inf
        self._sent_at = inf
        self._shut_down_by_peer = False
        self.closed = False

    @property
    def max_payload_bytes(self) -> int | None:
        """The largest message, once connected."""
        return None if self._agreed is None else self._agreed.max_payload_bytes

    def connect(self, *, now: float) -> None:
        """Start to call, or to listen."""
        if self._started_at is not None or self.closed:
            return
        self._started_at = now
        if self._is_caller:
            self._caller = Caller(self._offer, self._peer, now=now)
        else:
            self._listener = Listener(self._offer, self._cookie_secret, now=now)

    def send(self, messages: list[bytes], *, now: float, track: int | None = None, sequence: int = 0) -> bool:
        """Queue messages with one source time, all or none. False: not connected, or no room in the buffer."""
        if self._send_buffer is None or self._estimate is None or self.closed or self._shut_down_by_peer:
            return False
        if not self._send_buffer.put(messages, now=now, track=track, sequence=sequence):
            return False
        self._estimate.on_frame(sum(map(len, messages)), self._send_buffer.backlog(), now=now)
        return True

    def frame_budget(self, *, ahead: float, interval: float) -> int | None:
        """How many bytes may be handed in `ahead` seconds from now; see `RateEstimate`. None if not connected."""
        if self._send_buffer is None or self._estimate is None:
            return None
        return self._estimate.frame_budget(self._send_buffer.backlog().held_bytes, ahead=ahead, interval=interval)

    def take_messages(self) -> list[tuple[int, BufferedMessage]]:
        """The messages delivered since the last call, each with the number of packets skipped just before it."""
        if not self._messages:
            return []
        messages, self._messages = self._messages, []
        return messages

    def receive_datagram(self, data: bytes, peer: Address, *, now: float) -> None:
        """Take one datagram. Whatever does not belong to the connection is counted and ignored."""
        if self.closed:
            return
        if peer != self._peer:
            self._stats["foreign"] += 1
            return
        if len(data) < HEADER_BYTES:
            self._stats["malformed"] += 1
            return
        first, second, timestamp, destination = HEADER.unpack_from(data)
        try:
            if self._agreed is None or destination != self._offer.socket:
                self._receive_handshake(first, timestamp, destination, data, now=now)
                return
            self._heard_at = now
            if first & CONTROL_BIT:
                self._receive_control(control_kind(first), second, timestamp, data[HEADER_BYTES:], now)
            elif second & ENCRYPTED_BITS:
                self._stats["undecryptable"] += 1
            elif not self._shut_down_by_peer:
                self._receive_data(first, bool(second & RETRANSMITTED_BIT), timestamp, data, now)
        except Malformed:
            self._stats["malformed"] += 1
            return
        if self._acknowledger is not None and not self.closed and not self._shut_down_by_peer:
            nak = self._acknowledger.look(now=now)
            if nak is not None:
                self._send_control(nak)

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        """Control packets, retransmissions and new packets that may leave now."""
        caller = self._caller
        if caller is not None and caller.send_at <= now:
            self._control.append(Datagram(caller.take(now=now), self._peer))
        datagrams = self._control
        if datagrams:
            self._control = []
        if self._send_buffer is not None:
            packets = self._send_buffer.take(now=now)
            if packets:
                datagrams = datagrams + packets
        if datagrams:
            self._sent_at = now
        return datagrams

    def get_timer(self) -> float | None:
        """The earliest of what is due: handshake, delivery, ACK, NAK, sending, keepalive, timeout."""
        if self.closed:
            return None
        if self._caller is not None:
            return min(self._caller.send_at, self._caller.expires_at)
        if self._receive_buffer is None or self._send_buffer is None or self._acknowledger is None:
            return None
        if self._shut_down_by_peer:
            return self._receive_buffer.next_at
        return min(
            self._receive_buffer.next_at,
            self._acknowledger.next_at(),
            self._send_buffer.next_at(),
            self._sent_at + KEEPALIVE_INTERVAL,
            self._silent_until(),
        )

    def handle_timer(self, *, now: float) -> None:
        """Do what is due: deliver, acknowledge, ask for what is missing, keep alive, give up."""
        if self.closed:
            return
        if self._caller is not None and self._caller.expires_at <= now:
            host, port = self._peer
            self._close(now, f"no answer from {host}:{port} within {CONNECT_TIMEOUT:g} s")
        if self._receive_buffer is None or self._acknowledger is None:
            return
        self._deliver(now)
        if self._shut_down_by_peer or self.closed:
            return
        if self._acknowledger.next_at() <= now:
            for packet in self._acknowledger.take(now=now):
                self._send_control(packet)
        if self._silent_until() <= now:
            self._close(now, f"nothing heard from the peer for {now - self._heard_at:.1f} s")
        elif self._sent_at + KEEPALIVE_INTERVAL <= now:
            self._send_new_control(KEEPALIVE, now)

    def close(self, *, now: float) -> None:
        """Say goodbye if there is a peer, and forget everything. Packets that wait for their time are not delivered.

        A listener that refused whoever called says why nobody is connected.
        """
        if not self.closed:
            if self._agreed is not None and not self._shut_down_by_peer:
                self._send_new_control(SHUTDOWN, now)
            self._close(now, None if self._listener is None else self._listener.refusal)

    def _receive_handshake(self, first: int, timestamp: int, destination: int, data: bytes, *, now: float) -> None:
        """Take a packet that came before the connection, or is not for it. Only handshakes mean anything here."""
        if not first & CONTROL_BIT or control_kind(first) != HANDSHAKE:
            self._stats["foreign"] += 1
            return
        if not self._is_caller:
            if destination != 0:
                self._stats["foreign"] += 1
                return
            self.connect(now=now)
            assert self._listener is not None
            packet = handshake_packet.parse(data[HEADER_BYTES:])
            answer, agreed = self._listener.receive(packet, timestamp, self._peer, now=now)
            if answer is None:
                self._stats["foreign"] += 1
            else:
                self._send_control(answer)
            if agreed is not None:
                self._establish(agreed, now)
        elif self._caller is None or destination != self._offer.socket:
            self._stats["foreign"] += 1
        else:
            try:
                agreed = self._caller.receive(handshake_packet.parse(data[HEADER_BYTES:]), timestamp, now=now)
            except RefusedError as refused:
                self._close(now, str(refused))
                return
            if agreed is not None:
                self._caller = None
                self._establish(agreed, now)

    def _establish(self, agreed: Agreed, now: float) -> None:
        assert self._started_at is not None
        self._agreed = agreed
        self._send_buffer = SendBuffer(
            peer=agreed.peer,
            peer_socket=agreed.peer_socket,
            first_sequence=agreed.send_sequence,
            window=agreed.peer_window,
            latency=agreed.send_latency,
            drops_late=agreed.peer_drops_late,
            started_at=self._started_at,
            bandwidth=Bandwidth(self._options, max_payload_bytes=agreed.max_payload_bytes),
            answers_all=self._options.retransmitalgo == 0,
            round_trip=self._round_trip,
            events=self._events,
            stats=self._stats,
        )
        self._estimate = RateEstimate(agreed.send_latency)
        self._receive_buffer = ReceiveBuffer(
            first_sequence=agreed.receive_sequence,
            clock=agreed.peer_clock,
            latency=agreed.receive_latency,
            reordering=self._options.lossmaxttl,
            stats=self._stats,
        )
        self._acknowledger = Acknowledger(
            self._receive_buffer,
            agreed.peer_clock,
            self._round_trip,
            peer_socket=agreed.peer_socket,
            max_payload_bytes=agreed.max_payload_bytes,
            started_at=self._started_at,
            stats=self._stats,
            now=now,
        )
        self._heard_at = self._sent_at = now
        self._events.append(Connected(now))

    def _silent_until(self) -> float:
        return self._heard_at + idle_timeout(self._options.peeridletimeo / 1e3, self._round_trip)

    def _receive_data(self, sequence: int, retransmitted: bool, timestamp: int, data: bytes, now: float) -> None:
        assert self._receive_buffer is not None and self._acknowledger is not None
        self._stats["packets_received"] += 1
        try:
            asked = self._receive_buffer.add(
                sequence, timestamp, data[HEADER_BYTES:], retransmitted=retransmitted, now=now
            )
        except DiscrepancyError as discrepancy:
            self._send_new_control(SHUTDOWN, now)
            self._close(now, str(discrepancy))
            return
        answer = self._acknowledger.on_data(len(data), asked, now=now)
        if answer is not None:
            self._send_control(answer)
        if self._receive_buffer.next_at <= now:
            self._deliver(now)

    def _receive_control(self, kind: int, info: int, timestamp: int, cif: bytes, now: float) -> None:
        assert self._send_buffer is not None and self._acknowledger is not None and self._receive_buffer is not None
        if kind == ACK:
            self._receive_ack(info, cif, now)
        elif kind == ACKACK:
            self._acknowledger.on_ackack(info, timestamp, now=now)
        elif kind == NAK:
            self._stats["naks_received"] += 1
            for first, last in self._send_buffer.request(parse_loss_list(cif)):
                self._send_new_control(DROPREQ, now, cif=pack_range(first, last))
        elif kind == DROPREQ:
            self._receive_buffer.give_up(*parse_range(cif))
            self._acknowledger.on_skip(now=now)
        elif kind == HANDSHAKE:
            # A repeated request is addressed to socket 0; a late answer says nothing new.
            self._stats["foreign"] += 1
        elif kind == SHUTDOWN:
            self._shut_down_by_peer = True
            self._send_buffer.discard(now=now)
            self._close_when_delivered(now)
        elif kind != KEEPALIVE:
            self._stats["foreign"] += 1

    def _receive_ack(self, number: int, cif: bytes, now: float) -> None:
        assert self._send_buffer is not None and self._estimate is not None
        ack = parse_ack(cif)
        light = len(cif) < 16
        if not self._send_buffer.acknowledge(ack.sequence, None if light else ack.free_packets):
            raise Malformed("ACK of packets never sent")
        if not light:
            self._round_trip.take_over(ack.rtt_us * 1e-6, ack.rtt_variance_us * 1e-6)
            self._send_new_control(ACKACK, now, info=number)
            if ack.rtt_us != INITIAL_RTT * 1e6:  # the peer has measured it
                self._estimate.on_ack(
                    rtt=self._round_trip.smoothed,
                    received_bps=ack.byte_rate * 8.0,
                    backlog=self._send_buffer.backlog(),
                    now=now,
                )

    def _deliver(self, now: float) -> None:
        assert self._receive_buffer is not None and self._acknowledger is not None
        due = self._receive_buffer.take(now=now)
        if due:
            if any(skipped for skipped, _ in due):
                self._acknowledger.on_skip(now=now)
            self._messages += due
        if self._shut_down_by_peer:
            self._close_when_delivered(now)

    def _close_when_delivered(self, now: float) -> None:
        """After the peer's shutdown, what has arrived is still delivered at its time."""
        assert self._receive_buffer is not None
        if self._receive_buffer.next_at == inf:
            self._close(now, None)

    def _send_new_control(self, kind: int, now: float, *, info: int = 0, cif: bytes = b"") -> None:
        assert self._agreed is not None and self._started_at is not None
        stamp = timestamp_us(now - self._started_at)
        self._send_control(control(kind, timestamp=stamp, destination=self._agreed.peer_socket, info=info, cif=cif))

    def _send_control(self, packet: bytes) -> None:
        if len(self._control) < _MAX_CONTROL:
            self._control.append(Datagram(packet, self._peer))
        else:
            self._stats["dropped_full"] += 1

    def _close(self, now: float, error: str | None) -> None:
        if self._send_buffer is not None:
            self._send_buffer.discard(now=now)
        self.closed = True
        self._caller = None
        self._events.append(Closed(now, error))
