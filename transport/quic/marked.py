"""aioquic's connection with ECN, which aioquic leaves out: it drops the counts of ACK_ECN frames, and sends none."""

from bisect import bisect_left

from aioquic._buffer import Buffer
from aioquic.buffer import UINT_VAR_MAX_SIZE
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import ACK_FRAME_CAPACITY, QuicReceiveContext
from aioquic.quic.packet import QuicFrameType, pull_ack_frame, push_ack_frame
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.tls import SessionTicketFetcher

from glassbench.transport.quic.ecn import Arriving, CountingWindow, EcnCounts, EcnMarking
from glassbench.transport.quic.observed import ObservedConnection, Reports
from glassbench.transport.quic.reports import ReceiveTimes, TimedWindow

_ACKS_PER_PING = 8  # an end that sends nothing but ACKs asks for one of them, so that it can forget old ranges


class MarkedConnection(ObservedConnection):
    """With `ecn` the calling end sends ECT(0), and both count what arrives, per packet number space. With `timed` the
    listener notes in `receive_times` when 1-RTT packets arrive.

    `ce_packets` are those that the peer says were marked, since the caller last set it to 0.
    """

    def __init__(
        self,
        reports: Reports,
        *,
        configuration: QuicConfiguration,
        ecn: bool,
        timed: bool,
        original_destination_connection_id: bytes | None = None,
        session_ticket_fetcher: SessionTicketFetcher | None = None,
    ) -> None:
        self.ce_packets = 0
        self.marking = EcnMarking() if ecn and configuration.is_client else None
        self.arriving = Arriving() if ecn or timed else None
        self.receive_times = ReceiveTimes() if timed and not configuration.is_client else None
        super().__init__(
            reports,
            configuration=configuration,
            original_destination_connection_id=original_destination_connection_id,
            session_ticket_fetcher=session_ticket_fetcher,
        )

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        if self.arriving is not None:
            for space in self._loss.spaces:
                space.received_packets = CountingWindow(self.arriving)
            if self.receive_times is not None:
                self._loss.spaces[-1].received_packets = TimedWindow(self.arriving, self.receive_times)

    def _write_ack_frame(self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float) -> None:
        """An ACK frame, of type ACK_ECN as soon as a packet of the space came with a mark (RFC 9000 section 19.3)."""
        window = space.received_packets
        if not isinstance(window, CountingWindow) or not any(window.counts):
            super()._write_ack_frame(builder, space, now)
            return
        assert space.largest_received_time is not None
        delay = now - space.largest_received_time
        buffer = builder.start_frame(
            QuicFrameType.ACK_ECN,
            capacity=ACK_FRAME_CAPACITY + 3 * UINT_VAR_MAX_SIZE,
            handler=self._on_ack_delivery,
            handler_args=(space, space.largest_received_packet),
        )
        room = builder.remaining_buffer_space - 3 * UINT_VAR_MAX_SIZE
        ranges = push_ack_frame(buffer, space.ack_queue, int(delay * 1e6) >> self._local_ack_delay_exponent, room)
        for count in window.counts:
            buffer.push_uint_var(count)
        space.ack_at = None
        if self._quic_logger is not None:
            frame = self._quic_logger.encode_ack_frame(ranges=list(space.ack_queue)[-ranges:], delay=delay)
            builder.quic_logger_frames.append(frame | dict(zip(("ect0", "ect1", "ce"), window.counts, strict=True)))  # type: ignore[union-attr]
        if ranges > 1 and builder.packet_number % _ACKS_PER_PING == 0:
            self._write_ping_frame(builder, comment="ACK-of-ACK trigger")

    def _handle_ack_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        """Read the counts ahead of aioquic, while it is known which packets the frame is the first to acknowledge."""
        if self.marking is not None and self.marking.active:
            start = buf.tell()
            self._take_counts(self.marking, self._spaces[context.epoch], frame_type, buf)
            buf.seek(start)
        super()._handle_ack_frame(context, frame_type, buf)

    def _take_counts(self, marking: EcnMarking, space: QuicPacketSpace, frame_type: int, buf: Buffer) -> None:
        try:
            ranges, _ = pull_ack_frame(buf)
        except ValueError:
            return  # aioquic ends the connection for it
        has_counts = frame_type == QuicFrameType.ACK_ECN
        counts = EcnCounts(*(buf.pull_uint_var() for _ in range(3))) if has_counts else None
        if ranges.bounds().stop - 1 <= space.largest_acked_packet:
            return  # an older frame than one before it, with older counts (section 13.4.2.1)
        sent = list(space.sent_packets)  # in their order; the peer chooses how many ranges there are
        new = sum(bisect_left(sent, each.stop) - bisect_left(sent, each.start) for each in ranges)
        self.ce_packets += marking.acked(space, new, counts, sent=self._packet_number)
