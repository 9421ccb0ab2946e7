"""CSV traces: a header that names columns and units, then one row per step.

A row holds from its time until the time of the next row. A last row with only a time says where the trace ends; without
it the last row lasts as long as the one before. Lines that start with # before the header are comments. A time line
that does not start at 0 (a log with wall clock times) is shifted to 0.
"""

import io
import re
from typing import NamedTuple

import numpy as np

from netem.schedule import OpportunitySchedule, RateSchedule
from netem.traces.format import MAX_DELAY, MAX_DURATION, MAX_RATE_BPS, Format, quote, refusal
from netem.traces.trace import FloatArray, Series, Trace, TraceError, merged, step_union


class Column(NamedTuple):
    """What a column holds, the factor to the unit used inside (s, bit/s, fraction), and the largest value in that."""

    quantity: str
    factor: float
    largest: float


COLUMNS = {
    "time_s": Column("time", 1.0, np.inf),
    "time_ms": Column("time", 1e-3, np.inf),
    "rate_bps": Column("rate", 1.0, MAX_RATE_BPS),
    "rate_kbps": Column("rate", 1e3, MAX_RATE_BPS),
    "rate_mbps": Column("rate", 1e6, MAX_RATE_BPS),
    "delay_s": Column("delay", 1.0, MAX_DELAY),
    "delay_ms": Column("delay", 1e-3, MAX_DELAY),
    "loss_percent": Column("loss", 1e-2, 1.0),
    "loss_ratio": Column("loss", 1.0, 1.0),
}
ACCEPTED = (
    f"a CSV trace has a header with a time and a rate column and at most one of delay and of loss, out of "
    f"{', '.join(COLUMNS)}"
)
MAX_HEADER_LINES = 1000

_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*", re.IGNORECASE)


def recognize(line: str) -> str | None:
    if line.startswith("#"):
        return "it starts with a # comment"
    return "its first line has commas" if "," in line else None


def parse(data: bytes, name: str) -> Trace:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise refusal(name, line, f"the byte {data[error.start]:#04x}", "a CSV trace is UTF-8 text") from None
    columns, body, first_line = _header(text, name)
    table, end = _table(body.rstrip("\n"), len(columns), name, first_line)

    def values(quantity: str) -> FloatArray | None:
        for index, column in enumerate(columns):
            if column.quantity == quantity:
                scaled = table[:, index] * column.factor
                for row in np.flatnonzero(~((scaled >= 0) & (scaled <= column.largest)))[:1]:
                    limit = f"a {quantity} is a number from 0" + _up_to(column)
                    raise refusal(name, _line_of(body, row, first_line), f"{table[row, index]:g} as {quantity}", limit)
                return np.asarray(scaled, dtype=np.float64)
        return None

    times, rates, delay, loss = (values(quantity) for quantity in ("time", "rate", "delay", "loss"))
    assert times is not None and rates is not None  # the header has both
    for row in np.flatnonzero(np.diff(times) <= 0)[:1]:
        column_index = next(index for index, column in enumerate(columns) if column.quantity == "time")
        found = f"time {table[row + 1, column_index]:g} after {table[row, column_index]:g}"
        raise refusal(
            name, _line_of(body, row + 1, first_line), found, "the time of each row is later than the one before"
        )
    period = _period(times, end, columns, name, _line_of(body, len(times), first_line))
    if not rates.any():
        raise refusal(name, None, "a rate of 0 in every row", "a link that never carries anything is not accepted")
    source = f"CSV trace {name}" + (f", shifted from {times[0]:g} s to start at 0" if times[0] else "")
    times = times - times[0]
    delays, losses = (None if column is None else Series(*merged(times, column)) for column in (delay, loss))
    return Trace(name, "csv", source, RateSchedule(times, rates, period), delays, losses)


def write(trace: Trace) -> bytes:
    times, rates, delay, loss = step_union(trace)
    header, columns = ["time_s", "rate_bps"], [times, rates]
    if delay is not None:
        header, columns = [*header, "delay_s"], [*columns, delay]
    if loss is not None:
        header, columns = [*header, "loss_ratio"], [*columns, loss]
    # repr of a float is its shortest exact form, so that nothing is lost.
    rows = [",".join(map(_shortest, row)) for row in zip(*(column.tolist() for column in columns), strict=True)]
    end = _shortest(trace.duration) + "," * (len(header) - 1)
    return "\n".join([f"# {trace.source}", ",".join(header), *rows, end, ""]).encode()


