"""Mahimahi traces (mm-link; Netravali et al., USENIX ATC 2015).

One line is one opportunity to send a packet of 1504 bytes, at that whole millisecond from the start; a line may repeat.
Opportunities that nothing uses are lost. The trace repeats from its last timestamp, which must not be 0.
"""

import re

import numpy as np

from glassbench.netem.schedule import OPPORTUNITY_BYTES, OpportunitySchedule
from glassbench.netem.traces.format import MAX_DURATION, Format, Writer, line_of_row, quote, refusal, without_comments
from glassbench.netem.traces.trace import Trace, TraceError, cumulative_bytes

MAX_LINES = 8_000_000
ACCEPTED = "each line of a mahimahi trace is one whole number of milliseconds, not smaller than the line before"

_NOT_A_NUMBER = re.compile(r"[^0-9\n]")
_NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?\s*", re.IGNORECASE)


def recognize(line: str) -> str | None:
    return "its first line is one number" if _NUMBER.fullmatch(line) else None


def parse(text: str, name: str) -> Trace:
    text = without_comments(text)
    if bad := _NOT_A_NUMBER.search(text):
        raise _bad_line(text, bad.start(), name)
    if text.count("\n") > MAX_LINES:
        raise refusal(name, None, f"more than {MAX_LINES} lines", "longer traces are not accepted")
    # All is digits and newlines now. A number over 63 bits is clipped and found too large below.
    times_ms = np.fromstring(text, dtype=np.int64, sep="\n")
    for row in np.flatnonzero(times_ms > MAX_DURATION * 1000)[:1]:
        line = line_of_row(text, row)
        raise refusal(name, line, "a later time", f"a trace lasts at most {MAX_DURATION:.0f} s")
    for row in np.flatnonzero(np.diff(times_ms) < 0)[:1] + 1:
        raise refusal(name, line_of_row(text, row), f"{times_ms[row]} after {times_ms[row - 1]}", ACCEPTED)
    if times_ms[-1] == 0:
        line = line_of_row(text, len(times_ms) - 1)
        raise refusal(name, line, "0 as the last line", "the last line is how long the trace lasts")
    return Trace(name, "mahimahi", f"mahimahi trace {name}", OpportunitySchedule(times_ms))


def write(trace: Trace) -> bytes:
    times_ms = opportunities(trace)
    return ("\n".join(map(str, times_ms.tolist())) + "\n").encode("ascii")


def losses(trace: Trace) -> list[str]:
    lost = []
    if not isinstance(trace.schedule, OpportunitySchedule):
        lost.append("the fluid rate became opportunities of 1504 bytes at whole milliseconds")
        times_ms = opportunities(trace)
        surplus = len(times_ms) * OPPORTUNITY_BYTES - trace.capacity_bytes(0.0, trace.duration)
        if surplus > 1:
            lost.append(f"one opportunity was added at {times_ms[-1]} ms, because the last line is how long it lasts")
        if abs(times_ms[-1] / 1000 - trace.duration) > 1e-9:
            lost.append(f"the duration was rounded from {trace.duration:.6f} to {times_ms[-1] / 1000:.3f} s")
    lost += [f"the {what} was left out" for what, series in (("delay", trace.delay), ("loss", trace.loss)) if series]
    return lost


def opportunities(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Opportunities (ms) that carry what the trace carries, at every millisecond less than 1504 bytes behind it."""
    if isinstance(trace.schedule, OpportunitySchedule):
        return np.asarray(trace.schedule.opportunities_ms, dtype=np.int64)
    if trace.capacity_bytes(0.0, trace.duration) > MAX_LINES * OPPORTUNITY_BYTES:
        raise TraceError(
            f"{trace.name}: it carries more than the {MAX_LINES} opportunities that a mahimahi file may hold"
        )
    end_ms = max(1, round(trace.duration * 1000))
    at_ms = np.append(np.arange(end_ms) / 1000, trace.duration)  # what is left of a last millisecond is kept
    counts = np.floor(cumulative_bytes(trace.schedule, at_ms) / OPPORTUNITY_BYTES + 1e-6).astype(np.int64)
    times_ms = np.repeat(np.arange(1, end_ms + 1), np.diff(counts))
    return times_ms if len(times_ms) and times_ms[-1] == end_ms else np.append(times_ms, end_ms)


def _bad_line(text: str, at: int, name: str) -> TraceError:
    """The error for the line that holds the character at `at`."""
    line = text[text.rfind("\n", 0, at) + 1 :][:200].split("\n", maxsplit=1)[0]
    return refusal(name, text.count("\n", 0, at) + 1, quote(line), ACCEPTED)


FORMAT = Format(
    name="mahimahi",
    summary="one line per opportunity to send 1504 bytes, in whole milliseconds; repeats from its last line",
    recognize=recognize,
    parse=parse,
    writer=Writer((".down", ".up", ".mahi"), write, losses),
)
