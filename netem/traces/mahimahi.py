"""Mahimahi traces (mm-link; Netravali et al., USENIX ATC 2015).

One line is one opportunity to send a packet of 1504 bytes, at that whole millisecond from the start; a line may repeat.
Opportunities that nothing uses are lost. The trace repeats from its last timestamp, which must not be 0.
"""

import re

import numpy as np

from netem.schedule import OPPORTUNITY_BYTES, OpportunitySchedule
from netem.traces.format import MAX_DURATION, Format, quote, refusal
from netem.traces.trace import Trace, TraceError, cumulative_bytes

MAX_LINES = 8_000_000
ACCEPTED = "each line of a mahimahi trace is one whole number of milliseconds, not smaller than the line before"

_NOT_A_NUMBER = re.compile(rb"[^0-9\n]|(?:\A|\n)(?=\n)")
_NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?\s*", re.IGNORECASE)


def recognize(line: str) -> str | None:
    return "its first line is one number" if _NUMBER.fullmatch(line) else None


def parse(data: bytes, name: str) -> Trace:
    text = data.replace(b"\r\n", b"\n").rstrip(b"\n")
    if text.translate(None, b"0123456789\n") or text.startswith(b"\n") or b"\n\n" in text:
        raise _bad_line(text, name)
    if not text:
        raise refusal(name, None, "no line at all", ACCEPTED)
    if text.count(b"\n") >= MAX_LINES:
        raise refusal(name, None, f"more than {MAX_LINES} lines", "longer traces are not accepted")
    # All is digits and newlines now. A number over 63 bits is clipped and found too large below.
    times_ms = np.fromstring(text.decode("ascii"), dtype=np.int64, sep="\n")
    for index in np.flatnonzero(times_ms > MAX_DURATION * 1000)[:1]:
        raise refusal(name, index + 1, "a later time", f"a trace lasts at most {MAX_DURATION:.0f} s")
    for index in np.flatnonzero(np.diff(times_ms) < 0)[:1]:
        raise refusal(name, index + 2, f"{times_ms[index + 1]} after {times_ms[index]}", ACCEPTED)
    if times_ms[-1] == 0:
        raise refusal(name, len(times_ms), "0 as the last line", "the last line is how long the trace lasts")
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
    """Opportunities (ms) that carry what the trace carries: at every millisecond less than 1504 bytes behind it."""
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


def _bad_line(text: bytes, name: str) -> TraceError:
    """The error for the first line that is not a number."""
    bad = _NOT_A_NUMBER.search(text)
    assert bad is not None
    at = bad.end() if bad.group() in (b"", b"\n") else bad.start()
    start = text.rfind(b"\n", 0, at) + 1
    content = text[start : start + 200].split(b"\n")[0]
    line = text.count(b"\n", 0, at) + 1
    return refusal(name, line, quote(content) if content else "an empty line", ACCEPTED)


FORMAT = Format(
    name="mahimahi",
    summary="one line per opportunity to send 1504 bytes, in whole milliseconds; repeats from its last line",
    suffixes=(".down", ".up", ".mahi"),
    recognize=recognize,
    parse=parse,
    write=write,
    losses=losses,
)
