"""What a trace format is, and how a parser refuses bad input: one sentence, the same form everywhere."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from glassbench.netem.traces.trace import FloatArray, Trace, TraceError

MAX_RATE_BPS = 1e12
LEAST_PEAK_BPS = 1.0  # below it, and below LEAST_DURATION, products of the two round to nothing
MAX_DURATION = 7 * 24 * 3600.0
LEAST_DURATION = 1e-9
MAX_DELAY = 60.0

_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Writer:
    """How a trace becomes a file. `suffixes` are the endings of file names that `glass trace convert` knows it by.

    `write` gives the bytes of a file and raises TraceError when the format cannot hold the trace; `losses` says, a
    sentence each, what the format cannot hold of it.
    """

    suffixes: tuple[str, ...]
    write: Callable[[Trace], bytes]
    losses: Callable[[Trace], list[str]]


@dataclass(frozen=True, slots=True)
class Format:
    """One trace file format.

    `recognize` gets the first line with content (at most a few hundred characters) and answers why a file that starts
    so is of this format, or None. `parse` gets the text and the name to use in error messages and raises TraceError.
    `writer` is None where the format is only read.
    """

    name: str
    summary: str
    recognize: Callable[[str], str | None]
    parse: Callable[[str, str], Trace]
    writer: Writer | None = None


def without_comments(text: str) -> str:
    """The text with an empty line in the place of each one that starts with #, so that lines keep their numbers."""
    return _COMMENT.sub("", text) if "#" in text else text


def line_of_row(text: str, row: int, first_line: int = 1) -> int | None:
    """The number of the line that holds a row, counted from 0; empty lines are not rows."""
    lines = (number for number, line in enumerate(io.StringIO(text), first_line) if line.strip())
    return next(islice(lines, row, None), None)


def check_duration(seconds: float, name: str) -> None:
    """Raises TraceError when a trace is longer or shorter than any that is accepted."""
    if seconds > MAX_DURATION:
        raise refusal(name, None, f"a duration of {seconds:g} s", f"a trace lasts at most {MAX_DURATION:.0f} s")
    if seconds < LEAST_DURATION:
        raise refusal(name, None, f"a duration of {seconds:g} s", f"a trace lasts at least {LEAST_DURATION:g} s")


def check_carries(rates_bps: FloatArray, what: str, where: str, name: str) -> None:
    """Raises TraceError when a link would never carry anything; `what` is the name of the rate, `where` its extent."""
    peak = rates_bps.max()
    if peak < LEAST_PEAK_BPS:
        given = f"{what} of 0 {where}" if peak == 0 else f"{what} below {LEAST_PEAK_BPS:g} bit/s {where}"
        raise refusal(name, None, given, "a link that never carries anything is not accepted")


def refusal(name: str, line: int | None, given: str, accepted: str) -> TraceError:
    """The error for something in a file that is not accepted; `given` is quoted already where it is content."""
    where = name if line is None else f"{name}, line {line}"
    return TraceError(f"{where}: found {given}, but {accepted}")


def quote(content: str, limit: int = 40) -> str:
    """Content of a file for a message: escaped, in quotes, cut."""
    return ascii(content[:limit]) + ("..." if len(content) > limit else "")
