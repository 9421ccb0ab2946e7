"""What the checkers of `glassbench.testing` share: the exception that names a demand, and a watch over clocks.

It lies below all rooms, since a checker stands in the room of what it checks.
"""

import datetime
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_CLOCKS = frozenset(
    {
        time.time,
        time.time_ns,
        time.monotonic,
        time.monotonic_ns,
        time.perf_counter,
        time.perf_counter_ns,
        time.process_time,
        time.sleep,
        time.localtime,
        time.gmtime,
        datetime.datetime.now,
        datetime.datetime.utcnow,
        datetime.datetime.today,
    }
)


class Broken(AssertionError):
    """A demand that is not met. `demand` is its name in the docstring of the checker, `reason` says what was seen."""

    def __init__(self, demand: str, reason: str) -> None:
        super().__init__(demand, reason)
        self.demand = demand
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.demand}: {self.reason}"


@contextmanager
def no_clock() -> Iterator[None]:
    """A block in which no clock may be read, under whatever name. At its end Broken names the demand `clock` if one
    was.

    Garbage is collected after the block only, because callbacks of others read a clock then (hypothesis has one).
    """
    reads: list[str] = []

    def watch(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and called in _CLOCKS and not reads:
            name = getattr(called, "__qualname__", repr(called))
            reads.append(f"{name} is called in {frame.f_code.co_filename}, line {frame.f_lineno}")

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    if reads:
        raise Broken("clock", f"{reads[0]}; time is an argument")
