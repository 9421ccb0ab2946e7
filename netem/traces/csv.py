"""CSV traces: a header that names columns and units, then one row per step.

A row holds from its time until the time of the next row. A last row with only a time says where the trace ends; without
it the last row lasts as long as the one before. A time line that does not start at 0 (a log with wall clock times) is
shifted to 0. docs/traces.md describes the form.
"""

import io
import re
from itertools import islice
from typing import NamedTuple

import numpy as np

from glassbench.netem.schedule import OpportunitySchedule, RateSchedule
from glassbench.netem.traces.format import (
    MAX_DELAY,
    MAX_RATE_BPS,
    Format,
    Writer,
    check_carries,
    check_duration,
    line_of_row,
    quote,
    refusal,
    without_comments,
)
from glassbench.netem.traces.trace import FloatArray, Series, Trace, TraceError, merged, step_union


class ColumnKind(NamedTuple):
    """What a column holds, the factor to the unit used inside (s, bit/s, fraction), its largest value in the file."""

    quantity: str
    factor: float
    largest: float


COLUMNS = {
    "time_s": ColumnKind("time", 1.0, 1e12),
    "time_ms": ColumnKind("time", 1e-3, 1e15),
    "rate_bps": ColumnKind("rate", 1.0, MAX_RATE_BPS),
    "rate_kbps": ColumnKind("rate", 1e3, MAX_RATE_BPS / 1e3),
    "rate_mbps": ColumnKind("rate", 1e6, MAX_RATE_BPS / 1e6),
    "delay_s": ColumnKind("delay", 1.0, MAX_DELAY),
    "delay_ms": ColumnKind("delay", 1e-3, MAX_DELAY * 1e3),
    "loss_percent": ColumnKind("loss", 1e-2, 100.0),
    "loss_ratio": ColumnKind("loss", 1.0, 1.0),
}
ACCEPTED = (
    f"a CSV trace has a header with a time and a rate column and at most one of delay and of loss, out of "
    f"{', '.join(COLUMNS)}; another log is read with --trace-columns"
)
MAX_LINE = 1000  # characters
MAX_LINES = 4_000_000

_LONG_LINE = re.compile(rf"[^\n]{{{MAX_LINE + 1}}}")
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*", re.IGNORECASE)


class Rows(NamedTuple):
    """The part of the file after the header, and where it is."""

    text: str
    first_line: int
    name: str

    def refusal(self, row: int, given: str, accepted: str) -> TraceError:
        """The error for one row, counted from 0; empty lines are not rows."""
        return refusal(self.name, line_of_row(self.text, row, self.first_line), given, accepted)


def recognize(line: str) -> str | None:
    return "its first line has commas" if "," in line and line[0] not in "[{" else None


def parse(text: str, name: str) -> Trace:
    return rate_steps(*_header(without_comments(text), name), format="csv")


def rate_steps(columns: list[str], rows: Rows, *, format: str) -> Trace:
    """The trace of a table whose columns are some of COLUMNS: each row holds until the next. Raises TraceError."""
    name, text = rows.name, rows.text
    for long_line in islice(_LONG_LINE.finditer(text), 1):
        line = text.count("\n", 0, long_line.start()) + rows.first_line
        raise refusal(name, line, f"more than {MAX_LINE} characters", f"the lines of a {format} trace are shorter")
    if text.count("\n") > MAX_LINES:
        raise refusal(name, None, f"more than {MAX_LINES} lines", "longer traces are not accepted")
    time_index = next(index for index, column in enumerate(columns) if COLUMNS[column].quantity == "time")
    table, end = _table(rows, len(columns), time_index)

    quantities: dict[str, FloatArray] = {}
    for column_name, values in zip(columns, table.T, strict=True):
        quantity, factor, largest = COLUMNS[column_name]
        for row in np.flatnonzero(~((values >= 0) & (values <= largest)))[:1]:  # "not a number" is neither
            accepted = f"{column_name} is a number from 0 to {largest:g}"
            raise rows.refusal(row, f"{values[row]:g} as {column_name}", accepted)
        quantities[quantity] = np.asarray(values * factor, dtype=np.float64)
        if quantity == "time" and end is not None:
            end *= factor
    times, rates = quantities["time"], quantities["rate"]
    for row in np.flatnonzero(np.diff(times) <= 0)[:1]:
        given = f"{times[row + 1]:.15g} s after {times[row]:.15g} s"
        raise rows.refusal(row + 1, given, "the time of each row is later than the one before")
    if end is not None and end <= times[-1]:
        given = f"the end at {end:.15g} s after {times[-1]:.15g} s"
        raise rows.refusal(len(times), given, "the end is later than the last row")
    check_carries(rates, "a rate", "in every row", name)
    if end is None:
        end = 2 * times[-1] - times[-2] if len(times) > 1 else times[-1] + 1.0
    period = float(end - times[0])
    check_duration(period, name)
    source = f"{format} trace {name}" + (f", shifted from {times[0]:.15g} s to start at 0" if times[0] else "")
    times = times - times[0]
    delay, loss = (
        Series(*merged(times, quantities[quantity])) if quantity in quantities else None
        for quantity in ("delay", "loss")
    )
    return Trace(name, format, source, RateSchedule(times, rates, period), delay, loss)


