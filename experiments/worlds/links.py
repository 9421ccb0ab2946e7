"""The links of an arm: paths that are built from their description, and what passed over them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from glassbench.experiments.account.ledger_error import LedgerError
from glassbench.experiments.account.reports import LINK_WINDOW, FlowRow, LinkReport, LinkRow, link_name
from glassbench.experiments.scenario import Scenario, dice
from glassbench.experiments.scenario.element_spec import (
    DIRECTIONS,
    Capacity,
    Direction,
    ElementSpec,
    RandomSpec,
    Surroundings,
)
from glassbench.experiments.scenario.flow import FlowRoute
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.network_spec import NetworkSpec
from glassbench.experiments.scenario.segment_spec import SegmentSpec
from glassbench.experiments.scenario.surroundings import purpose_of, surroundings
from glassbench.experiments.scenario.trace_window import window_of
from glassbench.netem.element import Counts, Element
from glassbench.netem.link_log import LinkLog, Passages
from glassbench.netem.path import Path


@dataclass(frozen=True)
class Link:
    """One direction of a segment: its path, its log in rows of LINK_WINDOW, its elements with the specs that they
    were built from, and its capacity if it is limited. `flows` has the names of all flows by their number; packets of
    them may pass."""

    segment: str
    direction: Direction
    path: Path
    log: LinkLog
    parts: tuple[tuple[ElementSpec, tuple[Element, ...]], ...]
    capacities: tuple[Capacity, ...]
    flows: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in messages and files."""
        return link_name(self.segment, self.direction)

    def capacity_bytes(self, start: float) -> float:
        """What the link can carry in the window that begins at `start`; nan if it is not limited."""
        return min((carried(start, start + LINK_WINDOW) for carried in self.capacities), default=math.nan)

    def impairments(self) -> dict[str, Any]:
        """What was commanded and what was applied, in packets: of the path, and of each element."""
        elements = [
            {"commanded": spec.dump(), "applied": [_as_dict(element.counts()) for element in elements]}
            for spec, elements in self.parts
        ]
        return {"path": _as_dict(self.path.counts()), "elements": elements}


AnyLink = TypeVar("AnyLink")

Links = Mapping[tuple[str, Direction], Link]
"""Both directions of each segment, by its name."""


def open_network(
    network: NetworkSpec,
    names: Sequence[str],
    *,
    seed: int,
    duration: float,
    start_at: float,
    media_start: float,
    flows: Sequence[str] = (MEDIA,),
) -> Links:
    """Both directions of the segments of these names, for `duration` seconds of media.

    The dice of an element depend on the seed, the segment, the direction, its kind, and its name or the values of its
    fields; equal elements are told apart by their order. So they are the same for all arms, and one element or segment
    more changes the dice of no other.
    """
    window = window_of(network, seed=seed, length=duration)
    links = {}
    for name in names:
        for direction in DIRECTIONS:
            around = surroundings(
                name,
                direction,
                window,
                seed=seed,
                duration=duration,
                start_at=start_at,
                media_start=media_start,
            )
            parts, capacities = _build(network.segment(name), around, seed, purpose_of(name))
            path = Path([element for _, elements in parts for element in elements])
            log = LinkLog(path, start_at=start_at, interval=LINK_WINDOW, flows=len(flows))
            links[name, direction] = Link(name, direction, path, log, parts, capacities, tuple(flows))
    return links


def open_links(scenario: Scenario, *, start_at: float, media_start: float) -> Links:
    """The links that the flows of a scenario pass."""
    routes = scenario.routes()
    return open_network(
        scenario.network,
        [name for name in scenario.network.names if any(name in route.over for route in routes)],
        seed=scenario.seed,
        duration=scenario.duration,
        start_at=start_at,
        media_start=media_start,
        flows=[route.flow for route in routes],
    )


