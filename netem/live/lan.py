"""Two hosts and the emulator between them, each in a network namespace of its own, which end with their sockets."""

import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from glassbench.netem.live.device_port import OpenPort
from glassbench.netem.live.isolated_python import python_command
from glassbench.netem.live.lan_builder import DEVICES, RECEIVER_HARDWARE, SENDER_HARDWARE, Family
from glassbench.netem.live.namespaces import NamespacesRefused

_PATIENCE = 30.0


@dataclass(frozen=True)
class Lan:
    """The open sockets: of both ends, and of the two ports of the emulator."""

    sender: socket.socket
    receiver: socket.socket
    to_sender: OpenPort
    to_receiver: OpenPort


@dataclass(frozen=True)
class KernelLan:
    """The open sockets: of both ends, and the netlink socket of the namespace between them, whose kernel emulates."""

    sender: socket.socket
    receiver: socket.socket
    kernel: socket.socket


def open_lan(cleanup: ExitStack, family: Family = "ipv4") -> Lan:
    """Make the namespaces; `cleanup` closes the sockets, and with them ends all. Raises NamespacesRefused."""
    sender, receiver, to_sender, to_receiver = _build(cleanup, 4, family)
    return Lan(
        sender,
        receiver,
        OpenPort(to_sender, DEVICES[0], SENDER_HARDWARE),
        OpenPort(to_receiver, DEVICES[1], RECEIVER_HARDWARE),
    )


def open_kernel_lan(cleanup: ExitStack, commands: Sequence[str], family: Family = "ipv4") -> KernelLan:
    """The same hosts on a bridge, on whose ports, DEVICES, these commands of tc(8) are run.

    Raises NamespacesRefused, also for a command that this kernel does not know.
    """
    return KernelLan(*_build(cleanup, 3, family, *commands))


def _build(cleanup: ExitStack, count: int, *arguments: str) -> list[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(_PATIENCE)
        builder = subprocess.Popen(
            python_command("glassbench.netem.live.lan_builder", str(theirs.fileno()), *arguments),
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
        )
        theirs.close()
        with builder:
            answer, numbers, _, _ = socket.recv_fds(ours, 4096, 4)
            plain = [cleanup.enter_context(socket.socket(fileno=number)) for number in numbers]
            if len(plain) != count:
                said = answer.decode() or builder.communicate()[1].decode().strip()[-500:]
                raise NamespacesRefused(said)
    return plain
