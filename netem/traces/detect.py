"""Which format a file has: content decides, never the name; and why a file is refused."""

from typing import NamedTuple

from netem.traces import csv, mahimahi, sabre
from netem.traces.format import Format, quote
from netem.traces.trace import TraceError

FORMATS: dict[str, Format] = {format.name: format for format in (mahimahi.FORMAT, csv.FORMAT, sabre.FORMAT)}

HEAD_BYTES = 4096


class Detection(NamedTuple):
    """The format of a file and the reason, which completes "it is <format> because ..."."""

    format: Format
    reason: str


def detect(data: bytes, name: str) -> Detection:
    """Detect the format from the first line that is not empty. Raises TraceError when it is none of FORMATS."""
    accepted = "; accepted are " + ", ".join(f"{format.name} ({format.summary})" for format in FORMATS.values())
    head = data[:HEAD_BYTES]
    if not data:
        raise TraceError(f"{name}: found an empty file{accepted}")
    if head.count(0):
        raise TraceError(f"{name}: found binary data (a zero byte at offset {head.index(0)}){accepted}")
    lines = enumerate(head.decode("utf-8-sig", "replace").split("\n"), 1)
    number, line = next(((number, line.strip()) for number, line in lines if line.strip()), (0, ""))
    if not line:
        raise TraceError(f"{name}: found nothing but white space{accepted}")
    for format in FORMATS.values():
        reason = format.recognize(line)
        if reason is not None:
            return Detection(format, reason)
    raise TraceError(f"{name}, line {number}: found the text {quote(line)}{accepted}")
