"""Sequence numbers of one source at the receiver: what is here, what is missing, when to ask for it or give up."""

from bisect import bisect_right
from collections import deque

from glassbench.transport.round_trip import RoundTrip
from glassbench.transport.rtp.packet import CLOCK_RATE
from glassbench.transport.rtp.rtcp import Block
from glassbench.transport.rtp.session import RtpOptions

_MAX_DROPOUT = 3000  # packets ahead that are believed at once (RFC 3550 A.1)
_MAX_MISORDER = 3000  # packets behind that may be late ones
_LATE_START = 0.5  # seconds from the first packet in which others from before it may come
_FASTER = 30.0  # seconds that timestamps may be ahead of the time that has passed, after a loss
_BEHIND = 1.0  # and behind: pictures may be sent in another order than they are shown
_MAX_MISSING = 1000  # waited for at once; more gives up the oldest
_GRANULARITY = 0.010  # seconds above the mean round trip that a repair may take at least
_ROOM_BELOW = 65536  # of extended numbers, for packets before the first
_LOOK_BACK = 16  # packets before the first that may have been lost: as many as one NACK pair asks for


class _Missing:
    __slots__ = ("asked_at", "due_at", "expires_at", "tries")

    def __init__(self, due_at: float, expires_at: float) -> None:
        self.due_at = due_at
        self.expires_at = expires_at
        self.asked_at = 0.0
        self.tries = 0


