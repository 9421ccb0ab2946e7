"""The plan of a lab: hosts, each with a wire to the emulator. It travels to the process that builds the lab as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from glassbench.netem.packet import Address

_MTU = 9000  # the largest of a scenario: nothing is fragmented, and how much an end sends is its transport's choice
_LONGEST_NAME = 15  # of a device (IFNAMSIZ)

Family = Literal["ipv4", "ipv6"]
# Networks for tests of interconnected devices: RFC 2544 and RFC 5180.
_NETWORKS: dict[Family, tuple[str, int]] = {"ipv4": ("198.18.0.{}", 24), "ipv6": ("2001:2::{:x}", 64)}


@dataclass(frozen=True)
class Attachment:
    """A host's end of its wire: the name and hardware address of its device, its own addresses ("198.18.0.1/30"), its
    neighbours as (address, hardware address), and networks behind a neighbour, as (network, neighbour)."""

    device: str
    hardware: str
    addresses: tuple[str, ...]
    neighbours: tuple[tuple[str, str], ...]
    routes: tuple[tuple[str, str], ...] = ()
    mtu: int = 1500


@dataclass(frozen=True)
class HostPlan:
    """A host. `port` is the emulator's device at the other end of its `wire`; `sockets` are UDP sockets to open on it.
    With `forwards` it passes packets on for others. With `here` it is the namespace in which the lab is asked for, as
    when labs nest."""

    name: str
    port: str
    wire: Attachment
    sockets: tuple[Address, ...] = ()
    forwards: bool = False
    here: bool = False


def lan(hosts: Mapping[str, Sequence[int]], family: Family = "ipv4", *, mtu: int = _MTU) -> list[HostPlan]:
    """Hosts that reach each other through the emulator, each with UDP sockets on these ports. Their addresses are those
    of `host_address`, in the order given."""
    numbers = {name: number for number, name in enumerate(hosts, start=1)}
    plans = []
    for name, ports in hosts.items():
        others = [number for number in numbers.values() if number != numbers[name]]
        wire = Attachment(
            "eth0",
            _hardware(numbers[name]),
            tuple(f"{host_address(numbers[name], kind)}/{length}" for kind, (_, length) in _NETWORKS.items()),
            tuple((host_address(other, kind), _hardware(other)) for kind in _NETWORKS for other in others),
            mtu=mtu,
        )
        sockets = tuple((host_address(numbers[name], family), port) for port in ports)
        plans.append(HostPlan(name, port_to(name, numbers[name]), wire, sockets))
    return plans


def host_address(number: int, family: Family = "ipv4") -> str:
    """The address of the host of that number in a LAN; the first is 1."""
    return _NETWORKS[family][0].format(number)


def port_to(name: str, number: int) -> str:
    """The emulator's device to a host."""
    port = f"to-{name}"
    return port if len(port) <= _LONGEST_NAME else f"to-host{number}"


def as_json(hosts: Sequence[HostPlan]) -> str:
    return json.dumps([asdict(host) for host in hosts])


def from_json(text: str) -> list[HostPlan]:
    return [_host(**fields) for fields in json.loads(text)]


def _host(*, wire: dict[str, Any], sockets: list[list[Any]], **fields: Any) -> HostPlan:
    pairs = {name: tuple((one, other) for one, other in wire[name]) for name in ("neighbours", "routes")}
    attachment = Attachment(**{**wire, **pairs, "addresses": tuple(wire["addresses"])})
    return HostPlan(wire=attachment, sockets=tuple((host, port) for host, port in sockets), **fields)


def _hardware(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"
