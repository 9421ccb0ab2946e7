"""What passed between two hosts, as each of them counted it: the link table of a network of which nothing is known."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.between.shared_socket import WINDOW, SharedSocket
from experiments.measure.ends import MEDIA_START
from experiments.measure.link_table import link_table

_FIRST = round(MEDIA_START / WINDOW)


def link_bytes(own: SharedSocket, other: Any, ended_at: float) -> pd.DataFrame:
    """A row per direction and WINDOW from the first capture on; `other` is what the receiver said of itself.

    Capacity, backlog and drops are not known.
    """
    said = other if isinstance(other, dict) else {}
    ways = {"down": (own.sent_bytes, said.get("received")), "up": (said.get("sent"), own.received_bytes)}
    numbers = range(_FIRST, max(_FIRST, int(ended_at / WINDOW)) + 1)
    rows = [
        {
            "direction": way,
            "at": round((number - _FIRST) * WINDOW, 6),
            "capacity_bytes": math.nan,
            "sent_bytes": _count(sent, number),
            "delivered_bytes": _count(delivered, number),
            "backlog_bytes": 0,
            "dropped_packets": 0,
            "lost_packets": 0,
        }
        for way, (sent, delivered) in ways.items()
        for number in numbers
    ]
    return link_table(rows)


def _count(counted: Any, number: int) -> int:
    """JSON turns numbers that are keys into texts; what else is no count is none."""
    if not isinstance(counted, Mapping):
        return 0
    value = counted.get(number, counted.get(str(number), 0))
    return value if isinstance(value, int) and 0 <= value < 2**50 else 0
