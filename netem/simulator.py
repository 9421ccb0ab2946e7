"""Virtual time: endpoints, links, and routes over them, in one process, without a clock and without sockets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import pairwise
from math import ceil, inf

from glassbench.netem.capture import LinkCapture
from glassbench.netem.endpoint import Endpoint
from glassbench.netem.link_log import LinkLog
from glassbench.netem.packet import IP_UDP_HEADER_BYTES, Address, Packet
from glassbench.netem.path import Path

START_AT = 1000.0  # not 0.0, which some protocol code takes for "no time"

_CALLS_PER_INSTANT = 10_000  # more calls of one node without a step of time are a livelock

_LINK, _NODE = 0, 1  # at one instant links deliver before endpoints' timers, each kind in the order it was added


class LivelockError(RuntimeError):
    """Time does not move on, because of the node that the message names."""


@dataclass(slots=True)
class SimulatedLink:
    """One direction of a segment: a path, and by flow where its packets go on, to another link or to the end of a
    route.

    Flows whose routes share a link share its queue. `entered_packets` counts what came to it.
    """

    index: int
    path: Path
    log: LinkLog | None
    capture: LinkCapture | None
    onward: "dict[int, SimulatedLink | Node]" = field(default_factory=dict)
    entered_packets: int = 0
    due_at: float = inf


@dataclass(slots=True)
class Route:
    """How packets of a flow get from one node to another; `sent_packets` numbers them."""

    flow: int
    first: SimulatedLink
    sent_packets: int = 0


@dataclass(slots=True)
class Node:
    """An endpoint with its address and its outgoing routes. `due_at` is its wake-up, after rounding."""

    index: int
    name: str
    address: Address
    endpoint: Endpoint
    routes: dict[Address, Route] = field(default_factory=dict)
    due_at: float = inf
    settled: bool = False
    called_at: float = -inf
    calls: int = 0  # at the instant `called_at`


class Simulator:
    """Runs nodes and links in virtual time; the same calls give the same run, bit by bit.

    `timer_resolution` is 0.0 (an endpoint wakes up exactly when it asked to) or, for instance, 0.001: then it wakes up
    a whole number of milliseconds after its timer was armed, rounded up, as under epoll. Its timer is armed anew after
    every call, as an event loop does. Deliveries of datagrams are not rounded.
    """

    def __init__(self, *, start_at: float = START_AT, timer_resolution: float = 0.0) -> None:
        if not 0 <= timer_resolution < inf:
            raise ValueError(f"timer_resolution: found {timer_resolution}, accepted is a number of seconds from 0")
        self.unroutable = 0  # packets to an address to which their node has no route
        self._now = start_at
        self._resolution = timer_resolution
        self._nodes: list[Node] = []
        self._links: list[SimulatedLink] = []
        self._by_address: dict[Address, Node] = {}
        self._events: list[
            tuple[float, int, int]
        ] = []  # a heap of (time, kind, index); old entries stay and are skipped

    @property
    def now(self) -> float:
        return self._now

    @property
    def routes(self) -> Mapping[tuple[Address, Address], Route]:
        """All routes by source and destination."""
        return {(node.address, to): route for node in self._nodes for to, route in node.routes.items()}

    def add_node(self, name: str, address: Address, endpoint: Endpoint) -> None:
        """Name and address are unique. The endpoint is looked at first when `run` begins, or by `settle`."""
        for node in self._nodes:
            if name == node.name or address == node.address:
                raise ValueError(
                    f"node {name!r} at {address}: name or address is taken by {node.name!r} at {node.address}"
                )
        node = Node(len(self._nodes), name, address, endpoint)
        self._nodes.append(node)
        self._by_address[address] = node

    def add_link(self, path: Path, *, log: LinkLog | None = None, capture: LinkCapture | None = None) -> SimulatedLink:
        """A link with a path of its own, for routes to lead over. `log` counts what passes, `capture` keeps the
        packets."""
        link = SimulatedLink(len(self._links), path, log, capture)
        self._links.append(link)
        return link

    def add_route(self, source: Address, destination: Address, over: Sequence[SimulatedLink], *, flow: int = 0) -> None:
        """Carry packets of a flow from the node at `source` to the one at `destination`, over one link or more.

        Several flows may pass a link, each once.
        """
        for address in (source, destination):
            if address not in self._by_address:
                addresses = ", ".join(str(node.address) for node in self._nodes)
                raise ValueError(
                    f"route {source} to {destination}: no node has the address {address}, there are: {addresses}"
                )
        node = self._by_address[source]
        if destination in node.routes:
            raise ValueError(f"route {source} to {destination}: there is one already")
        if any(flow in link.onward for link in over) or len({id(link) for link in over}) < len(over):
            raise ValueError(f"route {source} to {destination}: flow {flow} passes one of its links already")
        for link, following in pairwise(over):
            link.onward[flow] = following
        over[-1].onward[flow] = self._by_address[destination]
        node.routes[destination] = Route(flow, over[0])

    def settle(self, name: str) -> None:
        """Look at a node anew: call this after calling its endpoint from outside `run`. Raises KeyError."""
        self._settle(self._named(name))

    def replace(self, name: str, endpoint: Endpoint) -> None:
        """Let another endpoint be the node of that name from now on. Raises KeyError."""
        node = self._named(name)
        node.endpoint = endpoint
        self._settle(node)

    def run(self, *, until: float) -> None:
        """Let everything happen that happens at or before `until`, which is then `now`.

        A run may be cut in pieces without an influence on what happens. Raises LivelockError, and whatever an endpoint
        raises.
        """
        if until < self._now:
            raise ValueError(f"run until {until}: it is {self._now} already")
        for node in self._nodes:
            if not node.settled:
                self._settle(node)
        events = self._events
        while events and events[0][0] <= until:
            at, kind, index = heappop(events)
            if kind == _LINK:
                link = self._links[index]
                if link.due_at == at:
                    self._now = at
                    self._deliver(link)
            else:
                node = self._nodes[index]
                if node.due_at == at:
                    self._now = at
                    node.due_at = inf
                    self._count_call(node)
                    node.endpoint.handle_timer(now=at)
                    self._settle(node)
        self._now = until

    def _named(self, name: str) -> Node:
        for node in self._nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def _deliver(self, link: SimulatedLink) -> None:
        """Move a path to now, and hand what comes out of it to the next link of its route, or to its node."""
        now = self._now
        if link.log is not None:
            link.log.advance(now)
        packets = link.path.pop(now)
        if link.log is not None:
            link.log.delivered(packets)
        if link.capture is not None:
            link.capture.delivered(packets, now=now)
        self._arm_link(link)
        for packet in packets:
            onward = link.onward[packet.flow]
            if isinstance(onward, SimulatedLink):
                packet.at = now
                self._enter(onward, [packet])
                continue
            self._count_call(onward)
            onward.endpoint.receive_datagram(packet.data, packet.source, packet.ecn, now=now)
            self._settle(onward)

    def _settle(self, node: Node) -> None:
        """Send all that an endpoint has to send, and arm its timer."""
        now = self._now
        node.settled = True
        datagrams = node.endpoint.datagrams_to_send(now=now)
        if datagrams:
            self._send(node, datagrams)
        timer = node.endpoint.get_timer()
        due_at = inf if timer is None else self._wake_up(timer)
        if due_at != node.due_at:
            node.due_at = due_at
            if due_at < inf:
                heappush(self._events, (due_at, _NODE, node.index))

    def _send(self, node: Node, datagrams: Sequence[tuple[bytes, Address, int]]) -> None:
        """Packets of one instant enter a path together, route by route in the order of their first packet."""
        now = self._now
        packets_of: dict[Address, list[Packet]] = {}
        for data, destination, ecn in datagrams:
            route = node.routes.get(destination)
            if route is None:
                self.unroutable += 1
                continue
            size_bytes = len(data) + IP_UDP_HEADER_BYTES
            number = route.sent_packets
            packet = Packet(data, node.address, destination, ecn, size_bytes, number, now, now, route.flow)
            route.sent_packets += 1
            packets_of.setdefault(destination, []).append(packet)
        for destination, packets in packets_of.items():
            self._enter(node.routes[destination].first, packets)

    def _enter(self, link: SimulatedLink, packets: list[Packet]) -> None:
        """These packets come to a link now."""
        now = self._now
        link.entered_packets += len(packets)
        if link.log is not None:
            link.log.advance(now)
        if link.capture is not None:
            link.capture.sent(packets, now=now)
        link.path.push_all(packets)
        if link.log is not None:
            link.log.sent(packets)
        self._arm_link(link)

    def _arm_link(self, link: SimulatedLink) -> None:
        if link.log is None:
            link.path.gone.clear()  # a log would count them
        timer = link.path.get_timer()
        due_at = inf if timer is None else timer
        if due_at != link.due_at:
            link.due_at = due_at
            if due_at < inf:
                heappush(self._events, (due_at, _LINK, link.index))

    def _wake_up(self, timer: float) -> float:
        """When an endpoint wakes up that asks now for a call at `timer`."""
        now = self._now
        if timer <= now:
            return now
        if not self._resolution or timer == inf:
            return timer
        steps = ceil((timer - now) / self._resolution - 1e-6)  # 2.0000000001 steps are 2
        return max(timer, now + steps * self._resolution)

    def _count_call(self, node: Node) -> None:
        if node.called_at != self._now:
            node.called_at, node.calls = self._now, 0
        node.calls += 1
        if node.calls > _CALLS_PER_INSTANT:
            raise LivelockError(
                f"node {node.name!r} was called {_CALLS_PER_INSTANT} times at {self._now} s: either its timer "
                f"({node.endpoint.get_timer()}) stays in the past, or datagrams circle over links without delay"
            )
