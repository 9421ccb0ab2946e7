"""The real-time driver: an endpoint on a UDP socket, called as the simulator calls it, by the clock of the machine."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.lateness import Lateness
from glassbench.netem.live.pauses import HasFileno, Pauses
from glassbench.netem.live.udp_socket import UdpSocket

LOOK = 0.1  # seconds between two looks at `done`, at most


class Driven(NamedTuple):
    """The end of the driving: when it was (session time), how late timers were, and what pauses the process had."""

    ended_at: float
    lateness: Lateness
    pauses: Pauses


def drive(
    endpoint: Endpoint,
    udp: UdpSocket,
    clock: LiveClock,
    *,
    until: float,
    wakes: Sequence[HasFileno] = (),
    done: Callable[[float], bool],
) -> Driven:
    """Drive an endpoint until session time `until`, or until `done(now)`. When one of `wakes` is readable, the
    endpoint's timer is handled, too.

    What has arrived is taken before anything else is done, each datagram at the instant the kernel saw it, so that a
    late wake-up does not look like a late arrival. Time never goes back from one call to the next.
    """
    lateness, pauses = Lateness(), Pauses(clock)
    now = clock.now()
    udp.send(endpoint.datagrams_to_send(now=now))
    while now < until and not done(now):
        timer = endpoint.get_timer()
        pauses.wait([udp, *wakes], min(until, now + LOOK, now + LOOK if timer is None else timer))
        arrivals = udp.receive()
        if arrivals:
            pauses.arrived(arrivals[0].at)
        for data, peer, ecn, at in arrivals:
            now = max(now, at)
            endpoint.receive_datagram(data, peer, ecn, now=now)
            udp.send(endpoint.datagrams_to_send(now=now))
        now = max(now, clock.now())
        if timer is not None and timer <= now:
            lateness.add(now - timer)
        endpoint.handle_timer(now=now)
        udp.send(endpoint.datagrams_to_send(now=now))
    return Driven(now, lateness, pauses)
