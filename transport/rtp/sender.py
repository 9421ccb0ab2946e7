"""The sending end of RTP: frames to packets at once, retransmission on NACK (RFC 4588), sender reports."""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

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
from glassbench.transport.rtp import h264, rtcp, session
from glassbench.transport.rtp.budget import RetransmissionBudget
from glassbench.transport.rtp.packet import (
    FRAME_EXTENSION_BYTES,
    HEADER,
    HEADER_BYTES,
    frame_extension,
    ntp,
    rtp_time,
)

_MAX_QUEUED_BYTES = 2 * MAX_FRAME_BYTES  # between two drains of `datagrams_to_send`
_HISTORY_BYTES = 8 * 2**20  # per track, for retransmission
_RTX_OVERHEAD_BYTES = 2  # the original sequence number
_INITIAL_RTT = 0.0  # until it is known, a NACK is answered each _LEAST_REPEAT
_ECT_0, _CE = 2, 3  # codepoints of RFC 3168
_LEAST_REPEAT = 0.005  # seconds between two retransmissions of one packet


@dataclass(slots=True)
class _SentFrame:
    """The packets of one frame, kept for retransmission. `resent_at` by index of the packet."""

    sequence: int
    packets: list[bytes]
    bytes: int
    sent_at: float
    expires_at: float | None
    resent_at: dict[int, float]


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
        self._sources = [_Source(types, dice, self._options) for types in session.payload_types(config.tracks)]
        self._by_track = {source.types.track.id: source for source in self._sources}
        self._by_ssrc = {source.ssrc: source for source in self._sources}
        self._own_ssrcs = [ssrc for source in self._sources for ssrc in (source.ssrc, source.rtx_ssrc)]
        self._dice = dice
        self._cname = dice.cname()
        # A retransmission adds its original sequence number to the payload and still has to fit.
        self._room = config.max_datagram_bytes - HEADER_BYTES - (_RTX_OVERHEAD_BYTES if self._options.nack else 0)
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
        size = len(frame.payload)
        if frame.expires_at is not None and frame.expires_at <= now:
            self._stats["dropped_expired"] += 1
            self._events.append(FrameDropped(frame.track, frame.sequence, now, "expired"))
            return
        if self._closed or size > MAX_FRAME_BYTES or self._queued_bytes + size > _MAX_QUEUED_BYTES:
            self._stats["dropped_full"] += 1
            self._events.append(FrameDropped(frame.track, frame.sequence, now, "dropped"))
            return
        peer = self._config.peer
        packets = source.packetize(frame, self._room, now=now)
        self._stats["media_bytes"] += sum(map(len, packets))
        self._queue += [Datagram(packet, peer, self._codepoint) for packet in packets]
        self._queued_bytes += size
        self._leaving.append((frame.track, frame.sequence))

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
            case rtcp.CongestionFeedback():
                packets = [
                    packet for stream in item.streams for packet in stream.packets if stream.ssrc in self._own_ssrcs
                ]
                self._stats["ce_packets"] += sum(packet.ecn == _CE for packet in packets)
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

    def _retransmit(self, request: rtcp.Nack, *, now: float) -> None:
        source = self._by_ssrc.get(request.media)
        if source is None or not self._options.nack:
            self._stats["unknown_ssrc"] += 1
            return
        not_since = now - max(self._round_trip.smoothed, _LEAST_REPEAT)
        for frame, packet in source.retransmissions(request.sequences, not_since, now=now):
            if self._queued_bytes + len(packet) > _MAX_QUEUED_BYTES:
                self._stats["dropped_full"] += 1
                return
            self._queue.append(Datagram(packet, self._config.peer, self._codepoint))
            self._queued_bytes += len(packet)
            self._stats["retransmissions"] += 1
            self._stats["repair_bytes"] += len(packet)
            self._events.append(FrameRepaired(source.types.track.id, frame, now, "rtx"))

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


