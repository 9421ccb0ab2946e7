"""A command of anybody behind the network of a scenario."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from glassbench.experiments.account.assemble import link_table
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.worlds.links import Link, open_link, report
from glassbench.netem.element import Counts
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.device_port import DevicePort
from glassbench.netem.live.emulator import Direction, emulate
from glassbench.netem.live.scheduling import run_first, wake_up_exactly
from glassbench.netem.live.shell import Shell
from glassbench.netem.simulator import START_AT

WINDOW = 0.1  # seconds of a row of the link table

_WAYS: tuple[Literal["down", "up"], ...] = ("down", "up")


@dataclass(frozen=True)
class Passed:
    """What passed the link until the command ended with `code`. Down is to the command; 99 % of the packets left
    `late_ms` later than commanded at most, and its longest pause took `pause_ms`; `links` has a row per direction and
    WINDOW."""

    code: int
    down: Counts
    up: Counts
    late_ms: float
    pause_ms: float
    overflows: int
    links: pd.DataFrame


def run_behind(scenario: Scenario, command: Sequence[str], far_command: str = "") -> Passed:
    """Run a command behind the scenario's network, and `far_command` on the far side of that, for as long.

    An interrupt is left to the command. Raises NamespacesRefused.
    """
    with ExitStack() as cleanup:
        shell = Shell(command, cleanup)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        cleanup.callback(signal.signal, signal.SIGINT, before)
        run_first()
        wake_up_exactly()
        clock = LiveClock(monotonic_ns())
        far, near = DevicePort(shell.to_far, clock), DevicePort(shell.to_near, clock)
        links = [open_link(scenario, way, start_at=START_AT, media_start=START_AT, window=WINDOW) for way in _WAYS]
        down, up = _direction(far, near, links[0]), _direction(near, far, links[1])
        shell.start(far_command)
        ended_at, pauses = emulate((down, up), clock, until=float("inf"), done=shell.ended)
        return Passed(
            shell.exit_code(),
            down.path.counts(),
            up.path.counts(),
            max(way.lateness.percentile(0.99) for way in (down, up)) * 1e3,
            pauses.longest * 1e3,
            far.overflows + near.overflows,
            link_table([report(link, ended_at, media_start=START_AT) for link in links]),
        )


def _direction(entry: DevicePort, exit: DevicePort, link: Link) -> Direction:
    return Direction(entry, exit, link.path, link.log)
