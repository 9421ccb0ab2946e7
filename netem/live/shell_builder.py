"""The process that runs the command of `netem.live.shell`.

Its arguments are FD COMMAND...: it makes the namespaces, sends the sockets of the emulator's two ports over the Unix
socket FD, which it inherits, waits for the word to start, and runs the command. It is a process of its own, since only
one with a single thread may have a user namespace: it imports what starts threads (numpy) after that.

The command is in a namespace of its own, the near side. Everybody else is on the far side: the namespace that the
caller is in if that is one of ours, so that links nest, and a new one if not.
"""

import os
import signal
import socket
import sys
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from glassbench.netem.live.namespaces import (
    end_with_parent,
    enter_network,
    keep_rights,
    new_network,
    run_enclosed,
    this_network,
)

if TYPE_CHECKING:
    from glassbench.netem.live.veth import Attachment

FAR_HARDWARE, NEAR_HARDWARE = "02:00:00:00:01:{:02x}", "02:00:00:00:02:{:02x}"
PORTS = ("to-far", "to-near")
MAX_LEVEL = 8  # links in a row

_OURS = "glass-"  # how the names of our devices begin
# Addresses for tests of interconnected devices (RFC 2544, RFC 5180), a network for each level of nesting.
_NETWORKS = ("198.18.{}.0/30", "2001:2:0:{}::/64")


def main() -> None:
    """Be the process that makes them, and then waits for the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the command
    end_with_parent(signal.SIGKILL)
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        level, far, near, ports = _build()
    except OSError as error:
        channel.send(str(error).encode())
        return
    with channel:
        socket.send_fds(channel, [str(level).encode()], [port.fileno() for port in ports])
        said = channel.recv(65_536)
    for port in ports:
        port.close()
    if said:
        sys.exit(run_enclosed(lambda: _run(sys.argv[2:], said.decode()[1:], level, far, near)))


def _build() -> tuple[int, int, int, list[socket.socket]]:
    """The level of nesting, both namespaces, and the emulator's sockets."""
    nested = any(name.startswith(_OURS) for _, name in socket.if_nameindex())
    far = this_network() if nested else new_network()
    emulator = new_network()
    near = new_network()
    from glassbench.netem.live.device_port import open_port
    from glassbench.netem.live.veth import addresses, forward_packets, lay_wire, start_loopback

    enter_network(far)
    if not nested:
        start_loopback()
    here = set(addresses())
    taken = [each for each in range(1, MAX_LEVEL + 1) if here & {sides(each)[0][0], sides(each)[1][0]}]
    level = 1 + max(taken, default=0)
    if level > MAX_LEVEL:
        raise OSError(f"links nest {MAX_LEVEL} deep, and that many are there")
    forward_packets()
    lay_wire(far, emulator, PORTS[0], far_attachment(level))
    lay_wire(near, emulator, PORTS[1], near_attachment(level))
    enter_network(near)
    start_loopback()
    forward_packets()
    enter_network(emulator)
    return level, far, near, [open_port(port) for port in PORTS]


def far_attachment(level: int) -> "Attachment":
    """The far end of the link: it knows that the links inside of this one are behind the near end."""
    from glassbench.netem.live.veth import Attachment

    inside = [
        (network.format(deeper), near)
        for deeper in range(level + 1, MAX_LEVEL + 1)
        for network, near in zip(_NETWORKS, sides(level)[1], strict=True)
    ]
    return Attachment(
        f"{_OURS}far{level}",
        FAR_HARDWARE.format(level),
        _with_length(level, sides(level)[0]),
        NEAR_HARDWARE.format(level),
        sides(level)[1],
        tuple(inside),
    )


def near_attachment(level: int) -> "Attachment":
    """The near end of the link: everybody is behind the far end."""
    from glassbench.netem.live.veth import Attachment

    return Attachment(
        f"{_OURS}near{level}",
        NEAR_HARDWARE.format(level),
        _with_length(level, sides(level)[1]),
        FAR_HARDWARE.format(level),
        sides(level)[0],
        (("0.0.0.0/0", sides(level)[0][0]), ("::/0", sides(level)[0][1])),
    )


def sides(level: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """The addresses of the far and of the near end, each IPv4 and IPv6."""
    networks = [ip_network(network.format(level)) for network in _NETWORKS]
    far, near = ([str(network.network_address + number) for network in networks] for number in (1, 2))
    return (far[0], far[1]), (near[0], near[1])


def _with_length(level: int, own: tuple[str, str]) -> tuple[str, ...]:
    lengths = [ip_network(network.format(level)).prefixlen for network in _NETWORKS]
    return tuple(f"{ip_address(address)}/{length}" for address, length in zip(own, lengths, strict=True))


def _run(command: list[str], far_command: str, level: int, far: int, near: int) -> int:
    """Be the first process of an enclosure, until the command ends; its exit code as shells give it."""
    environment = {**os.environ, "GLASS_FAR": sides(level)[0][0], "GLASS_NEAR": sides(level)[1][0]}
    if far_command:
        _start(far, ["/bin/sh", "-c", far_command], environment)
    wanted = _start(near, command, environment)
    while True:
        child, status = os.wait()
        if child == wanted:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _start(namespace: int, command: list[str], environment: dict[str, str]) -> int:
    """Its process id."""
    if child := os.fork():
        return child
    enter_network(namespace)
    keep_rights()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        print(f"error: {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
