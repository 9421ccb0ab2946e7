"""A thread that encodes or decodes while its process goes on with the network. FFmpeg does not hold Python's lock
meanwhile."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.scheduling import run_patiently
from glassbench.transport.worker import Done

T = TypeVar("T")

_IDLE = 0.003  # seconds without work before `prepare`: the network is to send first what was encoded


class CodecThread(Generic[T]):
    """A `transport.worker.Worker`. It is readable, for `select`, when a result is there, or a part of one.

    Between two pieces of work it calls `prepare`. It has to be closed: then the piece of work at hand is done, and its
    result can still be taken.
    """

    def __init__(self, clock: LiveClock, prepare: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._prepare = prepare
        self._work: SimpleQueue[Callable[[], T] | None] = SimpleQueue()
        self._done: SimpleQueue[Done[T]] = SimpleQueue()
        self._ready = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC | os.EFD_SEMAPHORE)  # counts what is there
        self._began_at = 0.0
        self._took = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._ready

    def start(self, work: Callable[[], T]) -> None:
        self._work.put(work)

    def take(self) -> Done[T] | None:
        if self._thread.is_alive():
            with suppress(BlockingIOError):  # what is there is counted a little later, and then nothing is
                os.eventfd_read(self._ready)
        with suppress(Empty):
            done = self._done.get_nowait()
            if done.last:
                self._took = done.ended_at - done.began_at
            return done
        return None

    def give(self, part: T) -> None:
        """Take a part of a result ahead of the rest. It is called by the work at hand."""
        self._tell(Done(part, None, self._began_at, self._clock.now(), last=False))

    def took(self, sequence: int, keyframe: bool, size: tuple[int, int] | None) -> float:
        """Seconds that the last piece of work took: the best guess for any other."""
        return self._took

    def close(self) -> None:
        self._work.put(None)
        self._thread.join()
        os.close(self._ready)

    def _run(self) -> None:
        run_patiently()
        while (work := self._next()) is not None:
            self._began_at = self._clock.now()
            value, failed = None, None
            try:
                value = work()
            except Exception as error:  # it is for whoever takes the result
                failed = error
            self._tell(Done(value, failed, self._began_at, self._clock.now()))

    def _tell(self, done: Done[T]) -> None:
        self._done.put(done)
        os.eventfd_write(self._ready, 1)

    def _next(self) -> Callable[[], T] | None:
        with suppress(Empty):
            return self._work.get(timeout=_IDLE)
        self._prepare()
        return self._work.get()
