"""One arm in virtual time: both pipelines and the network in one process, without a clock and without sockets.

The connection starts at START_AT and media at MEDIA_START, so that handshakes of different length do not shift the
media against the network; with `connect = "with-media"` it starts at MEDIA_START too, to see what they cost. After the
last capture the run goes on until the fate of every frame is known, at most DRAIN and the time for which frames are
held on purpose, by playout or by SRT's latency.
"""

from glassbench.experiments.account.arm_result import ArmResult, Outcome
from glassbench.experiments.account.assemble import assemble
from glassbench.experiments.account.reports import ROLES
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.capture import Capture
from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.end_report import receiver_report, sender_report
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.links import check_conservation, open_link, report
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.simulator import Simulator
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.cost import decode_cost, encode_cost
from glassbench.sender.encode_cache import CachedEncoder, EncodeCache
from glassbench.sender.pipeline import SenderPipeline
from glassbench.sender.size_model import SizeEncoder, SizeSource
from glassbench.transport.contract import Address, Unsupported

SLICE = 0.1  # virtual seconds between two looks at `stop` and two reports of progress

# The port of RTP media (RFC 3551). It names no protocol to Wireshark, which guesses by port before it looks.
SENDER: Address = ("192.0.2.1", 5004)
RECEIVER: Address = ("192.0.2.2", 5004)

_PLACES = {"sender": Place(SENDER, RECEIVER), "receiver": Place(RECEIVER, SENDER)}


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
    result. Raises what its `check` raises; any other exception that comes out of here is a defect of the arm."""
    try:
        session = _Session(scenario, arm, reuse.cache, capture)
    except Unsupported as error:
        if capture is not None:
            capture.remove()
        return ArmResult(arm.label, "unsupported", str(error))
    if session.run(watch or Watch()):
        return session.result("measured", None, reuse.memo if quality else None)
    return session.result("incomplete", f"interrupted after {max(0.0, session.now - MEDIA_START):.1f} s of media", None)


class _Session:
    """The two ends of an arm and the network between them."""

    def __init__(self, scenario: Scenario, arm: ArmSpec, cache: EncodeCache, capture: Capture | None) -> None:
        self._scenario = scenario
        self._capture = capture
        self._ends = Ends(scenario, arm)
        self._start_at = self._ends.start_at
        self._sender, self._receiver = self._pipelines(cache)
        self._simulator = Simulator(start_at=self._start_at, timer_resolution=scenario.timer_resolution)
        self._simulator.add_node("sender", SENDER, self._sender)
        self._simulator.add_node("receiver", RECEIVER, self._receiver)
        self._down = open_link(scenario, "down", start_at=self._start_at, media_start=MEDIA_START)
        self._up = open_link(scenario, "up", start_at=self._start_at, media_start=MEDIA_START)
        for link, source, destination in ((self._down, SENDER, RECEIVER), (self._up, RECEIVER, SENDER)):
            tap = None if capture is None else capture.link(link.direction)
            self._simulator.add_link(source, destination, link.path, log=link.log, capture=tap)

    @property
    def now(self) -> float:
        return self._simulator.now

    def run(self, watch: Watch) -> bool:
        """Run to the end; False if `watch` said stop before."""
        media_end = MEDIA_START + self._scenario.duration
        self._receiver.connect(now=self._start_at)
        self._sender.connect(now=self._start_at)
        steps = 0
        while self.now < (last := self._ends.last) and not (self.now > media_end and self._all_decided()):
            if watch.stop():
                return False
            steps += 1
            self._simulator.run(until=min(self._start_at + steps * SLICE, last))
            watch.progress((self.now - self._start_at) / (last - self._start_at))
            if self._capture is not None:
                self._capture.check()
        self._receiver.finish(now=self.now)
        return True

    def result(self, outcome: Outcome, reason: str | None, memo: QualityMemo | None) -> ArmResult:
        """What was measured until now; with picture quality if there is a memo."""
        for link, ends in ((self._down, (SENDER, RECEIVER)), (self._up, (RECEIVER, SENDER))):
            check_conservation(link, self._simulator.links[ends].sent_packets)
        return assemble(
            self._scenario,
            self._ends.arm,
            self._ends.source,
            {
                "sender": sender_report(self._sender, ended_at=self.now),
                "receiver": receiver_report(self._receiver, ended_at=self.now),
            },
            [report(link, self.now, media_start=MEDIA_START) for link in (self._down, self._up)],
            outcome=outcome,
            reason=reason,
            memo=memo,
        )

    def _pipelines(self, cache: EncodeCache) -> tuple[SenderPipeline, ReceiverPipeline]:
        """Both ends. Raises Unsupported."""
        ends, video = self._ends, self._scenario.video
        observers = {end: None if self._capture is None else self._capture.observer(end) for end in ROLES}
        configs = {end: ends.config(end, _PLACES[end], observers[end]) for end in ROLES}
        sender, receiver = (ends.transport(end, configs[end]) for end in ROLES)
        if self._capture is not None:
            self._capture.describe(ends.arm.transport, configs["sender"], now=self._start_at)
        encoder: SizeEncoder | CachedEncoder
        if isinstance(ends.source, SizeSource):
            encoder = SizeEncoder(ends.source, video.settings())
        else:
            encoder = CachedEncoder(ends.source, video.settings(), cache)
        width, height = ends.picture_size
        return (
            ends.sender(sender, encoder, encode_cost(video.encode_cost_name, width=width, height=height)),
            ends.receiver(receiver, ends.decoder(), decode_cost(video.decode_cost_name, width=width, height=height)),
        )

    def _all_decided(self) -> bool:
        claim = Claim.of(self._sender, now=self.now)
        return claim is not None and claim.decided_by(self._receiver.records)
