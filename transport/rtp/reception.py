"""Sequence numbers of one source at the receiver: what is here, what is missing, when to ask for it or give up."""

from transport.rtp.packet import CLOCK_RATE
from transport.rtp.rtcp import Block
from transport.rtp.session import RoundTrip, RtpOptions

_MAX_DROPOUT = 3000  # packets ahead that are believed at once (RFC 3550 A.1)
_MAX_MISORDER = 3000  # packets behind that are late ones, not a restart
_MAX_MISSING = 1000  # waited for at once; more gives up the oldest
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
    """

    __slots__ = (
        "_base", "_jump", "_options", "_prior", "_round_trip", "_transit",
        "given_up", "highest", "jitter", "last_report", "missing", "received", "wake_at",
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
        self.received = 0
        self.jitter = 0.0
        self._transit: float | None = None
        self._prior = (0, 0)  # expected and received at the last report
        self.last_report: tuple[int, float] = (0, 0.0)  # middle of the NTP time of the peer's last SR, its arrival

    @property
    def frontier(self) -> int:
        """All sequence numbers below this are settled: arrived or given up."""
        return next(iter(self.missing)) if self.missing else self.highest + 1

    def arrive(self, short: int, *, is_start: bool, expires_at: float, now: float) -> int | None:
        """Place a packet of the source: its extended number, or None for a duplicate or a jump not believed yet.

        `is_start`: it is known to be the first of the stream. `expires_at`: when what is found missing is of no use.
        """
        if self.received == 0:
            self.highest = 65536 + short  # leaves room below for those before the first
            self._base = self.highest
            self.received = 1
            if not is_start:
                self._expect(self.highest - _LOOK_BACK, self.highest, expires_at, now=now)
            return self.highest
        ahead = (short - self.highest) & 0xFFFF
        if ahead == 1:
            self.highest += 1
            self.received += 1
            return self.highest
        if ahead == 0 or ahead >= 0x10000 - _MAX_MISORDER:
            sequence = self.highest - (-ahead & 0xFFFF)
            if self.missing.pop(sequence, None) is None:
                return None
            self.received += 1
            return sequence
        if ahead > _MAX_DROPOUT and short != self._jump:
            self._jump = (short + 1) & 0xFFFF  # two in a row are believed
            return None
        sequence = self.highest + ahead
        self._expect(max(self.highest + 1, sequence - _MAX_MISSING), sequence, expires_at, now=now)
        if ahead > _MAX_DROPOUT:
            self._base += ahead  # a restart is not a loss
        self.highest = sequence
        self.received += 1
        return sequence

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
                missing.due_at = now + self._round_trip.timeout
            if self.wake_at is None or missing.due_at < self.wake_at:
                self.wake_at = missing.due_at
        return requests

    def block(self, ssrc: int, *, now: float) -> Block:
        """The report block on this source since the last one (RFC 3550 A.3)."""
        expected = self.highest - self._base + 1
        prior_expected, prior_received = self._prior
        self._prior = (expected, self.received)
        interval = expected - prior_expected
        lost = interval - (self.received - prior_received)
        fraction = min(255, lost * 256 // interval) if interval > 0 and lost > 0 else 0
        quoted, arrived_at = self.last_report
        delay = round((now - arrived_at) * 65536) & 0xFFFF_FFFF if quoted else 0
        return Block(ssrc, fraction, expected - self.received, self.highest, int(self.jitter), quoted, delay)

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
        answer = self._round_trip.smoothed if self._round_trip.known else 0.0
        return now + answer > missing.expires_at
