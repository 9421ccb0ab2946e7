"""Session time: the clock of live runs, which all processes of a host share, and which reads like virtual time."""

import ctypes
import os
import time
from contextlib import suppress

from netem.simulator import START_AT

_PR_SET_TIMERSLACK = 29
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

    def arrival(self, stamp_ns: int) -> float:
        """When a packet arrived that the kernel stamped (SO_TIMESTAMPNS, CLOCK_REALTIME): now, less its age."""
        age = (time.time_ns() - stamp_ns) * 1e-9
        return self.now() - (age if 0 <= age <= _MAX_AGE else 0.0)


def wake_up_exactly() -> None:
    """Ask the kernel not to delay the timers of this thread by its usual 50 us of slack. Linux only; harmless else."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def run_first() -> bool:
    """Take a processor as soon as there is work, where this process may (SCHED_FIFO; it needs CAP_SYS_NICE).

    Only for one that sleeps most of the time. Whether it is allowed is returned.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    return True
