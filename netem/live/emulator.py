"""The live emulator: packets that really arrive go over the links of their route, and leave when these say.

Packets enter their first path at the instant the kernel saw them, and leave it at an instant that follows from that
alone. How late they were really sent, or put into the next path, is counted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import NamedTuple, Protocol

from glassbench.netem.link_log import LinkLog
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.lateness import Lateness
from glassbench.netem.live.pauses import Pauses
from glassbench.netem.live.recording import Recording
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path

LOOK = 0.1
_MAX_INSIDE = 100_000  # packets in a path; those above are dropped, so that a flood fills no memory


class Port(Protocol):
    """A place where packets of one end reach the emulator, and from which packets leave for that end."""

    def fileno(self) -> int:
        """For whoever waits for arrivals."""

    def receive(self) -> list[Packet]:
        """What has arrived from the end, in order; `at` is when, in session time, `flow` what it belongs to."""

    def send(self, packet: Packet) -> None:
        """Send a packet to the end, now."""


@dataclass
class EmulatedLink:
    """One direction of a segment. `onward` says by flow where packets go on: over another link, or out of a port."""

    path: Path
    log: LinkLog
    name: str = "down"
    recording: Recording | None = None
    onward: "dict[int, EmulatedLink | Port]" = field(default_factory=dict)
    entered_packets: int = 0
    refused: int = 0  # beyond _MAX_INSIDE
    lateness: Lateness = field(default_factory=Lateness)
    now: float = 0.0  # of the path, which never goes back

    def take(self, arrivals: Sequence[Packet]) -> None:
        """Put these packets into the path, in order. The time is then that of the last one."""
        room = max(0, _MAX_INSIDE - self.path.counts().inside)
        self.refused += max(0, len(arrivals) - room)
        for packet in arrivals[:room]:
            self.now = max(self.now, packet.at)  # the clock may have been adjusted between two stamps
            packet.at = self.now
            self.entered_packets += 1
            if self.recording is not None:
                self.recording.add(self.name, packet, delivered=False, at=self.now)
            self.log.advance(self.now)
            self.path.push_all([packet])
            self.log.sent([packet])

    def forward(self, clock: LiveClock) -> None:
        """Send on all packets whose time has come."""
        self.log.advance(self.now)
        packets = self.path.pop(self.now)
        for packet in packets:
            onward = self.onward[packet.flow]
            due_at = packet.at
            if isinstance(onward, EmulatedLink):
                onward.take([packet])
                left_at = packet.at
            else:
                onward.send(packet)
                left_at = clock.now()
            self.lateness.add(left_at - due_at)
            if self.recording is not None:
                self.recording.add(self.name, packet, delivered=True, at=left_at)
        self.log.delivered(packets)


class EntryPort(NamedTuple):
    """A port, and by flow the first link of what arrives there."""

    port: Port
    first: Mapping[int, EmulatedLink]


def lead(links: Sequence[EmulatedLink], exit: Port, flow: int = 0) -> None:
    """Lead a flow over links, one behind the other, and out of a port."""
    for link, following in pairwise(links):
        link.onward[flow] = following
    links[-1].onward[flow] = exit


def between(one: Port, other: Port, down: EmulatedLink, up: EmulatedLink) -> list[EntryPort]:
    """The entries of one flow from a port to another, with a link each way."""
    lead([down], other)
    lead([up], one)
    return [EntryPort(one, {0: down}), EntryPort(other, {0: up})]


class Emulated(NamedTuple):
    """The end of the emulation: when it was (session time), and what pauses the process had."""

    ended_at: float
    pauses: Pauses


def emulate(
    entries: Sequence[EntryPort],
    links: Sequence[EmulatedLink],
    clock: LiveClock,
    *,
    until: float,
    done: Callable[[], bool],
) -> Emulated:
    """Move packets over the links until session time `until`, or until `done`."""
    pauses = Pauses(clock)
    for link in links:
        link.now = clock.now()
    ports = [entry.port for entry in entries]
    numbers: dict[tuple[int, int], int] = {}
    while (now := clock.now()) < until and not done():
        due = [at for link in links if (at := link.path.get_timer()) is not None]
        pauses.wait(ports, min([*due, now + LOOK, until]))
        before = clock.now()  # what comes while we look is for the next round
        arrivals: dict[int, list[Packet]] = {}  # by the link that they enter
        for place, entry in enumerate(entries):
            packets = entry.port.receive()
            latest = -inf  # stamps of several processors may go back: the order of a port is that of its packets
            if packets:
                pauses.arrived(packets[0].at)
            for packet in packets:
                latest = packet.at = max(packet.at, latest)
                if packet.flow not in entry.first:
                    continue  # its sender is on another host
                packet.number = numbers.get((place, packet.flow), 0)
                numbers[place, packet.flow] = packet.number + 1
                packet.sent_at = packet.at
                arrivals.setdefault(id(entry.first[packet.flow]), []).append(packet)
        for link in links:
            link.take(sorted(arrivals.get(id(link), ()), key=lambda packet: packet.at))
        for link in links:
            link.now = max(link.now, before)
            link.forward(clock)
    return Emulated(clock.now(), pauses)
