"""Where the link of a live run is. Light to import: the command line names them."""

from typing import Literal, get_args

Emulator = Literal["netns", "relay"]
"""Between network namespaces of our own, or a UDP relay on the loopback interface."""

EMULATORS: tuple[Emulator, ...] = get_args(Emulator)

VIRTUAL = "virtual time"
BETWEEN = "real time, between hosts"
LIVE: dict[Emulator, str] = {
    "netns": "real time, between network namespaces",
    "relay": "real time, through a relay on loopback",
}


def world(live: Emulator | None) -> str:
    """What a manifest calls it; None is virtual time."""
    return VIRTUAL if live is None else LIVE[live]
