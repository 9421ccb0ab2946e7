"""What plain clients of HTTP streaming have in common. They show what comes at once: there is no buffer."""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, ClassVar

from glassbench.experiments.worlds.peers.cmaf import ChunkReader, CmafError
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.http_origin import LEAD_US
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.tcp import check_congestion

_JOIN_PATIENCE = 20.0  # seconds until the first picture
_NOT_FOUND = 404


class HttpStack(Peer):
    """Access units as chunks of CMAF, from an origin on the host of the sender."""

    carries: ClassVar[Carries] = "units"
    install = "pip install 'glassbench[peers]'"

    @classmethod
    def version(cls) -> str:
        return f"aiohttp {cls.package('aiohttp')}"

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        cls.version()
        check_congestion(str(options["tcp"]))


class PlayerEnd(PeerEnd):
    """The receiving end. A subclass knows in `play` what it has to fetch."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._loop: EventLoop | None = None
        self._session: Any = None
        self.is_over = False  # the origin has closed
        self._is_joined = asyncio.Event()
        self._counted: Counter[str] = Counter()
        self._settings: dict[str, object] = {}

    def start(self) -> None:
        self._loop = EventLoop(self.context.outlet)

    def connect(self) -> None:
        assert self._loop is not None
        self._loop.run(self._join(), _JOIN_PATIENCE, "it got no picture")

    def close(self) -> None:
        if self._loop is not None:
            self._loop.stop()

    def counters(self) -> Mapping[str, int]:
        return self._counted

    def settings(self) -> Mapping[str, object]:
        return self._settings

    @abstractmethod
    async def play(self) -> None:
        """Fetch, and `show` what comes, until it is cancelled."""

    def show(self, data: bytes, reader: ChunkReader) -> None:
        """Give the access units in these bytes. Those of before the first capture only tell that it has joined."""
        try:
            for sample in reader.feed(data):
                self._is_joined.set()
                if sample.time_us >= LEAD_US:
                    self.context.outlet.give(sample.data)
        except CmafError as error:
            raise PeerError(f"the origin sent {error}") from None

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it run beside others, until the origin closes."""
        assert self._loop is not None
        self._loop.spawn(self._until_closed(work), "the player")

    async def fetch(self, path: str) -> bytes | None:
        """A resource; None if there is none. Raises PeerError for any other answer."""
        pieces = [piece async for piece in self.grow(path)]
        return b"".join(piece for piece in pieces if piece is not None) if None not in pieces else None

    async def grow(self, path: str) -> AsyncIterator[bytes | None]:
        """The pieces of a resource, each as soon as it comes; a single None if there is none. Raises PeerError."""
        host, port = self.context.peer
        self._counted["requests"] += 1
        async with self._session.get(f"http://{host}:{port}/{path}") as response:
            if response.status == _NOT_FOUND:
                self._counted["not_found"] += 1
                yield None
                return
            if response.status >= 400:
                raise PeerError(f"the origin answered {response.status} to {path}")
            async for piece in response.content.iter_any():
                self._counted["bytes"] += len(piece)
                yield piece

    async def _join(self) -> None:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        self.beside(self.play())
        await self._is_joined.wait()

    async def _until_closed(self, work: Coroutine[Any, Any, None]) -> None:
        import aiohttp

        try:
            await work
        except aiohttp.ClientError:
            self.is_over = True
