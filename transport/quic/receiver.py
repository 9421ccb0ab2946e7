"""The receiving end: records and fragments back into frames, keyframe requests on their way."""

import math
from typing import Literal

from glassbench.transport.contract import Datagram, Frame, FrameLost, FrameReceived, TransportConfig
from glassbench.transport.framing import FrameHeader, Malformed, keyframe_request
from glassbench.transport.quic.arrivals import ArrivedRanges
from glassbench.transport.quic.end import QuicEnd
from glassbench.transport.quic.missing import MissingFrames
from glassbench.transport.quic.observed import MAX_BUFFERED_BYTES
from glassbench.transport.quic.options import DatagramOptions, QuicOptions
from glassbench.transport.quic.records import RecordReader
from glassbench.transport.quic.service import Service, Visit
from glassbench.transport.quic.session import REFUSED, DatagramPayload, Session, StreamAborted, StreamBytes
from glassbench.transport.quic.stack import Stack
from glassbench.transport.reassembly import Reassembler

Unit = Literal["track", "group", "frame", "datagram"]

_COUNTERS = ("frames_received", "frames_lost", "late", "evicted", "keyframe_requests")
_REPORT_BYTES = 900  # with the ACK it fits into one packet
_MOST_REPORTS = 4  # where packets come out of order, each needs a report of its own
_REORDER_WINDOW = 0.02  # seconds; as udp's: what Wi-Fi block ACKs and LTE RLC leave over of reordering


