"""An HTTP origin of chunked CMAF: a segment is a resource that grows by a chunk at a time, and so are its parts.

A request for what comes next is held until it is there. The server is aiohttp's, HTTP/1.1. The sending end keeps the
origin, and with it a channel that is on the air before the first capture, as players expect it.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import floor
from socket import socket
from typing import Any

from glassbench.experiments.worlds.peers.cmaf import Sample, chunk, codec_string, init_segment, parameter_sets
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError
from glassbench.experiments.worlds.peers.tcp import congestion_of, counters_of, listen
from glassbench.experiments.worlds.peers.warm_up import WarmUp
from glassbench.transport.contract import Frame

LEAD_US = 10_000_000
"""Media time at the first capture: what is before it is the channel that players join."""

KEPT = 6
"""How many segments the channel has; the last one grows."""

_HISTORY = 8.0  # seconds for which the channel has been on the air when session time begins
_HOLD = 10.0  # seconds for which a request is held
_START_PATIENCE = 5.0
_JOIN_PATIENCE = 20.0  # seconds until a player asks for media


@dataclass(frozen=True, slots=True)
class Chunk:
    """A fragment of MP4; a part in HLS. A keyframe is its first sample if it is `independent`."""

    data: bytes
    start_us: int
    end_us: int
    independent: bool


@dataclass
class Segment:
    """Some chunks. It ends where the next segment begins."""

    number: int
    chunks: list[Chunk] = field(default_factory=list)
    complete: bool = False

    @property
    def duration(self) -> float:
        """In seconds, of what is there."""
        return (self.chunks[-1].end_us - self.chunks[0].start_us) / 1e6 if self.chunks else 0.0


class Channel:
    """The segments of a stream, the newest ones only. It is used in one thread.

    The number of a segment is its media time divided by `segment_us`; it begins with the first keyframe that is not
    before that.
    """

    def __init__(self, *, width: int, height: int, interval: float, segment: float, chunk_frames: int) -> None:
        self.interval_us = interval * 1e6
        self.segment_us = round(segment * 1e6)
        self.chunk_frames = chunk_frames or max(1, round(segment / interval))
        self.segments: dict[int, Segment] = {}
        self.codec = ""
        self.init = b""
        self._size = width, height
        self._waiting: list[Sample] = []  # of the next chunk
        self._chunks = 0
        self._current: Segment | None = None
        self._last_us = -1
        self._end_us = -self.segment_us  # of the last sample
        self._waiters: list[asyncio.Future[None]] = []

    def number_at(self, time_us: int) -> int:
        """The segment that a keyframe of that time begins or belongs to."""
        return floor((time_us + self.interval_us / 2) / self.segment_us)

    def wants_keyframe(self, time_us: int) -> bool:
        """Whether a frame of that time has to begin a segment."""
        return self._current is None or self.number_at(time_us) > self._current.number

    @property
    def newest(self) -> int:
        """The number of the segment that grows; -1 before there is any."""
        return -1 if self._current is None else self._current.number

    def add(self, sample: Sample) -> None:
        """Take the next sample. What comes before the first keyframe, or is not newer than the last, is left out."""
        if sample.time_us <= self._last_us or not (self._current or sample.keyframe):
            return
        self._last_us = sample.time_us
        if sample.keyframe and self.wants_keyframe(sample.time_us):
            self._begin(sample)
        self._waiting.append(replace(sample, time_us=self._start_of(sample)))
        captures = round((sample.time_us - LEAD_US) / self.interval_us)
        self._end_us = max(sample.time_us + 1, LEAD_US + round((captures + 1) * self.interval_us))
        if len(self._waiting) >= self.chunk_frames:
            self._flush()

    def _start_of(self, sample: Sample) -> int:
        """When the one before ends, though captures between them may be missing: a browser shows nothing after a gap of
        two frames until the next keyframe, and a player that sees one of a microsecond asks for a segment again."""
        since = self._end_us if sample.time_us < LEAD_US else max(self._end_us, LEAD_US)
        return since if sample.time_us - since < self.segment_us else sample.time_us

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until that holds, which is looked at after each chunk."""
        while not holds():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def chunks_of(self, segment: Segment) -> AsyncIterator[bytes]:
        """Its chunks, each as soon as it is there."""
        given = 0

        def has_news() -> bool:
            return segment.complete or len(segment.chunks) > given

        while True:
            await self.until(has_news)
            if given == len(segment.chunks):
                return
            yield segment.chunks[given].data
            given += 1

    def _begin(self, sample: Sample) -> None:
        number = self.number_at(sample.time_us)
        if self._current is not None:
            self._flush()
            self._current.complete = True
            for skipped in range(self._current.number + 1, number):  # no keyframe came in their time
                self.segments[skipped] = Segment(skipped, complete=True)
        if not self.init and (sets := parameter_sets(sample.data)) is not None:
            width, height = self._size
            self.init, self.codec = init_segment(*sets, width=width, height=height), codec_string(sets[0])
        self._current = self.segments[number] = Segment(number)
        for old in [each for each in self.segments if each <= number - KEPT]:
            del self.segments[old]
        self._tell()

    def _flush(self) -> None:
        if not self._waiting:
            return
        assert self._current is not None
        first = self._waiting[0]
        data = chunk(self._chunks, self._waiting, end_us=self._end_us)
        self._current.chunks.append(Chunk(data, first.time_us, self._end_us, first.keyframe))
        self._chunks += 1
        self._waiting = []
        self._tell()

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


