"""Which format a file has, by its content and never by its name; and why a file is refused.

In every format a byte order mark, the kind of line ends, empty lines and lines that start with # make no difference.
"""

from dataclasses import replace
from typing import NamedTuple

from glassbench.netem.traces import csv, mahimahi, mm_link, netem_trace, sabre, two_columns
from glassbench.netem.traces.format import Format, quote, refusal, without_comments
from glassbench.netem.traces.trace import Trace, TraceError

FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        mahimahi.FORMAT,
        csv.FORMAT,
        sabre.FORMAT,
        two_columns.FORMAT,
        mm_link.FORMAT,
        netem_trace.FORMAT,
    )
}

HEAD_CHARACTERS = 500


class Detection(NamedTuple):
    """The format of a file and the reason, which completes "it is <format> because ..."."""

    format: Format
    reason: str


def parse(data: bytes, name: str) -> Trace:
    """The trace of a file of any format; it says which one it was taken for. Raises TraceError."""
    text = text_of(data, name)
    format, reason = detect(text, name)
    return replace(format.parse(text, name), reason=reason)


def text_of(data: bytes, name: str) -> str:
    """The text of a trace file, without a byte order mark and with line ends of one kind. Raises TraceError."""
    if not data:
        raise TraceError(f"{name}: found an empty file{_accepted()}")
    if 0 in data[:4096]:
        raise TraceError(f"{name}: found binary data (a zero byte at offset {data.index(0)}){_accepted()}")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refusal(name, line, f"the byte {data[error.start]:#04x}", "a trace is UTF-8 text") from None


def detect(text: str, name: str) -> Detection:
    """Detect the format from the first line with content. Raises TraceError when it is none of FORMATS."""
    content = without_comments(text)
    start = len(content) - len(content.lstrip())
    line = content[start : start + HEAD_CHARACTERS].split("\n")[0].strip()
    if not line:
        raise TraceError(f"{name}: found nothing but white space and comments{_accepted()}")
    for format in FORMATS.values():
        reason = format.recognize(line)
        if reason is not None:
            return Detection(format, reason)
    number = content.count("\n", 0, start) + 1
    raise TraceError(f"{name}, line {number}: found the text {quote(line)}{_accepted()}")


def _accepted() -> str:
    return f"; accepted are {', '.join(FORMATS)} (glass trace list), and with --trace-columns any CSV that has a header"
