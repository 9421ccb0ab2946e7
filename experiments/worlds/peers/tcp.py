"""TCP sockets of stacks: which congestion controller they have, and what the kernel counted of them."""

import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from glassbench.experiments.worlds.peers.peer import PeerError
from glassbench.transport.contract import Address, Unsupported

_AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
_NAME_BYTES = 16  # TCP_CA_NAME_MAX
_INFO = struct.Struct("=8B24I")  # struct tcp_info up to tcpi_total_retrans
_RTT, _CWND, _RETRANSMISSIONS = 8 + 15, 8 + 18, 8 + 23  # their places in it


def check_congestion(name: str) -> None:
    """Raises Unsupported if the kernel does not have that congestion controller."""
    available = _AVAILABLE.read_text().split()
    if name not in available:
        raise Unsupported(f"this kernel has no congestion controller {name!r} for TCP; it has {', '.join(available)}")


def listen(address: Address, congestion: str) -> socket.socket:
    """A listening socket. Those that it accepts have the same congestion controller. Raises PeerError."""
    listener = socket.create_server(address)
    try:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
    except OSError as error:
        listener.close()
        raise PeerError(f"TCP takes no congestion controller {congestion!r}: {error.strerror}") from None
    return listener


def congestion_of(one: socket.socket) -> str:
    """The congestion controller that a socket has."""
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _NAME_BYTES).rstrip(b"\0").decode()


def counters_of(one: socket.socket) -> Mapping[str, int]:
    """What the kernel knows of a connection (TCP_INFO)."""
    values = _INFO.unpack(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    return {"rtt_us": values[_RTT], "cwnd_packets": values[_CWND], "retransmissions": values[_RETRANSMISSIONS]}
