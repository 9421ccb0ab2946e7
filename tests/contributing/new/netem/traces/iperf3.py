"""The intervals of a log of iperf3 with `--format m`: what a flow got, taken for what the link could carry.

A line such as `[  5]   1.00-2.00   sec  1.25 MBytes  10.5 Mbits/sec` holds from its first second on until the next.
"""

import re

from glassbench.netem.traces import csv
from glassbench.netem.traces.format import Format, without_comments
from glassbench.netem.traces.trace import Trace

_ROW = re.compile(
    r"^ *\[ *\d+\] +([\d.]+)-[\d.]+ +sec +[\d.]+ MBytes +([\d.]+) Mbits/sec.*$", re.MULTILINE | re.IGNORECASE
)


def recognize(line: str) -> str | None:
    return "its first line is an interval of iperf3" if _ROW.fullmatch(line) else None


def parse(text: str, name: str) -> Trace:
    rows = _ROW.sub(r"\1,\2", without_comments(text))
    return csv.rate_steps(["time_s", "rate_mbps"], csv.Rows(rows, 1, name), format="iperf3")


FORMAT = Format(
    name="iperf3",
    summary="the intervals of a log of iperf3 with --format m",
    recognize=recognize,
    parse=parse,
)
