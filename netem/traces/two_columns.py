"""Two columns without a header, seconds and Mbit/s, as Pensieve's traces have them (Mao et al., SIGCOMM 2017).

The columns are separated by blanks. A row holds until the next, and the last as long as the one before.
"""

import re

from glassbench.netem.traces import csv
from glassbench.netem.traces.format import Format, without_comments
from glassbench.netem.traces.trace import Trace

_ROW = re.compile(r"[0-9.]+(e[+-]?[0-9]+)?[ \t]+[+-]?[0-9.]+(e[+-]?[0-9]+)?", re.IGNORECASE)
_MARGIN = re.compile(r"^[ \t]+|[ \t]+$", re.MULTILINE)


def recognize(line: str) -> str | None:
    return "its first line is two numbers" if _ROW.fullmatch(line) else None


def parse(text: str, name: str) -> Trace:
    commas = re.sub(r"[ \t]+", ",", _MARGIN.sub("", without_comments(text)))
    return csv.rate_steps(["time_s", "rate_mbps"], csv.Rows(commas, 1, name), format="two-column")


FORMAT = Format(
    name="two-column",
    summary="seconds and Mbit/s in each line, without a header",
    recognize=recognize,
    parse=parse,
)
