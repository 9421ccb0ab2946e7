"""Session time: the clock of live runs, which all processes of a host share, and which reads like virtual time."""

import time
from collections.abc import Callable

from glassbench.netem.simulator import START_AT

_MAX_AGE = 5.0  # seconds; an older stamp is from before a step of the wall clock
_LONGEST_BATCH = 1.0  # seconds; what arrives while a batch is taken is newer than its reading of the clocks
_READINGS = 3


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC, from which an origin of session time is chosen."""
    return time.monotonic_ns()


class LiveClock:
    """Seconds: START_AT at the instant `origin_ns` of CLOCK_MONOTONIC, which never steps."""

    def __init__(self, origin_ns: int) -> None:
        self._origin_ns = origin_ns

    def now(self) -> float:
        return self.session_time(time.monotonic_ns())

    def session_time(self, at_ns: int) -> float:
        """The session time of an instant of CLOCK_MONOTONIC."""
        return START_AT + (at_ns - self._origin_ns) * 1e-9

    def later(self, seconds: float) -> "LiveClock":
        """The clock of a session that begins `seconds` later."""
        return LiveClock(self._origin_ns + round(seconds * 1e9))

    def wait_until(self, at: float) -> None:
        """Sleep until session time `at`."""
        while (left := at - self.now()) > 0:
            time.sleep(left)

    def arrivals(self) -> Callable[[int], float]:
        """What gives the arrival of each packet of a batch by the kernel's stamp of it (SO_TIMESTAMPNS,
        CLOCK_REALTIME).

        Both clocks are read once for the batch. If an interrupt comes between the two readings, they are of two
        instants, so the closest pair of several is taken.
        """
        readings = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(_READINGS)]
        before, wall_ns, after = min(readings, key=lambda reading: reading[2] - reading[0])
        now = self.session_time((before + after) // 2)

        def arrival(stamp_ns: int) -> float:
            age = (wall_ns - stamp_ns) * 1e-9
            return now - age if -_LONGEST_BATCH <= age <= _MAX_AGE else now

        return arrival