class Reception:
    """State of one source (RFC 3550 A.1, A.3, A.8). Sequence numbers inside are extended past 16 bits.

    Every number up to `highest` has arrived, is in `missing`, or was given up: so memory is bounded by what is missing.

    Two packets in a row that do not fit are believed (RFC 3550 A.1). A packet does not fit

    - if its number is far ahead,
    - if its number is old, and its timestamp is not that of the packets that had, or should have had, such numbers,
    - if its number is ahead, and its timestamp is not.

    If number and timestamp of the two are ahead, many packets were lost. Otherwise the source has started anew, perhaps
    with numbers near by: then `restarted` is true after `arrive`, until the owner clears it.
    """

    __slots__ = (
        "_base", "_began_at", "_heard_at", "_jump", "_options", "_prior", "_round_trip", "_transit", "_turns",
        "given_up", "highest", "jitter", "last_report", "missing", "received", "restarted", "wake_at",
    )  # fmt: skip

    def __init__(self, options: RtpOptions, round_trip: RoundTrip) -> None:
        self._options = options
        self._round_trip = round_trip
        self._base = -1
        self.highest = -1
        self.missing: dict[int, _Missing] = {}  # ascending, since `highest` only grows
        self.given_up: list[int] = []  # taken and cleared by the owner
        self.wake_at: float | None = None  # no missing packet is due before
        self._jump = -1
        self._began_at = self._heard_at = 0.0
        self._turns: deque[tuple[int, int]] = deque(maxlen=_MAX_MISORDER)  # the first number with a timestamp, and that
        self.restarted = False
        self.received = 0
        self.jitter = 0.0
        self._transit: float | None = None
        self._prior = (0, 0)  # expected and received at the last report
        self.last_report: tuple[int, float] = (0, 0.0)  # middle of the NTP time of the peer's last SR, its arrival

    @property
    def frontier(self) -> int:
        """All sequence numbers below this are settled: arrived or given up."""
        return next(iter(self.missing)) if self.missing else self.highest + 1

    def arrive(self, short: int, timestamp: int = 0, *, is_start: bool, expires_at: float, now: float) -> int | None:
        """Place a packet of the source: its extended number, or None for a duplicate or what does not fit yet.

        `is_start`: it is known to be the first of the stream. `expires_at`: when what is found missing is of no use.
        """
        if self.received == 0:
            self.highest = self._base = _ROOM_BELOW + short
            self.received = 1
            self._begin(self.highest, timestamp, now=now)
            if not is_start:
                self._expect(self.highest - _LOOK_BACK, self.highest, expires_at, now=now)
            return self.highest
        ahead = (short - self.highest) & 0xFFFF
        if ahead == 1:
            self.highest += 1
            self.received += 1
            self._heard_at = now
            if timestamp != self._turns[-1][1]:
                self._turns.append((self.highest, timestamp))
            return self.highest
        if ahead == 0 or ahead >= 0x10000 - _MAX_MISORDER:
            sequence = self.highest - (-ahead & 0xFFFF)
            if self.missing.pop(sequence, None) is not None:
                self.received += 1
                return sequence
            if self._is_late(sequence, timestamp, now=now):
                return None
        is_back = ahead >= 0x10000 - _MAX_MISORDER
        is_anew = is_back or not self._goes_on(timestamp, now=now)
        if ahead > _MAX_DROPOUT or is_anew:
            if short != self._jump:
                self._jump = (short + 1) & 0xFFFF
                return None
            self._jump = -1
            if is_anew:
                self._restart(short, timestamp, now=now)
                return self.highest
            self._base += ahead  # who knows how many were lost
        sequence = self.highest + ahead
        self._expect(max(self.highest + 1, sequence - _MAX_MISSING), sequence, expires_at, now=now)
        self.highest = sequence
        self.received += 1
        self._heard_at = now
        if timestamp != self._turns[-1][1]:
            self._turns.append((sequence, timestamp))
        return sequence

    def _begin(self, sequence: int, timestamp: int, *, now: float) -> None:
        self._began_at = self._heard_at = now
        self._turns.clear()
        self._turns.append((sequence, timestamp))

    def _restart(self, short: int, timestamp: int, *, now: float) -> None:
        """The source began anew one packet ago. Extended numbers go on growing; a restart is not a loss."""
        self.missing.clear()
        self.wake_at = None
        lost = self.highest - self._base + 1 - self.received
        start = self.highest + 1 + (short - 1 - self.highest - 1) % 0x10000
        self._begin(start, timestamp, now=now)
        self.highest = start + 1
        self.received += 2
        self._base = self.highest + 1 - self.received - lost
        self.restarted = True

    def _goes_on(self, timestamp: int, *, now: float) -> bool:
        """Whether a packet with this timestamp may come after some that were lost."""
        ahead = ((timestamp - self._turns[-1][1] + 2**31) & 0xFFFF_FFFF) - 2**31
        return -_BEHIND * CLOCK_RATE <= ahead <= (now - self._heard_at + _FASTER) * CLOCK_RATE

    def _is_late(self, sequence: int, timestamp: int, *, now: float) -> bool:
        """Whether a packet with an old number may be a duplicate or one that was given up: its timestamp is that of the
        packets around it, or between them."""
        place = bisect_right(self._turns, (sequence, 2**32)) - 1
        if place < 0:
            return self._turns[0][0] - sequence <= _LOOK_BACK or now - self._began_at < _LATE_START
        before = self._turns[place][1]
        after = self._turns[place + 1][1] if place + 1 < len(self._turns) else before
        return (timestamp - before) & 0xFFFF_FFFF <= (after - before) & 0xFFFF_FFFF

    def repair(self, short: int, *, now: float) -> int | None:
        """Place a retransmitted packet: its extended number if it was missing, else None."""
        if self.received == 0:
            return None
        sequence = self.highest - ((self.highest - short) & 0xFFFF)
        missing = self.missing.pop(sequence, None)
        if missing is None:
            return None
        if missing.tries == 1:  # Karn: only then it is known which request was answered
            self._round_trip.add(now - missing.asked_at)
        return sequence

    def measure_jitter(self, timestamp: int, *, now: float) -> None:
        """Interarrival jitter in ticks of the media clock (RFC 3550 section 6.4.1)."""
        transit = now * CLOCK_RATE - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < 2**31:  # not across the wrap of the timestamp
                self.jitter += (difference - self.jitter) / 16
        self._transit = transit

    def forget_before(self, sequence: int) -> None:
        """Stop waiting for all below: the stream began there."""
        for missing in [s for s in self.missing if s < sequence]:
            del self.missing[missing]

    def take_due(self, *, now: float) -> list[int]:
        """What must be asked for now, extended; what is given up now is added to `given_up`.

        A packet is given up after `max_retries` requests, or when an answer would come after `expires_at`.
        """
        requests = []
        self.wake_at = None
        for sequence, missing in list(self.missing.items()):
            if missing.due_at <= now:
                if self._is_hopeless(missing, now=now):
                    del self.missing[sequence]
                    self.given_up.append(sequence)
                    continue
                requests.append(sequence)
                missing.tries += 1
                missing.asked_at = now
                missing.due_at = now + self._round_trip.timeout(_GRANULARITY)
            if self.wake_at is None or missing.due_at < self.wake_at:
                self.wake_at = missing.due_at
        return requests

    def block(self, ssrc: int, *, now: float) -> Block:
        """The report block on this source since the last one (RFC 3550 A.3). It counts cycles from 0."""
        expected = self.highest - self._base + 1
        prior_expected, prior_received = self._prior
        self._prior = (expected, self.received)
        interval = expected - prior_expected
        lost = interval - (self.received - prior_received)
        fraction = min(255, lost * 256 // interval) if interval > 0 and lost > 0 else 0
        quoted, arrived_at = self.last_report
        delay = round((now - arrived_at) * 65536) & 0xFFFF_FFFF if quoted else 0
        highest = self.highest - _ROOM_BELOW
        return Block(ssrc, fraction, expected - self.received, highest, int(self.jitter), quoted, delay)

    def _expect(self, start: int, end: int, expires_at: float, *, now: float) -> None:
        due_at = now + self._options.reorder_window
        for sequence in range(start, end):
            self.missing[sequence] = _Missing(due_at, expires_at)
        if end > start and (self.wake_at is None or due_at < self.wake_at):
            self.wake_at = due_at
        while len(self.missing) > _MAX_MISSING:
            oldest = next(iter(self.missing))
            del self.missing[oldest]
            self.given_up.append(oldest)

    def _is_hopeless(self, missing: _Missing, *, now: float) -> bool:
        if not self._options.nack or missing.tries >= self._options.max_retries:
            return True
        answer = self._round_trip.smoothed if self._round_trip.is_measured else 0.0
        return now + answer > missing.expires_at
