"""The task of a part of a live arm, as a line of JSON."""

from typing import Any

from pydantic import BaseModel

from glassbench.experiments.account.reports import Role
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.netem.packet import Address

EMULATOR = "emulator"
DECIDED = "decided"  # what a receiver prints when it knows the fate of every frame


def part_name(flow: str, role: Role) -> str:
    """The name of an end's part in reports and messages."""
    return role if flow == MEDIA else f"{flow} {role}"


class EndPlug(BaseModel):
    """The UDP socket of an end, an inherited file descriptor, and the address to which that end sends."""

    number: int
    peer: Address


class HostPlug(BaseModel):
    """Where an end of a peer is: the namespaces of its host, a socket to the other end that does not cross the network,
    and the addresses of both. These are inherited file descriptors."""

    users: int
    network: int
    side: int
    local: Address
    peer: Address


class RelayPlug(BaseModel):
    """A port of the emulator that is a UDP socket, for the end at `end`, whose peer is the end at `other`. `serves` has
    that end, as the number of its flow and its role."""

    number: int
    end: Address
    other: Address
    serves: tuple[tuple[int, Role], ...]


class DevicePlug(BaseModel):
    """A port of the emulator that is a network device, for the host with this hardware address. `serves` are the ends
    on that host. If there are several, `flows` are the UDP ports to which they send."""

    number: int
    device: str
    hardware: str
    serves: tuple[tuple[int, Role], ...]
    flows: dict[int, int] | None


class KernelPlug(BaseModel):
    """The netlink socket of the namespace in which the kernel emulates, the commands that made it do so, and its
    devices to the near side and to the far side."""

    number: int
    commands: dict[str, list[str]]
    devices: tuple[str, str]


class Task(BaseModel):
    """What a part has to do. An end has a `role`, the number of its `flow` and a `plug`; the emulator has `ports`.

    The result goes to the file with the descriptor `result`. `quality`: that of the pictures will be measured.
    `capture`: what passes, and what ends tell, is kept. `watched`: the receiver says what it shows. The emulator has
    `processor`; the network threads of the ends leave it alone.
    """

    role: Role | None
    flow: int
    scenario: dict[str, Any]
    arm: str
    result: int
    quality: bool
    capture: bool
    watched: bool
    processor: int | None
    plug: EndPlug | HostPlug | None = None
    ports: tuple[RelayPlug | DevicePlug | KernelPlug, ...] = ()

    def numbers(self) -> list[int]:
        """All file descriptors that the part inherits."""
        if isinstance(self.plug, HostPlug):
            return [self.plug.users, self.plug.network, self.plug.side, self.result]
        plugs = [self.plug] if self.plug else list(self.ports)
        return [*(plug.number for plug in plugs), self.result]
