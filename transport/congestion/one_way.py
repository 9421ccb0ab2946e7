"""The delays of both ways of a path, each with the unknown difference of two clocks in it. Sans-IO."""

from collections import deque

_WINDOW = 15.0  # seconds for which the least delay is believed: clocks drift, and routes change
_MOST_KEPT = 4096


class OneWayDelays:
    """The least delay to the peer and back, in seconds. The two clocks' difference is added to one and taken from the
    other, so that instants of one clock can be put on the other, and sums of both are right.

    `timed` says whether the peer tells when packets arrive. If it does not, they arrive when their acknowledgement
    does.
    """

    def __init__(self) -> None:
        self.timed = False
        self._forward = Least()
        self._backward = Least()

    @property
    def forward(self) -> float:
        return self._forward.value(0.0)

    @property
    def backward(self) -> float:
        return self._backward.value(0.0)

    def arrival(self, sent_at: float, received_at: float | None, *, now: float) -> float:
        """When a packet arrived of which we hear now: of the peer's clock if the peer has ever told that, else of
        ours."""
        if received_at is None:
            arrival = now - self.backward
        else:
            if not self.timed:
                self.timed = True
                self._forward = Least()
            arrival = received_at
            self._backward.add(now - arrival, at=now)
        self._forward.add(arrival - sent_at, at=now)
        return arrival


class Least:
    """The least value of the last 15 s (Lemire, "Streaming maximum-minimum filter", 2006)."""

    def __init__(self) -> None:
        self._values: deque[tuple[float, float]] = deque()

    def add(self, value: float, *, at: float) -> None:
        values = self._values
        while values and values[-1][1] >= value:
            values.pop()
        values.append((at, value))
        while values[0][0] < at - _WINDOW:
            values.popleft()
        if len(values) > _MOST_KEPT:
            values.popleft()

    def value(self, otherwise: float) -> float:
        """The least value, or `otherwise` if there is none."""
        return self._values[0][1] if self._values else otherwise
