"""A log that somebody else's tool wrote, as CSV: which of its columns are the time, the rates, the delay and the loss.

`time=Timestamp,rate=DL_bitrate:kbit/s,up=UL_bitrate:kbit/s` names columns of the header, each with its unit. A time
without a unit is a date and a time of day, year first, such as 2019.12.14_10.16.30. Lines that start with # are
ignored. Cells are separated by commas, semicolons or tabs; where they are not separated by commas, a comma in a number
is a decimal comma.

A row holds until the next one, also over a gap. Rows of the same time become one, with their mean values. A cell that
is empty or `-` leaves the value as it was. Where the time steps back, as in logs that were put together, the rest is
appended. Nothing says how long the last row holds, so it holds for the typical step, the median.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces.format import (
    MAX_DELAY,
    MAX_RATE_BPS,
    check_carries,
    check_duration,
    quote,
    refusal,
    without_comments,
)
from glassbench.netem.traces.trace import FloatArray, Series, Trace, TraceError, merged

EXAMPLE = "time=Timestamp,rate=DL_bitrate:kbit/s,up=UL_bitrate:kbit/s"
MAX_ROWS = 1_000_000

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_BITS_PER_SECOND = {
    "bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9, "bps": 1.0, "kbps": 1e3, "Mbps": 1e6, "Gbps": 1e9,
    "B/s": 8.0, "kB/s": 8e3, "MB/s": 8e6,
}  # fmt: skip
_SHARE = {"%": 1e-2, "ratio": 1.0}
_MISSING = {"", "-", "nan", "na", "n/a", "null", "none"}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_DATE = re.compile(
    r"([0-9]{4})[^0-9]([0-9]{1,2})[^0-9]([0-9]{1,2})[^0-9]+"
    r"([0-9]{1,2})[^0-9]([0-9]{2})[^0-9]([0-9]{2})([.,][0-9]+)? ?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


class _Quantity(NamedTuple):
    """What a name stands for: its units with the factor to SI, and the largest value in SI."""

    what: str
    units: dict[str, float]
    largest: float


QUANTITIES = {
    "time": _Quantity("time", _SECONDS, 1e12),
    "rate": _Quantity("rate, of the downlink if there is `up`", _BITS_PER_SECOND, MAX_RATE_BPS),
    "up": _Quantity("rate of the uplink", _BITS_PER_SECOND, MAX_RATE_BPS),
    "delay": _Quantity("one-way delay", _SECONDS, MAX_DELAY),
    "rtt": _Quantity("round trip, half of which is the delay each way", _SECONDS, 2 * MAX_DELAY),
    "loss": _Quantity("share of packets that are lost", _SHARE, 1.0),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a log, by its name in the header, and its unit; a time without one is a date."""

    name: str
    unit: str | None


class Log(NamedTuple):
    """What a log says of both directions; `up` is None if no column says anything of it. `notes` says what was made of
    its times and gaps."""

    down: Trace
    up: Trace | None
    notes: tuple[str, ...]


def parse_columns(text: str) -> dict[str, Column]:
    """The columns of a text such as EXAMPLE. Raises TraceError."""
    columns: dict[str, Column] = {}
    for part in text.split(","):
        key, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column or key not in QUANTITIES:
            raise _unaccepted(f"{quote(part)}")
        if key in columns:
            raise _unaccepted(f"{key} twice")
        units = QUANTITIES[key].units
        name, _, unit = column.rpartition(":")
        if unit in units and name:
            columns[key] = Column(name, unit)
        elif key == "time":
            columns[key] = Column(column, None)
        else:
            given = f"the unit {quote(unit)}" if name else "no unit"
            raise TraceError(f"columns: found {given} in {quote(part)}, but accepted are {_form(key, name or column)}")
    if "time" not in columns or "rate" not in columns:
        raise _unaccepted(f"no {'rate' if 'time' in columns else 'time'}")
    if "delay" in columns and "rtt" in columns:
        raise _unaccepted("both delay and rtt")
    return columns


