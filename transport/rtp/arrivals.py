"""Which packets came, when, and with which ECN mark: what a receiver's feedback tells, whatever its format.

Feedback is sent every 50 ms while packets arrive (RFC 8888 section 5 has 50 to 200 ms), and sooner if a report is full.
Under congestion control it is sent every 10 ms, so that a controller that plans each of 60 frames a second hears of
something new for each. Each arrival is then in two reports, so that a lost report takes nothing away; and the range of
a stream begins where that of its last report ended, so that all that is missing is in one.
"""

from typing import NamedTuple

INTERVAL = 0.05  # seconds
CONTROL_INTERVAL = 0.01  # seconds
AGE_UNIT = 1 / 1024  # seconds: reports tell ages to so much at least (RFC 8888 section 3.1)
CE = 3  # codepoint of RFC 3168
MOST_PACKETS = 128  # in one report, so that it fits the smallest datagram
MOST_STREAMS = 8


class Arrival(NamedTuple):
    """A packet that came: its 16-bit sequence number, the instant, and the ECN codepoint of RFC 3168."""

    sequence: int
    at: float
    ecn: int


class Arrivals:
    """What came since the last report, by stream; with `twice` a report repeats what the one before it said first."""

    def __init__(self, interval: float = INTERVAL, *, twice: bool = False) -> None:
        self.report_at: float | None = None
        self._interval = interval
        self._full = MOST_PACKETS // 2 if twice else MOST_PACKETS
        self._twice = twice
        self._by_stream: dict[int, list[Arrival]] = {}
        self._said: dict[int, list[Arrival]] = {}  # what the next report repeats
        self._ends: dict[int, Arrival] = {}  # the last ones in the last reports of streams, the newest stream last

    def add(self, stream: int, arrival: Arrival) -> None:
        """A packet came. More streams than `MOST_STREAMS` in one report are left out."""
        if stream not in self._by_stream and len(self._by_stream.keys() | self._said.keys()) >= MOST_STREAMS:
            return
        arrivals = self._by_stream.setdefault(stream, [])
        arrivals.append(arrival)
        if self.report_at is None:
            self.report_at = arrival.at + self._interval
        if sum(map(len, self._by_stream.values())) >= self._full:
            self.report_at = arrival.at

    def take(self) -> dict[int, list[Arrival]]:
        """What the next report tells of each stream. They begin anew."""
        new, self._by_stream, self.report_at = self._by_stream, {}, None
        streams = {stream: self._again(stream) + new.get(stream, []) for stream in self._said | new}
        if self._twice:
            self._remember(new)
        return streams

    def _again(self, stream: int) -> list[Arrival]:
        """What a report says of a stream that an earlier one has said."""
        return self._said.get(stream) or ([self._ends[stream]] if stream in self._ends else [])

    def _remember(self, said: dict[int, list[Arrival]]) -> None:
        self._said = said
        for stream, arrivals in said.items():
            self._ends.pop(stream, None)
            self._ends[stream] = arrivals[-1]
        while len(self._ends) > MOST_STREAMS:
            del self._ends[next(iter(self._ends))]
