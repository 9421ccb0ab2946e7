"""A program of others that an end starts. It ends with the process of that end, whatever happens."""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue
from typing import Literal

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError

_MOST_WAITING = 8  # pieces that it has not taken
_END_PATIENCE = 1.0  # seconds to end by itself, and then after SIGTERM
_SAID_CHARACTERS = 200
_LOOK = 0.02  # seconds between two looks


class Program:
    """It runs from the start. What it writes to stderr, and to stdout unless somebody `reads` that, goes to the log of
    the end. If it ends before `stop`, the end has failed; with `may_end` only if its exit code is not 0, as of a
    receiver whose stream is over. Raises PeerError if it cannot be started.

    `feeds`: it takes what `feed` is given on stdin; without that its stdin is empty. `passes`: file descriptors that it
    inherits. By the exit code `lacks` it says that something is missing, so the stack is not there.
    """

    def __init__(
        self,
        command: Sequence[str],
        context: PeerContext,
        *,
        feeds: bool = False,
        reads: Callable[["Program"], None] | None = None,
        environment: Mapping[str, str] | None = None,
        passes: Sequence[int] = (),
        may_end: bool = False,
        lacks: int | None = None,
    ) -> None:
        self.name = command[0].rpartition("/")[2]
        self._context = context
        self._may_end = may_end
        self._lacks = lacks
        self._stopped = threading.Event()
        self._waiting: Queue[bytes | None] = Queue(_MOST_WAITING)
        with context.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
                    stdout=log if reads is None else subprocess.PIPE,
                    stderr=log,
                    env=None if environment is None else dict(environment),
                    pass_fds=passes,
                )
            except OSError as error:
                raise PeerError(f"{command[0]}: {error.strerror}") from None
        self._threads = [threading.Thread(target=self._watch, daemon=True)]
        if feeds:
            self._threads.append(threading.Thread(target=self._write, daemon=True))
        if reads is not None:
            self._threads.append(threading.Thread(target=self._let_read, args=(reads,), daemon=True))
        for thread in self._threads:
            thread.start()

    def exit_code(self, patience: float = 0.0) -> int | None:
        """Its exit code, if it ends within so many seconds."""
        self._threads[0].join(patience)
        return self._process.poll()

    def feed(self, data: bytes) -> bool:
        """Give it data on stdin. False: it has not taken what it got before, so there is no room."""
        try:
            self._waiting.put_nowait(data)
        except Full:
            return False
        return True

    def read(self, size: int) -> bytes:
        """So many bytes of its stdout, fewer at its end. For the thread of `reads`."""
        assert self._process.stdout is not None
        return self._process.stdout.read(size)

    def listens(self, protocol: Literal["udp", "tcp"], port: int, patience: float) -> bool:
        """Whether somebody is at that port of this host within so many seconds."""
        ending = f":{port:04X}"
        for _ in range(round(patience / _LOOK)):
            rows = [line.split() for line in Path("/proc/net", protocol).read_text().splitlines()]
            if any(row[1].endswith(ending) for row in rows):  # the local address
                return True
            if self._stopped.wait(_LOOK) or self.exit_code() is not None:
                return False
        return False

    def stop(self) -> None:
        """End it: its stdin ends, then it is asked to end (SIGTERM), then it is killed."""
        self._stopped.set()
        with suppress(Full):
            self._waiting.put_nowait(None)
        if self._process.stdin is not None:  # its writer ends stdin
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_PATIENCE)
        for end in (self._process.terminate, self._process.kill):
            if self._process.poll() is None:
                end()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END_PATIENCE)

    def sentence(self) -> str:
        """How it ended, with the last line that it wrote."""
        lines = self._context.log.read_text(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        said = "".join(each if each.isprintable() else " " for each in said)[:_SAID_CHARACTERS]
        return f"{self.name} ended with code {self._process.returncode}" + (f": {said}" if said else "")

    def _watch(self) -> None:
        code = self._process.wait()
        if not self._stopped.is_set() and not (self._may_end and code == 0):
            outlet = self._context.outlet
            (outlet.refuse if code == self._lacks else outlet.fail)(self.sentence())

    def _write(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as stdin:
            while (data := self._waiting.get()) is not None:
                stdin.write(data)
                stdin.flush()

    def _let_read(self, reads: Callable[["Program"], None]) -> None:
        try:
            reads(self)
        except PeerError as error:
            self._context.outlet.fail(str(error))