Answer = Callable[[Channel, Mapping[str, str]], Awaitable[tuple[str, str]]]
"""A manifest, or what it names: of the channel and the query, its text and its media type."""


class Origin:
    """The server. `manifests` are answers by their paths."""

    def __init__(self, channel: Channel, manifests: Mapping[str, Answer]) -> None:
        self._channel = channel
        self._manifests = manifests
        self._runner: Any = None
        self.sockets: dict[int, socket] = {}  # of players, by their file descriptors
        self.requests = 0
        self.is_joined = asyncio.Event()

    async def serve(self, listener: socket) -> None:
        """Answer from now on."""
        from aiohttp import web

        app = web.Application(middlewares=[self._counting()])
        app.on_response_prepare.append(_let_any_page_read)
        for path, answer in self._manifests.items():
            app.router.add_get(path, self._manifest(answer))
        app.router.add_get("/init.mp4", self._init)
        app.router.add_get(r"/{number:\d+}.m4s", self._segment)
        app.router.add_get(r"/{number:\d+}.{part:\d+}.m4s", self._part)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def close(self) -> None:
        """End all connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _counting(self) -> Any:
        from aiohttp import web

        async def count(request: Any, handler: Any) -> Any:
            self.requests += 1
            one = request.transport.get_extra_info("socket")
            self.sockets[one.fileno()] = one
            return await handler(request)

        return web.middleware(count)

    def _manifest(self, answer: Answer) -> Callable[[Any], Awaitable[Any]]:
        from aiohttp import web

        async def handle(request: Any) -> Any:
            text, kind = await self._held(answer(self._channel, request.query))
            body, headers = text.encode(), {"Cache-Control": "no-cache"}
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
            return web.Response(body=body, content_type=kind, headers=headers)

        return handle

    async def _init(self, request: Any) -> Any:
        from aiohttp import web

        await self._held(self._channel.until(lambda: bool(self._channel.init)))
        return web.Response(body=self._channel.init, content_type="video/mp4")

    async def _segment(self, request: Any) -> Any:
        """A segment as it grows. That of the future is held until it begins, if it is the next one."""
        from aiohttp import web

        channel, number = self._channel, int(request.match_info["number"])
        if number > channel.newest + 1:
            raise web.HTTPNotFound
        await self._held(channel.until(lambda: channel.newest >= number))
        segment = channel.segments.get(number)
        if segment is None:
            raise web.HTTPNotFound
        self.is_joined.set()
        response = web.StreamResponse(headers={"Content-Type": "video/mp4"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for data in channel.chunks_of(segment):
            await response.write(data)
        await response.write_eof()
        return response

    async def _part(self, request: Any) -> Any:
        """A part. One that comes next is held until it is there."""
        from aiohttp import web

        channel = self._channel
        number, part = int(request.match_info["number"]), int(request.match_info["part"])
        if number > channel.newest + 1:
            raise web.HTTPNotFound

        def is_decided() -> bool:
            segment = channel.segments.get(number)
            return channel.newest > number or (segment is not None and len(segment.chunks) > part)

        await self._held(channel.until(is_decided))
        segment = channel.segments.get(number)
        if segment is None or part >= len(segment.chunks):
            raise web.HTTPNotFound
        self.is_joined.set()
        return web.Response(body=segment.chunks[part].data, content_type="video/mp4")

    async def _held(self, work: Awaitable[Any]) -> Any:
        from aiohttp import web

        try:
            return await asyncio.wait_for(work, _HOLD)
        except TimeoutError:
            raise web.HTTPServiceUnavailable from None


async def _let_any_page_read(request: Any, response: Any) -> None:
    """The page of a player comes from another place."""
    response.headers["Access-Control-Allow-Origin"] = "*"


class OriginEnd(PeerEnd):
    """The sending end: access units become chunks of the channel."""

    def __init__(self, context: PeerContext, manifests: Mapping[str, Answer]) -> None:
        super().__init__(context)
        video, options = context.video, context.options
        self._channel = Channel(
            width=video.width,
            height=video.height,
            interval=float(1 / video.fps),
            segment=float(str(options["segment_ms"])) / 1e3,
            chunk_frames=int(str(options["chunk_frames"])),
        )
        self._manifests = manifests
        self._origin: Origin | None = None
        self._loop: EventLoop | None = None
        self._warm_up = WarmUp(context, self._take, lambda at: self._channel.wants_keyframe(self._media_time(at)))
        self._settings: dict[str, object] = {}

    def start(self) -> None:
        listener = listen(self.context.local, str(self.context.options["tcp"]))
        self._loop = EventLoop(self.context.outlet)
        self._warm_up.fill(min(_HISTORY, KEPT * self._channel.segment_us / 1e6))
        self._loop.run(self._serve(listener), _START_PATIENCE, "the origin did not start")

    def connect(self) -> None:
        assert self._loop is not None and self._origin is not None
        self._warm_up.start()
        self._loop.run(self._origin.is_joined.wait(), _JOIN_PATIENCE, "no player asked for media")
        self._settings = self._read_back()

    def send(self, data: bytes, frame: Frame) -> bool:
        self._warm_up.stop()
        self._take(data, frame.captured_at, frame.keyframe)
        if self._channel.wants_keyframe(self._media_time(frame.captured_at + 1 / float(self.context.video.fps))):
            self.context.outlet.want_keyframe()
        return True

    def close(self) -> None:
        self._warm_up.stop()
        if self._loop is None:
            return
        if self._origin is not None:
            with suppress(PeerError):  # it is closed
                self._loop.run(self._origin.close(), _START_PATIENCE, "close")
        self._loop.stop()

    def counters(self) -> Mapping[str, int]:
        """Requests, and what the kernel knows of the connections that are still open."""
        if self._origin is None:
            return {}
        counted = {"requests": self._origin.requests, "connections": len(self._origin.sockets)}
        for one in self._origin.sockets.values():
            with suppress(OSError):
                told = counters_of(one)
                counted["rtt_us"] = max(counted.get("rtt_us", 0), told["rtt_us"])
                counted["retransmissions"] = counted.get("retransmissions", 0) + told["retransmissions"]
        return counted

    def settings(self) -> Mapping[str, object]:
        return self._settings

    async def _serve(self, listener: socket) -> None:
        self._origin = Origin(self._channel, self._manifests)
        await self._origin.serve(listener)

    def _take(self, unit: bytes, at: float, keyframe: bool) -> None:
        assert self._loop is not None
        self._loop.soon(self._channel.add, Sample(unit, self._media_time(at), keyframe))

    def _read_back(self) -> dict[str, object]:
        assert self._origin is not None
        controllers = {congestion_of(one) for one in self._origin.sockets.values() if one.fileno() >= 0}
        return {"tcp_congestion": ", ".join(sorted(controllers)), "codec": self._channel.codec}

    def _media_time(self, at: float) -> int:
        """The media time of a session time, in microseconds."""
        return LEAD_US + round((at - self.context.media_start) * 1e6)
