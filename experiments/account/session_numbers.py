"""How the connection of an arm began and ended: how long each took, and what of it went over the network.

Round trips are counted, not divided: each packet stands in a chain one place behind the latest in the chain of those
that its sender had received when it left, and what the sender of the media had received when its connection stood is
so many one-way trips behind the first packet. What a stack does for some other reason, or waits for by a timer, makes
no round trip of it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from glassbench.experiments.account.reports import EndReport, LinkReport, Role
from glassbench.experiments.scenario.flow import Flow, FlowRoute
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.netem.link_log import FIRST, LAST, Passages
from glassbench.netem.simulator import START_AT

SESSION_NUMBERS = {
    "connect_ms": "Float64",
    "connect_round_trips": "Float64",
    "close_ms": "Float64",
    "close_packets": "Int64",
    "close_bytes": "Int64",
}
"""The names of the numbers, and the pandas types of their columns."""


_ROUNDING = 1e-6  # seconds: of the instant at which a connection stood


class _Way(NamedTuple):
    """One direction of a route: what came to its first link, and left its last."""

    entered: Passages
    left: Passages


def session_numbers(
    flow: Flow, route: FlowRoute, ends: Mapping[Role, EndReport], links: Sequence[LinkReport], *, whole: bool
) -> dict[str, float | int | None]:
    """The numbers of a flow. What nobody saw is None, and what closing took in a run that was not `whole`; a connection
    that never stood took infinitely long."""
    connected_at = ends["sender"].connection.connected_at
    begun_at = flow.start + (0.0 if flow.connect == "with-media" else START_AT - MEDIA_START)
    took = math.inf if connected_at is None else connected_at - begun_at
    numbers: dict[str, float | int | None] = {
        **dict.fromkeys(SESSION_NUMBERS),
        "connect_ms": round(1e3 * took, 6) + 0.0,
    }
    ways = _ways(flow, route, links)
    if ways is None:
        return numbers
    if connected_at is not None:
        numbers["connect_round_trips"] = _round_trips(*ways, until=MEDIA_START + connected_at + _ROUNDING)
    if whole and all(link.until_closed for link in links):
        numbers |= _close(*ways, since=min(end.ended_at for end in ends.values()))
    return numbers


def _ways(flow: Flow, route: FlowRoute, links: Sequence[LinkReport]) -> tuple[_Way, _Way] | None:
    """The way of the media and the way back; None where nobody saw single packets."""
    by_link = {(link.segment, link.direction): link.passages.get(flow.name) for link in links}
    first, last = route.over[0], route.over[-1]
    there = by_link.get((first, route.direction)), by_link.get((last, route.direction))
    back = by_link.get((last, route.back)), by_link.get((first, route.back))
    if there[0] is None or there[1] is None or back[0] is None or back[1] is None:
        return None
    return _Way(there[0], there[1]), _Way(back[0], back[1])


def _round_trips(there: _Way, back: _Way, *, until: float) -> float | None:
    """Half the length of the longest chain of packets that had come to the sender by then, in which each left after the
    one before had arrived. None if not all of them were kept, or the network takes no time."""
    ways = {"there": there, "back": back}
    events = []
    for name, way in ways.items():
        if any(len(part.first) == FIRST and part.first[-1].at < until for part in way):
            return None
        events += [(each.at, 1, name, each.number) for each in way.entered.first if not each.delivered]
        events += [(each.at, 0, name, each.number) for each in way.left.first if each.delivered]
    places: dict[tuple[str, int], int] = {}  # of each packet in its chain
    heard = dict.fromkeys(ways, 0)  # the farthest place of what came on this way
    answered = {"there": "back", "back": "there"}
    for at, leaves, name, number in sorted(events):  # at one instant, what arrives is answered by what leaves
        if at > until:
            break
        if leaves:
            places.setdefault((name, number), 1 + heard[answered[name]])
        elif (name, number) not in places:
            return None
        else:
            heard[name] = max(heard[name], places[name, number])
    return heard["back"] / 2


def _close(there: _Way, back: _Way, *, since: float) -> dict[str, float | int | None]:
    """What came to the network from an instant on, and when the last of it was through, or was lost. Nothing if not all
    of it was kept."""
    if any(len(part.last) == LAST and part.last[0].at > since for way in (there, back) for part in way):
        return {}
    packets = count = 0
    last_at = since
    for way in (there, back):
        sent = [each for each in way.entered.last if not each.delivered and each.at >= since]
        numbers = {each.number for each in sent}
        arrived = [each.at for each in way.left.last if each.delivered and each.number in numbers]
        packets += len(sent)
        count += sum(each.size_bytes for each in sent)
        last_at = max([last_at, *(each.at for each in sent), *arrived])
    return {"close_ms": round(1e3 * (last_at - since), 6) + 0.0, "close_packets": packets, "close_bytes": count}
