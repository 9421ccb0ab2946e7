"""One arm live: three processes on this host, and one ledger of what both ends wrote down.

Sender, emulator and receiver have sockets that are opened here; session time is the same for all three.
"""

import pickle
import select
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from glassbench.experiments.account import ledger
from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.link_table import link_table
from glassbench.experiments.account.notes import with_notes
from glassbench.experiments.account.picture_quality import with_quality
from glassbench.experiments.account.summary import summarize_arm
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.capture import Capture
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.environment import Environment
from glassbench.experiments.worlds.live.kernel_commands import NotInKernel
from glassbench.experiments.worlds.live.replay import replay
from glassbench.experiments.worlds.live.task import ROLES, Role, Task
from glassbench.experiments.worlds.live.wiring import kernel_commands, wire
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.isolated_python import python_command
from glassbench.netem.live.scheduling import spare_processor
from glassbench.netem.packet import Address
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.size_model import SizeSource
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


def run_arm_live(
    scenario: Scenario,
    arm: ArmSpec,
    memo: QualityMemo | None,
    *,
    emulator: Emulator = "netns",
    capture: Capture | None = None,
    progress: Callable[[float], None] = lambda share: None,
    stop: Callable[[], bool] = lambda: False,
) -> ArmResult:
    """Run one arm on real sockets, in real time; `memo` None leaves out the quality of the pictures.

    A run in which the emulator was late, because the machine had other things to do, is no measurement: it is repeated,
    ATTEMPTS times in all, and then "failed". One in which a part stood still for long is repeated, too; the least of
    them is kept, and has a note. When `stop` turns true, what was measured so far is "incomplete". Raises PartError.
    """
    try:
        _check_supported(scenario, arm, emulator)
    except (Unsupported, NotInKernel) as error:
        if capture is not None:
            capture.remove()
        return ArmResult(arm.label, "unsupported", str(error))
    best: tuple[float, int, dict[str, Any]] | None = None
    for attempt in range(1, ATTEMPTS + 1):
        processor = None if emulator == "kernel" else spare_processor(attempt)
        known = _run_parts(
            scenario,
            arm,
            emulator,
            progress,
            stop,
            quality=memo is not None,
            capture=capture is not None,
            processor=processor,
        )
        late = max((way["p99_ms"] for way in known["emulator"]["lateness"].values()), default=0.0)
        longest, paused = (
            max(known[role]["pauses"].get(name, 0.0) for role in ROLES) / 1e3 / scenario.duration
            for name in ("longest_ms", "total_ms")
        )
        if late <= MOST_LATE_MS and (best is None or paused < best[0]):
            best = paused, attempt, known
        interrupted = stop()
        if interrupted or (late <= MOST_LATE_MS and longest <= LONGEST_PAUSE and paused <= MOST_PAUSED):
            break
    if best is not None and not interrupted:
        _, attempt, known = best
    if capture is not None:
        known = {**known, "missing": _write_capture(capture, scenario, arm, known)}
    if interrupted:
        return replace(_result(scenario, arm, known, attempt, None), outcome="incomplete", reason="interrupted")
    if best is not None:
        return _result(scenario, arm, known, attempt, memo)
    reason = (
        f"the machine was busy: in {ATTEMPTS} runs of this arm 99 % of the packets left the emulator later than by "
        f"{MOST_LATE_MS:g} ms (the last time by {late:g} ms)"
    )
    return replace(_result(scenario, arm, known, attempt, None), outcome="failed", reason=reason)


def _write_capture(capture: Capture, scenario: Scenario, arm: ArmSpec, known: Mapping[str, Any]) -> list[str]:
    addresses: Mapping[str, Address] = known["addresses"]
    ends = Ends(scenario, arm)
    config = ends.config("sender", Place(addresses["sender"], addresses["receiver"]))
    capture.describe(arm.transport, config, now=ends.start_at)
    sender, receiver = known["sender"]["notes"], known["receiver"]["notes"]
    return replay(capture, known["emulator"]["recording"], {"sender": sender, "receiver": receiver})


def _check_supported(scenario: Scenario, arm: ArmSpec, emulator: Emulator) -> None:
    """Raises Unsupported, NotInKernel."""
    if emulator == "kernel":
        kernel_commands(scenario)
    ends = Ends(scenario, arm)
    nowhere: Address = ("127.0.0.1", 9)
    ends.transport("sender", ends.config("sender", Place(nowhere, nowhere)))
    ends.transport("receiver", ends.config("receiver", Place(nowhere, nowhere)))


