"""An asyncio event loop in a thread of its own, for stacks that are libraries of asyncio."""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, TypeVar

from glassbench.experiments.worlds.peers.outlet import Outlet
from glassbench.experiments.worlds.peers.peer import PeerError

Result = TypeVar("Result")

_SWITCH = 0.0005  # seconds until our pipeline gets its turn where the loop has much to do; Python's default is 5 ms
_STOP_PATIENCE = 1.0  # seconds for what still runs to end after it was cancelled


class EventLoop:
    """It runs from the start until `stop`. Any thread may ask it to do something."""

    def __init__(self, outlet: Outlet) -> None:
        sys.setswitchinterval(_SWITCH)
        self._outlet = outlet
        self._loop = asyncio.new_event_loop()
        self._is_stopped = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], patience: float, what: str) -> Result:
        """What `work` returns. Raises PeerError if it fails, or takes longer than `patience` seconds for `what`."""
        if self._is_stopped:
            work.close()
            raise PeerError(f"{what}: it is closed")
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, patience), self._loop)
        try:
            return future.result()
        except TimeoutError:
            raise PeerError(f"{what}: not within {patience:g} s") from None
        except CancelledError:
            raise PeerError(f"{what}: it was closed meanwhile") from None
        except PeerError:
            raise
        except Exception as error:  # whatever a library of others raises
            raise PeerError(f"{what}: {_sentence(error)}") from error

    def soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call it in the loop, and do not wait. Once the loop has stopped, it does nothing."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def spawn(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Let `work` run until the loop stops; if it fails before that, so has the end. For the loop's own thread."""
        task = self._loop.create_task(self._watched(work, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Cancel what still runs, and end. It may be called twice."""
        if self._is_stopped:
            return
        with suppress(PeerError):
            self.run(self._cancel_all(), _STOP_PATIENCE, "stop")
        self._is_stopped = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_PATIENCE)
        if not self._thread.is_alive():
            self._loop.close()

    async def _cancel_all(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watched(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await work
        except Exception as error:
            self._outlet.fail(f"{what}: {_sentence(error)}")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
