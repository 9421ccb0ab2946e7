"""The process that makes the namespaces of `netem.live.lan`.

Its arguments are FD FAMILY [COMMAND OF TC ...]: it sends their sockets over the Unix socket FD, which it inherits. With
commands, the kernel is the emulator. It is a process of its own, since only one with a single thread may have a user
namespace: it imports what starts threads (numpy) after that.
"""

import os
import shutil
import socket
import subprocess
import sys
from typing import Literal

from glassbench.netem.live.namespaces import NamespacesRefused, enter_network, new_network

SENDER_HARDWARE, RECEIVER_HARDWARE = "02:00:00:00:00:01", "02:00:00:00:00:02"
DEVICES = ("to-sender", "to-receiver")
PORT = 5004  # of both ends: RTP's (RFC 3551); it names no protocol to Wireshark, which guesses by port

_MTU = 9000  # the largest of a scenario: nothing is fragmented, and how much an end sends is its transport's choice

Family = Literal["ipv4", "ipv6"]
# Addresses for tests of interconnected devices: RFC 2544 and RFC 5180.
HOSTS: dict[Family, tuple[str, str]] = {
    "ipv4": ("198.18.0.1", "198.18.0.2"),
    "ipv6": ("2001:2::1", "2001:2::2"),
}


def main() -> None:
    """Be the process that makes them."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        sockets = _build("ipv6" if sys.argv[2] == "ipv6" else "ipv4", sys.argv[3:])
    except OSError as error:
        channel.send(str(error).encode())
        return
    socket.send_fds(channel, [b"ready"], [one.fileno() for one in sockets])


def _build(family: Family, commands: list[str]) -> list[socket.socket]:
    emulator = new_network()
    from glassbench.netem.live.device_port import open_port
    from glassbench.netem.live.udp_socket import open_socket
    from glassbench.netem.live.veth import Attachment, bridge, lay_wire, send_nothing_unasked, start_loopback

    send_nothing_unasked()
    hosts = []
    for own, other, hardware, other_hardware, device in (
        (0, 1, SENDER_HARDWARE, RECEIVER_HARDWARE, DEVICES[0]),
        (1, 0, RECEIVER_HARDWARE, SENDER_HARDWARE, DEVICES[1]),
    ):
        host = new_network()
        start_loopback()
        addresses = tuple(f"{pair[own]}/{30 if name == 'ipv4' else 64}" for name, pair in HOSTS.items())
        neighbours = tuple(pair[other] for pair in HOSTS.values())
        wire = Attachment("eth0", hardware, addresses, other_hardware, neighbours, mtu=_MTU)
        lay_wire(host, emulator, device, wire)
        enter_network(host)
        hosts.append(open_socket(HOSTS[family][own], PORT))
    enter_network(emulator)
    if not commands:
        return [*hosts, *(open_port(device) for device in DEVICES)]
    bridge(DEVICES)
    for command in commands:
        _run(command)
    return [*hosts, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)]


def _run(command: str) -> None:
    """Raises NamespacesRefused with what the program said, or that there is none."""
    name, *arguments = command.split()
    program = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))
    if program is None:  # Debian has it where ordinary users do not look
        raise NamespacesRefused(f"there is no {name} here: apt install iproute2")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()).removeprefix("Error: ")
        raise NamespacesRefused(f"this kernel refuses '{command}' ({said})")
