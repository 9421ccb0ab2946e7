"""The real-time driver: an endpoint on a UDP socket, called as the simulator calls it, by the clock of the machine."""

from collections.abc import Callable

from netem.endpoint import Endpoint
from netem.live.clock import LiveClock
from netem.live.lateness import Lateness
from netem.live.udp_socket import UdpSocket

LOOK = 0.1  # seconds between two looks at `done`, at most


def drive(
    endpoint: Endpoint,
    udp: UdpSocket,
    clock: LiveClock,
    *,
    until: float,
    done: Callable[[float], bool],
    lateness: Lateness,
) -> float:
    """Drive an endpoint until session time `until`, or until `done(now)`; returns when that was. `lateness` counts how
    late timers were.

    What has arrived is taken before anything else is done, each datagram at the instant the kernel saw it, so that a
    late wake-up does not look like a late arrival. Time never goes back from one call to the next.
    """
    now = clock.now()
    udp.send(endpoint.datagrams_to_send(now=now))
    while now < until and not done(now):
        timer = endpoint.get_timer()
        wake_at = min(until, now + LOOK, now + LOOK if timer is None else timer)
        udp.wait(wake_at - clock.now())
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
