"""The process that makes the namespaces of `netem.live.lan`.

    python -m netem.live.lan_builder FD FAMILY

sends their sockets over the Unix socket FD, which it inherits. It is a process of its own, since only one with a single
thread may have a user namespace: it imports what starts threads (numpy) after that.
"""

import socket
import sys
from typing import Literal

from netem.live.namespaces import enter_network, new_network

SENDER_HARDWARE, RECEIVER_HARDWARE = "02:00:00:00:00:01", "02:00:00:00:00:02"
DEVICES = ("to-sender", "to-receiver")
PORT = 5004  # of both ends: RTP's (RFC 3551); it names no protocol to Wireshark, which guesses by port

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
        sockets = _build("ipv6" if sys.argv[2] == "ipv6" else "ipv4")
    except OSError as error:
        channel.send(str(error).encode())
        return
    socket.send_fds(channel, [b"ready"], [one.fileno() for one in sockets])


def _build(family: Family) -> list[socket.socket]:
    emulator = new_network()
    from netem.live.device_port import open_port
    from netem.live.udp_socket import open_socket
    from netem.live.veth import Attachment, lay_wire, start_loopback

    hosts = []
    for own, other, hardware, other_hardware, device in (
        (0, 1, SENDER_HARDWARE, RECEIVER_HARDWARE, DEVICES[0]),
        (1, 0, RECEIVER_HARDWARE, SENDER_HARDWARE, DEVICES[1]),
    ):
        host = new_network()
        start_loopback()
        addresses = tuple(f"{pair[own]}/{30 if name == 'ipv4' else 64}" for name, pair in HOSTS.items())
        neighbours = tuple(pair[other] for pair in HOSTS.values())
        lay_wire(host, emulator, device, Attachment("eth0", hardware, addresses, other_hardware, neighbours))
        enter_network(host)
        hosts.append(open_socket(HOSTS[family][own], PORT))
    enter_network(emulator)
    return [*hosts, *(open_port(device) for device in DEVICES)]


if __name__ == "__main__":
    main()
