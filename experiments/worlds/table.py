"""The table of worlds. It is light to import: what an arm needs is imported when one runs.

To add one, write a class that keeps `world.World`, and a line in WORLDS.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.schema import unknown
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.remote import Remote
from glassbench.experiments.worlds.world import Watch, World

if TYPE_CHECKING:
    from glassbench.experiments.account.arm_result import ArmResult
    from glassbench.experiments.worlds.capture import Capture
    from glassbench.experiments.worlds.reuse import Reuse


@dataclass(frozen=True)
class VirtualTime(World):
    """One process, no clock, no sockets."""

    name: str = "virtual"
    words: str = "virtual time"
    exact: ClassVar[bool] = True
    parallel: ClassVar[bool] = True

    def check(self, scenario: Scenario, *, capture: bool) -> None:
        """Nothing: every machine has virtual time."""

    def run_arm(
        self,
        scenario: Scenario,
        arm: ArmSpec,
        watch: Watch,
        *,
        reuse: "Reuse",
        capture: "Capture | None" = None,
        quality: bool = True,
    ) -> "ArmResult":
        from glassbench.experiments.worlds.virtual import run_arm

        return run_arm(scenario, arm, reuse, watch, quality=quality, capture=capture)


_LIVE_WORDS: dict[Emulator, str] = {
    "netns": "real time, between network namespaces",
    "relay": "real time, through a relay on loopback",
    "kernel": "real time, between network namespaces, emulated by the kernel",
}


@dataclass(frozen=True)
class ThisMachine(World):
    """Real sockets of this machine, with an emulated network between them."""

    name: Emulator
    words: str
    parallel: ClassVar[bool] = False  # two arms at a time would be in each other's way

    def check(self, scenario: Scenario, *, capture: bool) -> None:
        from glassbench.experiments.worlds.live.kernel_commands import NotInKernel
        from glassbench.experiments.worlds.live.wiring import check_emulator

        if capture and self.name == "kernel":
            raise NotInKernel(
                "the kernel's link keeps no packets; accepted with a capture are the emulators netns and relay"
            )
        check_emulator(self.name, scenario)

    def run_arm(
        self,
        scenario: Scenario,
        arm: ArmSpec,
        watch: Watch,
        *,
        reuse: "Reuse",
        capture: "Capture | None" = None,
        quality: bool = True,
    ) -> "ArmResult":
        from glassbench.experiments.worlds.live.arm import run_arm

        return run_arm(scenario, arm, reuse.memo if quality else None, watch, emulator=self.name, capture=capture)


@dataclass(frozen=True)
class ThisNetwork(ThisMachine):
    """The network of this host as it is, between endpoints that the user names by address."""

    has_floor: ClassVar[bool] = False

    def check(self, scenario: Scenario, *, capture: bool) -> None:
        if capture:
            raise OSError(
                f"the emulator {self.name} is no link of ours that could keep packets; accepted with a capture are "
                "netns and relay"
            )


@dataclass(frozen=True)
class OtherHost(World):
    """Another host, where a receiver listens, over the network that is between them."""

    remote: Remote
    name: str = "hosts"
    words: str = "real time, between hosts"
    has_floor: ClassVar[bool] = False
    sees_pictures: ClassVar[bool] = False

    def check(self, scenario: Scenario, *, capture: bool) -> None:
        """Raises ControlError too, and ValueError for a bad key or for what a receiver does not take."""
        if len(scenario.routes()) > 1:
            raise ValueError("several flows share a network in virtual time and on this machine, not between hosts")
        if not scenario.has_floor:
            raise ValueError("a receiver on another host bounds what it takes, so that no greedy source sends to it")
        from glassbench.experiments.worlds.hosts.connect import connect

        connect(self.remote, capture=capture).close()

    def run_arm(
        self,
        scenario: Scenario,
        arm: ArmSpec,
        watch: Watch,
        *,
        reuse: "Reuse",
        capture: "Capture | None" = None,
        quality: bool = True,
    ) -> "ArmResult":
        from glassbench.experiments.worlds.hosts.sending import run_arm

        return run_arm(scenario, arm, self.remote, watch, capture=capture)

    def dump(self) -> dict[str, Any]:
        return {"name": self.name, "remote": asdict(self.remote)}


def _other_host(remote: Mapping[str, Any]) -> World:
    return OtherHost(Remote(**remote))


WORLDS: dict[str, Callable[..., World]] = {
    VirtualTime.name: VirtualTime,
    **{emulator: partial(ThisMachine, emulator, words) for emulator, words in _LIVE_WORDS.items()},
    "host": partial(ThisNetwork, "host", "real time, over the network of this host"),
    OtherHost.name: _other_host,
}

VIRTUAL: World = VirtualTime()


def named(name: str) -> World:
    """A world of this machine. Raises ValueError, which names the worlds that there are."""
    accepted = [known for known in WORLDS if known != OtherHost.name]
    if name not in accepted:
        raise ValueError(unknown("world", name, accepted))
    return WORLDS[name]()


def world_of(dumped: Mapping[str, Any]) -> World:
    """A world from what its `dump` gave. Raises KeyError."""
    return WORLDS[dumped["name"]](**{name: value for name, value in dumped.items() if name != "name"})