def losses(trace: Trace) -> list[str]:
    if isinstance(trace.schedule, OpportunitySchedule):
        return [
            "opportunities of 1504 bytes became a fluid rate, constant over each millisecond (capacity is the same at "
            "every whole millisecond)"
        ]
    return []


def _header(text: str, name: str) -> tuple[list[Column], str, int]:
    """The columns, the text after the header, and the number of its first line."""
    position = 0
    for line_number in range(1, MAX_HEADER_LINES + 1):
        end = text.find("\n", position)
        line = text[position:] if end < 0 else text[position:end]
        position = len(text) if end < 0 else end + 1
        if line.strip() and not line.startswith("#"):
            return _columns(line, name, line_number), text[position:], line_number + 1
        if end < 0:
            break
    raise refusal(name, None, "no header", ACCEPTED)


def _columns(line: str, name: str, line_number: int) -> list[Column]:
    names = [cell.strip().lower() for cell in line.split(",")]
    for column_name in names:
        if column_name not in COLUMNS:
            found = "numbers but no header" if _NUMBER.fullmatch(column_name) else f"the column {quote(column_name)}"
            raise refusal(name, line_number, found, ACCEPTED)
    columns = [COLUMNS[column_name] for column_name in names]
    quantities = [column.quantity for column in columns]
    for quantity in quantities:
        if quantities.count(quantity) > 1:
            raise refusal(name, line_number, f"more than one {quantity} column", ACCEPTED)
    for quantity in ("time", "rate"):
        if quantity not in quantities:
            raise refusal(name, line_number, f"no {quantity} column", ACCEPTED)
    return columns


def _table(body: str, width: int, name: str, first_line: int) -> tuple[FloatArray, float | None]:
    """The rows as an array (rows, width), and the value of the last row if it has only a time (in the file's unit)."""
    last = body[body.rfind("\n") + 1 :]
    cells = last.split(",")
    end = None
    if len(cells) == width and _NUMBER.fullmatch(cells[0]) and not any(cell.strip() for cell in cells[1:]):
        end = float(cells[0])
        body = body[: len(body) - len(last)].rstrip("\n")
    if not body.strip():
        raise refusal(name, None, "no row after the header", ACCEPTED)
    try:
        table = np.loadtxt(io.StringIO(body), delimiter=",", ndmin=2, comments=None)
    except ValueError:
        raise _bad_row(body, width, name, first_line) from None
    if table.shape[1] != width:
        raise _bad_row(body, width, name, first_line)
    return table, end


def _period(times: FloatArray, end: float | None, columns: list[Column], name: str, line: int) -> float:
    """How long the trace lasts, in seconds."""
    if end is not None:
        factor = next(column.factor for column in columns if column.quantity == "time")
        period = end * factor - times[0]
        if not end * factor > times[-1]:
            raise refusal(name, line, f"the end {end:g} after a later row", "the last row is later than the one before")
    else:
        period = 2 * times[-1] - times[-2] - times[0] if len(times) > 1 else 1.0
    if period > MAX_DURATION:
        raise refusal(name, line, f"a duration of {period:g} s", f"a trace lasts at most {MAX_DURATION:.0f} s")
    return float(period)


def _bad_row(body: str, width: int, name: str, first_line: int) -> TraceError:
    """The first row that is not `width` numbers."""
    for number, line in enumerate(io.StringIO(body), first_line):
        cells = line.split(",")
        if line.strip() and len(cells) != width:
            return refusal(name, number, f"{len(cells)} columns ({quote(line.strip())})", f"the header has {width}")
        for cell in cells:
            if line.strip() and not _NUMBER.fullmatch(cell):
                return refusal(name, number, quote(cell.strip()), "a value is a number such as 12.5")
    return refusal(name, None, "a row that cannot be read", ACCEPTED)


def _line_of(body: str, row: int, first_line: int) -> int:
    """The line number of a row: empty lines are not rows."""
    lines = (number for number, line in enumerate(io.StringIO(body), first_line) if line.strip())
    return next((number for index, number in enumerate(lines) if index == row), first_line)


def _up_to(column: Column) -> str:
    units = {"rate": "bit/s", "delay": "s", "loss": "(a fraction)"}
    return f" to {column.largest:g} {units[column.quantity]}" if np.isfinite(column.largest) else ""


def _shortest(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


FORMAT = Format(
    name="csv",
    summary="time and rate, optional one-way delay and loss; the header names the units (time_s,rate_mbps,delay_ms)",
    suffixes=(".csv",),
    recognize=recognize,
    parse=parse,
    write=write,
    losses=losses,
)
