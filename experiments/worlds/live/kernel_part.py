"""The emulator of a live arm if the kernel emulates: it only writes down what the kernel's counters say."""

import socket
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from glassbench.experiments.account.reports import LINK_WINDOW, FlowRow, LinkReport, LinkRow
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.links import Link
from glassbench.experiments.worlds.live.task import KernelPlug
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.kernel_link import KernelCounts, KernelLink, follow


def by_kernel(
    plug: KernelPlug,
    links: Sequence[Link],
    clock: LiveClock,
    *,
    start_at: float,
    until: float,
    done: Callable[[], bool],
) -> tuple[LinkReport, ...]:
    """Follow the kernel until the arm is over.

    `links` give only the windows and the capacities. A backlog is that at the end of its window, not the largest in it.
    The kernel does not tell how late it was.
    """
    with socket.socket(fileno=plug.number) as plain:
        kernel = KernelLink(plain, plug.devices)
        rows = follow(kernel, clock, start_at=start_at, window=LINK_WINDOW, until=until, done=done)
    directions = zip(links, zip(*rows, strict=True), strict=True)
    return tuple(
        LinkReport(
            link.direction,
            _rows(link, counts, start_at),
            _impairments(link, counts, plug),
            link.segment,
            {link.flows[0]: _flow_rows(counts)},
        )
        for link, counts in directions
    )


def _rows(link: Link, counts: Sequence[KernelCounts], start_at: float) -> list[LinkRow]:
    rows = []
    for number, (before, after) in enumerate(pairwise(counts)):
        start = start_at + number * LINK_WINDOW
        rows.append(
            LinkRow(
                at=round(start - MEDIA_START, 6),
                capacity_bytes=link.capacity_bytes(start),
                sent_bytes=after.sent_bytes - before.sent_bytes,
                delivered_bytes=after.delivered_bytes - before.delivered_bytes,
                backlog_bytes=after.backlog_bytes,
                dropped_packets=after.dropped - before.dropped,
                lost_packets=after.lost - before.lost,
            )
        )
    return rows


def _flow_rows(counts: Sequence[KernelCounts]) -> list[FlowRow]:
    return [
        FlowRow(
            after.sent_bytes - before.sent_bytes,
            after.delivered_bytes - before.delivered_bytes,
            after.sent_packets - before.sent_packets,
            after.delivered_packets - before.delivered_packets,
            after.dropped - before.dropped + after.lost - before.lost,
        )
        for before, after in pairwise(counts)
    ]


def _impairments(link: Link, counts: Sequence[KernelCounts], plug: KernelPlug) -> dict[str, Any]:
    last = counts[-1]
    left_over = last.sent_packets - last.delivered_packets - last.dropped - last.lost - last.inside
    return {
        "path": {
            "pushed": last.sent_packets,
            "popped": last.delivered_packets,
            "dropped": last.dropped,
            "lost": last.lost,
            "duplicated": max(0, -left_over),
            "inside": last.inside,
        },
        "unaccounted": max(0, left_over),
        "elements": [{"commanded": spec.dump(), "applied": []} for spec, _ in link.parts],
        "commands": plug.commands[link.direction],
    }
