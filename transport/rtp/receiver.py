"""The receiving end of RTP: packets to frames, NACK and PLI at once (RFC 4585), receiver reports."""

from collections import Counter, deque
from collections.abc import Mapping

from glassbench.transport.contract import Address, Closed, Connected, Datagram, Event, Frame, TransportConfig
from glassbench.transport.framing import Malformed
from glassbench.transport.round_trip import RoundTrip
from glassbench.transport.rtp import rtcp, session
from glassbench.transport.rtp.frames import Frames
from glassbench.transport.rtp.packet import FrameInfo, RtpPacket, ntp, parse, parse_frame_info
from glassbench.transport.rtp.reception import Reception

_INITIAL_RTT = 0.1  # seconds, until a report or a repair measures it
_MAX_NACKED = (
    64  # sequence numbers in one packet: with its report it fits the smallest datagram, whatever their pattern
)
_MAX_QUEUED = 64  # feedback datagrams between two drains


class _IncomingTrack:
    """What the receiver knows of one track: the source that sends it, its packets, its frames."""

    __slots__ = ("frames", "held", "payload_type", "reception", "ssrc", "types")

    def __init__(self, types: session.TrackTypes, reception: Reception, frames: Frames) -> None:
        self.types = types
        self.ssrc: int | None = None
        self.payload_type = types.media  # another where a sender that is not ours says so
        self.held: RtpPacket | None = None  # a packet that does not fit, until the next one confirms it
        self.reception = reception
        self.frames = frames


