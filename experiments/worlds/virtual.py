"""One arm in virtual time: the ends of its flows and the network in one process, without a clock and without sockets.

The connection starts at START_AT and media at MEDIA_START, so that handshakes of different length do not shift the
media against the network; with `connect = "with-media"` it starts at MEDIA_START too, to see what they cost. A flow
that starts later does both as much later. After the last capture the run goes on until the fate of every frame is
known, at most DRAIN and the time for which frames are held on purpose, by playout or by SRT's latency. Then both ends
close, and GOODBYE is left for what that takes, which is no part of what was measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from glassbench.experiments.account.arm_result import ArmResult, Outcome
from glassbench.experiments.account.assemble import assemble
from glassbench.experiments.account.reports import ROLES, EndReport, Role
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.flow import Flow
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.capture import Capture
from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.end_report import receiver_report, sender_report
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.links import check_conservation, links_of, open_links, passages_of, report
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.shown_slices import ShownSlice, ShownSlices
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.packet import MEDIA_PORT
from glassbench.netem.simulator import START_AT, Simulator
from glassbench.receiver.quality import QualityMemo
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.cost import decode_cost, encode_cost
from glassbench.sender.encode_cache import CachedEncoder, EncodeCache
from glassbench.sender.end import SenderEnd
from glassbench.sender.size_model import SizeEncoder, SizeSource
from glassbench.transport.contract import Address, Datagram, Transport

GOODBYE = 1.0  # virtual seconds in which the network carries how connections end
SLICE = 0.1  # virtual seconds between two looks at `stop` and two reports of progress


def addresses(flow: int) -> tuple[Address, Address]:
    """The addresses of the sender and of the receiver of a flow, by its number (RFC 5737)."""
    return (f"192.0.2.{2 * flow + 1}", MEDIA_PORT), (f"192.0.2.{2 * flow + 2}", MEDIA_PORT)


def run_arm(
    scenario: Scenario,
    arm: ArmSpec,
    reuse: Reuse,
    watch: Watch | None = None,
    *,
    quality: bool = True,
    capture: Capture | None = None,
) -> ArmResult:
    """Run one arm. When `watch` says stop, what was measured so far is returned as "incomplete". `capture` changes no
    result. Raises Unsupported, and what its `check` raises; any other exception is a defect of the arm."""
    session = _Session(scenario, arm, reuse.cache, capture)
    watch = watch or Watch()
    if session.run(watch):
        return session.result("measured", None, reuse.memo if quality else None, watch.stop)
    return session.result("incomplete", f"interrupted after {max(0.0, session.now - MEDIA_START):.1f} s of media", None)


class _FlowEnds:
    """Both ends of a flow in virtual time."""

    def __init__(self, flow: Flow, number: int, cache: EncodeCache, capture: Capture | None) -> None:
        """Raises Unsupported."""
        self.ends = ends = Ends(flow)
        self.addresses = here, there = addresses(number)
        places = {"sender": Place(here, there), "receiver": Place(there, here)}
        observers = {role: None if capture is None else capture.observer(role, flow.name) for role in ROLES}
        configs = {role: ends.config(role, places[role], observers[role]) for role in ROLES}
        transports = {role: ends.transport(role, configs[role]) for role in ROLES}
        if capture is not None:
            capture.describe(flow.arm.transport, configs["sender"], now=ends.start_at)
        self.transports = transports
        self.sender = self._sender(transports["sender"], cache)
        width, height = ends.picture_size
        cost = decode_cost(flow.video.decode_cost_name, width=width, height=height)
        kept = flow.name == MEDIA  # its pictures are looked at
        self.receiver = ends.receiver(transports["receiver"], ends.decoder(), cost, keep_decoded=kept)
        self._slices = ShownSlices(ends, self._captured_at)

    def node(self, role: Role) -> str:
        """The name of an end in the simulator."""
        return f"{self.ends.flow.name} {role}"

    def decided(self, *, now: float) -> bool:
        """Whether all media are captured, and every frame has its fate."""
        if now <= self.ends.media_end:
            return False
        claim = Claim.of(self.sender, now=now)
        return claim is not None and claim.decided_by(self.receiver.records)

    def shown(self, *, now: float) -> ShownSlice | None:
        """What was shown of its video since the last slice; None if the next one has not ended."""
        return None if self.ends.flow.greedy else self._slices.look(self.receiver.records, now=now)

    def reports(self, *, now: float) -> tuple[EndReport, EndReport]:
        """What both ends wrote down."""
        name = self.ends.flow.name
        return (
            sender_report(self.sender, ended_at=now, flow=name),
            receiver_report(self.receiver, ended_at=now, flow=name),
        )

    def _captured_at(self, record: ReceivedRecord) -> float | None:
        sent = self.sender.records.get((record.track, record.sequence))
        return None if sent is None else sent.captured_at

    def _sender(self, transport: Transport, cache: EncodeCache) -> SenderEnd:
        ends, video = self.ends, self.ends.flow.video
        if ends.flow.greedy:
            return ends.greedy_sender(transport)
        encoder: SizeEncoder | CachedEncoder
        if isinstance(ends.source, SizeSource):
            encoder = SizeEncoder(ends.source, ends.encoder_settings)
        else:
            encoder = CachedEncoder(ends.source, ends.encoder_settings, cache)
        width, height = ends.picture_size
        return ends.sender(transport, encoder, encode_cost(video.encode_cost_name, width=width, height=height))


class _Closing:
    """A transport by itself: nobody hears what it says any more."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self._transport.receive_datagram(data, peer, ecn, now=now)

    def datagrams_to_send(self, *, now: float) -> Sequence[Datagram]:
        while self._transport.next_event() is not None:
            pass
        return self._transport.datagrams_to_send(now=now)

    def get_timer(self) -> float | None:
        return self._transport.get_timer()

    def handle_timer(self, *, now: float) -> None:
        self._transport.handle_timer(now=now)


