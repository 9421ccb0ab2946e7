"""Any command behind an emulated link: it has a network namespace of its own, from which only the link leads out.

The command is on the near side. Everybody else is on the far side: the namespace that the caller is in if that is one
of ours, so that links nest, and a new one if not.
"""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import ip_address, ip_network

from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import Attachment, HostPlan
from glassbench.netem.live.namespaces import NamespacesRefused
from glassbench.netem.live.veth import addresses

MAX_LEVEL = 8  # links in a row

_OURS = "glass-"  # how the names of our devices begin
# Addresses for tests of interconnected devices (RFC 2544, RFC 5180), a network for each level of nesting.
_NETWORKS = ("198.18.{}.0/30", "2001:2:0:{}::/64")
_FAR_HARDWARE, _NEAR_HARDWARE = "02:00:00:00:01:{:02x}", "02:00:00:00:02:{:02x}"


class Shell:
    """A command that waits behind a link, until `start`. The emulator's ports are `to_far` and `to_near`; `level`
    counts the links from outside. Raises NamespacesRefused; `cleanup` ends everything."""

    def __init__(self, command: Sequence[str], cleanup: ExitStack) -> None:
        nested = any(name.startswith(_OURS) for _, name in socket.if_nameindex())
        self.level = _free_level() if nested else 1
        far = HostPlan("far", "to-far", _far_wire(self.level), forwards=True, here=nested)
        near = HostPlan("near", "to-near", _near_wire(self.level), forwards=True)
        self._command = list(command)
        self._lab = Lab([far, near], cleanup)
        self.to_far, self.to_near = self._lab.ports["far"], self._lab.ports["near"]

    def start(self, far_command: str = "") -> None:
        """Start the command, and a shell's command on the far side, for as long as the first one runs."""
        programs = {"near": self._command}
        if far_command:
            programs["far"] = ["/bin/sh", "-c", far_command]
        far, near = _sides(self.level)
        self._lab.start(programs, {"GLASS_FAR": far[0], "GLASS_NEAR": near[0]})

    def ended(self) -> bool:
        """Whether the command has ended."""
        return self._lab.ended()

    def exit_code(self) -> int:
        """The exit code of the command that has ended, as shells give it."""
        return self._lab.exit_code()


def _free_level() -> int:
    """The level of nesting that comes next. Raises NamespacesRefused."""
    here = set(addresses())
    taken = [level for level in range(1, MAX_LEVEL + 1) if here & {side[0] for side in _sides(level)}]
    level = 1 + max(taken, default=0)
    if level > MAX_LEVEL:
        raise NamespacesRefused(f"links nest {MAX_LEVEL} deep, and that many are there")
    return level


def _far_wire(level: int) -> Attachment:
    """The far end of the link: it knows that the links inside of this one are behind the near end."""
    far, near = _sides(level)
    inside = [
        (network.format(deeper), neighbour)
        for deeper in range(level + 1, MAX_LEVEL + 1)
        for network, neighbour in zip(_NETWORKS, near, strict=True)
    ]
    hardware, other = _FAR_HARDWARE.format(level), _NEAR_HARDWARE.format(level)
    neighbours = tuple((address, other) for address in near)
    return Attachment(f"{_OURS}far{level}", hardware, _with_length(level, far), neighbours, tuple(inside))


def _near_wire(level: int) -> Attachment:
    """The near end of the link: everybody is behind the far end."""
    far, near = _sides(level)
    hardware, other = _NEAR_HARDWARE.format(level), _FAR_HARDWARE.format(level)
    routes = (("0.0.0.0/0", far[0]), ("::/0", far[1]))
    neighbours = tuple((address, other) for address in far)
    return Attachment(f"{_OURS}near{level}", hardware, _with_length(level, near), neighbours, routes)


def _sides(level: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """The addresses of the far and of the near end, each IPv4 and IPv6."""
    networks = [ip_network(network.format(level)) for network in _NETWORKS]
    far, near = ([str(network.network_address + number) for network in networks] for number in (1, 2))
    return (far[0], far[1]), (near[0], near[1])


def _with_length(level: int, own: tuple[str, str]) -> tuple[str, ...]:
    lengths = [ip_network(network.format(level)).prefixlen for network in _NETWORKS]
    return tuple(f"{ip_address(address)}/{length}" for address, length in zip(own, lengths, strict=True))
