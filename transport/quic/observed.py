"""aioquic's connection, observed: it tells when bytes leave and arrive, and serves streams by their urgency.

This file and `stack.py` above it, and the small ones to which they hand a part of aioquic, reach below its public
interface; each place says what for. All of it was read in 1.7.2, and the dependency is held below 1.8.

- Reports: which stream offsets and DATAGRAMs left in a packet, and which DATAGRAM was acknowledged or lost, so that
  frames have exact send times and datagrams can be repaired.
- Arrivals: where STREAM frames landed, also while a gap holds them back, so that waiting for the network and waiting
  behind another frame (head-of-line blocking) can be told apart. aioquic delivers in order and keeps no times; the
  frame handler is the one place that sees each range with its arrival.
- Order: streams are served by urgency, not round robin.
- Limits: what a peer can make us buffer is bounded; aioquic raises flow control limits however little is consumed.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Protocol, cast

from aioquic._buffer import Buffer
from aioquic.buffer import size_uint_var
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection, QuicConnectionError, QuicReceiveContext
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream
from aioquic.tls import SessionTicketFetcher

MAX_BUFFERED_BYTES = 32 * 2**20  # received out of order, over all streams


def _stream_number(stream: QuicStream) -> int:
    return cast(int, stream.stream_id)


# aioquic rebuilds its service queue from a set of streams, in the order of their hashes: by default of their addresses.
QuicStream.__hash__ = _stream_number  # type: ignore[assignment]


class Reports(Protocol):
    """What a connection tells its end while it builds and acknowledges packets."""

    def on_stream_sent(self, stream_id: int, start: int, offset: int, size_bytes: int) -> None:
        """A STREAM frame with `size_bytes` bytes (or up to eight more) from `start` on is in a packet. All bytes of the
        stream before `offset` have been in a packet by now."""

    def on_datagram_sent(self, token: Hashable) -> None:
        """The DATAGRAM of this token is in a packet."""

    def on_datagram_settled(self, token: Hashable, acknowledged: bool) -> None:
        """The packet with the DATAGRAM was acknowledged, or declared lost."""

    def on_stream_arrived(self, stream_id: int, start: int, stop: int, at: float) -> None:
        """Bytes of a stream arrived, perhaps again, perhaps out of order."""

    def on_path_narrowed(self) -> None:
        """A DATAGRAM has less room than before; one that does not fit blocks all that follow it (`take_back`)."""


class ObservedConnection(QuicConnection):
    """One connection of aioquic, which reports to its end."""

    def __init__(
        self,
        reports: Reports,
        *,
        configuration: QuicConfiguration,
        original_destination_connection_id: bytes | None = None,
        session_ticket_fetcher: SessionTicketFetcher | None = None,
    ) -> None:
        self.urgency: Callable[[int], tuple[int, int]] | None = None  # of a stream, least first; None is round robin
        self._streams_in_order: list[QuicStream] = []
        self._reports = reports
        self._tokens: deque[Hashable] = deque()  # of self._datagrams_pending
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_destination_connection_id,
            session_ticket_fetcher=session_ticket_fetcher,
        )

    def has_stream(self, stream_id: int) -> bool:
        """Whether the stream is not finished yet: opened, and its end or reset not acknowledged."""
        stream = self._streams.get(stream_id)
        return stream is not None and not stream.sender.is_finished

    def is_reset(self, stream_id: int) -> bool:
        """Whether nothing more can be sent on a stream of ours that is not finished: the peer wants no more, or we."""
        stream = self._streams.get(stream_id)
        return stream is not None and stream.sender._reset_error_code is not None

    def pending_datagrams(self) -> int:
        """DATAGRAMs handed over and not sent yet."""
        return len(self._datagrams_pending)

    def send_datagram(self, data: bytes, token: Hashable) -> None:
        """Queue a DATAGRAM; `token` comes back in the reports."""
        self.send_datagram_frame(data)
        self._tokens.append(token)

    def take_back(self) -> list[Hashable]:
        """The tokens of the DATAGRAMs that were handed over and not sent, which are forgotten here."""
        tokens = list(self._tokens)
        self._tokens.clear()
        self._datagrams_pending.clear()
        return tokens

    def keep_datagrams(self, wanted: Callable[[Hashable], bool]) -> None:
        """Of the DATAGRAMs that were handed over and not sent, forget those whose token is not `wanted`."""
        kept = [
            (data, token) for data, token in zip(self._datagrams_pending, self._tokens, strict=True) if wanted(token)
        ]
        self._datagrams_pending.clear()
        self._tokens.clear()
        for data, token in kept:
            self.send_datagram(data, token)

    def has_stream_data(self) -> bool:
        """Whether stream bytes, new or lost, or a reset wait to be sent."""
        for stream in self._streams_in_order:
            sender = stream.sender
            if sender.reset_pending or (not sender.buffer_is_empty and (len(sender._pending) or sender._pending_eof)):
                return True
        return False

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
        room, start = builder.remaining_buffer_space, stream.sender.next_offset
        new = super()._write_stream_frame(builder, space, stream, max_offset)
        size = room - builder.remaining_buffer_space
        if size:
            number, highest = _stream_number(stream), stream.sender.highest_offset
            header = 3 + size_uint_var(number) + size_uint_var(highest)  # at most: its offset may be shorter
            self._reports.on_stream_sent(number, start, highest, max(0, size - header))
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

    def _would_buffer(self, bytes_ahead: int, stream: QuicStream | None) -> int:
        others = sum(len(other.receiver._buffer) for other in self._streams.values() if other is not stream)
        return others + bytes_ahead