class QuicReceiver(QuicEnd):
    """Delivers each frame once, in the order in which the transport completes them.

    What is known to be lost depends on what a frame travels in (`unit`). On an ordered stream a gap in the sequence is
    final. A reset loses the frame on it. The sender says what it had no room for. Of what is repaired nothing more is
    known here: it may still come.
    """

    def __init__(
        self,
        config: TransportConfig,
        options: QuicOptions,
        session: type[Session],
        unit: Unit,
        *,
        visit: Visit | None = None,
        service: Service | None = None,
    ) -> None:
        super().__init__(config, options, session, sends=False, counters=_COUNTERS, visit=visit, service=service)
        self._repairs = isinstance(options, DatagramOptions) and options.repair and self._scheduled
        self._tracks = {track.id: track for track in config.tracks}
        self._expect(unit)
        self._reassembler = Reassembler(config.tracks)
        self._streams: dict[int, _Inbound] = {}
        self._held_bytes = 0

    def send_frame(self, frame: Frame, *, now: float) -> None:
        raise TypeError("the receiver end of QUIC does not send frames")

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        raise TypeError("the receiver end of QUIC does not send frames")

    def request_keyframe(self, track: int, *, now: float) -> None:
        """Ask on a stream of its own: QUIC repeats the request when it is lost, and it waits for nothing else."""
        if self._stack is None or self._session is None or not self._connected or track not in self._tracks:
            return
        if self._closed or not self._stack.may_open_stream():
            return
        self._count["keyframe_requests"] += 1
        self._stack.send_stream_data(self._session.open_stream(), keyframe_request(track), end_stream=True)

    def get_timer(self) -> float | None:
        at = super().get_timer()
        due_at = self._missing.due_at()
        if self._closed or due_at == math.inf:
            return at
        return due_at if at is None else min(at, due_at)

    def handle_timer(self, *, now: float) -> None:
        super().handle_timer(now=now)
        if not self._closed:
            for track, sequence in self._missing.due(now=now):
                self._lose(track, sequence, now=now)

    def _transmit(self, stack: Stack, *, now: float) -> list[Datagram]:
        self._report(stack, now=now)
        return super()._transmit(stack, now=now)

    def _report(self, stack: Stack, *, now: float) -> None:
        """Say with the ACK that leaves now when its packets arrived. If a report waits, the network takes nothing."""
        times = stack.receive_times
        if not times or self._session is None or not stack.ack_due(now=now) or stack.pending_datagrams():
            return
        for _ in range(_MOST_REPORTS):
            if times:
                stack.send_datagram(self._session.datagram(times.take(_REPORT_BYTES)), None)

    def _expect(self, unit: Unit) -> None:
        """Losses are known in this unit. No frame may have come yet."""
        repairs = unit != "datagram" or self._repairs
        self._unit = unit
        self._missing = MissingFrames(self._config.tracks, reorder_window=None if repairs else _REORDER_WINDOW)

    def on_stream_arrived(self, stream_id: int, start: int, stop: int, at: float) -> None:
        self._stream(stream_id).arrivals.add(start, stop, at)

    def _take_stream(self, event: StreamBytes, *, now: float) -> None:
        stream = self._stream(event.stream_id)
        if not stream.refused:
            self._held_bytes -= len(stream.reader)
            try:
                self._read(stream, event.data, now=now)
            except Malformed:
                self._count["malformed"] += 1
                self._refuse(event.stream_id, stream)
            if self._held_bytes + len(stream.reader) > MAX_BUFFERED_BYTES:
                self._count["evicted"] += 1
                self._refuse(event.stream_id, stream)
            self._held_bytes += len(stream.reader)
        if event.ended:
            self._end_stream(event.stream_id, now=now)

    def _take_abort(self, event: StreamAborted, *, now: float) -> None:
        self._end_stream(event.stream_id, now=now)

    def _take_datagram_payload(self, event: DatagramPayload, *, now: float) -> None:
        try:
            header, assembled = self._reassembler.add(event.data, now=now)
        except Malformed:
            self._count["malformed"] += 1
            return
        self._see(header, now=now)
        if assembled is not None:
            self._deliver(assembled.frame, assembled.first_arrival_at, assembled.complete_at, now=now)

    def _take_dropped(self, header: FrameHeader, *, now: float) -> None:
        if header.track not in self._tracks:
            raise Malformed(f"unknown track {header.track}")
        if self._missing.dropped(header.track, header.sequence):
            self._lose(header.track, header.sequence, now=now)

    def _see(self, header: FrameHeader, *, now: float) -> None:
        if header.track not in self._tracks:
            raise Malformed(f"unknown track {header.track}")
        for track, sequence in self._missing.seen(header, now=now):
            self._lose(track, sequence, now=now)

    def _deliver(self, frame: Frame, first_arrival_at: float, complete_at: float, *, now: float) -> None:
        if not self._missing.settle(frame.track, frame.sequence):
            self._count["late"] += 1
            return
        self._count["frames_received"] += 1
        self._events.append(FrameReceived(frame, first_arrival_at, complete_at, now))

    def _stream(self, stream_id: int) -> "_Inbound":
        stream = self._streams.get(stream_id)
        if stream is None:
            prefix = self._session.stream_prefix_bytes if self._session is not None else 0
            stream = self._streams[stream_id] = _Inbound(prefix)
        return stream

    def _read(self, stream: "_Inbound", data: bytes, *, now: float) -> None:
        for record in stream.reader.feed(data):
            first_at, complete_at = stream.arrivals.take(record.start, record.stop, now)
            if record.header.dropped:
                self._take_dropped(record.header, now=now)
                continue
            self._see(record.header, now=now)
            self._lose_gap(stream, record.header, now=now)
            self._deliver(record.header.frame(record.payload, self._tracks), first_at, complete_at, now=now)
        if stream.reader.header is not None and not stream.reader.header.dropped:
            self._see(stream.reader.header, now=now)

    def _lose_gap(self, stream: "_Inbound", header: FrameHeader, *, now: float) -> None:
        """The sender dropped what an ordered stream leaves out."""
        if stream.first is None:
            stream.first = 0 if self._unit == "track" else header.sequence
        for sequence in self._missing.between(header.track, stream.first, header.sequence):
            self._settle_lost(header.track, sequence, now=now)

    def _end_stream(self, stream_id: int, *, now: float) -> None:
        """The stream ended or was reset: what it brought only a part of will not come."""
        stream = self._streams.pop(stream_id, None)
        if stream is None or stream.refused:
            return
        self._held_bytes -= len(stream.reader)
        header = stream.reader.header
        if header is not None:
            self._settle_lost(header.track, header.sequence, now=now)

    def _refuse(self, stream_id: int, stream: "_Inbound") -> None:
        """Nothing more of this stream is read or kept."""
        assert self._stack is not None and self._session is not None
        self._stack.discard_stream_data(stream_id, self._session.error_code(REFUSED))
        stream.refused = True
        stream.reader = RecordReader(0)
        stream.arrivals = ArrivedRanges()

    def _settle_lost(self, track: int, sequence: int, *, now: float) -> None:
        if self._missing.settle(track, sequence):
            self._lose(track, sequence, now=now)

    def _lose(self, track: int, sequence: int, *, now: float) -> None:
        self._reassembler.forget(track, sequence)
        self._count["frames_lost"] += 1
        self._events.append(FrameLost(track, sequence, now))


class _Inbound:
    """A stream of the peer."""

    __slots__ = ("arrivals", "first", "reader", "refused")

    def __init__(self, first_offset: int) -> None:
        self.reader = RecordReader(first_offset)
        self.arrivals = ArrivedRanges()
        self.first: int | None = None  # the sequence number from which on a gap is this stream's
        self.refused = False
