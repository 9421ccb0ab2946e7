"""TCP sockets of stacks: which congestion controller they have, and what the kernel counted of them."""

import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyroute2 import DiagSocket
from pyroute2.netlink.exceptions import NetlinkError

from glassbench.experiments.worlds.peers.peer import PeerError
from glassbench.transport.contract import Address, Unsupported

_AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
_NAME_BYTES = 16  # TCP_CA_NAME_MAX
_INFO = struct.Struct("=8B24I")  # struct tcp_info up to tcpi_total_retrans
_RTT, _CWND, _RETRANSMISSIONS = 8 + 15, 8 + 18, 8 + 23  # their places in it
_ESTABLISHED = 1 << 1
_WITH_INFO, _WITH_CONGESTION = 1 << 1, 1 << 3  # what sock_diag(7) is asked for


def check_congestion(name: str) -> None:
    """Raises Unsupported if the kernel does not have that congestion controller."""
    available = _AVAILABLE.read_text().split()
    if name not in available:
        raise Unsupported(f"this kernel has no congestion controller {name!r} for TCP; it has {', '.join(available)}")


def listen(address: Address, congestion: str, *, no_delay: bool = False) -> socket.socket:
    """A listening socket. Those that it accepts have the same congestion controller and, with `no_delay`, send at once
    what is written (TCP_NODELAY). Raises PeerError."""
    listener = socket.create_server(address)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, no_delay)
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


class TcpConnection(NamedTuple):
    """A connection of this host, whichever program has it: its own port, its peer, its congestion controller, and what
    the kernel counted, as `counters_of` gives it."""

    port: int
    peer: Address
    congestion: str
    counters: Mapping[str, int]


def connections() -> list[TcpConnection]:
    """The connections in this network namespace, from the kernel (sock_diag(7)); none if it does not tell."""
    try:
        with DiagSocket() as asked:
            asked.bind()
            told = asked.get_sock_stats(
                family=socket.AF_INET,
                states=_ESTABLISHED,
                protocol=socket.IPPROTO_TCP,
                extensions=_WITH_INFO | _WITH_CONGESTION,
            )
    except (OSError, NetlinkError):
        return []
    return [_connection(each) for each in told]


def towards(peer: Address) -> tuple[str, Mapping[str, int]]:
    """The congestion controller of this host's connections to an address, empty if there is none, and what the kernel
    counted of one; of several it does not tell whose is whose, so they have no counters."""
    ours = [one for one in connections() if one.peer == peer]
    return ", ".join(sorted({one.congestion for one in ours})), ours[0].counters if len(ours) == 1 else {}


def _connection(told: Any) -> TcpConnection:
    info = told.get_attr("INET_DIAG_INFO") or {}
    names = {"rtt_us": "tcpi_rtt", "cwnd_packets": "tcpi_snd_cwnd", "retransmissions": "tcpi_total_retrans"}
    return TcpConnection(
        port=told["idiag_sport"],
        peer=(told["idiag_dst"], told["idiag_dport"]),
        congestion=told.get_attr("INET_DIAG_CONG") or "",
        counters={name: info[theirs] for name, theirs in names.items() if theirs in info},
    )
