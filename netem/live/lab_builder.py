"""The process that makes the namespaces of a lab, and runs programs in them.

Its arguments are FD PLAN [COMMAND OF TC ...]: it sends the sockets over the Unix socket FD, which it inherits, and
waits for programs to run, or for the end. It is a process of its own, since only one with a single thread may have a
user namespace: it imports what starts threads (numpy) after that.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from glassbench.netem.live.lab_plan import HostPlan, from_json
from glassbench.netem.live.namespaces import (
    NamespacesRefused,
    end_with_parent,
    enter_network,
    keep_rights,
    new_network,
    run_enclosed,
    this_network,
    this_users,
)

_AT_ONCE = 2**16  # bytes


def main() -> None:
    """Be the process that makes a lab."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the programs
    end_with_parent(signal.SIGKILL)
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        hosts = from_json(sys.argv[2])
        namespaces, sockets = _build(hosts, sys.argv[3:])
    except OSError as error:
        channel.send(str(error).encode())
        return
    with channel:
        places = [this_users(), *(namespaces[host.name] for host in hosts)]
        socket.send_fds(channel, [b"ready"], [*(each.fileno() for each in sockets), *places])
        said = b""
        with suppress(ConnectionError):
            while part := channel.recv(_AT_ONCE):
                said += part
    for each in sockets:
        each.close()
    if said:
        programs, environment = json.loads(said)
        sys.exit(run_enclosed(lambda: _run(programs, environment, namespaces)))


def _build(hosts: Sequence[HostPlan], commands: Sequence[str]) -> tuple[dict[str, int], list[socket.socket]]:
    """The namespaces of the hosts by name, and all sockets in the order that `Lab` expects."""
    namespaces = {host.name: this_network() for host in hosts if host.here}
    emulator = new_network()
    from glassbench.netem.live.device_port import open_port
    from glassbench.netem.live.udp_socket import open_socket
    from glassbench.netem.live.veth import bridge, forward_packets, lay_wire, send_nothing_unasked, start_loopback

    send_nothing_unasked()
    sockets = []
    for host in hosts:
        if host.here:
            enter_network(namespaces[host.name])
        else:
            namespaces[host.name] = new_network()
            start_loopback()
        if host.forwards:
            forward_packets()
        lay_wire(namespaces[host.name], emulator, host.port, host.wire)
        sockets += [open_socket(*address) for address in host.sockets]
    enter_network(emulator)
    if not commands:
        return namespaces, [*sockets, *(open_port(host.port) for host in hosts)]
    bridge(host.port for host in hosts)
    for command in commands:
        _shape(command)
    return namespaces, [*sockets, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)]


def _shape(command: str) -> None:
    """Run a command of tc. Raises NamespacesRefused with what it said, or that there is no tc."""
    name, *arguments = command.split()
    program = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))
    if program is None:  # Debian has it where ordinary users do not look
        raise NamespacesRefused(f"there is no {name} here: apt install iproute2")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split()).removeprefix("Error: ")
        raise NamespacesRefused(f"this kernel refuses '{command}' ({said})")


def _run(
    programs: Sequence[tuple[str, list[str]]], environment: Mapping[str, str], namespaces: Mapping[str, int]
) -> int:
    """Be the first process of an enclosure, until the first program ends. Returns the exit code as shells give it."""
    first, *_ = [_start(namespaces[host], command, {**os.environ, **environment}) for host, command in programs]
    while True:
        child, status = os.wait()
        if child == first:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _start(namespace: int, command: list[str], environment: dict[str, str]) -> int:
    """Start a program. Returns its process id."""
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
