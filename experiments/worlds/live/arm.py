"""One arm live: processes on this host, two for each flow and the emulator, and one account of what they wrote down.

Their sockets are opened here; session time is the same for all of them.
"""

import pickle
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

from glassbench.experiments.account.arm_result import ArmResult, Outcome
from glassbench.experiments.account.assemble import assemble
from glassbench.experiments.account.reports import ROLES, LinkReport
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec, carries_messages
from glassbench.experiments.scenario.arm_table import ARMS
from glassbench.experiments.scenario.network_spec import NetworkSpec
from glassbench.experiments.scenario.peers import PeerEntry
from glassbench.experiments.worlds.capture import Capture
from glassbench.experiments.worlds.ends import Ends, Place, check_real_time
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.environment import Environment
from glassbench.experiments.worlds.live.kernel_commands import NotInKernel
from glassbench.experiments.worlds.live.log import end_of, open_log
from glassbench.experiments.worlds.live.part import NOT_CONNECTED, PartReport
from glassbench.experiments.worlds.live.processes import PartError, await_end, await_ready, end_all, start, tell
from glassbench.experiments.worlds.live.replay import replay
from glassbench.experiments.worlds.live.task import EMULATOR, HostPlug, Task, part_name
from glassbench.experiments.worlds.live.wiring import End, kernel_commands, wire, wire_peers
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.scheduling import spare_processor
from glassbench.netem.packet import Address
from glassbench.receiver.quality import QualityMemo
from glassbench.transport.contract import Unsupported

MOST_LATE_MS = 1.0  # of 99 % of the packets: with more, the emulator was not the link that was commanded
# Of the length of the media: what one pause of a part may take, and all of its together. With more, what they moved is
# in the 99th or in the 95th percentile.
LONGEST_PAUSE, MOST_PAUSED = 0.01, 0.05
ATTEMPTS = 3

_NO_LINK = "the emulator host is no link of ours: it is for endpoints by address (docs/peers.md)"


@dataclass(frozen=True)
class _Attempt:
    """One run of all parts, and how well the machine kept time in it."""

    number: int
    parts: Mapping[str, PartReport]  # by the name of the part
    addresses: Mapping[End, Address]
    machine: Mapping[str, Any]
    duration: float

    @property
    def late_ms(self) -> float:
        """How late 99 % of the packets left the emulator at most, in ms."""
        emulator = self.parts.get(EMULATOR)
        return max((way["p99_ms"] for way in emulator.process.lateness.values()), default=0.0) if emulator else 0.0

    @property
    def links(self) -> tuple[LinkReport, ...]:
        """What passed, if there was a link of ours."""
        return self.parts[EMULATOR].links if EMULATOR in self.parts else ()

    def paused(self, which: str) -> float:
        """The "longest" or the "total" pause of a part, as a share of the media."""
        pauses = [part.process.pauses.get(f"{which}_ms", 0.0) for part in self.parts.values()]
        return max(pauses) / 1e3 / self.duration

    @property
    def failure(self) -> str | None:
        """In which sentence a peer failed, if it did. An end that fails keeps the other one from connecting."""
        sentences = [part.failed for part in self.parts.values() if part.failed is not None]
        return min(sentences, key=lambda sentence: sentence.endswith(NOT_CONNECTED), default=None)

    @property
    def is_over(self) -> bool:
        """Whether no other attempt would be better."""
        return self.is_quiet or self.failure is not None

    @property
    def is_a_measurement(self) -> bool:
        return self.late_ms <= MOST_LATE_MS

    @property
    def is_quiet(self) -> bool:
        return self.is_a_measurement and self.paused("longest") <= LONGEST_PAUSE and self.paused("total") <= MOST_PAUSED


