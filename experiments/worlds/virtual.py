"""One arm in virtual time: both pipelines and the network in one process, without a clock and without sockets.

The connection starts at START_AT and media at MEDIA_START, so that handshakes of different length do not shift the
media against the network; with `connect = "with-media"` it starts at MEDIA_START too, to see what they cost. After the
last capture the run goes on until the fate of every frame is known, at most DRAIN and the time for which frames are
held on purpose, by playout or by SRT's latency.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from glassbench.experiments.account import ledger
from glassbench.experiments.account.arm_result import ArmResult, Outcome
from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.link_table import link_table
from glassbench.experiments.account.notes import with_notes
from glassbench.experiments.account.picture_quality import with_quality
from glassbench.experiments.account.summary import summarize_arm
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.capture import Capture
from glassbench.experiments.worlds.ends import Ends, Place, Role
from glassbench.experiments.worlds.links import check_conservation, link_rows, open_link
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

_ROLES: tuple[Role, Role] = ("sender", "receiver")
_PLACES = {"sender": Place(SENDER, RECEIVER), "receiver": Place(RECEIVER, SENDER)}


@dataclass(frozen=True)
class Reuse:
    """What arms of one process share: encoded frames and compared pictures. It saves work and changes no result."""

    cache: EncodeCache
    memo: QualityMemo


def run_arm(
    scenario: Scenario,
    arm: ArmSpec,
    reuse: Reuse,
    *,
    progress: Callable[[float], None] = lambda share: None,
    stop: Callable[[], bool] = lambda: False,
    quality: bool = True,
    capture: Capture | None = None,
) -> ArmResult:
    """Run one arm. `progress` is told the share that is done; when `stop` turns true, what was measured so far is
    returned as "incomplete". `capture` changes no result. Raises what its `check` raises; any other exception that
    comes out of here is a defect of the arm."""
    try:
        session = _Session(scenario, arm, reuse.cache, capture)
    except Unsupported as error:
        if capture is not None:
            capture.remove()
        return ArmResult(arm.label, "unsupported", str(error))
    if session.run(progress, stop):
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

    def run(self, progress: Callable[[float], None], stop: Callable[[], bool]) -> bool:
        """Run to the end; False if `stop` came first."""
        media_end = MEDIA_START + self._scenario.duration
        self._receiver.connect(now=self._start_at)
        self._sender.connect(now=self._start_at)
        steps = 0
        while self.now < (last := self._ends.last) and not (self.now > media_end and self._all_decided()):
            if stop():
                return False
            steps += 1
            self._simulator.run(until=min(self._start_at + steps * SLICE, last))
            progress((self.now - self._start_at) / (last - self._start_at))
            if self._capture is not None:
                self._capture.check()
        self._receiver.finish(now=self.now)
        return True

    def result(self, outcome: Outcome, reason: str | None, memo: QualityMemo | None) -> ArmResult:
        """What was measured until now; with picture quality if there is a memo."""
        frames = ledger.join(self._sender.captured, self._receiver.records.values(), media_start=MEDIA_START)
        for link, ends in ((self._down, (SENDER, RECEIVER)), (self._up, (RECEIVER, SENDER))):
            check_conservation(link, self._simulator.links[ends].sent_packets)
        if memo is not None and not isinstance(self._ends.source, SizeSource):
            frames = with_quality(
                frames,
                self._receiver.decoded,
                self._ends.source,
                media=self._scenario.video.codec,
                media_start=MEDIA_START,
                memo=memo,
            )
        table = link_table(link_rows((self._down, self._up), self.now, media_start=MEDIA_START))
        result = ArmResult(
            self._ends.arm.label,
            outcome,
            reason,
            ledger=frames,
            links=table,
            summary=summarize_arm(self._scenario, frames, table, now=self.now),
            stats=self._stats(),
            impairments={link.direction: link.impairments() for link in (self._down, self._up)},
            notes=tuple(self._ends.source.notes),
        )
        return with_notes(result, self._scenario)

    def _pipelines(self, cache: EncodeCache) -> tuple[SenderPipeline, ReceiverPipeline]:
        """Both ends. Raises Unsupported."""
        ends, video = self._ends, self._scenario.video
        observers = {end: None if self._capture is None else self._capture.observer(end) for end in _ROLES}
        configs = {end: ends.config(end, _PLACES[end], observers[end]) for end in _ROLES}
        sender, receiver = (ends.transport(end, configs[end]) for end in _ROLES)
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
        """Whether nothing can happen any more to any frame: given up by the sender, or decided at the receiver."""
        received = self._receiver.records
        return self._sender.finished(now=self.now) and all(
            record.given_up is not None
            or ((half := received.get((record.track, record.sequence))) is not None and half.outcome is not None)
            for record in self._sender.captured
        )

    def _stats(self) -> dict[str, Any]:
        return {
            "sender": dict(self._sender.stats()),
            "receiver": dict(self._receiver.stats()),
            "keyframe_requests": self._receiver.keyframe_requests,
            "stamp_errors": self._receiver.stamp_errors,
            "stamp_unreadable": self._receiver.stamp_unreadable,
            "connection": {
                "sender": asdict(Connection.of(self._sender)),
                "receiver": asdict(Connection.of(self._receiver)),
            },
            "ended_at": round(self.now - MEDIA_START, 6),
        }
