"""Chromium, headless, on the host of an end: it shows a page of ours."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError
from glassbench.experiments.worlds.peers.program import Program

CHROMIUM = "chromium"
INSTALL = f"apt install {CHROMIUM}"

_FLAGS = (
    "--headless",
    "--no-sandbox",  # root has none, nor has who may make no namespaces; it shows a page of ours
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-sync",
    "--log-level=3",  # what ends it; it warns of much that is not there
)
_LOOK = 0.1  # seconds between two looks at whether it still runs


class Chromium:
    """It runs from the start, with the page at `address`; `flags` are more of its own. If it ends before `stop`, the
    end has failed. Raises PeerError if it cannot be started."""

    def __init__(self, context: PeerContext, address: str, flags: Sequence[str] = ()) -> None:
        folder = context.folder
        self._program = Program(
            [CHROMIUM, *_FLAGS, *flags, f"--user-data-dir={folder / CHROMIUM}", address],
            context,
            environment={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        )

    async def until(self, event: asyncio.Event) -> None:
        """Wait for it. Raises PeerError if Chromium ends before that."""
        while not event.is_set():
            if self._program.exit_code() is not None:
                raise PeerError(self._program.sentence())
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), _LOOK)

    def stop(self) -> None:
        """End it. It may be called twice."""
        self._program.stop()