def parse(text: str, name: str, columns: dict[str, Column]) -> Log:
    """The traces of a log. Raises TraceError."""
    table = _Table.read(without_comments(text), name, columns)
    times, step, notes = _times(table.values["time"])
    first = int(np.flatnonzero(~np.isnan(table.values["rate"]))[0])  # the trace begins where a rate is known
    times = times[first:] - times[first]
    unknown = int(np.isnan(table.values["rate"][first:]).sum())
    if unknown:
        notes.append(f"rows without a rate, in which the one before holds: {unknown}")
    duration = float(times[-1] + step)
    check_duration(duration, name)
    steps = {key: _steps(times, table.values[key][first:], key, name) for key in columns if key != "time"}
    for key in ("rate", "up"):
        if key in steps:
            check_carries(steps[key].values, f"a {key}", "in every row", name)
    delay = steps.get("delay")
    if "rtt" in steps:
        delay = Series(steps["rtt"].times, steps["rtt"].values / 2)

    def trace(key: str) -> Trace:
        schedule = RateSchedule(steps[key].times, steps[key].values, duration)
        reason = f"its {key} is the column {quote(columns[key].name)}"
        return Trace(name, "log", f"log {name}", schedule, delay, steps.get("loss"), reason)

    return Log(trace("rate"), trace("up") if "up" in columns else None, tuple(f"{name}: {note}" for note in notes))


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of a log in SI units, nan where a cell says nothing; rows without a time are left out."""

    values: dict[str, FloatArray]

    @classmethod
    def read(cls, text: str, name: str, columns: dict[str, Column]) -> "_Table":
        header, rows = _rows(text, name)
        places = {}
        for key, column in columns.items():
            if column.name not in header:
                given = f"no column {quote(column.name)}"
                raise refusal(name, None, given, f"the header has {', '.join(map(quote, header))[:300]}")
            places[key] = header.index(column.name)
        values: dict[str, list[float]] = {key: [] for key in columns}
        for line, row in rows:
            if len(row) <= max(places.values()):
                raise refusal(name, line, f"{len(row)} cells", f"the header has {len(header)}")
            cells = {key: row[place].strip() for key, place in places.items()}
            if cells["time"].lower() in _MISSING:
                continue
            if len(values["time"]) == MAX_ROWS:
                raise refusal(name, line, f"more than {MAX_ROWS} rows", "longer logs are not accepted")
            for key, cell in cells.items():
                values[key].append(_value(cell, key, columns[key].unit, name, line))
        if np.isnan(values["rate"]).all():  # also where there is no row at all
            raise refusal(
                name, None, f"nothing in the column {quote(columns['rate'].name)}", "a log has rows with a rate"
            )
        return cls({key: np.array(column_values) for key, column_values in values.items()})


def _rows(text: str, name: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names in the header, and the rows after it with their line numbers."""
    first = text.lstrip()[:10_000].split("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)

    def rows() -> Iterator[tuple[int, list[str]]]:
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
        except csv.Error as error:
            raise refusal(name, reader.line_num, str(error), "cells of a log are short texts") from None

    body = rows()
    header = [cell.strip() for cell in next(body, (0, []))[1]]
    if delimiter == ",":
        return header, body
    return header, ((line, [cell.replace(",", ".") for cell in row]) for line, row in body)


def _value(cell: str, key: str, unit: str | None, name: str, line: int) -> float:
    """The value of a cell in SI units; nan if it says nothing."""
    if cell.lower() in _MISSING:
        return float("nan")
    if unit is None:
        return _instant(cell, name, line)
    quantity = QUANTITIES[key]
    value = float(cell) * quantity.units[unit] if _NUMBER.fullmatch(cell) else float("nan")
    if not 0 <= value <= quantity.largest:
        given = f"{quote(cell)} as {key}"
        raise refusal(
            name, line, given, f"a {key} is a number from 0 to {quantity.largest / quantity.units[unit]:g} {unit}"
        )
    return value


def _instant(cell: str, name: str, line: int) -> float:
    """A date and a time of day in seconds."""
    match = _DATE.fullmatch(cell)
    if match is None:
        given = f"{quote(cell)} as time"
        raise refusal(name, line, given, "a time has a unit, as in time=t:ms, or is a date such as 2019.12.14_10.16.30")
    *numbers, fraction, zone = match.groups()
    try:
        year, month, day, hour, minute, second = map(int, numbers)
        instant = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError as error:
        raise refusal(name, line, f"{quote(cell)} as time", f"{error}") from None
    offset = 0 if zone in (None, "Z") else int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return instant - offset + (float(f"0.{fraction[1:]}") if fraction else 0.0)


def _times(raw: FloatArray) -> tuple[FloatArray, float, list[str]]:
    """When each row begins, from 0 on; the typical step; and notes on what was done to the times, a few words each."""
    gaps = np.diff(raw)
    forward = gaps[gaps > 0]
    step = float(np.median(forward)) if len(forward) else 1.0
    back = int((gaps < 0).sum())
    times = np.append(0.0, np.cumsum(np.where(gaps < 0, step, gaps)))
    notes = [f"steps back in time: {back}, after each of which the rest is appended"] if back else []
    if len(forward) and forward.max() > 3 * step:
        notes.append(f"{forward.max():g} s without a row, in which the one before holds")
    return times, step, notes


def _steps(times: FloatArray, values: FloatArray, key: str, name: str) -> Series:
    """The values at their times. A time with several values has their mean, and the first value holds from the start
    on."""
    is_said = ~np.isnan(values)
    if not is_said.any():
        raise refusal(name, None, f"no {key} in the rows from the first rate on", f"a log has rows with a {key}")
    instants, place = np.unique(times[is_said], return_inverse=True)
    means = np.bincount(place, weights=values[is_said]) / np.bincount(place)
    instants[0] = 0.0
    return Series(*merged(instants, means))


def _unaccepted(given: str) -> TraceError:
    return TraceError(
        f"columns: found {given}, but accepted are a time and a rate, as in {EXAMPLE}; also delay, rtt, loss"
    )


def _form(key: str, column: str) -> str:
    return ", ".join(f"{key}={column}:{unit}" for unit in QUANTITIES[key].units)
