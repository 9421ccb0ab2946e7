"""What a part of a live arm is told: a line of JSON."""

from typing import Any, Literal

from pydantic import BaseModel

from glassbench.netem.packet import Address

PartRole = Literal["emulator", "receiver", "sender"]
PART_ROLES: tuple[PartRole, ...] = ("emulator", "receiver", "sender")


class EndPlug(BaseModel):
    """The UDP socket of an end, an inherited file descriptor, and where that end sends to."""

    number: int
    peer: Address


class RelayPlug(BaseModel):
    """A port of the emulator that is a UDP socket, for the end at `end`, whose peer is the end at `other`."""

    number: int
    end: Address
    other: Address


class DevicePlug(BaseModel):
    """A port of the emulator that is a network device, for the end with this hardware address."""

    number: int
    device: str
    hardware: str


class KernelPlug(BaseModel):
    """The netlink socket of the namespace in which the kernel emulates, and the commands that made it do so."""

    number: int
    commands: dict[str, list[str]]


class Task(BaseModel):
    """`plug` is that of an end; `ports` are those of the emulator, to the sender first, or one of the kernel. The
    result goes to the file with the descriptor `result`. `quality`: that of the pictures will be measured. `capture`:
    what passes, and what ends tell, is kept. `processor` has the emulator; the networks of the ends leave
    it alone.
    """

    role: PartRole
    scenario: dict[str, Any]
    arm: str
    result: int
    quality: bool
    capture: bool
    processor: int | None
    plug: EndPlug | None = None
    ports: tuple[RelayPlug | DevicePlug | KernelPlug, ...] = ()

    def numbers(self) -> list[int]:
        """All file descriptors that the part inherits."""
        plugs = [self.plug] if self.plug else list(self.ports)
        return [*(plug.number for plug in plugs), self.result]
