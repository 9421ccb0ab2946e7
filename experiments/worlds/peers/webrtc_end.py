"""What ends of WebRTC stacks share: an event loop in a thread, and descriptions that go over the side channel, whole,
with all candidates (no trickle), so that they do not cross the link."""

import asyncio
import json
import threading
from collections.abc import Coroutine
from typing import Any

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError

_SIGNAL_BYTES = 2**17  # more than an offer has
_PATIENCE = 5.0  # seconds for the other end's description


class WebrtcEnd(PeerEnd):
    """An end with a peer connection. A subclass says how it is opened and negotiated, and calls `stands` when it is
    connected."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self.loop = asyncio.new_event_loop()
        self.over = threading.Event()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._connected = threading.Event()

    def start(self) -> None:
        self._thread.start()
        self._await(self.open())

    def connect(self) -> None:
        self._await(self.negotiate())
        while not self._connected.wait(0.1):
            if self.over.is_set():
                raise PeerError("no connection stood")

    def close(self) -> None:
        if self.over.is_set():
            return
        self.over.set()
        asyncio.run_coroutine_threadsafe(self._end(), self.loop)
        self._thread.join(1.0)

    async def open(self) -> None:
        """Make the connection, and what is at its end."""
        raise NotImplementedError

    async def negotiate(self) -> None:
        """Exchange descriptions with the other end."""
        raise NotImplementedError

    async def shut(self) -> None:
        """Close the connection."""
        raise NotImplementedError

    def changed(self, state: str) -> None:
        """The connection is in another state, by its name in the W3C's RTCPeerConnectionState."""
        if state == "connected":
            self._connected.set()
        elif state == "failed" and not self.over.is_set():
            self.context.outlet.fail("the connection failed")

    async def say(self, kind: str, sdp: str) -> None:
        """Tell the other end our description."""
        await asyncio.to_thread(self.context.side.send, json.dumps({"type": kind, "sdp": sdp}).encode())

    async def heard(self) -> dict[str, str]:
        """The description of the other end: its `type` and `sdp`."""
        self.context.side.settimeout(_PATIENCE)
        try:
            said: dict[str, str] = json.loads(await asyncio.to_thread(self.context.side.recv, _SIGNAL_BYTES))
        except (OSError, ValueError) as error:
            raise PeerError(f"no description came over the side channel: {error}") from None
        return said

    async def _end(self) -> None:
        try:
            await self.shut()
        finally:
            self.loop.stop()

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(_with_sentence(work), self.loop).result()


async def _with_sentence(work: Coroutine[Any, Any, None]) -> None:
    """Do the work; what a stack raises becomes a PeerError."""
    try:
        await work
    except PeerError:
        raise
    except Exception as error:
        raise PeerError(f"{type(error).__name__}: {error}") from error
