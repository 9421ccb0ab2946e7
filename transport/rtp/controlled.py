"""The sending end of RTP under congestion control: frames wait until packets of theirs may leave."""

from collections import deque

from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.congestion.announcements import Announcements
from glassbench.transport.congestion.flight import Flight
from glassbench.transport.contract import Datagram, Frame, FrameSent, FrameStarted, TransportConfig
from glassbench.transport.frame_queue import FrameQueue
from glassbench.transport.framing import Malformed
from glassbench.transport.rtp import rtcp
from glassbench.transport.rtp.arrivals import CONTROL_INTERVAL
from glassbench.transport.rtp.books import Books
from glassbench.transport.rtp.sender import RtpSender
from glassbench.transport.rtp.session import options
from glassbench.transport.rtp.source import Source

_MAX_WAITING_BYTES = 1_000_000  # of frames, and as many of retransmissions
_GRANULARITY = 0.001  # seconds, of timers (RFC 9002 section 6.1.2)
_PROBES = 2  # packets, section 6.2.4


class ControlledSender(RtpSender):
    """What may leave now is decided by the congestion controller: retransmissions first, then frames by priority.

    A frame gets its sequence numbers when its first packet leaves, so that one which expires before costs nothing and
    leaves no gap; what has begun leaves to its end. A frame that one of a lower layer goes ahead of is dropped. RTCP is
    neither held back nor in the books, as no report tells of it. Where all that is in flight was lost, no report comes
    and the window stays full; so after a probe timeout two packets leave that it has no room for (RFC 9002 section
    6.2).
    """

    def __init__(self, config: TransportConfig) -> None:
        super().__init__(config)
        make, size = CONTROLLERS[self._options.control].make, config.max_datagram_bytes
        self._flight = Flight(make(max_datagram_bytes=size), max_datagram_bytes=size, burst=self._options.burst)
        self._names = self._options.format.make_names()
        self._books = Books(self._options.format.clock_hz)
        self._announcements = Announcements()
        self._frames = FrameQueue(_MAX_WAITING_BYTES)
        self._media: deque[bytes] = deque()  # packets of the frame that has begun to leave
        self._begun: Frame | None = None
        self._repairs: deque[bytes] = deque()
        self._media_bytes = self._repair_bytes = 0  # of these two
        self._send_at: float | None = None  # when pacing lets waiting bytes go
        self._left_at = 0.0  # when the last packet left
        self._timeouts = 0  # since something was heard
        self._probes = 0  # packets that may leave beyond the window now
        self._stats.update(lost_packets=0, spurious_losses=0, padding_packets=0, dropped_overtaken=0)

    def frame_budget(self, *, ready_at: float, interval: float, now: float) -> int | None:
        waiting_bytes = self._frames.bytes + self._media_bytes + self._repair_bytes
        return self._flight.frame_budget(waiting_bytes=waiting_bytes, ready_at=ready_at, interval=interval, now=now)

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        datagrams = super().datagrams_to_send(now=now)
        if self._closed or (self._send_at is not None and now < self._send_at):
            return datagrams  # what is paced leaves at its instant, whoever calls in between
        self._send_at = None
        self._expire(now=now)
        probes, self._probes = self._probes, 0
        while self._is_waiting() and (packets := self._flight.packets_allowed(now=now) or probes):
            probes = 0
            for _ in range(packets):
                if self._is_waiting():
                    datagrams.append(self._next_datagram(now=now))
        if self._is_waiting():
            self._send_at = self._flight.next_send_at()
        else:
            datagrams += self._pad(now=now)
        self._events += self._announcements.take(
            self._flight, self._round_trip.smoothed, has_sent_media=bool(self._stats["media_bytes"]), now=now
        )
        return datagrams

    def get_timer(self) -> float | None:
        at = super().get_timer()
        if self._closed:
            return at
        expires_at = self._frames.expires_at() if self._frames else None
        timers = (at, self._send_at, expires_at, self._probe_at(), self._books.give_up_at(), self._flight.get_timer())
        return min((each for each in timers if each is not None), default=None)

    def handle_timer(self, *, now: float) -> None:
        super().handle_timer(now=now)
        if self._closed:
            return
        probe_at = self._probe_at()
        if probe_at is not None and probe_at <= now:
            self._timeouts += 1
            self._probes = _PROBES
        if lost := self._books.give_up(now=now):
            self._stats["lost_packets"] += len(lost)
            self._flight.on_settled([], lost, rtt=None, probe_timeout=self._probe_timeout(), received_at={}, now=now)
            self._send_at = None
        control_at = self._flight.get_timer()
        if control_at is not None and control_at <= now:
            self._flight.handle_timer(now=now)
            self._send_at = None
        self._expire(now=now)

    def _admit(self, source: Source, frame: Frame, *, now: float) -> None:
        source.cut(frame, self._room)  # what cannot be sent is refused here, and not when its turn comes
        for victim in self._frames.push(frame):
            self._drop_full(victim, now=now)
        self._send_at = None

    def _admit_repair(self, packet: bytes) -> bool:
        if self._repair_bytes + len(packet) > _MAX_WAITING_BYTES:
            return False
        self._repairs.append(packet)
        self._repair_bytes += len(packet)
        self._send_at = None
        return True

    def _take_feedback(self, feedback: rtcp.CongestionFeedback | rtcp.TransportFeedback, *, now: float) -> None:
        if isinstance(feedback, rtcp.CongestionFeedback):
            self._stats["unknown_ssrc"] += sum(stream.ssrc not in self._own_ssrcs for stream in feedback.streams)
        try:
            report = self._names.read(feedback)
            if report is None:
                return
            settled = self._books.settle(report, now=now)
        except Malformed:
            self._stats["malformed"] += 1
            return
        self._send_at = None
        if settled.arrived:
            self._timeouts = 0
        self._stats["ce_packets"] += settled.ce_packets
        self._stats["lost_packets"] += len(settled.lost)
        self._stats["spurious_losses"] += settled.late
        if settled.spurious_since is not None:
            self._flight.undo_losses(since=settled.spurious_since, now=now)
        if settled.rtt is not None:
            self._round_trip.add(settled.rtt)
        self._flight.on_settled(
            settled.arrived,
            settled.lost,
            rtt=settled.rtt,
            probe_timeout=self._probe_timeout(),
            ce_packets=settled.ce_packets,
            received_at=settled.received_at,
            now=now,
        )

    def _probe_timeout(self) -> float:
        """RFC 9002's PTO, with the interval of reports as the delay of acknowledgements."""
        return self._round_trip.timeout(_GRANULARITY) + CONTROL_INTERVAL

    def _probe_at(self) -> float | None:
        """When the window has been full for too long without news, though packets wait. Before the round trip is known
        that is not known either, and what is in flight is given up after a second."""
        if self._probes or not self._is_waiting() or not self._round_trip.is_measured:
            return None
        if self._flight.next_send_at() is not None:
            return None
        return self._left_at + self._probe_timeout() * 2.0**self._timeouts

    def _is_waiting(self) -> bool:
        return bool(self._repairs or self._media or self._frames)

    def _next_datagram(self, *, now: float) -> Datagram:
        if self._repairs:
            packet = self._repairs.popleft()
            self._repair_bytes -= len(packet)
        else:
            packet = self._next_media(now=now)
        return self._leave(packet, now=now)

    def _leave(self, packet: bytes, *, now: float) -> Datagram:
        number = self._books.on_sent(now=now)
        packet = self._names.send(packet, number, now=now)
        self._flight.on_sent(number, len(packet), now=now)
        self._left_at = now
        self._stats["datagrams_sent"] += 1
        return self._datagram(packet)

    def _pad(self, *, now: float) -> list[Datagram]:
        """What a controller that probes wants to leave, though nobody has anything to say."""
        padding: list[Datagram] = []
        while self._flight.allowance.padding_bps > 0 and self._flight.packets_allowed(now=now) > 0:
            padding.append(self._leave(self._sources[0].padding(), now=now))
        self._stats["padding_packets"] += len(padding)
        if self._flight.allowance.padding_bps > 0:
            self._send_at = self._flight.next_send_at()
        elif not padding:
            self._flight.on_idle(now=now)
        return padding

    def _next_media(self, *, now: float) -> bytes:
        if self._begun is None:
            self._begun = self._frames.pop()
            for overtaken in self._frames.overtaken(self._begun):
                self._drop_full(overtaken, "dropped_overtaken", now=now)
            self._media += self._by_track[self._begun.track].packetize(self._begun, self._room, now=now)
            self._media_bytes = sum(map(len, self._media))
            self._stats["media_bytes"] += self._media_bytes
            self._events.append(FrameStarted(self._begun.track, self._begun.sequence, now))
        packet = self._media.popleft()
        self._media_bytes -= len(packet)
        if not self._media:
            self._events.append(FrameSent(self._begun.track, self._begun.sequence, now))
            self._begun = None
        return packet

    def _expire(self, *, now: float) -> None:
        """Drop frames whose deadline has passed, and of a video what is not worth sending without them."""
        for frame in self._frames.expire(now=now):
            self._drop_expired(frame, now=now)
            track = self._by_track[frame.track].types.track
            if track.media != "data":
                for skipped in self._frames.skip_after(frame, layers=track.layers):
                    self._drop_expired(skipped, now=now)


def rtp_sender(config: TransportConfig) -> RtpSender:
    """The sending end that the options ask for."""
    return ControlledSender(config) if options(config).controlled else RtpSender(config)