def links_of(route: FlowRoute, links: Mapping[tuple[str, Direction], AnyLink]) -> tuple[list[AnyLink], list[AnyLink]]:
    """The links that media of a flow pass, and the links on the way back, each in their order. They are what a world
    made of them."""
    there = [links[name, route.direction] for name in route.over]
    return there, [links[name, route.back] for name in reversed(route.over)]


def report(link: Link, now: float, *, media_start: float, **besides: Any) -> LinkReport:
    """What a link wrote down until `now`; `besides` stands with what was commanded and applied."""
    table = link.log.table(now)
    starts = table.at.tolist()
    columns = (
        np.round(table.at - media_start, 6).tolist(),
        [link.capacity_bytes(start) for start in starts],
        table.sent_bytes.tolist(),
        table.delivered_bytes.tolist(),
        table.backlog_bytes.tolist(),
        table.dropped_packets.tolist(),
        table.lost_packets.tolist(),
    )
    rows = [LinkRow(*row) for row in zip(*columns, strict=True)]
    flows = {
        name: [
            FlowRow(*row) for row in zip(*(getattr(part, column).tolist() for column in FlowRow._fields), strict=True)
        ]
        for name, part in zip(link.flows, table.flows, strict=True)
    }
    return LinkReport(link.direction, rows, {**link.impairments(), **besides}, link.segment, flows, passages_of(link))


def passages_of(link: Link) -> dict[str, Passages]:
    """The first and last packets of each flow, until now."""
    return dict(zip(link.flows, link.log.passages(), strict=True))


def check_conservation(link: Link, entered_packets: int, *, now: float) -> None:
    """Check that every packet that came to a link was delivered, dropped, lost, or is still on its way. This has to
    hold for the path, for each of its elements, and for each flow. Raises LedgerError."""
    table = link.log.table(now)  # it brings the path to `now`
    counts = link.path.counts()
    for name, part in [("path", counts)] + [(spec.kind, e.counts()) for spec, es in link.parts for e in es]:
        if part.pushed + part.duplicated != part.popped + part.dropped + part.lost + part.inside:
            raise LedgerError(f"packets of {name} ({link.name}) are not conserved: {_as_dict(part)}")
    if counts.pushed != entered_packets:
        raise LedgerError(f"{entered_packets} packets were sent {link.name}, {counts.pushed} entered the path")
    columns = ("sent_packets", "delivered_packets", "missing_packets")
    flows = {
        name: [int(getattr(part, column).sum()) for column in columns]
        for name, part in zip(link.flows, table.flows, strict=True)
    }
    sent, delivered, missing = (sum(column) for column in zip(*flows.values(), strict=True))
    if (sent, delivered, missing) != (counts.pushed, counts.popped, counts.dropped + counts.lost):
        raise LedgerError(f"packets of the flows ({link.name}) are not those of the path: {flows}, {_as_dict(counts)}")
    for name, (sent, delivered, missing) in flows.items():
        if delivered + missing > sent + counts.duplicated:
            raise LedgerError(
                f"flow {name!r} ({link.name}) sent {sent} packets; {delivered} arrived, {missing} did not"
            )


def _build(
    segment: SegmentSpec, around: Surroundings, seed: int, purpose: tuple[str, ...]
) -> tuple[tuple[tuple[ElementSpec, tuple[Element, ...]], ...], tuple[Capacity, ...]]:
    down, up = segment.paths()
    seen: Counter[tuple[str, str]] = Counter()
    parts, capacities = [], []
    for spec in down if around.direction == "down" else up:
        named = (spec.kind, spec.dice if isinstance(spec, RandomSpec) else "")
        rng = dice.generator(seed, *purpose, around.direction, *named, str(seen[named]))
        seen[named] += 1
        parts.append((spec, tuple(spec.build(around, rng))))
        if (capacity := spec.capacity(around)) is not None:
            capacities.append(capacity)
    return tuple(parts), tuple(capacities)


def _as_dict(counts: Counts) -> dict[str, int]:
    return {
        name: int(getattr(counts, name)) for name in ("pushed", "popped", "dropped", "lost", "duplicated", "inside")
    }
