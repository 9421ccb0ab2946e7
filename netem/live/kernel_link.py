"""The link that the kernel emulates with queueing disciplines (tc(8)): what they did is read from its counters.

Over netlink (rtnetlink(7)), through a socket that was opened in the namespace of the devices.
"""

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from glassbench.netem.live.clock import LiveClock

_GET_LINK, _GET_QDISC = 18, 38  # RTM_GETLINK, RTM_GETQDISC
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_HEADER = struct.Struct("=LHHLL")
_BODIES = {_GET_LINK: bytes(16), _GET_QDISC: bytes(20)}
_ETHERNET_BYTES = 14  # which device counters include, and the sizes of our packets do not
_ROOT = 0xFFFFFFFF  # TC_H_ROOT


@dataclass(frozen=True)
class KernelCounts:
    """Packets of one direction. `dropped` counts those that found the queue of the bottleneck full, `lost` those that
    its other discipline took away."""

    sent_packets: int = 0
    sent_bytes: int = 0
    delivered_packets: int = 0
    delivered_bytes: int = 0
    dropped: int = 0
    lost: int = 0
    inside: int = 0
    backlog_bytes: int = 0


class KernelLink:
    """Reads the counters; `plain` is the netlink socket, `devices` are those to the sender and to the receiver."""

    def __init__(self, plain: socket.socket, devices: tuple[str, str]) -> None:
        self._plain = plain
        self._devices = devices
        self._marshal = MarshalRtnl()

    def counts(self) -> tuple[KernelCounts, KernelCounts]:
        """Down, which leaves through the device to the receiver, and up. Raises OSError."""
        links = {link.get("ifname"): link for link in self._dump(_GET_LINK)}
        disciplines = list(self._dump(_GET_QDISC))
        to_sender, to_receiver = (links[device] for device in self._devices)
        return _counts(to_sender, to_receiver, disciplines), _counts(to_receiver, to_sender, disciplines)

    def _dump(self, kind: int) -> Iterator[Any]:
        body = _BODIES[kind]
        self._plain.send(_HEADER.pack(_HEADER.size + len(body), kind, _DUMP, 1, 0) + body)
        while True:
            for message in self._marshal.parse(self._plain.recv(1 << 17)):
                if message["header"]["type"] == _DONE:
                    return
                if message["header"]["type"] == _ERROR:
                    raise OSError(f"the kernel does not tell its counters ({message['header'].get('error')})")
                yield message


def follow(
    link: KernelLink, clock: LiveClock, *, start_at: float, window: float, until: float, done: Callable[[], bool]
) -> list[tuple[KernelCounts, KernelCounts]]:
    """The counts since the start, at the start and after each window, until session time `until`, or until `done`."""
    clock.wait_until(start_at)
    before = link.counts()
    rows = [(_since(before[0], before[0]), _since(before[1], before[1]))]
    while (at := start_at + len(rows) * window) < until and not done():
        clock.wait_until(at)
        now = link.counts()
        rows.append((_since(before[0], now[0]), _since(before[1], now[1])))
    return rows


def _since(before: KernelCounts, now: KernelCounts) -> KernelCounts:
    inside = {"inside": now.inside, "backlog_bytes": now.backlog_bytes}
    return KernelCounts(**{name: value - getattr(before, name) for name, value in asdict(now).items()} | inside)


def _counts(entry: Any, exit: Any, disciplines: list[Any]) -> KernelCounts:
    arrived, left = entry.get("stats64"), exit.get("stats64")
    dropped = missing = inside = backlog = 0
    for discipline in disciplines:
        if discipline["index"] != exit["index"]:
            continue
        queue = discipline.get("stats2").get("TCA_STATS_QUEUE")
        if discipline.get("kind") == "tbf":
            dropped = queue["drops"]
        if discipline["parent"] == _ROOT:  # it counts what is inside of its child, and what that drops, too
            missing, inside, backlog = queue["drops"], queue["qlen"], queue["backlog"]
    return KernelCounts(
        arrived["rx_packets"],
        arrived["rx_bytes"] - _ETHERNET_BYTES * arrived["rx_packets"],
        left["tx_packets"],
        left["tx_bytes"] - _ETHERNET_BYTES * left["tx_packets"],
        dropped,
        max(0, missing - dropped),
        inside,
        backlog,
    )
