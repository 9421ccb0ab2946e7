"""One arm live: three processes on this host, and one ledger of what both ends wrote down.

Sender, emulator and receiver have sockets that are opened here; session time is the same for all three.
"""

import pickle
import select
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

from glassbench.experiments.account.arm_result import ArmResult, Outcome
from glassbench.experiments.account.assemble import assemble
from glassbench.experiments.account.reports import ROLES, EndReport, Role
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.worlds.capture import Capture
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.environment import Environment
from glassbench.experiments.worlds.live.kernel_commands import NotInKernel
from glassbench.experiments.worlds.live.part import PartReport
from glassbench.experiments.worlds.live.replay import replay
from glassbench.experiments.worlds.live.task import PART_ROLES, PartRole, Task
from glassbench.experiments.worlds.live.wiring import kernel_commands, wire
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.isolated_python import python_command
from glassbench.netem.live.scheduling import spare_processor
from glassbench.netem.packet import Address
from glassbench.receiver.quality import QualityMemo
from glassbench.transport.contract import Unsupported

READY_PATIENCE = 60.0  # seconds for a part to import everything
END_PATIENCE = 20.0  # seconds after the end of the run for a part to write what it knows
MOST_LATE_MS = 1.0  # of 99 % of the packets: with more, the emulator was not the link that was commanded
# Of the length of the media: what one pause of a part may take, and all of its together. With more, what they moved is
# in the 99th or in the 95th percentile.
LONGEST_PAUSE, MOST_PAUSED = 0.01, 0.05
ATTEMPTS = 3


class PartError(RuntimeError):
    """A part of an arm ended before it was over."""


