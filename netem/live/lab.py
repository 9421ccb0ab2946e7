"""Hosts in network namespaces of their own, with the emulator between them, which end with their sockets."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from glassbench.netem.live.device_port import OpenPort
from glassbench.netem.live.isolated_python import python_command
from glassbench.netem.live.lab_plan import HostPlan, as_json
from glassbench.netem.live.namespaces import Namespaces, NamespacesRefused

_PATIENCE = 30.0  # seconds for the namespaces to be made


class Lab:
    """Hosts and the emulator's ports to them. `sockets` has the UDP sockets of each host, `ports` the emulator's port
    to it, by the host's name.

    `namespaces` has those of each host, for programs that enter them.

    With `kernel`, commands of tc(8), the ports are on a bridge and the commands are run there; `netlink` is a socket
    from which their counters are read. `cleanup` ends everything. Raises NamespacesRefused, also for a command that
    this kernel does not know.
    """

    def __init__(self, hosts: Sequence[HostPlan], cleanup: ExitStack, *, kernel: Sequence[str] = ()) -> None:
        self._channel, theirs = socket.socketpair()
        cleanup.enter_context(self._channel)
        self._channel.settimeout(_PATIENCE)
        with theirs:
            self._builder = subprocess.Popen(
                python_command("glassbench.netem.live.lab_builder", str(theirs.fileno()), as_json(hosts), *kernel),
                pass_fds=[theirs.fileno()],
            )
        cleanup.callback(self._end)
        places = len(hosts) + 1
        count = sum(len(host.sockets) for host in hosts) + (1 if kernel else len(hosts)) + places
        answer, numbers, _, _ = socket.recv_fds(self._channel, 4096, count)
        if len(numbers) != count:
            for number in numbers:
                os.close(number)
            raise NamespacesRefused(answer.decode() or "the network namespaces could not be made")
        users, *networks = numbers[-places:]
        for number in (users, *networks):
            cleanup.callback(os.close, number)
        self.namespaces = {host.name: Namespaces(users, each) for host, each in zip(hosts, networks, strict=True)}
        opened = iter([cleanup.enter_context(socket.socket(fileno=number)) for number in numbers[:-places]])
        self.sockets = {host.name: [next(opened) for _ in host.sockets] for host in hosts}
        self.ports: dict[str, OpenPort] = {}
        self.netlink: socket.socket | None = None
        if kernel:
            self.netlink = next(opened)
        else:
            self.ports = {host.name: OpenPort(next(opened), host.port, host.wire.hardware) for host in hosts}

    def start(self, programs: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> None:
        """Start a program on each of these hosts, once. All end with the first of them."""
        self._channel.sendall(json.dumps([list(programs.items()), dict(environment)]).encode())
        self._channel.shutdown(socket.SHUT_WR)  # that was all of it

    def ended(self) -> bool:
        """Whether the first program has ended."""
        return self._builder.poll() is not None

    def exit_code(self) -> int:
        """The exit code of the first program, when it has ended, as shells give it: 128 and the number of the signal
        that killed it."""
        code = self._builder.wait()
        return code if code >= 0 else 128 - code

    def _end(self) -> None:
        self._builder.kill()
        self._builder.wait()
