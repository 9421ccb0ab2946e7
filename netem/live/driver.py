"""The real-time driver: an endpoint on a UDP socket, called as the simulator calls it, by the clock of the machine."""

import select
from collections.abc import Callable, Sequence
from typing import Protocol

from netem.endpoint import Endpoint
from netem.live.clock import LiveClock
from netem.live.lateness import Lateness
from netem.live.udp_socket import UdpSocket


class HasFileno(Protocol):
    """What `select` takes."""

    def fileno(self) -> int: ...


SPIN = 100e-6  # seconds before a timer in which the driver does not sleep any more: waking up takes so long
LOOK = 0.1  # seconds between two looks at `done`, at most


def drive(
    endpoint: Endpoint,
    udp: UdpSocket,
    clock: LiveClock,
    *,
    until: float,
    wakes: Sequence[HasFileno] = (),
    done: Callable[[float], bool],
    lateness: Lateness,
) -> float:
    """Drive an endpoint until session time `until`, or until `done(now)`; returns when that was. `lateness` counts how
    late timers were; when one of `wakes` is readable, the endpoint's timer is handled, too.

    What has arrived is taken before anything else is done, each datagram at the instant the kernel saw it, so that a
    late wake-up does not look like a late arrival. Time never goes back from one call to the next.
    """
    now = clock.now()
    udp.send(endpoint.datagrams_to_send(now=now))
    while now < until and not done(now):
        timer = endpoint.get_timer()
        wake_at = min(until, now + LOOK, now + LOOK if timer is None else timer)
        select.select([udp, *wakes], [], [], max(0.0, wake_at - clock.now() - SPIN))
        for data, peer, ecn, at in udp.receive():
            now = max(now, at)
            endpoint.receive_datagram(data, peer, ecn, now=now)
            udp.send(endpoint.datagrams_to_send(now=now))
        now = max(now, clock.now())
        if timer is not None and timer <= now:
            lateness.add(now - timer)
        endpoint.handle_timer(now=now)
        udp.send(endpoint.datagrams_to_send(now=now))
    return now
