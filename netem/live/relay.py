"""The relay: a link between two UDP sockets of this host, without any privilege.

Each end sends to a socket of the relay, which lets the datagram go through the path of that direction and sends it on
from its other socket. Packets enter a path at the instant the kernel saw them, and leave it at an instant that follows
from that alone; how late they were really sent is counted.
"""

import select
from collections.abc import Callable
from dataclasses import dataclass, field

from netem.link_log import LinkLog
from netem.live.clock import LiveClock
from netem.live.lateness import Lateness
from netem.live.udp_socket import UdpSocket
from netem.packet import IP_UDP_HEADER_BYTES, Address, Packet
from netem.path import Path

SPIN = 100e-6  # seconds before a departure in which the relay does not sleep any more
LOOK = 0.1
_MAX_INSIDE = 100_000  # packets in a path; those above are dropped, so that a flood fills no memory


@dataclass
class Direction:
    """One way through the relay: what `source` sends to the socket `entry` leaves from `exit` to `destination`."""

    entry: UdpSocket
    exit: UdpSocket
    source: Address
    destination: Address
    path: Path
    log: LinkLog
    sent_packets: int = 0
    foreign: int = 0  # datagrams of somebody else
    refused: int = 0  # beyond _MAX_INSIDE
    lateness: Lateness = field(default_factory=Lateness)

    def take(self, now: float) -> float:
        """All that has arrived goes into the path; the time now is that of the last arrival."""
        arrivals = self.entry.receive()
        if not arrivals:
            return now
        room = _MAX_INSIDE - self.path.counts().inside
        for data, peer, ecn, at in arrivals:
            if peer != self.source:
                self.foreign += 1
            elif room <= 0:
                self.refused += 1
            else:
                room -= 1
                now = max(now, at)
                size_bytes = len(data) + IP_UDP_HEADER_BYTES
                packets = [Packet(data, peer, self.destination, ecn, size_bytes, self.sent_packets, now, now)]
                self.sent_packets += 1
                self.log.advance(now)
                self.path.push_all(packets)
                self.log.sent(packets)
        return now

    def forward(self, now: float, clock: LiveClock) -> None:
        """All whose time has come leaves."""
        self.log.advance(now)
        packets = self.path.pop(now)
        self.log.delivered(packets)
        for packet in packets:
            self.exit.send([(packet.data, self.destination, packet.ecn)])
            self.lateness.add(clock.now() - packet.at)

    @property
    def due_at(self) -> float | None:
        return self.path.get_timer()


def relay(
    directions: tuple[Direction, Direction], clock: LiveClock, *, until: float, done: Callable[[], bool]
) -> float:
    """Move packets both ways until session time `until`, or until `done`; returns when that was."""
    times = [clock.now(), clock.now()]  # of each path, which never goes back
    sockets = [direction.entry for direction in directions]
    while (now := clock.now()) < until and not done():
        due = [at for direction in directions if (at := direction.due_at) is not None]
        wait = min([*due, now + LOOK, until]) - now
        select.select(sockets, [], [], max(0.0, wait - SPIN))
        for index, direction in enumerate(directions):
            before = clock.now()  # what comes while we look is for the next round
            times[index] = direction.take(times[index])
            times[index] = max(times[index], before)
            direction.forward(times[index], clock)
    return clock.now()