def write(trace: Trace) -> bytes:
    times, rates, delay, loss = step_union(trace)
    if len(times) > MAX_LINES - 3:
        raise TraceError(f"{trace.name}: it has {len(times)} steps, but a CSV trace has at most {MAX_LINES} lines")
    header, columns = ["time_s", "rate_bps"], [times, rates]
    if delay is not None:
        header, columns = [*header, "delay_s"], [*columns, delay]
    if loss is not None:
        header, columns = [*header, "loss_ratio"], [*columns, loss]
    # repr of a float is its shortest exact form, so that nothing is lost.
    rows = [",".join(map(_shortest, row)) for row in zip(*(column.tolist() for column in columns), strict=True)]
    end = _shortest(trace.duration) + "," * (len(header) - 1)
    return "\n".join([f"# {' '.join(trace.source.split())}", ",".join(header), *rows, end, ""]).encode()


def losses(trace: Trace) -> list[str]:
    if isinstance(trace.schedule, OpportunitySchedule):
        return [
            "opportunities of 1504 bytes became a fluid rate, constant over each millisecond (capacity is the same at "
            "every whole millisecond)"
        ]
    return []


def _header(text: str, name: str) -> tuple[list[str], Rows]:
    """The names of the columns, and the rows after the header."""
    start = len(text) - len(text.lstrip())
    header, _, rows = text[start:].partition("\n")
    line_number = text.count("\n", 0, start) + 1
    return _columns(header, name, line_number), Rows(rows, line_number + 1, name)


def _columns(line: str, name: str, line_number: int) -> list[str]:
    columns = [cell.strip().lower() for cell in line.split(",")]
    for column in columns:
        if column not in COLUMNS:
            given = "numbers but no header" if _NUMBER.fullmatch(column) else f"the column {quote(column)}"
            raise refusal(name, line_number, given, ACCEPTED)
    quantities = [COLUMNS[column].quantity for column in columns]
    for quantity in quantities:
        if quantities.count(quantity) > 1:
            raise refusal(name, line_number, f"more than one {quantity} column", ACCEPTED)
    for quantity in ("time", "rate"):
        if quantity not in quantities:
            raise refusal(name, line_number, f"no {quantity} column", ACCEPTED)
    return columns


def _table(rows: Rows, width: int, time_index: int) -> tuple[FloatArray, float | None]:
    """The rows as an array (rows, width), and the time of the last row if it has only that."""
    body = rows.text.rstrip()
    last = body[body.rfind("\n") + 1 :]
    cells = last.split(",")
    end = None
    if len(cells) == width == 1 + sum(not cell.strip() for cell in cells) and _NUMBER.fullmatch(cells[time_index]):
        end = float(cells[time_index])
        body = body[: len(body) - len(last)].rstrip()
    if not body:
        raise refusal(rows.name, None, "no row after the header", ACCEPTED)
    try:
        lines = io.TextIOWrapper(io.BytesIO(body.encode()), "utf-8")  # StringIO takes four times the memory
        table = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None)
    except ValueError:
        raise _bad_row(rows, width) from None
    if table.shape[1] != width:
        raise _bad_row(rows, width)
    return table, end


def _bad_row(rows: Rows, width: int) -> TraceError:
    """The error for the first row that is not `width` numbers."""
    for number, line in enumerate(io.StringIO(rows.text), rows.first_line):
        cells = line.split(",")
        if line.strip() and len(cells) != width:
            given = f"{len(cells)} columns ({quote(line.strip())})"
            return refusal(rows.name, number, given, f"each row has {width}")
        for cell in cells:
            if line.strip() and not _NUMBER.fullmatch(cell):
                return refusal(rows.name, number, quote(cell.strip()), "a value is a number such as 12.5")
    return refusal(rows.name, None, "a row that cannot be read", ACCEPTED)


def _shortest(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


FORMAT = Format(
    name="csv",
    summary="time and rate, optional one-way delay and loss; the header names the units (time_s,rate_mbps,delay_ms)",
    recognize=recognize,
    parse=parse,
    writer=Writer((".csv",), write, losses),
)
