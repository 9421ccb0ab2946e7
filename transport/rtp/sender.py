"""The sending end of RTP: frames to packets at once, retransmission on NACK (RFC 4588), sender reports."""

from collections import Counter, deque
from collections.abc import Mapping

from glassbench.transport.contract import (
    Address,
    Closed,
    Connected,
    Datagram,
    Event,
    Frame,
    FrameDropped,
    FrameRepaired,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    TransportConfig,
)
from glassbench.transport.framing import MAX_FRAME_BYTES, Malformed
from glassbench.transport.keyframe_requests import KeyframeRequests
from glassbench.transport.round_trip import RoundTrip
from glassbench.transport.rtp import rtcp, session
from glassbench.transport.rtp.arrivals import CE
from glassbench.transport.rtp.packet import HEADER_BYTES, ntp
from glassbench.transport.rtp.source import RTX_OVERHEAD_BYTES, Source

_MAX_QUEUED_BYTES = 2 * MAX_FRAME_BYTES  # between two drains of `datagrams_to_send`
_INITIAL_RTT = 0.0  # until it is known, a NACK is answered each _LEAST_REPEAT
_ECT_0 = 2  # codepoint of RFC 3168
_LEAST_REPEAT = 0.005  # seconds between two retransmissions of one packet


class RtpSender:
    """Hands all packets of a frame to the network at once: classic RTP senders do not pace.

    A NACK is answered from a history bounded in bytes and time, on an SSRC and payload type of its own, for each packet
    at most once in a round trip, not after the frame's deadline, and within a budget. What steers the sender is
    believed from the peer's address alone.
    """

    def __init__(self, config: TransportConfig) -> None:
        self._options = session.options(config)
        self._config = config
        dice = session.Dice(config.seed, role=0)
        self._sources = [Source(types, dice, self._options) for types in session.payload_types(config.tracks)]
        self._by_track = {source.types.track.id: source for source in self._sources}
        self._by_ssrc = {source.ssrc: source for source in self._sources}
        self._own_ssrcs = [ssrc for source in self._sources for ssrc in (source.ssrc, source.rtx_ssrc)]
        self._dice = dice
        self._cname = dice.cname()
        # A retransmission adds its original sequence number to the payload and still has to fit.
        overhead = self._options.format.overhead_bytes + (RTX_OVERHEAD_BYTES if self._options.nack else 0)
        self._room = config.max_datagram_bytes - HEADER_BYTES - overhead
        self._codepoint = _ECT_0 if self._options.ecn else 0
        self._round_trip = RoundTrip(_INITIAL_RTT)
        self._reference: tuple[int, int, float] | None = None  # SSRC, middle of its NTP time, arrival
        self._report_at: float | None = None
        self._queue: list[Datagram] = []
        self._queued_bytes = 0
        self._leaving: list[tuple[int, int]] = []  # frames whose packets are in the queue
        self._events: deque[Event] = deque()
        self._peer_ssrc: int | None = None
        self._keyframe_requests = KeyframeRequests()
        self._closed = False
        self._stats: Counter[str] = Counter(
            datagrams_sent=0,
            datagrams_received=0,
            retransmissions=0,
            media_bytes=0,
            repair_bytes=0,
            nacks_received=0,
            keyframe_requests=0,
            ce_packets=0,
            malformed=0,
            foreign=0,
            unknown_ssrc=0,
            dropped_full=0,
            dropped_expired=0,
        )

    def connect(self, *, now: float) -> None:
        if self._report_at is None and not self._closed:
            self._report_at = now + self._dice.report_interval() / 2  # RFC 3550 section 6.2: the first comes sooner
            self._events.append(Connected(now))

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        return None

    def send_frame(self, frame: Frame, *, now: float) -> None:
        """Queue a frame. Raises ValueError for H.264 that is not Annex B and for a track that was not agreed on."""
        source = self._by_track.get(frame.track)
        if source is None:
            raise ValueError(f"frame of track {frame.track}, which is not one of this session")
        if frame.expires_at is not None and frame.expires_at <= now:
            self._drop_expired(frame, now=now)
        elif self._closed or len(frame.payload) > MAX_FRAME_BYTES:
            self._drop_full(frame, now=now)
        else:
            self._admit(source, frame, now=now)

    def request_keyframe(self, track: int, *, now: float) -> None:
        raise TypeError("the sender end of rtp does not request keyframes")

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._stats["datagrams_received"] += 1
        if self._closed:
            return
        if peer != self._config.peer:
            self._stats["foreign"] += 1
            return
        try:
            if not rtcp.is_rtcp(data):
                raise Malformed("not RTCP: the sender end expects nothing else")
            items = rtcp.parse(data)
        except Malformed:
            self._stats["malformed"] += 1
            return
        for item in items:
            self._take(item, now=now)

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        if not self._queue:
            return []
        for track, sequence in self._leaving:
            self._events.append(FrameStarted(track, sequence, now))
            self._events.append(FrameSent(track, sequence, now))
        self._leaving.clear()
        datagrams, self._queue = self._queue, []
        self._queued_bytes = 0
        self._stats["datagrams_sent"] += len(datagrams)
        return datagrams

    def get_timer(self) -> float | None:
        return self._report_at

    def handle_timer(self, *, now: float) -> None:
        if self._report_at is not None and now >= self._report_at:
            self._report_at = now + self._dice.report_interval()
            self._send_rtcp(self._compound(now=now))

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def close(self, *, now: float) -> None:
        if self._closed:
            return
        if self._report_at is not None and self._own_ssrcs:
            self._send_rtcp(self._compound(now=now) + rtcp.goodbye(self._own_ssrcs))
        self._end(now=now)

    def stats(self) -> Mapping[str, int]:
        return {**self._stats, "over_budget": sum(source.budget.refused for source in self._sources)}

    def _admit(self, source: Source, frame: Frame, *, now: float) -> None:
        size = len(frame.payload)
        if self._queued_bytes + size > _MAX_QUEUED_BYTES:
            self._drop_full(frame, now=now)
            return
        packets = source.packetize(frame, self._room, now=now)
        self._stats["media_bytes"] += sum(map(len, packets))
        self._queue += [self._datagram(packet) for packet in packets]
        self._queued_bytes += size
        self._leaving.append((frame.track, frame.sequence))

    def _datagram(self, packet: bytes) -> Datagram:
        return Datagram(packet, self._config.peer, self._codepoint)

    def _drop_full(self, frame: Frame, count: str = "dropped_full", *, now: float) -> None:
        self._stats[count] += 1
        self._events.append(FrameDropped(frame.track, frame.sequence, now, "dropped"))

    def _drop_expired(self, frame: Frame, *, now: float) -> None:
        self._stats["dropped_expired"] += 1
        self._events.append(FrameDropped(frame.track, frame.sequence, now, "expired"))

    def _take(self, item: rtcp.Item, *, now: float) -> None:
        match item:
            case rtcp.Block():
                if item.ssrc not in self._own_ssrcs:
                    self._stats["unknown_ssrc"] += 1
                elif (sample := rtcp.round_trip(ntp(now), item.last_report, item.delay)) is not None:
                    self._round_trip.add(sample)
            case rtcp.Nack():
                self._stats["nacks_received"] += 1
                self._retransmit(item, now=now)
            case rtcp.KeyframeRequest():
                source = self._by_ssrc.get(item.media)
                if source is None:
                    self._stats["unknown_ssrc"] += 1
                else:
                    self._stats["keyframe_requests"] += 1
                    track = source.types.track.id
                    if self._keyframe_requests.hears(track, round_trip=self._round_trip.smoothed, now=now):
                        self._events.append(KeyframeRequested(track, now))
            case rtcp.CongestionFeedback() | rtcp.TransportFeedback():
                self._take_feedback(item, now=now)
            case rtcp.ReceiverReference():
                self._reference = (item.ssrc, rtcp.middle(item.ntp), now)
            case rtcp.ReceiverReport():
                self._peer_ssrc = item.ssrc
            case rtcp.Goodbye():
                # A receiver that found its SSRC to be one of ours says goodbye for that one and goes on with another.
                if self._peer_ssrc in item.ssrcs and self._peer_ssrc not in self._own_ssrcs:
                    self._end(now=now)
            case _:
                pass

    def _take_feedback(self, feedback: rtcp.CongestionFeedback | rtcp.TransportFeedback, *, now: float) -> None:
        if isinstance(feedback, rtcp.CongestionFeedback):
            streams = [stream for stream in feedback.streams if stream.ssrc in self._own_ssrcs]
            self._stats["ce_packets"] += sum(packet.ecn == CE for stream in streams for packet in stream.packets)

    def _retransmit(self, request: rtcp.Nack, *, now: float) -> None:
        source = self._by_ssrc.get(request.media)
        if source is None or not self._options.nack:
            self._stats["unknown_ssrc"] += 1
            return
        not_since = now - max(self._round_trip.smoothed, _LEAST_REPEAT)
        for frame, packet in source.retransmissions(request.sequences, not_since, now=now):
            if not self._admit_repair(packet):
                self._stats["dropped_full"] += 1
                return
            self._stats["retransmissions"] += 1
            self._stats["repair_bytes"] += len(packet)
            self._events.append(FrameRepaired(source.types.track.id, frame, now, "rtx"))

    def _admit_repair(self, packet: bytes) -> bool:
        """Queue a retransmission, if there is room."""
        if self._queued_bytes + len(packet) > _MAX_QUEUED_BYTES:
            return False
        self._queue.append(self._datagram(packet))
        self._queued_bytes += len(packet)
        return True

    def _compound(self, *, now: float) -> bytes:
        """Reports of the sources that have sent since the last, an empty RR if none has; CNAME; answer to an RRTR."""
        time = ntp(now)
        reports = [report for source in self._sources for report in source.reports(time, now=now)]
        if not reports and self._own_ssrcs:
            reports.append(rtcp.receiver_report(self._own_ssrcs[0]))
        if reports:
            reports.append(rtcp.source_description(self._own_ssrcs, self._cname))
        if reports and self._reference is not None:
            ssrc, quoted, arrived_at = self._reference
            self._reference = None
            delay = round((now - arrived_at) * 65536) & 0xFFFF_FFFF
            reports.append(rtcp.reference_delay(self._own_ssrcs[0], rtcp.ReferenceDelay(ssrc, quoted, delay)))
        return b"".join(reports)

    def _send_rtcp(self, data: bytes) -> None:
        if data:
            self._queue.append(Datagram(data, self._config.peer))
            self._queued_bytes += len(data)

    def _end(self, *, now: float) -> None:
        self._closed = True
        self._report_at = None
        self._events.append(Closed(now, None))