class _Source:
    """One track: its SSRC and that of its retransmissions, their counters, and the history of what was sent."""

    def __init__(self, types: session.TrackTypes, dice: session.Dice, options: session.RtpOptions) -> None:
        self.types = types
        self.ssrc = dice.word()
        self.rtx_ssrc = dice.word()
        self._sequence = dice.sequence()  # of the next packet; grows past 16 bits
        self._rtx_sequence = dice.sequence()
        self._offset = dice.word()
        self._ticks = -1  # RTP time of the last frame, before offset and wrap
        self._sent = [0, 0, 0]  # packets, octets, packets at the last report
        self._resent = [0, 0, 0]
        self._keep_history = options.nack
        self.budget = RetransmissionBudget(options.rtx_share)
        self._firsts: list[int] = []  # sequence of the first packet of each frame in the history
        self._history: list[_SentFrame] = []
        self._history_bytes = 0

    def packetize(self, frame: Frame, room: int, *, now: float) -> list[bytes]:
        """The packets of a frame: extension on the first, marker bit on the last, one timestamp."""
        payloads = self._payloads(frame, room)
        # Two messages of one instant still need two timestamps: it is the timestamp that tells frames apart.
        self._ticks = max(rtp_time(frame.captured_at), self._ticks + 1)
        timestamp = (self._ticks + self._offset) & 0xFFFF_FFFF
        first, ssrc, payload_type = self._sequence, self.ssrc, self.types.media
        packets = [
            HEADER.pack(0x80, payload_type, sequence & 0xFFFF, timestamp, ssrc) + payload
            for sequence, payload in enumerate(payloads, first)
        ]
        start = HEADER.pack(0x90, payload_type, first & 0xFFFF, timestamp, ssrc) + frame_extension(frame)
        packets[0] = start + payloads[0]
        last = packets[-1]
        packets[-1] = last[:1] + bytes((payload_type | 0x80,)) + last[2:]
        self._sequence = first + len(packets)
        self._sent[0] += len(packets)
        self._sent[1] += sum(map(len, payloads))
        if self._keep_history:
            self._remember(first, packets, frame, now=now)
        return packets

    def retransmissions(self, sequences: Iterable[int], not_since: float, *, now: float) -> Iterable[tuple[int, bytes]]:
        """RTX packets (RFC 4588 section 4), each with the sequence of its frame, for the sequence numbers that are
        still kept and worth sending, until one does not fit the budget."""
        newest = self._sequence - 1
        for short in sequences:
            sequence = newest - ((newest - short) & 0xFFFF)
            place = bisect_right(self._firsts, sequence) - 1
            if place < 0:
                continue
            sent = self._history[place]
            index = sequence - self._firsts[place]
            if sent.resent_at.get(index, -1.0) > not_since or (sent.expires_at is not None and sent.expires_at <= now):
                continue
            packet = sent.packets[index]
            if not self.budget.takes(len(packet) + _RTX_OVERHEAD_BYTES, now=now):
                return
            sent.resent_at[index] = now
            yield sent.sequence, self._rtx(packet)

    def reports(self, time: int, *, now: float) -> list[bytes]:
        """A sender report for each of the two SSRCs that has sent since its last one."""
        timestamp = rtp_time(now) + self._offset
        reports = []
        for ssrc, counts in ((self.ssrc, self._sent), (self.rtx_ssrc, self._resent)):
            if counts[0] > counts[2]:
                counts[2] = counts[0]
                reports.append(rtcp.sender_report(ssrc, time, timestamp, counts[0], counts[1]))
        return reports

    def _payloads(self, frame: Frame, room: int) -> list[bytes]:
        payload = frame.payload
        if self.types.track.media == "h264":
            try:
                return h264.packetize(payload, room, FRAME_EXTENSION_BYTES)
            except Malformed as error:
                raise ValueError(f"track {frame.track} frame {frame.sequence}: {error}") from None
        cuts = [0, *range(room - FRAME_EXTENSION_BYTES, len(payload), room), len(payload)]
        return [payload[start:end] for start, end in pairwise(cuts)]

    def _rtx(self, packet: bytes) -> bytes:
        """The retransmission of a packet: own SSRC, type and sequence, header extension and marker as they were."""
        first, second, sequence, timestamp, _ = HEADER.unpack_from(packet)
        start = HEADER_BYTES + (FRAME_EXTENSION_BYTES if first & 0x10 else 0)
        head = HEADER.pack(first, second & 0x80 | self.types.rtx, self._rtx_sequence & 0xFFFF, timestamp, self.rtx_ssrc)
        self._rtx_sequence += 1
        self._resent[0] += 1
        self._resent[1] += len(packet) - start + _RTX_OVERHEAD_BYTES
        return b"".join((head, packet[HEADER_BYTES:start], sequence.to_bytes(2, "big"), packet[start:]))

    def _remember(self, first: int, packets: list[bytes], frame: Frame, *, now: float) -> None:
        size = sum(map(len, packets))
        self.budget.on_media(size, now=now)
        self._firsts.append(first)
        self._history.append(_SentFrame(frame.sequence, packets, size, now, frame.expires_at, {}))
        self._history_bytes += size
        old = 0
        while old < len(self._history) - 1 and (
            self._history_bytes > _HISTORY_BYTES or self._history[old].sent_at < now - session.HISTORY
        ):
            self._history_bytes -= self._history[old].bytes
            old += 1
        if old:
            del self._firsts[:old], self._history[:old]
