"""What each end and each link wrote down of an arm. Every world gives these reports, and `assemble` makes the one
account of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.instants import INSTANTS
from glassbench.experiments.scenario.element_spec import Direction
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.network_spec import MAIN
from glassbench.netem.link_log import Passages
from glassbench.receiver.decoded import Decoded
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord
from glassbench.transport.contract import Estimated

LINK_WINDOW = 0.1
"""Seconds of a row of the link table and of the flow table."""

Role = Literal["sender", "receiver"]
ROLES: tuple[Role, Role] = ("sender", "receiver")


@dataclass(frozen=True)
class EndReport:
    """What one end wrote down: ours, or that of another host. Instants are those of the session, in seconds.

    `knows` are the instants that the end can know, of those at its own side of the network. A black box, such as a
    browser, knows only those at which a picture was captured and displayed. `sent` are the frames that a sender
    captured, `estimates` what its congestion control believed, `received` the frames that a receiver knows of,
    `decoded` what it decoded, kept where the quality of pictures is measured, and `decoded_media` its codec if that is
    not the video's; a receiver that does not tell its pictures (`tells_pictures`) has no quality. `counters` are those
    of the transport.
    `pipeline` has what the receiver counted besides: `keyframe_requests`, `stamp_errors`, `stamp_unreadable`,
    `unannounced`.
    """

    role: Role
    ended_at: float
    connection: Connection
    counters: Mapping[str, int]
    flow: str = MEDIA
    knows: frozenset[str] = INSTANTS
    sent: Sequence[SentRecord] = ()
    estimates: Sequence[Estimated] = ()
    received: Sequence[ReceivedRecord] = ()
    decoded: Sequence[Decoded] = ()
    decoded_media: str = ""
    tells_pictures: bool = True
    pipeline: Mapping[str, int] = field(default_factory=dict)


class LinkRow(NamedTuple):
    """One window of a link; `at` is its start in seconds after the first capture. A capacity of NaN means that there is
    no limit."""

    at: float
    capacity_bytes: float
    sent_bytes: int
    delivered_bytes: int
    backlog_bytes: int
    dropped_packets: int
    lost_packets: int


class FlowRow(NamedTuple):
    """The part of one flow in one window of a link. `missing_packets` were dropped or lost."""

    sent_bytes: int
    delivered_bytes: int
    sent_packets: int
    delivered_packets: int
    missing_packets: int


@dataclass(frozen=True)
class LinkReport:
    """One direction of a segment: its windows in order of time, the part of each flow in each window, and what was
    commanded and applied, in packets. `passages` has by flow its first and last packets; it is empty where nobody sees
    single packets. `until_closed`: they go on until the ends have closed."""

    direction: Direction
    rows: Sequence[LinkRow]
    impairments: Mapping[str, Any] = field(default_factory=dict)
    segment: str = MAIN
    flows: Mapping[str, Sequence[FlowRow]] = field(default_factory=dict)
    passages: Mapping[str, Passages] = field(default_factory=dict)
    until_closed: bool = False

    @property
    def name(self) -> str:
        """Its name in messages and files: its direction, and its segment before that if the segment has a name."""
        return link_name(self.segment, self.direction)


def link_name(segment: str, direction: Direction) -> str:
    """The name of a direction of a segment in messages and files."""
    return direction if segment == MAIN else f"{segment} {direction}"
