"""A command of anybody behind an emulated network."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pandas as pd

from glassbench.experiments.account.assemble import link_table
from glassbench.experiments.scenario.network_spec import MAIN, NetworkSpec
from glassbench.experiments.worlds.links import Link, open_network, report
from glassbench.netem.element import Counts
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.device_port import DevicePort
from glassbench.netem.live.emulator import EmulatedLink, EntryPort, emulate, lead
from glassbench.netem.live.scheduling import run_first, wake_up_exactly
from glassbench.netem.live.shell import Shell
from glassbench.netem.simulator import START_AT

TRACE_LENGTH = 600.0  # seconds, after which a generated trace begins anew


@dataclass(frozen=True)
class Passed:
    """What passed the link until the command ended with `code`. Down is to the command; 99 % of the packets left
    `late_ms` later than commanded at most, and its longest pause took `pause_ms`; `links` is the link table."""

    code: int
    down: Counts
    up: Counts
    late_ms: float
    pause_ms: float
    overflows: int
    links: pd.DataFrame


def run_behind(
    network: NetworkSpec,
    command: Sequence[str],
    far_command: str = "",
    *,
    over: Sequence[str] = (MAIN,),
    seed: int,
    trace_length: float = TRACE_LENGTH,
) -> Passed:
    """Run a command behind these segments of a network, and `far_command` on the far side of them, as long as the
    command runs.

    After `trace_length` seconds a generated trace begins anew. An interrupt is left to the command. Raises
    NamespacesRefused.
    """
    with ExitStack() as cleanup:
        shell = Shell(command, cleanup)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        cleanup.callback(signal.signal, signal.SIGINT, before)
        run_first()
        wake_up_exactly()
        clock = LiveClock(monotonic_ns())
        far, near = DevicePort(shell.to_far, clock), DevicePort(shell.to_near, clock)
        links = open_network(
            network,
            over,
            seed=seed,
            duration=trace_length,
            start_at=START_AT,
            media_start=START_AT,
        )
        down = _row([links[name, "down"] for name in over], near)
        up = _row([links[name, "up"] for name in reversed(over)], far)
        entries = [EntryPort(far, {0: down[0]}), EntryPort(near, {0: up[0]})]
        shell.start(far_command)
        ended_at, pauses = emulate(entries, [*down, *up], clock, until=float("inf"), done=shell.ended)
        return Passed(
            shell.exit_code(),
            _counts(down),
            _counts(up),
            max(link.lateness.percentile(0.99) for link in (*down, *up)) * 1e3,
            pauses.longest * 1e3,
            far.overflows + near.overflows,
            link_table([report(link, ended_at, media_start=START_AT) for link in links.values()]),
        )


def _row(links: Sequence[Link], exit: DevicePort) -> list[EmulatedLink]:
    """Links one behind the other. The last one leads out of a port."""
    row = [EmulatedLink(link.path, link.log) for link in links]
    lead(row, exit)
    return row


def _counts(row: Sequence[EmulatedLink]) -> Counts:
    """The counts of all links of a row together."""
    counts = Counts()
    parts = [link.path.counts() for link in row]
    counts.pushed, counts.popped = parts[0].pushed, parts[-1].popped
    for part in parts:
        counts.dropped += part.dropped
        counts.lost += part.lost
        counts.duplicated += part.duplicated
        counts.inside += part.inside
    return counts
