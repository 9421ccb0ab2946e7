"""The processes of an arm: how they are started, told what to do, and waited for."""

import select
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import IO

from glassbench.experiments.account.reports import ROLES
from glassbench.experiments.worlds.ends import Ends
from glassbench.experiments.worlds.live.log import MOST_BYTES, size_of
from glassbench.experiments.worlds.live.task import DECIDED, EMULATOR, HostPlug, Task, part_name
from glassbench.experiments.worlds.shown_slices import ShownSlice
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.isolated_python import python_command

READY_PATIENCE = 60.0  # seconds for a part to import everything
END_PATIENCE = 20.0  # seconds after the end of the run for a part to write what it knows

_PEER_PART = "glassbench.experiments.worlds.peers.part"


class PartError(RuntimeError):
    """A part of an arm ended before it was over. `logs` has the end of what each end of a stack wrote, by its role."""

    logs: Mapping[str, str] = MappingProxyType({})


def start(name: str, task: Task, log: IO[bytes] | None) -> "subprocess.Popen[bytes]":
    """Start a part and tell it its task; what an end of a stack writes goes to `log`."""
    if isinstance(task.plug, HostPlug):
        command = python_command(_PEER_PART, str(task.plug.users), str(task.plug.network))
    else:
        command = python_command("glassbench.experiments.worlds.live.part")
    part = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        bufsize=0,  # what `select` does not see is not there
        pass_fds=task.numbers(),
        process_group=0,  # Ctrl-C is for us alone: we tell the parts. A session of its own would make niceness void.
    )
    tell(name, part, f"{task.model_dump_json()}\n")
    return part


def tell(name: str, part: "subprocess.Popen[bytes]", line: str) -> None:
    """Say a line to a part. Raises PartError if it has ended."""
    assert part.stdin is not None
    left = memoryview(line.encode())
    try:
        while left:
            left = left[part.stdin.write(left) :]
    except OSError:
        raise PartError(f"the {name} of the arm ended with code {part.wait()} before it began") from None


def await_ready(name: str, part: "subprocess.Popen[bytes]") -> None:
    """Wait until a part says that it is ready. Raises PartError."""
    assert part.stdout is not None
    heard, _, _ = select.select([part.stdout], [], [], READY_PATIENCE)
    if not heard:
        raise PartError(f"the {name} of the arm did not get ready")
    if part.stdout.readline() != b"ready\n":
        raise PartError(f"the {name} of the arm ended with code {part.wait()} before it began")


def await_end(
    parts: "Mapping[str, subprocess.Popen[bytes]]",
    clock: LiveClock,
    flows: Sequence[Ends],
    watch: Watch,
    logs: Mapping[str, IO[bytes]],
) -> None:
    """Wait until all parts have ended: the ends of a flow when the fate of each of its frames is known, and then the
    link between them. Raises PartError if one ends badly, does not end, or fills its log."""
    told_to_end: set[str] = set()
    ends = {name: flow.flow.name for flow in flows for role in ROLES for name in [part_name(flow.flow.name, role)]}
    last, start_at = max(flow.last for flow in flows), min(flow.start_at for flow in flows)

    def end(*names: str) -> None:
        for name in names:
            stdin = parts[name].stdin
            assert stdin is not None
            if name not in told_to_end:
                told_to_end.add(name)
                stdin.close()

    talking = {_stdout(parts[name]): name for name in ends}
    while any(part.poll() is None for part in parts.values()):
        for name, part in parts.items():
            if part.poll():
                raise PartError(f"the {name} of the arm ended with code {part.returncode} in the middle")
            if name in logs and size_of(logs[name]) > MOST_BYTES:
                raise PartError(f"the {name} of the arm wrote more than {MOST_BYTES >> 20} MiB to its log")
        if watch.stop():
            end(*ends)
        for name, flow in ends.items():
            if parts[name].poll() is not None:  # a stack that failed: then nothing more comes to the other end
                end(*(other for other in ends if ends[other] == flow))
        if EMULATOR in parts and all(parts[name].poll() is not None for name in ends):
            end(EMULATOR)
        now = clock.now()
        if now > last + END_PATIENCE:
            late = " and the ".join(name for name, part in parts.items() if part.poll() is None)
            raise PartError(f"the {late} of the arm did not end within {END_PATIENCE:g} s of its time")
        watch.progress(min(1.0, max(0.0, (now - start_at) / (last - start_at))))
        heard, _, _ = select.select(list(talking), [], [], 0.1 if talking else 0.01)
        for stdout in heard:
            flow = ends[talking[stdout]]
            sender, receiver = (part_name(flow, role) for role in ROLES)
            if not (line := stdout.readline()):
                del talking[stdout]
            elif talking[stdout] == receiver:
                if line.decode().strip() == DECIDED:
                    end(sender, receiver)
                elif watch.shown is not None:
                    watch.shown(ShownSlice.parse(line.decode()))
            elif receiver not in told_to_end:
                with suppress(PartError):  # it has ended already
                    tell(receiver, parts[receiver], line.decode())


def _stdout(part: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert part.stdout is not None
    return part.stdout


def end_all(parts: "Mapping[str, subprocess.Popen[bytes]]") -> None:
    """Kill what still runs of them."""
    for part in parts.values():
        part.kill()
        part.wait()
        for pipe in (part.stdin, part.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still to be said to it
                    pipe.close()
