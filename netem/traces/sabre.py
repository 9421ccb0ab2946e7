"""Sabre traces (Spiteri, Sitaraman and Sparacio, MMSys 2018): a JSON list of periods of constant bandwidth.

Each period is an object with `duration_ms`, `bandwidth_kbps` and `latency_ms`. Sabre waits `latency_ms` from a request
to the first bit of the answer, which is a round trip: the one-way delay here is half of it in each direction.
"""

import json
import re

import numpy as np

from glassbench.netem.schedule import OpportunitySchedule, RateSchedule
from glassbench.netem.traces.format import (
    MAX_DELAY,
    MAX_DURATION,
    MAX_RATE_BPS,
    Format,
    Writer,
    check_carries,
    check_duration,
    quote,
    refusal,
    without_comments,
)
from glassbench.netem.traces.trace import Series, Trace, TraceError, merged, step_union

MAX_BYTES = 8 * 1024 * 1024  # JSON grows about thirtyfold in memory
LIMITS = {"duration_ms": MAX_DURATION * 1e3, "bandwidth_kbps": MAX_RATE_BPS / 1e3, "latency_ms": 2 * MAX_DELAY * 1e3}
ACCEPTED = f"a sabre trace is a JSON list of objects with the numbers {', '.join(LIMITS)}"

_SPACE = re.compile(r"[ \t\r\n]*")


def recognize(line: str) -> str | None:
    return "it starts with [, as a JSON list does" if line[0] == "[" else None


def parse(text: str, name: str) -> Trace:
    if len(text) > MAX_BYTES:
        raise refusal(name, None, f"{len(text)} characters of JSON", f"a sabre trace has at most {MAX_BYTES}")
    text = without_comments(text)
    rows = np.array(_rows(text, name), dtype=np.float64)
    edges = np.append(0.0, np.cumsum(rows[:, 0])) / 1e3
    check_duration(edges[-1], name)
    check_carries(rows[:, 1] * 1e3, "a bandwidth", "throughout", name)
    schedule = RateSchedule(edges[:-1], rows[:, 1] * 1e3, float(edges[-1]))
    return Trace(name, "sabre", f"sabre trace {name}", schedule, Series(*merged(edges[:-1], rows[:, 2] / 2e3)))


def write(trace: Trace) -> bytes:
    times, rates, delay, _ = step_union(trace)
    durations_ms = np.diff(np.append(times, trace.duration)) * 1e3
    latencies_ms = np.zeros(len(times)) if delay is None else delay * 2e3
    columns = (durations_ms, rates / 1e3, latencies_ms)
    rows = zip(*(np.round(column, 6).tolist() for column in columns), strict=True)
    objects = [json.dumps(dict(zip(LIMITS, map(_whole, row), strict=True))) for row in rows]
    data = ("[\n    " + ",\n    ".join(objects) + "\n]\n").encode("ascii")
    if len(data) > MAX_BYTES:
        raise TraceError(
            f"{trace.name}: as a sabre trace it has {len(data)} bytes, but at most {MAX_BYTES} are accepted"
        )
    return data


def losses(trace: Trace) -> list[str]:
    lost = []
    if isinstance(trace.schedule, OpportunitySchedule):
        lost.append("opportunities of 1504 bytes became a fluid rate, constant over each millisecond")
    if trace.delay is None:
        lost.append("the trace has no delay, so latency_ms is 0")
    if trace.loss is not None:
        lost.append("the loss was left out")
    return lost


def _rows(text: str, name: str) -> list[list[float]]:
    """The periods, read object by object: so memory stays in proportion to what was accepted, and an error knows its
    line."""
    decoder = json.JSONDecoder()
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        raise refusal(name, _line(text, position), quote(text[position : position + 40]), ACCEPTED)
    rows: list[list[float]] = []
    while True:
        position = _skip(text, position + 1)
        try:
            period, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            at = error.pos if isinstance(error, json.JSONDecodeError) else position
            given = quote(text[at : at + 40]) if at < len(text) else "the end of the file"
            raise refusal(name, _line(text, at), given, ACCEPTED) from None
        fault = _fault(period)
        if fault is not None:
            raise refusal(name, _line(text, position), fault, ACCEPTED)
        rows.append([float(period[key]) for key in LIMITS])
        position = _skip(text, end)
        if text[position : position + 1] == "]":
            break
        if text[position : position + 1] != ",":
            given = quote(text[position : position + 40]) if position < len(text) else "the end of the file"
            raise refusal(name, _line(text, position), given, ACCEPTED)
    rest = _skip(text, position + 1)
    if rest < len(text):
        raise refusal(name, _line(text, rest), f"{quote(text[rest : rest + 40])} after the list", ACCEPTED)
    return rows


def _fault(period: object) -> str | None:
    """What is wrong with one element of the list."""
    if not isinstance(period, dict):
        return f"{quote(json.dumps(period))} in the list"
    for key in period:
        if key not in LIMITS:
            return f"the field {quote(key)}"
    for key, largest in LIMITS.items():
        if key not in period:
            return f"no {key}"
        value = period[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{key} {quote(json.dumps(value))}"
        if not 0 <= value <= largest or (key == "duration_ms" and value == 0):
            return f"{key} {quote(json.dumps(value))}, out of its range"
    return None


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() else value


FORMAT = Format(
    name="sabre",
    summary="JSON list of duration_ms, bandwidth_kbps and latency_ms (round trip)",
    recognize=recognize,
    parse=parse,
    writer=Writer((".json",), write, losses),
)
