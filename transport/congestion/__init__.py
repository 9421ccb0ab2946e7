"""Congestion control for our scheduler: the contract, one file or folder a controller, and this table. Sans-IO, nothing
of QUIC.

To add one: a class that keeps `controller.Controller` in a file of its own, and a line here. A package of your own
offers its ControllerEntry as an entry point of the group `glassbench.controllers`.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from glassbench.transport.congestion.adaptive import AdaptiveController
from glassbench.transport.congestion.bbr import BbrController
from glassbench.transport.congestion.controller import MakeController
from glassbench.transport.congestion.cubic import CubicController
from glassbench.transport.congestion.gcc.controller import GccController
from glassbench.transport.congestion.nested import make_nested
from glassbench.transport.congestion.realtime import RealtimeController
from glassbench.transport.congestion.reno import RenoController
from glassbench.transport.congestion.scream import ScreamController
from glassbench.transport.plugins import PluginTable

Need = Literal["receive-times", "ecn"]


@dataclass(frozen=True, slots=True)
class ControllerEntry:
    """One controller: what it is, how it is made, and what it cannot do without: the times at which the peer received
    packets, or the marks of queues (ECN). `is_window`: a transport can have it by itself, around a media controller."""

    name: str
    summary: str
    make: MakeController
    needs: frozenset[Need] = field(default_factory=frozenset)
    is_window: bool = False


_ENTRIES = (
    ControllerEntry("realtime", "the window follows the rate, the queue stays short", RealtimeController),
    ControllerEntry("reno", "NewReno of RFC 9002", RenoController, is_window=True),
    ControllerEntry("cubic", "CUBIC of RFC 9438", CubicController, is_window=True),
    ControllerEntry("gcc", "Google Congestion Control, as in WebRTC", GccController, frozenset({"receive-times"})),
    ControllerEntry(
        *("adaptive", "a size for every frame, so that hardly anything waits", AdaptiveController),
        needs=frozenset({"receive-times"}),
    ),
    ControllerEntry("scream", "SCReAM version 2", ScreamController, frozenset({"receive-times"})),
    ControllerEntry("bbr", "BBRv3 of draft-ietf-ccwg-bbr", BbrController, is_window=True),
)


def _plugin(name: str, loaded: object) -> ControllerEntry:
    """What a package offers as a controller. Raises ValueError."""
    if not isinstance(loaded, ControllerEntry):
        raise ValueError(f"found {loaded!r}, accepted is a glassbench.transport.congestion.ControllerEntry")
    if loaded.name != name:
        raise ValueError(f"the entry is named {loaded.name!r}; both names must be the same")
    return loaded


CONTROLLERS: PluginTable[ControllerEntry] = PluginTable(
    "glassbench.controllers", {entry.name: entry for entry in _ENTRIES}, _plugin
)


def nested_entry(media: str, window: str) -> ControllerEntry:
    """The media controller of this name inside the window of that name."""
    inner, outer = CONTROLLERS[media], CONTROLLERS[window]
    return ControllerEntry(
        f"{media}-in-{window}",
        f"{inner.summary}; inside the window of {outer.summary}",
        partial(make_nested, inner.make, outer.make),
        inner.needs | outer.needs,
    )