def _run_parts(
    scenario: Scenario,
    arm: ArmSpec,
    emulator: Emulator,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
    *,
    quality: bool,
    capture: bool,
    processor: int | None,
) -> dict[str, Any]:
    """What each part knows, by role. Whatever happens, no process and no file is left. Raises PartError."""
    with ExitStack() as cleanup:
        # Files without a name: they are gone with their last process, however that ends.
        results = {role: cleanup.enter_context(tempfile.TemporaryFile()) for role in ROLES}
        wiring = wire(emulator, scenario, cleanup)
        plugs = {"sender": wiring.sender, "receiver": wiring.receiver}
        parts: dict[Role, subprocess.Popen[bytes]] = {}
        cleanup.callback(_end_all, parts)
        for role in ROLES:
            parts[role] = _start(
                Task(
                    role=role,
                    scenario=scenario.dump(),
                    arm=arm.label,
                    quality=quality,
                    capture=capture,
                    processor=processor,
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
        _watch(parts, LiveClock(origin), Ends(scenario, arm), progress, stop)
        known: dict[str, Any] = {"environment": environment.summary(), "addresses": wiring.addresses}
        for role, file in results.items():
            file.seek(0)
            known[role] = pickle.load(file)  # written by our own processes
        return known


def _start(task: Task) -> "subprocess.Popen[bytes]":
    part = subprocess.Popen(
        python_command("glassbench.experiments.worlds.live.part"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=task.numbers(),
        process_group=0,  # Ctrl-C is for us alone: we tell the parts. A session of its own would make niceness void.
    )
    _tell(task.role, part, f"{task.model_dump_json()}\n")
    return part


def _tell(role: str, part: "subprocess.Popen[bytes]", line: str) -> None:
    assert part.stdin is not None
    try:
        part.stdin.write(line.encode())
        part.stdin.flush()
    except OSError:
        raise PartError(f"the {role} of the arm ended with code {part.wait()} before it began") from None


def _await_ready(role: str, part: "subprocess.Popen[bytes]") -> None:
    assert part.stdout is not None
    heard, _, _ = select.select([part.stdout], [], [], READY_PATIENCE)
    if not heard:
        raise PartError(f"the {role} of the arm did not get ready")
    if part.stdout.readline() != b"ready\n":
        raise PartError(f"the {role} of the arm ended with code {part.wait()} before it began")


def _watch(
    parts: "Mapping[Role, subprocess.Popen[bytes]]",
    clock: LiveClock,
    ends: Ends,
    progress: Callable[[float], None],
    stop: Callable[[], bool],
) -> None:
    """Until all parts have ended. Raises PartError if one ends badly, or does not end."""
    stopped = False
    while any(part.poll() is None for part in parts.values()):
        for role, part in parts.items():
            if part.poll():
                raise PartError(f"the {role} of the arm ended with code {part.returncode} in the middle")
        if not stopped and stop():
            stopped = True
            for part in parts.values():
                assert part.stdin is not None
                part.stdin.close()
        now = clock.now()
        if now > ends.last + END_PATIENCE:
            raise PartError("an arm did not end in time")
        progress(min(1.0, max(0.0, (now - ends.start_at) / (ends.last - ends.start_at))))
        with suppress(subprocess.TimeoutExpired):
            next(part for part in parts.values() if part.poll() is None).wait(0.1)


def _end_all(parts: "Mapping[Role, subprocess.Popen[bytes]]") -> None:
    for part in parts.values():
        part.kill()
        part.wait()
        for pipe in (part.stdin, part.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still to be said to it
                    pipe.close()


def _result(
    scenario: Scenario, arm: ArmSpec, known: Mapping[str, Any], attempt: int, memo: QualityMemo | None
) -> ArmResult:
    sender, receiver, emulator = known["sender"], known["receiver"], known["emulator"]
    ends = Ends(scenario, arm)
    frames = ledger.join(sender["captured"], receiver["records"], media_start=MEDIA_START)
    if memo is not None and not isinstance(ends.source, SizeSource):
        frames = with_quality(
            frames,
            receiver["decoded"],
            ends.source,
            media=scenario.video.codec,
            media_start=MEDIA_START,
            memo=memo,
        )
    links = link_table(emulator["links"])
    of_parts = ("lateness", "pauses", "overflows", "unsent", "foreign", "scheduling", "processor_s", "waited_s")
    result = ArmResult(
        arm.label,
        "measured",
        ledger=frames,
        links=links,
        summary=summarize_arm(scenario, frames, links, now=receiver["ended_at"]),
        stats={
            "sender": sender["stats"],
            "receiver": receiver["stats"],
            **{name: receiver[name] for name in ("keyframe_requests", "stamp_errors", "stamp_unreadable")},
            "connection": {end: known[end]["connection"] for end in ("sender", "receiver")},
            "ended_at": round(receiver["ended_at"] - MEDIA_START, 6),
            "live": {
                "attempt": attempt,
                "machine": known["environment"],
                **{role: {name: known[role][name] for name in of_parts} for role in ROLES},
            },
        },
        impairments=emulator["impairments"],
        notes=(*ends.source.notes, *known.get("missing", ())),
    )
    return with_notes(result, scenario)