@dataclass(frozen=True)
class _Attempt:
    """One run of all parts, and how well the machine kept time in it."""

    number: int
    parts: Mapping[PartRole, PartReport]
    addresses: Mapping[str, Address]
    machine: Mapping[str, Any]
    duration: float

    @property
    def late_ms(self) -> float:
        """By how much 99 % of the packets left the emulator later than commanded, at most."""
        return max((way["p99_ms"] for way in self.parts["emulator"].process.lateness.values()), default=0.0)

    def paused(self, which: str) -> float:
        """The "longest" or the "total" pause of a part, as a share of the media."""
        pauses = [part.process.pauses.get(f"{which}_ms", 0.0) for part in self.parts.values()]
        return max(pauses) / 1e3 / self.duration

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
    them is kept, and has a note. When `watch` says stop, what was measured so far is "incomplete". Raises PartError.
    """
    watch = watch or Watch()
    try:
        _check_supported(scenario, arm, emulator)
    except (Unsupported, NotInKernel) as error:
        if capture is not None:
            capture.remove()
        return ArmResult(arm.label, "unsupported", str(error))
    attempts: list[_Attempt] = []
    interrupted = False
    while not interrupted and len(attempts) < ATTEMPTS and not any(attempt.is_quiet for attempt in attempts):
        attempts.append(
            _run_parts(
                scenario,
                arm,
                emulator,
                watch,
                quality=memo is not None,
                capture=capture is not None,
                number=len(attempts) + 1,
            )
        )
        interrupted = watch.stop()
    measured = [attempt for attempt in attempts if attempt.is_a_measurement]
    outcome: Outcome
    if interrupted:
        kept, outcome, reason = attempts[-1], "incomplete", "interrupted"
    elif measured:
        kept, outcome, reason = min(measured, key=lambda attempt: attempt.paused("total")), "measured", None
    else:
        kept, outcome = attempts[-1], "failed"
        reason = (
            f"the machine was busy: in {ATTEMPTS} runs of this arm 99 % of the packets left the emulator later than by "
            f"{MOST_LATE_MS:g} ms (the last time by {kept.late_ms:g} ms)"
        )
    missing = [] if capture is None else _write_capture(capture, scenario, arm, kept)
    ends: dict[Role, EndReport] = {role: report for role in ROLES if (report := kept.parts[role].end) is not None}
    return assemble(
        scenario,
        arm,
        Ends(scenario, arm).source,
        ends,
        kept.parts["emulator"].links,
        outcome=outcome,
        reason=reason,
        memo=memo if outcome == "measured" else None,
        about={"live": {"attempt": kept.number, "machine": kept.machine, **_processes(kept)}},
        notes=missing,
    )


def _processes(attempt: _Attempt) -> dict[str, Any]:
    return {role: asdict(part.process) for role, part in attempt.parts.items()}


def _write_capture(capture: Capture, scenario: Scenario, arm: ArmSpec, attempt: _Attempt) -> list[str]:
    ends = Ends(scenario, arm)
    config = ends.config("sender", Place(attempt.addresses["sender"], attempt.addresses["receiver"]))
    capture.describe(arm.transport, config, now=ends.start_at)
    recording = attempt.parts["emulator"].recording
    assert recording is not None
    return replay(capture, recording, {role: told for role in ROLES if (told := attempt.parts[role].told) is not None})


def _check_supported(scenario: Scenario, arm: ArmSpec, emulator: Emulator) -> None:
    """Raises Unsupported, NotInKernel."""
    if emulator == "kernel":
        kernel_commands(scenario)
    ends = Ends(scenario, arm)
    nowhere: Address = ("127.0.0.1", 9)
    for role in ROLES:
        ends.transport(role, ends.config(role, Place(nowhere, nowhere)))


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
    """What each part wrote down. Whatever happens, no process and no file is left. Raises PartError."""
    with ExitStack() as cleanup:
        # Files without a name: they are gone with their last process, however that ends.
        results = {role: cleanup.enter_context(tempfile.TemporaryFile()) for role in PART_ROLES}
        wiring = wire(emulator, scenario, cleanup)
        plugs = {"sender": wiring.sender, "receiver": wiring.receiver}
        parts: dict[PartRole, subprocess.Popen[bytes]] = {}
        cleanup.callback(_end_all, parts)
        for role in PART_ROLES:
            parts[role] = _start(
                Task(
                    role=role,
                    scenario=scenario.dump(),
                    arm=arm.label,
                    quality=quality,
                    capture=capture,
                    processor=None if emulator == "kernel" else spare_processor(number),
                    result=results[role].fileno(),
                    plug=plugs.get(role),
                    ports=wiring.ports if role == "emulator" else (),
                )
            )
        for role, part in parts.items():
            _await_ready(role, part)
        origin = monotonic_ns() + 200_000_000
        for role, part in parts.items():
            _tell(role, part, f"{origin}\n")
        environment = Environment()
        _await_end(parts, LiveClock(origin), Ends(scenario, arm), watch)
        reports: dict[PartRole, PartReport] = {}
        for role, file in results.items():
            file.seek(0)
            reports[role] = pickle.load(file)  # written by our own processes
        return _Attempt(number, reports, wiring.addresses, environment.summary(), scenario.duration)


def _start(task: Task) -> "subprocess.Popen[bytes]":
    part = subprocess.Popen(
        python_command("glassbench.experiments.worlds.live.part"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # what `select` does not see is not there
        pass_fds=task.numbers(),
        process_group=0,  # Ctrl-C is for us alone: we tell the parts. A session of its own would make niceness void.
    )
    _tell(task.role, part, f"{task.model_dump_json()}\n")
    return part


def _tell(role: str, part: "subprocess.Popen[bytes]", line: str) -> None:
    assert part.stdin is not None
    left = memoryview(line.encode())
    try:
        while left:
            left = left[part.stdin.write(left) :]
    except OSError:
        raise PartError(f"the {role} of the arm ended with code {part.wait()} before it began") from None


def _await_ready(role: str, part: "subprocess.Popen[bytes]") -> None:
    assert part.stdout is not None
    heard, _, _ = select.select([part.stdout], [], [], READY_PATIENCE)
    if not heard:
        raise PartError(f"the {role} of the arm did not get ready")
    if part.stdout.readline() != b"ready\n":
        raise PartError(f"the {role} of the arm ended with code {part.wait()} before it began")


def _await_end(parts: "Mapping[PartRole, subprocess.Popen[bytes]]", clock: LiveClock, ends: Ends, watch: Watch) -> None:
    """Until all parts have ended: the ends when the fate of every frame is known, and then the link between them.

    Raises PartError if one ends badly, or does not end.
    """
    told_to_end: set[PartRole] = set()

    def end(*roles: PartRole) -> None:
        for role in roles:
            stdin = parts[role].stdin
            assert stdin is not None
            if role not in told_to_end:
                told_to_end.add(role)
                stdin.close()

    talking = {_stdout(part): role for role, part in parts.items() if role != "emulator"}
    while any(part.poll() is None for part in parts.values()):
        for role, part in parts.items():
            if part.poll():
                raise PartError(f"the {role} of the arm ended with code {part.returncode} in the middle")
        if watch.stop():
            end(*ROLES)
        if all(parts[role].poll() is not None for role in ROLES):
            end("emulator")
        now = clock.now()
        if now > ends.last + END_PATIENCE:
            raise PartError("an arm did not end in time")
        watch.progress(min(1.0, max(0.0, (now - ends.start_at) / (ends.last - ends.start_at))))
        heard, _, _ = select.select(list(talking), [], [], 0.1 if talking else 0.01)
        for stdout in heard:
            if not (line := stdout.readline()):
                del talking[stdout]
            elif talking[stdout] == "receiver":
                end(*ROLES)  # it says that it knows the fate of all that is claimed
            elif "receiver" not in told_to_end:
                with suppress(PartError):  # it has ended already
                    _tell("receiver", parts["receiver"], line.decode())


def _stdout(part: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert part.stdout is not None
    return part.stdout


def _end_all(parts: "Mapping[PartRole, subprocess.Popen[bytes]]") -> None:
    for part in parts.values():
        part.kill()
        part.wait()
        for pipe in (part.stdin, part.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still to be said to it
                    pipe.close()
