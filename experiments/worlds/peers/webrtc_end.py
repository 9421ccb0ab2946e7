"""What ends of WebRTC stacks that are libraries of asyncio share: an event loop, and the steps of a connection."""

import asyncio
import threading
from contextlib import suppress

from glassbench.experiments.worlds.peers.descriptions import PATIENCE, heard, say
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError

_CLOSE_PATIENCE = 1.0  # seconds


class WebrtcEnd(PeerEnd):
    """An end with a peer connection. A subclass says how it is opened and negotiated, and tells `changed` its state."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self.over = threading.Event()
        self._loop: EventLoop | None = None
        self._connected = threading.Event()

    @property
    def loop(self) -> EventLoop:
        """The loop in which the stack lives, from `start` on."""
        if self._loop is None:
            raise PeerError("it did not start")
        return self._loop

    def start(self) -> None:
        self._loop = EventLoop(self.context.outlet)
        self._loop.run(self.open(), PATIENCE, "open")

    def connect(self) -> None:
        self.loop.run(self.negotiate(), 2 * PATIENCE, "negotiate")
        while not self._connected.wait(0.1):
            if self.over.is_set():
                raise PeerError("no connection stood")

    def close(self) -> None:
        if self.over.is_set():
            return
        self.over.set()
        if self._loop is not None:
            with suppress(PeerError):  # a server that the other end has ended does not answer
                self._loop.run(self.shut(), _CLOSE_PATIENCE, "close")
            self._loop.stop()

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
        await asyncio.to_thread(say, self.context, kind, sdp)

    async def heard(self) -> dict[str, str]:
        """The description of the other end: its `type` and `sdp`."""
        return await asyncio.to_thread(heard, self.context)
