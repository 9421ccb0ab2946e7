"""How steadily a machine runs: how long each time, while there was something to do, another program or the host of a
virtual machine had the processor."""

import select
import time
from collections.abc import Sequence
from typing import Protocol

from glassbench.netem.live.clock import LiveClock

LEAST = 5e-3  # seconds; shorter ones come all the time on some machines (docs/live.md), and move little
SPIN = 100e-6  # seconds before an instant in which a loop does not sleep any more: waking up takes so long


class HasFileno(Protocol):
    """What `select` takes."""

    def fileno(self) -> int: ...


class Pauses:
    """Waits for a loop, and counts its pauses of LEAST and more: the time from when something was due, or from the
    middle of its work, until it went on. The loop's own work is no pause, and neither is a delay that nobody waited
    for."""

    def __init__(self, clock: LiveClock) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self._clock = clock
        self._asleep_at = self._awake_at = clock.now()
        self._worked = time.thread_time()
        self._late = 0.0

    def wait(self, ports: Sequence[HasFileno], wake_at: float) -> None:
        """Wait until one of `ports` is readable, at most until session time `wake_at`."""
        self._asleep_at = now = self._clock.now()
        self.add(self._late + max(0.0, now - self._awake_at - (time.thread_time() - self._worked)))
        select.select(ports, [], [], max(0.0, wake_at - now - SPIN))
        self._awake_at, self._worked = self._clock.now(), time.thread_time()
        self._late = max(0.0, self._awake_at - max(now, wake_at))

    def arrived(self, at: float) -> None:
        """Say when the first of the packets came that were there after the wait."""
        self._late = max(self._late, self._awake_at - max(self._asleep_at, at))

    def add(self, seconds: float) -> None:
        """Count a pause if it was at least LEAST long."""
        if seconds >= LEAST:
            self.count += 1
            self.total += seconds
            self.longest = max(self.longest, seconds)

    def summary(self) -> dict[str, float]:
        """In milliseconds, for a result file."""
        return {
            "count": self.count,
            "total_ms": round(self.total * 1e3, 3),
            "longest_ms": round(self.longest * 1e3, 3),
        }


def pauses(seconds: float, *, least: float) -> list[float]:
    """Compute for `seconds`, and return the length of each pause that took `least` seconds or more."""
    lengths: list[float] = []
    began_at = before = time.monotonic()
    while before < began_at + seconds:
        now = time.monotonic()
        if now - before >= least:
            lengths.append(now - before)
        before = now
    return lengths
