"""Session time: the clock of live runs, which all processes of a host share, and which reads like virtual time."""

import time

from glassbench.netem.simulator import START_AT

_MAX_AGE = 5.0  # seconds; an older stamp is from before a step of the wall clock


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC, from which an origin of session time is chosen."""
    return time.monotonic_ns()


class LiveClock:
    """Seconds: START_AT at the instant `origin_ns` of CLOCK_MONOTONIC, which never steps."""

    def __init__(self, origin_ns: int) -> None:
        self._origin_ns = origin_ns

    def now(self) -> float:
        return START_AT + (time.monotonic_ns() - self._origin_ns) * 1e-9

    def later(self, seconds: float) -> "LiveClock":
        """The clock of a session that begins `seconds` later."""
        return LiveClock(self._origin_ns + round(seconds * 1e9))

    def wait_until(self, at: float) -> None:
        """Sleep until session time `at`."""
        while (left := at - self.now()) > 0:
            time.sleep(left)

    def arrival(self, stamp_ns: int) -> float:
        """When a packet arrived that the kernel stamped (SO_TIMESTAMPNS, CLOCK_REALTIME): now, less its age."""
        age = (time.time_ns() - stamp_ns) * 1e-9
        return self.now() - (age if 0 <= age <= _MAX_AGE else 0.0)