class RtpReceiver:
    """Delivers frames as they become whole; asks for what is missing until it cannot be of use any more.

    Media may come from another port of the peer's host, as a NAT may move it; RTCP is believed from its address alone.
    The round-trip time comes from the answers to our extended reports (RFC 3611; a receiver sends no SR that the RTT of
    RFC 3550 could be had from) and from repairs.
    """

    def __init__(self, config: TransportConfig) -> None:
        self._options = session.options(config)
        self._config = config
        self._dice = session.Dice(config.seed, role=1)
        self._ssrc = self._dice.word()
        self._cname = self._dice.cname()
        self._round_trip = RoundTrip(_INITIAL_RTT)
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
            foreign=0,
            unknown_ssrc=0,
            ssrc_collisions=0,
        )
        self._states = [
            _IncomingTrack(types, self._new_reception(), Frames(types, self._events, self._stats))
            for types in session.payload_types(config.tracks)
        ]
        self._by_media = {state.types.media: state for state in self._states}
        self._by_rtx = {state.types.rtx: state for state in self._states}
        self._video = next((state for state in self._states if state.types.is_video), None)
        self._reports = session.reports(self._options)
        self._report_at: float | None = None
        self._queue: list[Datagram] = []
        self._closed = False

    def connect(self, *, now: float) -> None:
        if self._report_at is None and not self._closed:
            self._report_at = now + self._dice.report_interval() / 2  # RFC 3550 section 6.2: the first comes sooner
            self._events.append(Connected(now))

    def send_frame(self, frame: Frame, *, now: float) -> None:
        raise TypeError("the receiver end of rtp does not send frames")

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        raise TypeError("the receiver end of rtp does not send frames")

    def request_keyframe(self, track: int, *, now: float) -> None:
        """Send a PLI. Nothing can be asked of a source that was never heard: its SSRC is not known."""
        for state in self._states:
            if state.types.track.id == track and state.ssrc is not None and not self._closed:
                self._stats["keyframe_requests"] += 1
                self._send_feedback([rtcp.picture_loss(self._ssrc, state.ssrc)], now=now)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        if self._closed:
            return
        self._stats["datagrams_received"] += 1
        is_rtcp = rtcp.is_rtcp(data)
        if peer != self._config.peer and (is_rtcp or peer[0] != self._config.peer[0]):
            self._stats["foreign"] += 1
            return
        try:
            if is_rtcp:
                for item in rtcp.parse(data):
                    self._take_rtcp(item, now=now)
            else:
                packet = parse(data)
                self._take_rtp(packet, now=now)
                if self._reports is not None and self._is_ours(packet):
                    self._reports.add(packet, ecn, now=now)
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
        if self._reports is not None and self._reports.report_at is not None:
            timer = self._reports.report_at if timer is None else min(timer, self._reports.report_at)
        for state in self._states:
            wake_at = state.reception.wake_at
            if wake_at is not None and (timer is None or wake_at < timer):
                timer = wake_at
        return timer if not self._closed else None

    def handle_timer(self, *, now: float) -> None:
        if self._closed:
            return
        feedback = []
        for state in self._states:
            wake_at = state.reception.wake_at
            if wake_at is not None and wake_at <= now:
                feedback += self._repair(state, now=now)
        if self._report_at is not None and now >= self._report_at:
            self._report_at = now + self._dice.report_interval()
            self._send([self._report(now=now), rtcp.receiver_reference(self._ssrc, ntp(now))])
        reports = self._reports
        if reports is not None and reports.report_at is not None and reports.report_at <= now:
            media = next((state.ssrc for state in self._states if state.ssrc is not None), 0)
            feedback.append(reports.take(self._ssrc, media, now=now))
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
        state = self._state_of(packet)
        if state is None:
            self._take_rtx(packet, now=now)
        elif packet.ssrc == state.ssrc or self._is_accepted(state, packet, now=now):
            self._take_media(state, packet, now=now)

    def _is_ours(self, packet: RtpPacket) -> bool:
        """Whether a packet is of one of the streams of this session, media or retransmissions."""
        return packet.payload_type in self._by_rtx or any(packet.ssrc == state.ssrc for state in self._states)

    def _state_of(self, packet: RtpPacket) -> _IncomingTrack | None:
        """The track of a media packet. A sender that is not ours may give its video another dynamic payload type."""
        kind = packet.payload_type
        state = self._by_media.get(kind)
        if state is not None:
            return state
        state = self._video
        if state is None or not (kind >= 96 or 35 <= kind < 64):  # RFC 3551 section 3 and RFC 5761 section 4
            return None
        repaired = self._by_rtx.get(kind)
        if repaired is not None and repaired.ssrc is not None and packet.ssrc != repaired.ssrc:
            return None
        if packet.ssrc == state.ssrc or kind == state.payload_type:
            return state
        if state.ssrc is not None:
            return None
        before = state.held
        goes_on = before is not None and (before.ssrc, before.payload_type) == (packet.ssrc, kind)
        return state if goes_on or state.types.payload_format.may_begin(packet.payload) else None

    def _take_media(self, state: _IncomingTrack, packet: RtpPacket, *, now: float) -> None:
        info = parse_frame_info(packet.extension) if packet.extension else None
        reception = state.reception
        sequence = reception.arrive(
            packet.sequence,
            packet.timestamp,
            is_start=info is not None and info.sequence == 0,
            expires_at=self._useless_at(state, now=now),
            now=now,
        )
        if sequence is None:
            state.held = packet
            self._stats["duplicates"] += 1
            return
        before, state.held = state.held, None
        if before is not None and (before.ssrc, before.sequence) == (packet.ssrc, (packet.sequence - 1) & 0xFFFF):
            self._take_held(state, before, sequence - 1, now=now)
        reception.measure_jitter(packet.timestamp, now=now)
        self._place(state, sequence, packet, info, now=now)

    def _take_held(self, state: _IncomingTrack, packet: RtpPacket, sequence: int, *, now: float) -> None:
        """The packet that did not fit, which the next one confirms: a source that started anew, or a long loss."""
        if state.reception.restarted:
            state.reception.restarted = False
            state.frames.restart()
        else:
            state.reception.arrive(packet.sequence, packet.timestamp, is_start=False, expires_at=now, now=now)
        info = parse_frame_info(packet.extension) if packet.extension else None
        state.frames.add(sequence, packet, info, min(sequence + 1, state.reception.frontier), now=now)

    def _take_rtx(self, packet: RtpPacket, *, now: float) -> None:
        """A retransmission (RFC 4588 section 4): the packet is what it was, but for its two first bytes."""
        state = self._by_rtx.get(packet.payload_type)
        if state is None or state.ssrc is None:
            self._stats["unknown_ssrc"] += 1
            return
        if not packet.payload:
            return  # padding alone, which probes the network
        if len(packet.payload) < 2:
            raise Malformed("RTX packet without the original sequence number")
        info = parse_frame_info(packet.extension) if packet.extension else None
        sequence = state.reception.repair(int.from_bytes(packet.payload[:2], "big"), now=now)
        if sequence is None:
            self._stats["duplicates"] += 1
            return
        self._stats["repaired"] += 1
        self._place(state, sequence, packet._replace(payload=packet.payload[2:]), info, now=now)

    def _place(
        self, state: _IncomingTrack, sequence: int, packet: RtpPacket, info: FrameInfo | None, *, now: float
    ) -> None:
        reception, frames = state.reception, state.frames
        frames.add(sequence, packet, info, reception.frontier, now=now)
        if frames.began_at is not None:
            reception.forget_before(frames.began_at)
            frames.began_at = None
            frames.settle(reception.frontier, now=now)
        if reception.given_up:
            self._tell_given_up(state, now=now)

    def _is_accepted(self, state: _IncomingTrack, packet: RtpPacket, *, now: float) -> bool:
        """Whether a packet of an SSRC that is not the track's counts: the first with our payload type is believed, else
        it takes two in a row (RFC 3550 A.1). Our own is a collision (section 8.2), from which we move away."""
        if packet.ssrc == self._ssrc:
            self._stats["ssrc_collisions"] += 1
            self._ssrc = self._dice.word()
        kind = packet.payload_type
        if state.ssrc is None and kind == state.types.media:
            state.ssrc = packet.ssrc
            return True
        before = state.held
        confirmed = None if before is None else (before.ssrc, before.payload_type, (before.sequence + 1) & 0xFFFF)
        if before is None or confirmed != (packet.ssrc, kind, packet.sequence):
            state.held = packet
            self._stats["unknown_ssrc"] += 1
            return False
        state.ssrc = packet.ssrc
        state.payload_type = kind
        state.held = None
        state.reception = self._new_reception()
        state.frames.restart()
        self._take_media(state, before, now=now)
        return True

    def _take_rtcp(self, item: rtcp.Item, *, now: float) -> None:
        match item:
            case rtcp.SenderReport():
                for state in self._states:
                    if state.ssrc == item.ssrc:
                        state.reception.last_report = (rtcp.middle(item.ntp), now)
            case rtcp.ReferenceDelay():
                if item.ssrc == self._ssrc:
                    sample = rtcp.round_trip(ntp(now), item.last_reference, item.delay)
                    if sample is not None:
                        self._round_trip.add(sample)
            case rtcp.Goodbye():
                if any(state.ssrc in item.ssrcs for state in self._states if state.ssrc is not None):
                    self._end(now=now)
            case _:
                pass

    def _repair(self, state: _IncomingTrack, *, now: float) -> list[bytes]:
        """NACK packets for what is due on this track; what is given up is told."""
        wanted = state.reception.take_due(now=now)
        if state.reception.given_up:
            self._tell_given_up(state, now=now)
        if not wanted or state.ssrc is None:
            return []
        self._stats["nacked"] += len(wanted)
        parts = [wanted[i : i + _MAX_NACKED] for i in range(0, len(wanted), _MAX_NACKED)]
        return [rtcp.nack(self._ssrc, state.ssrc, [sequence & 0xFFFF for sequence in part]) for part in parts]

    def _tell_given_up(self, state: _IncomingTrack, *, now: float) -> None:
        given_up = state.reception.given_up
        state.frames.give_up(given_up, now=now)
        given_up.clear()
        state.frames.settle(state.reception.frontier, now=now)

    def _useless_at(self, state: _IncomingTrack, *, now: float) -> float:
        """When a packet that is missing now becomes useless: at the deadline of the newest frame that began before
        it."""
        deadline = state.types.track.deadline
        if deadline is None:
            return float("inf")
        captured_at = state.frames.captured_at
        return (now if captured_at is None else captured_at) + deadline

    def _new_reception(self) -> Reception:
        return Reception(self._options, self._round_trip)

    def _report(self, *, now: float) -> bytes:
        """RR with a block for each source heard, and CNAME: the head of every compound packet we send."""
        blocks = [state.reception.block(state.ssrc, now=now) for state in self._states if state.ssrc is not None]
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