class _Session:
    """The flows of an arm, and the network between their ends."""

    def __init__(self, scenario: Scenario, arm: ArmSpec, cache: EncodeCache, capture: Capture | None) -> None:
        self._scenario = scenario
        self._arm = arm
        self._capture = capture
        self._start_at = MEDIA_START if scenario.connect == "with-media" else START_AT
        self._links = open_links(scenario, start_at=self._start_at, media_start=MEDIA_START)
        self._simulator = Simulator(start_at=self._start_at, timer_resolution=scenario.timer_resolution)
        self._carriers = {
            key: self._simulator.add_link(
                link.path, log=link.log, capture=None if capture is None else capture.link(link.name)
            )
            for key, link in self._links.items()
        }
        self._flows = [_FlowEnds(flow, number, cache, capture) for number, flow in enumerate(scenario.flows(arm))]
        self._connecting = sorted(
            zip(range(len(self._flows)), self._flows, scenario.routes(), strict=True),
            key=lambda flow: flow[1].ends.start_at,  # of equal ones in their order
        )

    @property
    def now(self) -> float:
        return self._simulator.now

    def run(self, watch: Watch) -> bool:
        """Run to the end; False if `watch` said stop before."""
        last = max(flow.ends.last for flow in self._flows)
        steps = 0
        self._connect()
        while self.now < last and not all(flow.decided(now=self.now) for flow in self._flows):
            if watch.stop():
                return False
            steps += 1
            self._run(until=min(self._start_at + steps * SLICE, last))
            watch.progress((self.now - self._start_at) / (last - self._start_at))
            if watch.shown is not None and (shown := self._flows[0].shown(now=self.now)) is not None:
                watch.shown(shown)
            if self._capture is not None:
                self._capture.check()
        for flow in self._flows:
            flow.receiver.finish(now=self.now)
        return True

    def result(
        self,
        outcome: Outcome,
        reason: str | None,
        memo: QualityMemo | None,
        stop: Callable[[], bool] = lambda: False,
    ) -> ArmResult:
        """What was measured until now; with picture quality if there is a memo, unless somebody says stop."""
        for key, link in self._links.items():
            check_conservation(link, self._carriers[key].entered_packets, now=self.now)
        ends = [report for flow in self._flows for report in flow.reports(now=self.now)]
        links = [report(link, self.now, media_start=MEDIA_START) for link in self._links.values()]
        if outcome == "measured":
            self._close()
            links = [
                replace(each, passages=passages_of(link), until_closed=True)
                for each, link in zip(links, self._links.values(), strict=True)
            ]
        return assemble(
            self._scenario,
            self._arm,
            self._flows[0].ends.source,
            ends,
            links,
            outcome=outcome,
            reason=reason,
            memo=memo,
            stop=stop,
        )

    def _close(self) -> None:
        """Close all connections, after everything else has been written down."""
        if self._capture is not None:
            self._capture.end()
        for flow in self._flows:
            for role, transport in flow.transports.items():
                self._simulator.replace(flow.node(role), _Closing(transport))
            flow.transports["sender"].close(now=self.now)
            self._simulator.settle(flow.node("sender"))
        self._simulator.run(until=self.now + GOODBYE)

    def _run(self, *, until: float) -> None:
        """Run on until an instant, and let flows connect when their time comes."""
        while self._connecting and (at := self._connecting[0][1].ends.start_at) <= until:
            self._simulator.run(until=max(self.now, at))
            self._connect()
        self._simulator.run(until=until)

    def _connect(self) -> None:
        """Connect the flows whose time has come."""
        while self._connecting and self._connecting[0][1].ends.start_at <= self.now:
            number, flow, route = self._connecting.pop(0)
            here, there = flow.addresses
            self._simulator.add_node(flow.node("sender"), here, flow.sender)
            self._simulator.add_node(flow.node("receiver"), there, flow.receiver)
            forward, back = links_of(route, self._carriers)
            self._simulator.add_route(here, there, forward, flow=number)
            self._simulator.add_route(there, here, back, flow=number)
            flow.receiver.connect(now=self.now)
            flow.sender.connect(now=self.now)
