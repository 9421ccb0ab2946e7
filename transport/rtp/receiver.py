"""The receiving end of RTP: packets to frames, NACK and PLI at once (RFC 4585), receiver reports."""

from collections import Counter, deque
from collections.abc import Mapping

from transport.contract import Address, Closed, Connected, Datagram, Event, Frame, TransportConfig
from transport.framing import Malformed
from transport.rtp import rtcp, session
from transport.rtp.frames import Frames
from transport.rtp.packet import FrameInfo, RtpPacket, ntp, parse, parse_frame_info
from transport.rtp.reception import Reception

_INITIAL_RTT = 0.1  # seconds, until a report or a repair measures it
_MAX_NACKED = (
    64  # sequence numbers in one packet: with its report it fits the smallest datagram, whatever their pattern
)
_MAX_QUEUED = 64  # feedback datagrams between two drains


class _Lane:
    """What the receiver knows of one track: the source that sends it, its packets, its frames."""

    __slots__ = ("candidate", "frames", "reception", "ssrc", "types")

    def __init__(self, types: session.TrackTypes, reception: Reception, frames: Frames) -> None:
        self.types = types
        self.ssrc: int | None = None
        self.candidate: tuple[int, int] | None = None  # another SSRC and the sequence number that would confirm it
        self.reception = reception
        self.frames = frames


