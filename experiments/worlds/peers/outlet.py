"""What the receiving end of a stack gives: a bounded queue from its threads to ours, which `select` can wait for."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

_MOST_BYTES = 64 * 2**20  # that wait; a stack that gives more than we take is not measured any more


class Given(NamedTuple):
    """What a stack gave, and the session time at which it did."""

    data: bytes
    at: float


class Outlet:
    """Any thread may `give`; ours takes. `dropped` counts what there was no room for.

    `keyframe_wanted`: the stack asks for one, since a segment or a viewer begins; whoever asks for it resets it.
    `failed` is the sentence of the first failure, `unsupported` why the stack is not there. `now` is the clock of the
    session, once that runs.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.keyframe_wanted = False
        self.failed: str | None = None
        self.unsupported: str | None = None
        self.now: Callable[[], float] = lambda: 0.0
        self._lock = threading.Lock()
        self._given: deque[Given] = deque()
        self._bytes = 0
        self._ready = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._ready

    def give(self, data: bytes, *, at: float | None = None) -> None:
        """Take what the stack gives now, or gave `at`."""
        at = self.now() if at is None else at
        with self._lock:
            if self._bytes + len(data) > _MOST_BYTES:
                self.dropped += 1
                return
            self._bytes += len(data)
            self._given.append(Given(data, at))
        self.wake()

    def want_keyframe(self) -> None:
        """Ask the encoder of ours for a keyframe, on the sending end."""
        self.keyframe_wanted = True
        self.wake()

    def fail(self, sentence: str) -> None:
        """The stack failed."""
        if self.failed is None:
            self.failed = sentence
        self.wake()

    def refuse(self, reason: str) -> None:
        """The stack is not there, which only shows when it starts."""
        self.unsupported = reason
        self.fail(reason)

    def wake(self) -> None:
        """Let our thread look."""
        os.eventfd_write(self._ready, 1)

    def take(self) -> list[Given]:
        """All that was given, in order."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._ready)
        with self._lock:
            given, self._given, self._bytes = list(self._given), deque(), 0
        return given