def run_arm(
    scenario: Scenario,
    arm: ArmSpec,
    memo: QualityMemo | None,
    watch: Watch | None = None,
    *,
    emulator: Emulator = "netns",
    capture: Capture | None = None,
) -> ArmResult:
    """Run one arm on real sockets, in real time; `memo` None leaves out the quality of the pictures.

    A run in which the emulator was late, because the machine had other things to do, is no measurement: it is repeated,
    ATTEMPTS times in all, and then "failed". One in which a part stood still for long is repeated, too; the least of
    them is kept, and has a note. When `watch` says stop, what was measured so far is "incomplete". Raises Unsupported
    and PartError.
    """
    watch = watch or Watch()
    if emulator == "host":
        scenario = scenario.model_copy(update={"network": NetworkSpec()})
    _check_supported(scenario, arm, emulator)
    attempts: list[_Attempt] = []
    interrupted = False
    while not interrupted and len(attempts) < ATTEMPTS and not any(attempt.is_over for attempt in attempts):
        try:
            attempt = _run_parts(
                scenario,
                arm,
                emulator,
                watch,
                quality=memo is not None,
                capture=capture is not None,
                number=len(attempts) + 1,
            )
        except PartError as error:
            if not error.logs:
                raise
            told = {role: {"log": log} for role, log in error.logs.items()}
            return ArmResult(arm.label, "failed", str(error), stats={"peer": told})
        attempts.append(attempt)
        interrupted = watch.stop()
        for part in attempts[-1].parts.values():
            if part.unsupported is not None:
                raise Unsupported(part.unsupported)
    measured = [attempt for attempt in attempts if attempt.is_a_measurement]
    outcome: Outcome
    reason: str | None
    if interrupted:
        kept, outcome, reason = attempts[-1], "incomplete", "interrupted"
    elif attempts[-1].failure is not None:
        kept, outcome, reason = attempts[-1], "failed", attempts[-1].failure
    elif measured:
        kept, outcome, reason = min(measured, key=lambda attempt: attempt.paused("total")), "measured", None
    else:
        kept, outcome = attempts[-1], "failed"
        reason = (
            f"the machine was busy: in {ATTEMPTS} runs of this arm 99 % of the packets left the emulator later than by "
            f"{MOST_LATE_MS:g} ms (the last time by {kept.late_ms:g} ms)"
        )
    missing = [] if capture is None else _write_capture(capture, scenario, arm, kept)
    return assemble(
        scenario,
        arm,
        Ends(scenario.media(arm)).source,
        [part.end for part in kept.parts.values() if part.end is not None],
        kept.links,
        outcome=outcome,
        reason=reason,
        memo=memo if outcome == "measured" else None,
        stop=watch.stop,
        about={"live": {"attempt": kept.number, "machine": kept.machine, **_processes(kept)}, **_peers(kept)},
        notes=[*_left_out(scenario, arm, emulator), *missing],
    )


def _left_out(scenario: Scenario, arm: ArmSpec, emulator: Emulator) -> list[str]:
    notes = []
    if scenario.chat is not None and not carries_messages(arm):
        notes.append(f"{arm.transport} carries nothing but video: the messages of the scenario were left out")
    if emulator == "host":
        notes.append("what is between both ends is not ours: the network of the scenario was left out")
    return notes


def _processes(attempt: _Attempt) -> dict[str, Any]:
    return {name: asdict(part.process) for name, part in attempt.parts.items()}


def _peers(attempt: _Attempt) -> dict[str, Any]:
    """What is to be known of both ends of a peer."""
    told = {name: dict(part.peer) for name, part in attempt.parts.items() if part.peer}
    return {"peer": told} if told else {}


def _write_capture(capture: Capture, scenario: Scenario, arm: ArmSpec, attempt: _Attempt) -> list[str]:
    told = {}
    for number, flow in enumerate(scenario.flows(arm)):
        ends = Ends(flow)
        place = Place(attempt.addresses[number, "sender"], attempt.addresses[number, "receiver"])
        capture.describe(flow.arm.transport, ends.config("sender", place), now=ends.start_at)
        for role in ROLES:
            if (said := attempt.parts[part_name(flow.name, role)].told) is not None:
                told[flow.name, role] = said
    emulator = attempt.parts[EMULATOR]
    assert emulator.recording is not None
    return replay(capture, emulator.recording, [link.name for link in emulator.links], told)


