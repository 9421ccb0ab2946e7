"""The live emulator: packets that really arrive go through the path of their direction, and leave when it says.

Packets enter a path at the instant the kernel saw them, and leave it at an instant that follows from that alone; how
late they were really sent is counted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from glassbench.netem.link_log import LinkLog
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.lateness import Lateness
from glassbench.netem.live.pauses import Pauses
from glassbench.netem.live.recording import Recording, Way
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path

LOOK = 0.1
_MAX_INSIDE = 100_000  # packets in a path; those above are dropped, so that a flood fills no memory


class Port(Protocol):
    """A place where packets of one end reach the emulator, and from which packets leave for that end."""

    def fileno(self) -> int:
        """For whoever waits for arrivals."""

    def receive(self) -> list[Packet]:
        """What has arrived from the end, in order; `at` is when, in session time."""

    def send(self, packet: Packet) -> None:
        """Send a packet to the end, now."""


@dataclass
class Direction:
    """One way through the emulator: from the end at the port `entry` to that at the port `exit`."""

    entry: Port
    exit: Port
    path: Path
    log: LinkLog
    name: Way = "down"
    recording: Recording | None = None
    sent_packets: int = 0
    refused: int = 0  # beyond _MAX_INSIDE
    lateness: Lateness = field(default_factory=Lateness)

    def take(self, now: float, pauses: Pauses) -> float:
        """Put all that has arrived into the path. The time is then that of the last arrival."""
        arrivals = self.entry.receive()
        if not arrivals:
            return now
        pauses.arrived(arrivals[0].at)
        room = _MAX_INSIDE - self.path.counts().inside
        self.refused += max(0, len(arrivals) - room)
        for packet in arrivals[: max(0, room)]:
            now = max(now, packet.at)  # the clock may have been adjusted between two stamps
            packet.number, packet.sent_at, packet.at = self.sent_packets, now, now
            self.sent_packets += 1
            if self.recording is not None:
                self.recording.add(self.name, packet, delivered=False, at=now)
            self.log.advance(now)
            self.path.push_all([packet])
            self.log.sent([packet])
        return now

    def forward(self, now: float, clock: LiveClock) -> None:
        """Send all packets whose time has come."""
        self.log.advance(now)
        packets = self.path.pop(now)
        for packet in packets:
            self.exit.send(packet)
            left_at = clock.now()
            self.lateness.add(left_at - packet.at)
            if self.recording is not None:
                self.recording.add(self.name, packet, delivered=True, at=left_at)
        self.log.delivered(packets)

    @property
    def due_at(self) -> float | None:
        return self.path.get_timer()


class Emulated(NamedTuple):
    """The end of the emulation: when it was (session time), and what pauses the process had."""

    ended_at: float
    pauses: Pauses


def emulate(
    directions: tuple[Direction, Direction], clock: LiveClock, *, until: float, done: Callable[[], bool]
) -> Emulated:
    """Move packets both ways until session time `until`, or until `done`."""
    pauses = Pauses(clock)
    times = [clock.now(), clock.now()]  # of each path, which never goes back
    ports = [direction.entry for direction in directions]
    while (now := clock.now()) < until and not done():
        due = [at for direction in directions if (at := direction.due_at) is not None]
        pauses.wait(ports, min([*due, now + LOOK, until]))
        for index, direction in enumerate(directions):
            before = clock.now()  # what comes while we look is for the next round
            times[index] = direction.take(times[index], pauses)
            times[index] = max(times[index], before)
            direction.forward(times[index], clock)
    return Emulated(clock.now(), pauses)
