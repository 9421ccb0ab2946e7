"""The sockets of a live arm, opened before anybody starts, so that all addresses are known and nobody else has them."""

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from glassbench.experiments.account.reports import ROLES, Role
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.flow import FlowRoute
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.kernel_commands import NotInKernel, commands
from glassbench.experiments.worlds.live.task import DevicePlug, EndPlug, HostPlug, KernelPlug, RelayPlug
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import host_address, lan, port_to
from glassbench.netem.live.namespaces import NamespacesRefused, this_network, this_users
from glassbench.netem.live.udp_socket import open_socket
from glassbench.netem.packet import MEDIA_PORT, Address

_NOWHERE: Address = ("127.0.0.1", 9)

End = tuple[int, Role]
"""The number of a flow, and which of its ends."""


@dataclass(frozen=True)
class Wiring:
    """What each end of an arm is plugged into, the ports of what is between them, and the addresses of all ends."""

    ends: Mapping[End, EndPlug | HostPlug]
    ports: tuple[RelayPlug | DevicePlug | KernelPlug, ...]
    addresses: Mapping[End, Address]


def wire(emulator: Emulator, scenario: Scenario, cleanup: ExitStack) -> Wiring:
    """Open everything; `cleanup` closes it. Raises NamespacesRefused, NotInKernel, and OSError without sockets."""
    if emulator == "kernel":
        return _by_kernel(kernel_commands(scenario), scenario.routes()[0], cleanup)
    if emulator == "host":
        return _in_this_network(cleanup)
    routes = scenario.routes()
    return _between_namespaces(routes, cleanup) if emulator == "netns" else _on_loopback(len(routes), cleanup)


def wire_peers(scenario: Scenario, cleanup: ExitStack) -> Wiring:
    """The same for the two ends of a peer, which open their sockets by themselves, on hosts with the MTU of the
    scenario. Raises NamespacesRefused."""
    route = scenario.routes()[0]
    hosts = lan({route.source_host: [], route.destination_host: []}, mtu=scenario.mtu)
    lab = Lab(hosts, cleanup)
    sides = [cleanup.enter_context(side) for side in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)]
    addresses: dict[End, Address] = {
        (0, role): (host_address(number), MEDIA_PORT) for number, role in enumerate(ROLES, start=1)
    }
    ends: dict[End, EndPlug | HostPlug] = {}
    ports = []
    for role, other, side, host in zip(ROLES, reversed(ROLES), sides, hosts, strict=True):
        users, network = lab.namespaces[host.name]
        ends[0, role] = HostPlug(
            users=users, network=network, side=side.fileno(), local=addresses[0, role], peer=addresses[0, other]
        )
        port = lab.ports[host.name]
        number = port.plain.fileno()
        ports.append(
            DevicePlug(number=number, device=port.device, hardware=port.hardware, serves=((0, role),), flows=None)
        )
    return Wiring(ends, tuple(ports), addresses)


def check_emulator(emulator: Emulator, scenario: Scenario) -> None:
    """Raises OSError, with what helps, if this machine does not have the emulator, or the emulator cannot be the
    network of the scenario."""
    try:
        with ExitStack() as cleanup:
            wire(emulator, scenario, cleanup)
    except NamespacesRefused as error:
        helps = "accepted there is --emulator netns" if emulator == "kernel" else "without them: --emulator relay"
        raise NamespacesRefused(f"{error}; {helps}") from None


def kernel_commands(scenario: Scenario) -> dict[str, list[str]]:
    """The commands that make the kernel the network of a scenario, by direction. Raises NotInKernel."""
    routes = scenario.routes()
    if len(routes) > 1 or len(routes[0].over) > 1:
        raise NotInKernel("the kernel's link is for one flow over one segment; accepted is --emulator netns or relay")
    route = routes[0]
    devices = {route.direction: port_to(route.destination_host, 2), route.back: port_to(route.source_host, 1)}
    down, up = scenario.network.segment(route.over[0]).paths()
    by_direction = {"down": commands(down, devices["down"]), "up": commands(up, devices["up"])}
    if not any(by_direction.values()):
        raise NotInKernel("this network has no element that the kernel could emulate")
    return by_direction


