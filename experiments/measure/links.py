"""The links of an arm: paths built from their description, and what passed over them."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from experiments.measure import dice
from experiments.measure.arm_result import LINK_TYPES, LINK_WINDOW
from experiments.measure.ledger import LedgerError
from experiments.scenario import Scenario
from experiments.scenario.elements import Capacity, ElementSpec, Surroundings
from netem.element import Counts, Element
from netem.link_log import LinkLog
from netem.path import Path

Direction = Literal["down", "up"]

TRACE_MARGIN = 10.0  # seconds that a generated trace is longer than the media: handshake and drain without a repeat


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
    """A direction of the scenario's network. Its dice depend on the seed, the direction and the kind of the element:
    they are the same for all arms, and another element changes nobody else's."""
    around = Surroundings(
        direction=direction,
        start_at=start_at,
        media_start=media_start,
        trace_seed=dice.integer(scenario.seed, "network", "trace"),
        trace_duration=scenario.duration + TRACE_MARGIN,
    )
    down, up = scenario.network.paths()
    seen: dict[str, int] = {}
    parts, capacities = [], []
    for spec in down if direction == "down" else up:
        kind = spec.kind
        number = seen[kind] = seen.get(kind, -1) + 1
        rng = dice.generator(scenario.seed, "network", direction, kind, str(number))
        parts.append((spec, tuple(spec.build(around, rng))))
        if (capacity := spec.capacity(around)) is not None:
            capacities.append(capacity)
    path = Path([element for _, elements in parts for element in elements])
    log = LinkLog(path, start_at=start_at, interval=window)
    return Link(direction, path, log, tuple(parts), tuple(capacities), window)


def link_table(links: tuple[Link, ...], now: float, *, media_start: float) -> pd.DataFrame:
    """A row per direction and window, by time; `at` is its start in seconds after `media_start`."""
    return pd.concat([_table(link, now, media_start) for link in links], ignore_index=True)


def check_conservation(link: Link, sent_packets: int) -> None:
    """Every packet that was sent was delivered, dropped, lost, or is still on its way. Raises LedgerError."""
    counts = link.path.counts()
    for name, part in [("path", counts)] + [(spec.kind, e.counts()) for spec, es in link.parts for e in es]:
        if part.pushed + part.duplicated != part.popped + part.dropped + part.lost + part.inside:
            raise LedgerError(f"packets of {name} ({link.direction}) are not conserved: {_as_dict(part)}")
    if counts.pushed != sent_packets:
        raise LedgerError(f"{sent_packets} packets were sent {link.direction}, {counts.pushed} entered the path")


def _table(link: Link, now: float, media_start: float) -> pd.DataFrame:
    rows = link.log.table(now)
    capacity = [link.capacity_bytes(start) for start in rows.at.tolist()]
    table = pd.DataFrame(
        {
            "direction": [link.direction] * len(rows.at),
            "at": np.round(rows.at - media_start, 6),
            "capacity_bytes": capacity,
            "sent_bytes": rows.sent_bytes,
            "delivered_bytes": rows.delivered_bytes,
            "backlog_bytes": rows.backlog_bytes,
            "dropped_packets": rows.dropped_packets,
            "lost_packets": rows.lost_packets,
        }
    )
    return table.astype({name: kind for name, kind in LINK_TYPES.items() if name != "arm"})


def _as_dict(counts: Counts) -> dict[str, int]:
    return {
        name: int(getattr(counts, name)) for name in ("pushed", "popped", "dropped", "lost", "duplicated", "inside")
    }
