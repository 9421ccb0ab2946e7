"""What passed between two hosts, as each of them counted it. It is the link table of a network of which nothing else is
known."""

import math
from collections.abc import Mapping

from glassbench.experiments.account.reports import LINK_WINDOW, FlowRow, LinkReport, LinkRow
from glassbench.experiments.scenario.element_spec import Direction
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.hosts.messages import ReportedCounts
from glassbench.experiments.worlds.hosts.shared_socket import SharedSocket

_FIRST = round(MEDIA_START / LINK_WINDOW)


def link_bytes(own: SharedSocket, counted: ReportedCounts, ended_at: float) -> list[LinkReport]:
    """A row per direction and LINK_WINDOW from the first capture on; `counted` is what the receiver counted.

    Capacity, backlog, drops and numbers of packets are not known.
    """
    ways: dict[Direction, tuple[Mapping[int, int], Mapping[int, int]]] = {
        "down": (own.sent_bytes, counted.received_bytes),
        "up": (counted.sent_bytes, own.received_bytes),
    }
    numbers = range(_FIRST, max(_FIRST, int(ended_at / LINK_WINDOW)) + 1)
    return [
        LinkReport(
            way,
            rows=[
                LinkRow(
                    at=round((number - _FIRST) * LINK_WINDOW, 6),
                    capacity_bytes=math.nan,
                    sent_bytes=sent.get(number, 0),
                    delivered_bytes=delivered.get(number, 0),
                    backlog_bytes=0,
                    dropped_packets=0,
                    lost_packets=0,
                )
                for number in numbers
            ],
            flows={MEDIA: [FlowRow(sent.get(number, 0), delivered.get(number, 0), 0, 0, 0) for number in numbers]},
        )
        for way, (sent, delivered) in ways.items()
    ]
