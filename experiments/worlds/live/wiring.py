"""The sockets of a live arm, opened before anybody starts, so that all addresses are known and nobody else has them."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from glassbench.experiments.scenario import Scenario
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.kernel_commands import NotInKernel, commands
from glassbench.experiments.worlds.live.task import DevicePlug, EndPlug, KernelPlug, RelayPlug
from glassbench.netem.live.lan import open_kernel_lan, open_lan
from glassbench.netem.live.lan_builder import DEVICES
from glassbench.netem.live.namespaces import NamespacesRefused
from glassbench.netem.live.udp_socket import open_socket
from glassbench.netem.packet import Address


@dataclass(frozen=True)
class Wiring:
    """What each part of an arm is plugged into, and the addresses of both ends."""

    sender: EndPlug
    receiver: EndPlug
    ports: tuple[RelayPlug | DevicePlug | KernelPlug, ...]
    addresses: dict[str, Address]


def wire(emulator: Emulator, scenario: Scenario, cleanup: ExitStack) -> Wiring:
    """Open everything; `cleanup` closes it. Raises NamespacesRefused, NotInKernel, and OSError without sockets."""
    if emulator == "kernel":
        return _by_kernel(kernel_commands(scenario), cleanup)
    return _between_namespaces(cleanup) if emulator == "netns" else _on_loopback(cleanup)


def check_emulator(emulator: Emulator, scenario: Scenario) -> None:
    """Raises OSError, with what helps, if this machine does not have it, or it not the network of the scenario."""
    try:
        with ExitStack() as cleanup:
            wire(emulator, scenario, cleanup)
    except NamespacesRefused as error:
        helps = "accepted there is --emulator netns" if emulator == "kernel" else "without them: --emulator relay"
        raise NamespacesRefused(f"{error}; {helps}") from None


def kernel_commands(scenario: Scenario) -> dict[str, list[str]]:
    """What makes the kernel the network of a scenario, by direction. Raises NotInKernel."""
    ways = zip(("down", "up"), scenario.network.paths(), reversed(DEVICES), strict=True)
    found = {way: commands(path, device) for way, path, device in ways}
    if not any(found.values()):
        raise NotInKernel("this network has no element that the kernel could emulate")
    return found


def _between_namespaces(cleanup: ExitStack) -> Wiring:
    lan = open_lan(cleanup)
    ports = (lan.to_sender, lan.to_receiver)
    return Wiring(
        EndPlug(number=lan.sender.fileno(), peer=_address(lan.receiver)),
        EndPlug(number=lan.receiver.fileno(), peer=_address(lan.sender)),
        tuple(DevicePlug(number=port.plain.fileno(), device=port.device, hardware=port.hardware) for port in ports),
        {"sender": _address(lan.sender), "receiver": _address(lan.receiver)},
    )


def _by_kernel(lines: dict[str, list[str]], cleanup: ExitStack) -> Wiring:
    lan = open_kernel_lan(cleanup, [line for way in lines.values() for line in way])
    return Wiring(
        EndPlug(number=lan.sender.fileno(), peer=_address(lan.receiver)),
        EndPlug(number=lan.receiver.fileno(), peer=_address(lan.sender)),
        (KernelPlug(number=lan.kernel.fileno(), commands=lines),),
        {"sender": _address(lan.sender), "receiver": _address(lan.receiver)},
    )


def _on_loopback(cleanup: ExitStack) -> Wiring:
    sender, to_sender, to_receiver, receiver = (cleanup.enter_context(open_socket()) for _ in range(4))
    ends = (_address(sender), _address(receiver))
    return Wiring(
        EndPlug(number=sender.fileno(), peer=_address(to_sender)),
        EndPlug(number=receiver.fileno(), peer=_address(to_receiver)),
        (
            RelayPlug(number=to_sender.fileno(), end=ends[0], other=ends[1]),
            RelayPlug(number=to_receiver.fileno(), end=ends[1], other=ends[0]),
        ),
        dict(zip(("sender", "receiver"), ends, strict=True)),
    )


def _address(plain: socket.socket) -> Address:
    host, port = plain.getsockname()[:2]
    return host, port
