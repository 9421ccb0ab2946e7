"""The log of mahimahi's mm-link (--downlink-log, --uplink-log). A trace takes the opportunities from it.

A line such as `142 # 1504` is an opportunity of 1504 bytes at 142 ms; `+`, `-` and `d` are packets that came, left and
were dropped. Milliseconds count from the start of mm-link, and a line of the log says at which of them the link began.
The trace lasts until the last line.
"""

import re

import numpy as np

from glassbench.netem.schedule import OPPORTUNITY_BYTES, OpportunitySchedule, RateSchedule
from glassbench.netem.traces.format import (
    MAX_DURATION,
    MAX_RATE_BPS,
    Format,
    line_of_row,
    quote,
    refusal,
    without_comments,
)
from glassbench.netem.traces.trace import Trace, steps_of_milliseconds

ACCEPTED = "each line of a log of mm-link is a time in ms, one of # + - d, and numbers, no time before the line above"

_EVENT = re.compile(r"[0-9]{1,12} (# [0-9]{1,12}|[+d-]( [0-9]{1,12})+)")
_BASE = re.compile(r"^# base timestamp: ([0-9]{1,12})$", re.MULTILINE)
_NONE = np.empty((0, 2), dtype=np.int64)
_OTHER_EVENT = re.compile(r"^[0-9]+ [+d-].*$", re.MULTILINE)
_NO_EVENT = re.compile(rf"^(?!{_EVENT.pattern}$|$)[^\n]*", re.MULTILINE)


def recognize(line: str) -> str | None:
    return "its first line is an event of mm-link" if _EVENT.fullmatch(line) else None


def parse(text: str, name: str) -> Trace:
    base = _BASE.search(text)
    events = without_comments(text)
    if bad := _NO_EVENT.search(events):
        raise refusal(name, events.count("\n", 0, bad.start()) + 1, quote(bad.group()), ACCEPTED)
    start = int(base[1]) if base else 0
    of_opportunities = _OTHER_EVENT.sub("", events)
    numbers = of_opportunities.replace("#", " ").strip()
    opportunities = np.fromstring(numbers, dtype=np.int64, sep=" ").reshape(-1, 2) if numbers else _NONE
    times_ms, sizes = opportunities[:, 0] - start, opportunities[:, 1]
    for row in np.flatnonzero(np.diff(times_ms, prepend=0) < 0)[:1]:
        given = f"{opportunities[row, 0]} ms, before the line above or the base timestamp"
        raise refusal(name, line_of_row(of_opportunities, row), given, ACCEPTED)
    period_ms = int(events.rstrip().rsplit("\n", 1)[-1].split()[0]) - start
    if not len(times_ms) or times_ms[-1] == 0 or not sizes.any() or sizes.max() > MAX_RATE_BPS / 8e3:
        accepted = "a log has opportunities to send after its start, such as 142 # 1504"
        raise refusal(name, None, "no opportunity of a size that a link has", accepted)
    if not times_ms[-1] <= period_ms <= MAX_DURATION * 1000:
        given = f"a last line at {period_ms + start} ms"
        raise refusal(name, None, given, f"a trace ends after its opportunities, within {MAX_DURATION:.0f} s")
    source = f"opportunities of the log of mm-link {name}"
    if (sizes == OPPORTUNITY_BYTES).all():
        return Trace(name, "mm-link", source, OpportunitySchedule(times_ms, period_ms))
    steps = steps_of_milliseconds(np.maximum(times_ms, 1), sizes, period_ms)
    source += f", not of {OPPORTUNITY_BYTES} bytes and so a rate over each millisecond"
    return Trace(name, "mm-link", source, RateSchedule(*steps, period_ms / 1000))


FORMAT = Format(
    name="mm-link",
    summary="a log of mm-link: lines such as 142 # 1504, an opportunity of that size",
    recognize=recognize,
    parse=parse,
)