class RtpReceiver:
    """Delivers frames as they become whole; asks for what is missing until it cannot be of use any more.

    The round-trip time comes from the answers to our extended reports (RFC 3611; a receiver sends no SR that the RTT of
    RFC 3550 could be had from) and from repairs.
    """

    def __init__(self, config: TransportConfig) -> None:
        self._options = session.options(config)
        self._config = config
        self._dice = session.Dice(config.seed, role=1)
        self._ssrc = self._dice.word()
        self._cname = self._dice.cname()
        self._round_trip = session.RoundTrip(_INITIAL_RTT)
        self._events: deque[Event] = deque()
        self._stats: Counter[str] = Counter(
            datagrams_received=0,
            datagrams_sent=0,
            frames_received=0,
            frames_lost=0,
            duplicates=0,
            repaired=0,
            nacked=0,
            keyframe_requests=0,
            malformed=0,
            unknown_ssrc=0,
            ssrc_collisions=0,
        )
        self._lanes = [
            _Lane(types, self._new_reception(), Frames(types.track, self._events, self._stats))
            for types in session.payload_types(config.tracks)
        ]
        self._by_media = {lane.types.media: lane for lane in self._lanes}
        self._by_rtx = {lane.types.rtx: lane for lane in self._lanes}
        self._report_at: float | None = None
        self._queue: list[Datagram] = []
        self._closed = False

    def connect(self, *, now: float) -> None:
        if self._report_at is None and not self._closed:
            self._report_at = now + self._dice.report_interval() / 2  # RFC 3550 section 6.2: the first comes sooner
            self._events.append(Connected(now))

    def send_frame(self, frame: Frame, *, now: float) -> None:
        raise TypeError("the receiver end of rtp does not send frames")

    def request_keyframe(self, track: int, *, now: float) -> None:
        """Send a PLI. Nothing can be asked of a source that was never heard: its SSRC is not known."""
        for lane in self._lanes:
            if lane.types.track.id == track and lane.ssrc is not None and not self._closed:
                self._stats["keyframe_requests"] += 1
                self._send_feedback([rtcp.picture_loss(self._ssrc, lane.ssrc)], now=now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        if self._closed:
            return
        self._stats["datagrams_received"] += 1
        try:
            if rtcp.is_rtcp(data):
                for item in rtcp.parse(data):
                    self._take_rtcp(item, now=now)
            else:
                self._take_rtp(parse(data), now=now)
        except Malformed:
            self._stats["malformed"] += 1

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        if not self._queue:
            return []
        datagrams, self._queue = self._queue, []
        self._stats["datagrams_sent"] += len(datagrams)
        return datagrams

    def get_timer(self) -> float | None:
        timer = self._report_at
        for lane in self._lanes:
            wake_at = lane.reception.wake_at
            if wake_at is not None and (timer is None or wake_at < timer):
                timer = wake_at
        return timer if not self._closed else None

    def handle_timer(self, *, now: float) -> None:
        if self._closed:
            return
        feedback = []
        for lane in self._lanes:
            wake_at = lane.reception.wake_at
            if wake_at is not None and wake_at <= now:
                feedback += self._repair(lane, now=now)
        if self._report_at is not None and now >= self._report_at:
            self._report_at = now + self._dice.report_interval()
            self._send([self._report(now=now), rtcp.receiver_reference(self._ssrc, ntp(now))])
        self._send_feedback(feedback, now=now)

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def close(self, *, now: float) -> None:
        if self._closed:
            return
        if self._report_at is not None:
            self._send([self._report(now=now), rtcp.goodbye([self._ssrc])])
        self._end(now=now)

    def stats(self) -> Mapping[str, int]:
        return dict(self._stats)

    def _take_rtp(self, packet: RtpPacket, *, now: float) -> None:
        lane = self._by_media.get(packet.payload_type)
        if lane is None:
            self._take_rtx(packet, now=now)
            return
        if packet.ssrc != lane.ssrc and not self._is_accepted(lane, packet):
            return
        info = parse_frame_info(packet.extension) if packet.extension else None
        reception = lane.reception
        sequence = reception.arrive(
            packet.sequence,
            is_start=info is not None and info.sequence == 0,
            expires_at=self._useless_at(lane, now=now),
            now=now,
        )
        if sequence is None:
            self._stats["duplicates"] += 1
            return
        reception.measure_jitter(packet.timestamp, now=now)
        self._place(lane, sequence, packet, info, now=now)

    def _take_rtx(self, packet: RtpPacket, *, now: float) -> None:
        """A retransmission (RFC 4588 section 4): the packet is what it was, but for its two first bytes."""
        lane = self._by_rtx.get(packet.payload_type)
        if lane is None or lane.ssrc is None:
            self._stats["unknown_ssrc"] += 1
            return
        if len(packet.payload) < 2:
            raise Malformed("RTX packet without the original sequence number")
        info = parse_frame_info(packet.extension) if packet.extension else None
        sequence = lane.reception.repair(int.from_bytes(packet.payload[:2], "big"), now=now)
        if sequence is None:
            self._stats["duplicates"] += 1
            return
        self._stats["repaired"] += 1
        self._place(lane, sequence, packet._replace(payload=packet.payload[2:]), info, now=now)

    def _place(self, lane: _Lane, sequence: int, packet: RtpPacket, info: FrameInfo | None, *, now: float) -> None:
        reception, frames = lane.reception, lane.frames
        frames.add(sequence, packet, info, reception.frontier, now=now)
        if frames.began_at is not None:
            reception.forget_before(frames.began_at)
            frames.began_at = None
            frames.settle(reception.frontier, now=now)
        if reception.given_up:
            self._tell_given_up(lane, now=now)

    def _is_accepted(self, lane: _Lane, packet: RtpPacket) -> bool:
        """Whether a packet of an SSRC that is not the track's counts: the first is believed, another needs two in a row
        (RFC 3550 A.1), and our own is a collision (section 8.2), from which we move away."""
        if packet.ssrc == self._ssrc:
            self._stats["ssrc_collisions"] += 1
            self._ssrc = self._dice.word()
        if lane.ssrc is None:
            lane.ssrc = packet.ssrc
            return True
        if lane.candidate != (packet.ssrc, packet.sequence):
            lane.candidate = (packet.ssrc, (packet.sequence + 1) & 0xFFFF)
            self._stats["unknown_ssrc"] += 1
            return False
        lane.ssrc = packet.ssrc
        lane.candidate = None
        lane.reception = self._new_reception()
        lane.frames.restart()
        return True

    def _take_rtcp(self, item: rtcp.Item, *, now: float) -> None:
        match item:
            case rtcp.SenderReport():
                for lane in self._lanes:
                    if lane.ssrc == item.ssrc:
                        lane.reception.last_report = (rtcp.middle(item.ntp), now)
            case rtcp.ReferenceDelay():
                if item.ssrc == self._ssrc:
                    sample = rtcp.round_trip(ntp(now), item.last_reference, item.delay)
                    if sample is not None:
                        self._round_trip.add(sample)
            case rtcp.Goodbye():
                if any(lane.ssrc in item.ssrcs for lane in self._lanes if lane.ssrc is not None):
                    self._end(now=now)
            case _:
                pass

    def _repair(self, lane: _Lane, *, now: float) -> list[bytes]:
        """NACK packets for what is due on this track; what is given up is told."""
        wanted = lane.reception.take_due(now=now)
        if lane.reception.given_up:
            self._tell_given_up(lane, now=now)
        if not wanted or lane.ssrc is None:
            return []
        self._stats["nacked"] += len(wanted)
        parts = [wanted[i : i + _MAX_NACKED] for i in range(0, len(wanted), _MAX_NACKED)]
        return [rtcp.nack(self._ssrc, lane.ssrc, [sequence & 0xFFFF for sequence in part]) for part in parts]

    def _tell_given_up(self, lane: _Lane, *, now: float) -> None:
        given_up = lane.reception.given_up
        lane.frames.give_up(given_up, now=now)
        given_up.clear()
        lane.frames.settle(lane.reception.frontier, now=now)

    def _useless_at(self, lane: _Lane, *, now: float) -> float:
        """When a packet found missing now has lost its use: the deadline of the newest frame that began before it."""
        deadline = lane.types.track.deadline
        if deadline is None:
            return float("inf")
        captured_at = lane.frames.captured_at
        return (now if captured_at is None else captured_at) + deadline

    def _new_reception(self) -> Reception:
        return Reception(self._options, self._round_trip)

    def _report(self, *, now: float) -> bytes:
        """RR with a block for each source heard, and CNAME: the head of every compound packet we send."""
        blocks = [lane.reception.block(lane.ssrc, now=now) for lane in self._lanes if lane.ssrc is not None]
        return rtcp.receiver_report(self._ssrc, blocks) + rtcp.source_description([self._ssrc], self._cname)

    def _send_feedback(self, feedback: list[bytes], *, now: float) -> None:
        for packet in feedback:
            self._send([self._report(now=now), packet])

    def _send(self, packets: list[bytes]) -> None:
        if len(self._queue) < _MAX_QUEUED:
            self._queue.append(Datagram(b"".join(packets), self._config.peer))

    def _end(self, *, now: float) -> None:
        if not self._closed:
            self._closed = True
            self._events.append(Closed(now, None))
