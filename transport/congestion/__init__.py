"""Congestion control for our scheduler: the contract, one file a controller, and this table. Sans-IO, nothing of QUIC.

To add one: a class that keeps `controller.Controller` in a file of its own, and a line here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from glassbench.transport.congestion.controller import Controller
from glassbench.transport.congestion.realtime import RealtimeController

Need = Literal["receive-times", "ecn"]


@dataclass(frozen=True, slots=True)
class ControllerEntry:
    """One controller: what it is, how it is made for packets of a size in bytes, and what it cannot do without.

    `needs`: the times at which the peer received packets, or marks of queues (ECN).
    """

    name: str
    summary: str
    make: Callable[..., Controller]
    needs: frozenset[Need] = field(default_factory=frozenset)


_ENTRIES = (ControllerEntry("realtime", "the window follows the rate, the queue stays short", RealtimeController),)

CONTROLLERS: dict[str, ControllerEntry] = {entry.name: entry for entry in _ENTRIES}
