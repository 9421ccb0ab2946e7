"""Two hosts and the emulator between them, each in a network namespace of its own, which end with their sockets."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from netem.live.device_port import OpenPort
from netem.live.lan_builder import DEVICES, RECEIVER_HARDWARE, SENDER_HARDWARE, Family
from netem.live.namespaces import NamespacesRefused

_PATIENCE = 30.0


@dataclass(frozen=True)
class Lan:
    """The open sockets: of both ends, and of the two ports of the emulator."""

    sender: socket.socket
    receiver: socket.socket
    to_sender: OpenPort
    to_receiver: OpenPort


def open_lan(cleanup: ExitStack, family: Family = "ipv4") -> Lan:
    """Make the namespaces; `cleanup` closes the sockets, and with them ends all. Raises NamespacesRefused."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(_PATIENCE)
        builder = subprocess.Popen(
            [sys.executable, "-m", "netem.live.lan_builder", str(theirs.fileno()), family],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
        )
        theirs.close()
        with builder:
            answer, numbers, _, _ = socket.recv_fds(ours, 4096, 4)
            plain = [cleanup.enter_context(socket.socket(fileno=number)) for number in numbers]
            if len(plain) != 4:
                said = answer.decode() or builder.communicate()[1].decode().strip()[-500:]
                raise NamespacesRefused(said)
    sender, receiver, to_sender, to_receiver = plain
    return Lan(
        sender,
        receiver,
        OpenPort(to_sender, DEVICES[0], SENDER_HARDWARE),
        OpenPort(to_receiver, DEVICES[1], RECEIVER_HARDWARE),
    )
