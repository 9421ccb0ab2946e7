"""aioquic's connection with what live video needs and its public interface lacks.

Beside one look of `webtransport.py` at HTTP/3 buffers, this is the only file that reaches below aioquic's public
interface; each place says what for. All of it was read in 1.7.2, and the dependency is held below 1.8.

- Reports: which stream offsets and DATAGRAMs left in a packet, and which DATAGRAM was acknowledged or lost, so that
  frames have exact send times and datagrams can be repaired.
- Arrivals: where STREAM frames landed, also while a gap holds them back, so that waiting for the network and waiting
  behind another frame (head-of-line blocking) can be told apart. aioquic delivers in order and keeps no times; the
  frame handler is the one place that sees each range with its arrival.
- Order: streams are served by urgency, not round robin.
- ACKs: not after every millisecond, but at once around a gap.
- Probes: at a steady pace while nothing is acknowledged, where RFC 9002's backoff doubles without bound.
- Limits: what a peer can make us buffer is bounded; aioquic raises flow control limits however little is consumed.
- Early data: whether it may leave, what of it fits a packet, and its repetition if the listener refused it.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol, cast

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection, QuicConnectionError, QuicConnectionState, QuicReceiveContext
from aioquic.quic.events import ConnectionTerminated, QuicEvent
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer, QuicPacketSpace
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch, SessionTicketFetcher

from transport.contract import Address
from transport.quic.chance import Chance
from transport.quic.control import ControlAdapter
from transport.quic.sent_acks import forget_old_acks

MAX_BUFFERED_BYTES = 32 * 2**20  # received out of order, over all streams

_ACK_DELAY = 0.005  # RFC 9000 13.2.1 allows up to the announced max_ack_delay, 25 ms in aioquic
_PACKETS_AFTER_GAP = 4  # the one that shows it and three more: kPacketThreshold of RFC 9002 6.1.1
_PROBE_INTERVAL = 0.1
_INSTANT = 1e-6
_HANDSHAKE_PACKETS = 10
_ENDED = (QuicConnectionState.CLOSING, QuicConnectionState.DRAINING, QuicConnectionState.TERMINATED)


def _stream_number(stream: QuicStream) -> int:
    return cast(int, stream.stream_id)


# aioquic rebuilds its service queue from a set of streams, in the order of their hashes: by default of their addresses.
QuicStream.__hash__ = _stream_number  # type: ignore[assignment]


class Reports(Protocol):
    """What a stack tells its end while it builds and acknowledges packets."""

    def on_stream_sent(self, stream_id: int, offset: int, size_bytes: int) -> None:
        """A STREAM frame of this size is in a packet; so have been all bytes of the stream before `offset`, by now."""

    def on_datagram_sent(self, token: Hashable) -> None:
        """The DATAGRAM of this token is in a packet."""

    def on_datagram_settled(self, token: Hashable, acknowledged: bool) -> None:
        """The packet with the DATAGRAM was acknowledged, or declared lost."""

    def on_stream_arrived(self, stream_id: int, start: int, stop: int, at: float) -> None:
        """Bytes of a stream arrived, perhaps again, perhaps out of order."""


class Stack(QuicConnection):
    """A QUIC connection: with `live`, our ACK policy and probes; else aioquic as it is, observed."""

    def __init__(
        self,
        reports: Reports,
        *,
        configuration: QuicConfiguration,
        chance: Chance,
        live: bool,
        original_destination_connection_id: bytes | None = None,
        session_ticket_fetcher: SessionTicketFetcher | None = None,
    ) -> None:
        self.urgency: Callable[[int], tuple[int, int]] | None = None  # of a stream, least first; None is round robin
        self._streams_in_order: list[QuicStream] = []
        with chance:
            super().__init__(
                configuration=configuration,
                original_destination_connection_id=original_destination_connection_id,
                session_ticket_fetcher=session_ticket_fetcher,
            )
        self._chance = chance
        self._reports = reports
        self._live = live
        self._tokens: deque[Hashable] = deque()  # of self._datagrams_pending
        control = self._loss._cc
        self.control = control if isinstance(control, ControlAdapter) else None
        if live:
            self._loss._pacer = _Unpaced(max_datagram_size=configuration.max_datagram_size)
            self._ack_delay = _ACK_DELAY
        self._ack_ranges = 0
        self._ack_at_once = 0
        self._largest_acked = 0
        self._alive_at = 0.0  # the last sign of the peer, or when something was first sent into a quiet connection
        self._probed_at = 0.0
        self._transmitted_at = 0.0
        self._acted = True  # something happened since the last transmit that a packet may have to tell
        self._early_data_settled = False

    @property
    def started(self) -> bool:
        """Whether the first packet of the peer, or our own call of `connect`, brought the connection to life."""
        return self._close_at is not None or self._close_event is not None

    @property
    def progressed(self) -> bool:
        """Whether a packet of the peer was authentic."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def sends_early_data(self) -> bool:
        """Whether what is handed over leaves in 0-RTT packets: the caller resumes, and has no better keys yet."""
        return self._is_client and self.started and self._cryptos[Epoch.ZERO_RTT].send.is_valid()

    @property
    def resumed(self) -> bool:
        """Whether both ends proved that they know the secret of an earlier session, instead of by a certificate."""
        return self.tls.session_resumed

    @property
    def terminated(self) -> ConnectionTerminated | None:
        """How the connection ended, as soon as it has: aioquic's event comes after the draining period only."""
        return self._close_event if self._state in _ENDED else None

    @property
    def rtt(self) -> float:
        """The smoothed round-trip time in seconds, 0 before the first sample."""
        return self._loss._rtt_smoothed

    @property
    def peer_certificate(self) -> Any:
        """What the peer presented, proven by its signature but not verified against anything."""
        return self.tls._peer_certificate

    def call(self, peer: Address, *, now: float) -> None:
        """Begin the handshake."""
        with self._chance:
            self.connect(peer, now)

    def take_event(self) -> QuicEvent | None:
        """As `next_event`, which raises and catches an exception to find that there is none."""
        return self._events.popleft() if self._events else None

    def max_datagram_payload(self) -> int:
        """The largest DATAGRAM that fits one packet; a larger one would block all that follow it for ever."""
        header_and_tag = 1 + len(self._peer_cid.cid) + 2 + 16
        if self.sends_early_data:  # a long header: version, two lengths of ids, our id, the length of the packet
            header_and_tag += 4 + 2 + len(self.host_cid) + 2
        room = self._max_datagram_size - header_and_tag - 3
        accepted = self._remote_max_datagram_frame_size
        return room if accepted is None else min(room, accepted - 3)

    def may_open_stream(self) -> bool:
        """Whether the peer has room for one more of our unidirectional streams.

        A stream beyond the peer's limit waits, and to reset it while it waits is an error that ends the connection.
        """
        return self._local_next_stream_id_uni // 4 < self._remote_max_streams_uni

    def has_stream(self, stream_id: int) -> bool:
        """Whether the stream is not finished yet: opened, and its end or reset not acknowledged."""
        stream = self._streams.get(stream_id)
        return stream is not None and not stream.sender.is_finished

    def pending_datagrams(self) -> int:
        """DATAGRAMs handed over and not sent yet."""
        return len(self._datagrams_pending)

    def send_datagram(self, data: bytes, token: Hashable) -> None:
        """Queue a DATAGRAM; `token` comes back in the reports."""
        self.send_datagram_frame(data)
        self._tokens.append(token)

    def discard_stream_data(self, stream_id: int, error_code: int) -> None:
        """Ask the peer to stop sending on a stream."""
        if stream_id in self._streams:
            self.stop_stream(stream_id, error_code)

    def has_stream_data(self) -> bool:
        """Whether stream bytes, new or lost, or a reset wait to be sent."""
        for stream in self._streams_in_order:
            sender = stream.sender
            if sender.reset_pending or (not sender.buffer_is_empty and (len(sender._pending) or sender._pending_eof)):
                return True
        return False

    @property
    def probe_due(self) -> bool:
        """Whether the next call of `transmit` sends a probe; it may carry a packet of data."""
        return self._probe_pending

    def transmit(self, packets: int, *, now: float) -> list[tuple[bytes, Address]]:
        """Datagrams to send; under our control at most `packets` that are not mere ACKs, but for a pure handshake."""
        if self._nothing_to_send(now=now):
            return []
        if self.control is not None:
            carries_media = self._handshake_complete or self.sends_early_data
            self.control.permit(packets if carries_media else max(packets, _HANDSHAKE_PACKETS))
        self._transmitted_at = now
        self._acted = False
        quiet = not self._in_flight()
        datagrams = more = self.datagrams_to_send(now)
        while more and self.sends_early_data:
            # Early packets share datagrams, and a DATAGRAM that finds no room behind another packet ends aioquic's
            # loop instead of the datagram.
            more = self.datagrams_to_send(now)
            datagrams = datagrams + more
        if quiet and datagrams:
            self._alive_at = now
        if self._loss.spaces:
            forget_old_acks(self._loss.spaces[-1])
        return datagrams

    def take(self, data: bytes, peer: Address, *, now: float) -> None:
        """One datagram of the network."""
        with self._chance:
            self.receive_datagram(data, peer, now)
        largest = self._loss.spaces[-1].largest_acked_packet if self._loss.spaces else 0
        if largest != self._largest_acked:
            self._largest_acked = largest
            self._alive_at = now
            self._acted = True  # what was found lost may be more than stream data
        if self._handshake_complete and not self._early_data_settled:
            self._settle_early_data(now=now)
        if self._live:
            self._hasten_ack(now=now)
        self._flush_control(now=now)

    def due_at(self) -> float | None:
        """When `tick` is due.

        Never the instant of the last `transmit`: while it paces, aioquic holds an ACK back that is due at that very
        instant.
        """
        at = self.get_timer() if self.started else None
        if at is None:
            return None
        probe_at = self._probe_at()
        if probe_at is not None and probe_at < at:
            at = probe_at
        return max(at, self._transmitted_at + _INSTANT)

    def tick(self, *, now: float) -> None:
        """Act on the timers."""
        at = self.get_timer() if self.started else None
        if at is not None and now >= at:
            self.handle_timer(now)
            self._flush_control(now=now)
            self._acted = True
        probe_at = self._probe_at()
        if probe_at is not None and now >= probe_at:
            self._probed_at = now
            self._probe_pending = True  # a probe may exceed the congestion window, which a lost flight fills

    @property
    def _streams_queue(self) -> list[QuicStream]:
        """aioquic's list of streams to serve, most urgent first each time it is about to fill a packet."""
        if self.urgency is not None and len(self._streams_in_order) > 1:
            urgency = self.urgency
            self._streams_in_order.sort(key=lambda stream: urgency(stream.stream_id))  # type: ignore[arg-type]
        return self._streams_in_order

    @_streams_queue.setter
    def _streams_queue(self, streams: list[QuicStream]) -> None:
        self._streams_in_order = streams

    def _write_stream_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream, max_offset: int
    ) -> int:
        room = builder.remaining_buffer_space
        new = super()._write_stream_frame(builder, space, stream, max_offset)
        size = room - builder.remaining_buffer_space
        if size:
            self._reports.on_stream_sent(_stream_number(stream), stream.sender.highest_offset, size)
        return new

    def _write_datagram_frame(self, builder: QuicPacketBuilder, data: bytes, frame_type: QuicFrameType) -> bool:
        """As aioquic's, but with a delivery handler, which its DATAGRAM frames do not have."""
        buffer = builder.start_frame(
            frame_type,
            capacity=1 + (1 if len(data) < 64 else 2) + len(data),
            handler=self._on_datagram_delivery,
            handler_args=(self._tokens[0],),
        )
        buffer.push_uint_var(len(data))
        buffer.push_bytes(data)
        if self._quic_logger is not None:
            builder.quic_logger_frames.append(self._quic_logger.encode_datagram_frame(length=len(data)))  # type: ignore[union-attr]
        self._reports.on_datagram_sent(self._tokens.popleft())
        return True

    def _on_datagram_delivery(self, delivery: QuicDeliveryState, token: Hashable) -> None:
        self._reports.on_datagram_settled(token, delivery is QuicDeliveryState.ACKED)

    def _handle_stream_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        """Read the range ahead of aioquic: for its arrival, and because one packet can claim megabytes of gap."""
        start = buf.tell()
        stream_id = buf.pull_uint_var()
        offset = buf.pull_uint_var() if frame_type & 4 else 0
        length = buf.pull_uint_var() if frame_type & 2 else buf.capacity - buf.tell()
        buf.seek(start)
        stream = self._streams.get(stream_id)
        delivered = stream.receiver.starting_offset() if stream is not None else 0
        if offset > delivered and self._would_buffer(offset + length - delivered, stream) > MAX_BUFFERED_BYTES:
            raise QuicConnectionError(
                error_code=QuicErrorCode.FLOW_CONTROL_ERROR,
                frame_type=frame_type,
                reason_phrase=f"Over {MAX_BUFFERED_BYTES} bytes out of order",
            )
        was_open = stream is None or not stream.receiver.is_finished
        super()._handle_stream_frame(context, frame_type, buf)  # raises if the stream is gone or the frame is wrong
        if was_open:
            self._reports.on_stream_arrived(stream_id, offset, offset + length, context.time)

    def _settle_early_data(self, *, now: float) -> None:
        """What the listener refused never arrived, and is not lost to congestion (RFC 9002 section 6.4)."""
        self._early_data_settled = True
        space = self._loss.spaces[-1]
        early = [packet for packet in space.sent_packets.values() if packet.packet_type is QuicPacketType.ZERO_RTT]
        if early and not self.tls.early_data_accepted:
            self._loss._on_packets_lost(congestion_event=False, now=now, packets=early, space=space)

    def _would_buffer(self, bytes_ahead: int, stream: QuicStream | None) -> int:
        others = sum(len(other.receiver._buffer) for other in self._streams.values() if other is not stream)
        return others + bytes_ahead

    def _hasten_ack(self, *, now: float) -> None:
        """RFC 9000 13.2.1: a packet out of order is acknowledged at once; so are the few that prove the loss."""
        if not self._handshake_complete:
            return
        space = self._loss.spaces[-1]
        if space.ack_at is None:
            return
        if len(space.ack_queue) != self._ack_ranges:
            self._ack_ranges = len(space.ack_queue)
            self._ack_at_once = _PACKETS_AFTER_GAP
        if self._ack_at_once:
            self._ack_at_once -= 1
            space.ack_at = now

    def _in_flight(self) -> int:
        """Packets of the open connection that ask for an acknowledgement."""
        return self._loss.spaces[-1].ack_eliciting_in_flight if self._loss.spaces else 0

    def _nothing_to_send(self, *, now: float) -> bool:
        """Most packets received need no answer yet, and to have aioquic find that out costs as much as a packet.

        What else a packet of the peer gave cause to say goes with its acknowledgement, in a few milliseconds.
        """
        if not self._live or self._acted or not self._handshake_confirmed or self._close_pending:
            return False
        ack_at = self._loss.spaces[-1].ack_at
        if ack_at is not None and ack_at <= now:
            return False
        return not self._probe_pending and not self._datagrams_pending and not self.has_stream_data()

    def _probe_at(self) -> float | None:
        if not self._live or not self._handshake_confirmed or self._state in _ENDED or not self._in_flight():
            return None
        return max(self._alive_at + self._loss.get_probe_timeout(), self._probed_at + _PROBE_INTERVAL)

    def _flush_control(self, *, now: float) -> None:
        if self.control is not None:
            self.control.flush(self._loss._rtt_latest, now=now)


class _Unpaced(QuicPacketPacer):
    """aioquic's pacer derives a rate from the window, which is a permit under our control and means nothing."""

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        pass
