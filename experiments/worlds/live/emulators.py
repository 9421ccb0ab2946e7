"""Where the link of a live run is. Light to import: the command line names them."""

from typing import Literal, get_args

Emulator = Literal["netns", "relay", "kernel"]
"""Between network namespaces of our own, a UDP relay on the loopback interface, or between namespaces by tc(8)."""

EMULATORS: tuple[Emulator, ...] = get_args(Emulator)

VIRTUAL = "virtual time"
BETWEEN = "real time, between hosts"
LIVE: dict[Emulator, str] = {
    "netns": "real time, between network namespaces",
    "relay": "real time, through a relay on loopback",
    "kernel": "real time, between network namespaces, emulated by the kernel",
}


def world(live: Emulator | None) -> str:
    """What a manifest calls it; None is virtual time."""
    return VIRTUAL if live is None else LIVE[live]
