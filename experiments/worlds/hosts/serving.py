"""A receiver that serves until it is interrupted: its door, and one arm at a time in a process of its own.

The process of an arm has a limit for its memory, and whatever a sender does ends with that process. So nothing that
anybody says ends the receiver, or stays in it.
"""

import gc
import multiprocessing
import resource
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from glassbench.experiments.worlds.hosts.asked import Limits
from glassbench.experiments.worlds.hosts.control import ControlError
from glassbench.experiments.worlds.hosts.door import Door, Guest, Say
from glassbench.experiments.worlds.hosts.key import Key
from glassbench.experiments.worlds.hosts.messages import Answer
from glassbench.experiments.worlds.hosts.receiving import receive_arm
from glassbench.netem.live.clock import monotonic_ns
from glassbench.netem.live.namespaces import end_with_parent

_TURN = 1.0  # seconds for which a sender waits while the arm before it ends; then it is told that we are busy
_MOST_WAITING = 16
_LOOK = 60.0  # seconds

_FORK = multiprocessing.get_context("fork")  # the imports are there already, and the connection goes with it


def serve(
    listener: socket.socket,
    key: Key,
    context: ssl.SSLContext,
    limits: Limits,
    *,
    draw: Callable[[int], bytes],
    say: Say,
) -> None:
    """Receive arm after arm until interrupted. `draw` gives unguessable bytes; `say` is told what happens."""
    reception = _Reception(Door(listener, key, context, say), limits, draw, say)
    gc.freeze()  # what is here stays, so that no child process has to look at it, and get a copy
    try:
        while True:
            reception.go_on()
    finally:
        reception.close()


class _Reception:
    def __init__(self, door: Door, limits: Limits, draw: Callable[[int], bytes], say: Say) -> None:
        self._door = door
        self._limits = limits
        self._draw = draw
        self._say = say
        self._waiting: list[tuple[float, Guest]] = []  # until when, and who
        self._arm: multiprocessing.process.BaseProcess | None = None
        self._arm_until = 0.0

    def go_on(self) -> None:
        """Wait until something happens."""
        ends = [until for until, _ in self._waiting] + ([self._arm_until] if self._arm else [])
        patience = min([_LOOK, *(end - _now() for end in ends)])
        guests = self._door.hear(max(0.0, patience), [self._arm.sentinel] if self._arm else [])
        self._waiting += [(_now() + _TURN, guest) for guest in guests]
        self._end_arm()
        if self._arm is None and self._waiting:
            self._begin_arm(self._waiting.pop(0)[1])
        now = _now()
        for number, (until, guest) in enumerate(list(self._waiting)):
            if until <= now or number >= _MOST_WAITING:
                self._waiting.remove((until, guest))
                self._send_away(guest, "it is busy with an arm of another sender; try again later")

    def close(self) -> None:
        if self._arm is not None:
            self._arm.kill()
            self._arm.join()
        self._let_go()

    def _begin_arm(self, guest: Guest) -> None:
        arm = _FORK.Process(target=self._be_arm, args=(guest,), daemon=True)
        try:
            arm.start()
        except OSError as error:
            self._send_away(guest, f"this host has no room for a process: {error.strerror}")
            return
        self._arm, self._arm_until = arm, _now() + self._limits.patience
        guest.close()  # it is the child's

    def _end_arm(self) -> None:
        if self._arm is None:
            return
        if self._arm.exitcode is None and _now() >= self._arm_until:
            self._say("an arm took too long, and is ended")
            self._arm.kill()
            self._arm.join()
        if (code := self._arm.exitcode) is not None:
            if code:
                self._say(f"an arm was ended by signal {-code}" if code < 0 else f"an arm ended with code {code}")
            self._arm.close()
            self._arm = None

    def _be_arm(self, guest: Guest) -> None:
        """Receive the arm, in the child process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the receiver, which ends us
        end_with_parent(signal.SIGKILL)
        self._let_go()
        _limit_memory(self._limits.memory)
        receive_arm(guest, self._limits, self._draw, self._say)

    def _send_away(self, guest: Guest, reason: str) -> None:
        with suppress(ControlError):
            guest.control.send(Answer(error=reason), 0.0)
        self._say(f"{guest.peer[0]}: sent away: {reason}")
        guest.close()

    def _let_go(self) -> None:
        self._door.close()
        for _, guest in self._waiting:
            guest.close()


def _limit_memory(size_bytes: int) -> None:
    """Limit how much memory this process may have more than now; beyond that comes a MemoryError (RLIMIT_DATA,
    getrlimit(2))."""
    status = Path("/proc/self/status").read_text().splitlines()
    data = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = data + size_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _now() -> float:
    return monotonic_ns() * 1e-9
