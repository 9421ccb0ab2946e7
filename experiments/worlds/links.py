"""The links of an arm: paths built from their description, and what passed over them."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassbench.experiments.account.ledger_error import LedgerError
from glassbench.experiments.account.reports import LinkReport, LinkRow
from glassbench.experiments.scenario import Scenario, dice
from glassbench.experiments.scenario.element_spec import Capacity, Direction, ElementSpec, RandomSpec, Surroundings
from glassbench.experiments.scenario.trace_window import trace_window
from glassbench.netem.element import Counts, Element
from glassbench.netem.link_log import LinkLog
from glassbench.netem.path import Path

LINK_WINDOW = 0.1  # seconds: one row of the link table per direction
TRACE_MARGIN = 10.0  # seconds that a generated trace is longer than the media: the drain without a repeat


@dataclass(frozen=True)
class Link:
    """One direction: the path, its log in rows of `window` seconds, its elements with what they were built from, and
    its capacity if limited."""

    direction: Direction
    path: Path
    log: LinkLog
    parts: tuple[tuple[ElementSpec, tuple[Element, ...]], ...]
    capacities: tuple[Capacity, ...]
    window: float = LINK_WINDOW

    def capacity_bytes(self, start: float) -> float:
        """What the link can carry in the window that begins at `start`; nan if it is not limited."""
        return min((carried(start, start + self.window) for carried in self.capacities), default=math.nan)

    def impairments(self) -> dict[str, Any]:
        """What was commanded and what was applied, in packets: of the path, and of each element."""
        elements = [
            {"commanded": spec.dump(), "applied": [_as_dict(element.counts()) for element in elements]}
            for spec, elements in self.parts
        ]
        return {"path": _as_dict(self.path.counts()), "elements": elements}


def open_link(
    scenario: Scenario, direction: Direction, *, start_at: float, media_start: float, window: float = LINK_WINDOW
) -> Link:
    """A direction of the scenario's network. The dice of an element depend on the seed, the direction, its kind and its
    name or what it says, and of equal ones on their order: they are the same for all arms, and another element changes
    nobody else's."""
    drawn = trace_window(scenario)
    around = Surroundings(
        direction=direction,
        start_at=start_at,
        media_start=media_start,
        trace_seed=dice.integer(scenario.seed, "network", "trace"),
        trace_duration=scenario.duration + TRACE_MARGIN,
        trace_start=0.0 if drawn is None else drawn.start,
        trace_period=None if drawn is None else drawn.period,
    )
    down, up = scenario.network.paths()
    seen: Counter[tuple[str, str]] = Counter()
    parts, capacities = [], []
    for spec in down if direction == "down" else up:
        named = (spec.kind, spec.dice if isinstance(spec, RandomSpec) else "")
        rng = dice.generator(scenario.seed, "network", direction, *named, str(seen[named]))
        seen[named] += 1
        parts.append((spec, tuple(spec.build(around, rng))))
        if (capacity := spec.capacity(around)) is not None:
            capacities.append(capacity)
    path = Path([element for _, elements in parts for element in elements])
    log = LinkLog(path, start_at=start_at, interval=window)
    return Link(direction, path, log, tuple(parts), tuple(capacities), window)


def report(link: Link, now: float, *, media_start: float, **besides: Any) -> LinkReport:
    """What a link wrote down until `now`; `besides` stands with what was commanded and applied."""
    return LinkReport(link.direction, _rows(link, now, media_start), {**link.impairments(), **besides})


def check_conservation(link: Link, sent_packets: int) -> None:
    """Every packet that was sent was delivered, dropped, lost, or is still on its way. Raises LedgerError."""
    counts = link.path.counts()
    for name, part in [("path", counts)] + [(spec.kind, e.counts()) for spec, es in link.parts for e in es]:
        if part.pushed + part.duplicated != part.popped + part.dropped + part.lost + part.inside:
            raise LedgerError(f"packets of {name} ({link.direction}) are not conserved: {_as_dict(part)}")
    if counts.pushed != sent_packets:
        raise LedgerError(f"{sent_packets} packets were sent {link.direction}, {counts.pushed} entered the path")


def _rows(link: Link, now: float, media_start: float) -> list[LinkRow]:
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
    return [LinkRow(*row) for row in zip(*columns, strict=True)]


def _as_dict(counts: Counts) -> dict[str, int]:
    return {
        name: int(getattr(counts, name)) for name in ("pushed", "popped", "dropped", "lost", "duplicated", "inside")
    }