def _between_namespaces(routes: tuple[FlowRoute, ...], cleanup: ExitStack) -> Wiring:
    """A host may have ends of several flows; both ends of a flow have its UDP port."""
    serves: dict[str, list[End]] = {}
    for flow, route in enumerate(routes):
        serves.setdefault(route.source_host, []).append((flow, "sender"))
        serves.setdefault(route.destination_host, []).append((flow, "receiver"))
    hosts = lan({host: [_udp_port(flow) for flow, _ in ends] for host, ends in serves.items()})
    lab = Lab(hosts, cleanup)
    plain = {end: lab.sockets[host][place] for host, ends in serves.items() for place, end in enumerate(ends)}
    flows = {_udp_port(flow): flow for flow in range(len(routes))} if len(routes) > 1 else None
    ports = []
    for host, ends in serves.items():
        port = lab.ports[host]
        number = port.plain.fileno()
        ports.append(
            DevicePlug(number=number, device=port.device, hardware=port.hardware, serves=tuple(ends), flows=flows)
        )
    return Wiring(_plugs(plain), tuple(ports), {end: _address(each) for end, each in plain.items()})


def _by_kernel(lines: dict[str, list[str]], route: FlowRoute, cleanup: ExitStack) -> Wiring:
    hosts = lan({route.source_host: [MEDIA_PORT], route.destination_host: [MEDIA_PORT]})
    lab = Lab(hosts, cleanup, kernel=[line for way in lines.values() for line in way])
    assert lab.netlink is not None
    plain: dict[End, socket.socket] = {
        (0, "sender"): lab.sockets[route.source_host][0],
        (0, "receiver"): lab.sockets[route.destination_host][0],
    }
    # Down goes out to the host on the far side, whichever end of the flow that is.
    devices = (hosts[0].port, hosts[1].port) if route.direction == "down" else (hosts[1].port, hosts[0].port)
    plug = KernelPlug(number=lab.netlink.fileno(), commands=lines, devices=devices)
    return Wiring(_plugs(plain), (plug,), {end: _address(each) for end, each in plain.items()})


def _on_loopback(flows: int, cleanup: ExitStack) -> Wiring:
    plain: dict[End, socket.socket] = {}
    plugs: dict[End, EndPlug | HostPlug] = {}
    ports: list[RelayPlug] = []
    for flow in range(flows):
        sender, to_sender, to_receiver, receiver = (cleanup.enter_context(open_socket()) for _ in range(4))
        here, there = _address(sender), _address(receiver)
        plain |= {(flow, "sender"): sender, (flow, "receiver"): receiver}
        plugs[flow, "sender"] = EndPlug(number=sender.fileno(), peer=_address(to_sender))
        plugs[flow, "receiver"] = EndPlug(number=receiver.fileno(), peer=_address(to_receiver))
        ports += [
            RelayPlug(number=to_sender.fileno(), end=here, other=there, serves=((flow, "sender"),)),
            RelayPlug(number=to_receiver.fileno(), end=there, other=here, serves=((flow, "receiver"),)),
        ]
    return Wiring(plugs, tuple(ports), {end: _address(each) for end, each in plain.items()})


def _in_this_network(cleanup: ExitStack) -> Wiring:
    """Both ends are where this process is. Where they call and listen is their own affair."""
    users, network = this_users(), this_network()
    sides = [cleanup.enter_context(side) for side in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)]
    for number in (users, network):
        cleanup.callback(os.close, number)
    ends: dict[End, EndPlug | HostPlug] = {
        (0, role): HostPlug(users=users, network=network, side=side.fileno(), local=_NOWHERE, peer=_NOWHERE)
        for role, side in zip(ROLES, sides, strict=True)
    }
    return Wiring(ends, (), {(0, role): _NOWHERE for role in ROLES})


def _plugs(plain: Mapping[End, socket.socket]) -> dict[End, EndPlug | HostPlug]:
    """The plugs of both ends of a flow: each sends to the other."""
    return {
        (flow, role): EndPlug(
            number=each.fileno(), peer=_address(plain[flow, "receiver" if role == "sender" else "sender"])
        )
        for (flow, role), each in plain.items()
    }


def _udp_port(flow: int) -> int:
    return MEDIA_PORT + 2 * flow


def _address(plain: socket.socket) -> Address:
    host, port = plain.getsockname()[:2]
    return host, port