def _check_supported(scenario: Scenario, arm: ArmSpec, emulator: Emulator) -> None:
    """Raises Unsupported."""
    if emulator == "kernel":
        try:
            kernel_commands(scenario)
        except NotInKernel as error:
            raise Unsupported(str(error)) from None
    entry = ARMS[arm.transport]
    if isinstance(entry, PeerEntry):
        _check_peer(scenario, arm, entry, emulator)
        return
    if emulator == "host":
        raise Unsupported(_NO_LINK)
    nowhere: Address = ("127.0.0.1", 9)
    for flow in scenario.flows(arm):
        check_real_time(flow)
        ends = Ends(flow)
        for role in ROLES:
            ends.transport(role, ends.config(role, Place(nowhere, nowhere)))


def _check_peer(scenario: Scenario, arm: ArmSpec, entry: PeerEntry, emulator: Emulator) -> None:
    """Raises Unsupported."""
    if entry.elsewhere and emulator != "host":
        raise Unsupported(f"{arm.transport} is reached over the network of this host as it is: --live --emulator host")
    if emulator == "host" and not entry.elsewhere:
        raise Unsupported(_NO_LINK)
    if emulator not in ("netns", "host"):
        raise Unsupported(f"{arm.transport} runs between network namespaces only, not through the emulator {emulator}")
    if len(scenario.routes()) > 1:
        raise Unsupported(f"{arm.transport} runs alone: a peer shares its network with no other flow")
    (flow,) = scenario.flows(arm)
    entry.load().check_ends(Ends(flow))


def _run_parts(
    scenario: Scenario,
    arm: ArmSpec,
    emulator: Emulator,
    watch: Watch,
    *,
    quality: bool,
    capture: bool,
    number: int,
) -> _Attempt:
    """Run all parts. Returns what each of them wrote down. Whatever happens, no process and no file is left. Raises
    PartError."""
    flows = scenario.flows(arm)
    with ExitStack() as cleanup:
        # Files without a name: they are gone with their last process, however that ends.
        names = {part_name(flow.name, role): (n, role) for n, flow in enumerate(flows) for role in reversed(ROLES)}
        is_peer = isinstance(ARMS[arm.transport], PeerEntry) and emulator == "netns"
        wiring = wire_peers(scenario, cleanup) if is_peer else wire(emulator, scenario, cleanup)
        emulators = [EMULATOR] if wiring.ports else []
        results = {name: cleanup.enter_context(tempfile.TemporaryFile()) for name in (*emulators, *names)}
        logs = {
            name: cleanup.enter_context(open_log())
            for name, end in names.items()
            if isinstance(wiring.ends[end], HostPlug)
        }
        parts: dict[str, subprocess.Popen[bytes]] = {}
        cleanup.callback(end_all, parts)
        cleanup.enter_context(_logs_told(logs))
        for name, result in results.items():
            end = names.get(name)
            task = Task(
                role=None if end is None else end[1],
                flow=0 if end is None else end[0],
                scenario=scenario.dump(),
                arm=arm.label,
                quality=quality,
                capture=capture,
                watched=watch.shown is not None,
                processor=None if emulator == "kernel" else spare_processor(number),
                result=result.fileno(),
                plug=None if end is None else wiring.ends[end],
                ports=wiring.ports if end is None else (),
            )
            parts[name] = start(name, task, logs.get(name))
        for name, part in parts.items():
            await_ready(name, part)
        origin = monotonic_ns() + 200_000_000
        for name, part in parts.items():
            tell(name, part, f"{origin}\n")
        environment = Environment()
        await_end(parts, LiveClock(origin), [Ends(flow) for flow in flows], watch, logs)
        reports: dict[str, PartReport] = {}
        for name, file in results.items():
            file.seek(0)
            reports[name] = pickle.load(file)  # written by our own processes
        return _Attempt(number, reports, wiring.addresses, environment.summary(), scenario.duration)


@contextmanager
def _logs_told(logs: Mapping[str, IO[bytes]]) -> Iterator[None]:
    """If a part ends before it is over, its error has the end of what stacks wrote."""
    try:
        yield
    except PartError as error:
        error.logs = {name: end_of(log) for name, log in logs.items()}
        raise
