"""What a trace format is, and how a parser refuses bad input: one sentence, the same form everywhere."""

from collections.abc import Callable
from dataclasses import dataclass

from netem.traces.trace import Trace, TraceError

MAX_RATE_BPS = 1e12
MAX_DURATION = 7 * 24 * 3600.0
MAX_DELAY = 60.0


@dataclass(frozen=True, slots=True)
class Format:
    """One trace file format.

    `suffixes` are the file name endings that `glass trace convert` knows it by; content decides when reading.
    `recognize` gets the first line that is not empty (at most a few hundred characters) and answers why a file that
    starts so is of this format, or None. `parse` gets the whole file and the name to use in error messages and raises
    TraceError. `write` gives the bytes of a file and raises TraceError when the format cannot hold the trace; `losses`
    says, a sentence each, what the format cannot hold of it.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    recognize: Callable[[str], str | None]
    parse: Callable[[bytes, str], Trace]
    write: Callable[[Trace], bytes]
    losses: Callable[[Trace], list[str]]


def refusal(name: str, line: int | None, found: str, accepted: str) -> TraceError:
    """The error for something in a file that is not accepted; `found` is quoted already where it is content."""
    where = name if line is None else f"{name}, line {line}"
    return TraceError(f"{where}: found {found}, but {accepted}")


def quote(content: str | bytes, limit: int = 40) -> str:
    """Content of a file for a message: escaped, in quotes, cut."""
    text = content[:limit].decode("utf-8", "replace") if isinstance(content, bytes) else content[:limit]
    return ascii(text) + ("..." if len(content) > limit else "")
