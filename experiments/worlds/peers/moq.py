"""MoQ by moq-rs, its Python package called as its documentation says.

A relay and the publisher are on the host of the sender: the link is the last mile, between relay and subscriber. What
the subscriber has to say goes back through the same session, as a broadcast of its own.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.peers.event_loop import EventLoop
from glassbench.experiments.worlds.peers.outlet import Outlet
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError
from glassbench.transport.contract import Frame

_THERE, _BACK = "there", "back"  # the broadcasts, with one track each
_TRACK = "messages"
_GROUP_MESSAGE_BYTES = 8 * 2**20  # a frame of pictures is one frame of MoQ
_DATAGRAM_BYTES = 1100  # a packet of 1200 bytes has room for it; moq-rs drops what is larger, and says nothing
_REORDERING = 0.005  # seconds in which a datagram may be overtaken: the threads of the relay do that
_PATIENCE = 5.0  # seconds for one step of connecting
_FINGERPRINT_BYTES = 64 * 16
_NEGOTIATED = re.compile(r"connected .*?version\S*?=\S*?(moq-[\w-]+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Moq(Peer):
    """The package."""

    carries: ClassVar[Carries] = "messages"
    install = "pip install 'glassbench[peers]'"

    @classmethod
    def version(cls) -> str:
        return f"{cls.package('moq-rs')} (moq-ffi {cls.package('moq-ffi')})"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _Publisher(context) if context.role == "sender" else _Subscriber(context)


class _MoqEnd(PeerEnd):
    """What both ends do: `_session` is the one over the link, `_producer` the track that this end publishes."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._loop: EventLoop | None = None
        self._client: Any = None
        self._session: Any = None
        self._producer: Any = None
        self._consumer: Any = None
        self._settings: dict[str, object] = {}

    def close(self) -> None:
        if self._loop is not None:
            self._loop.stop()

    def counters(self) -> Mapping[str, int]:
        if self._session is None:
            return {}
        counted = vars(self._session.stats())
        return {name: value for name, value in counted.items() if value is not None}

    def settings(self) -> Mapping[str, object]:
        log = _COLOURS.sub("", self.context.log.read_text(errors="replace"))
        version = _NEGOTIATED.search(log)
        return {**self._settings, **({"protocol": version[1]} if version else {})}

    def _started(self) -> EventLoop:
        import moq

        moq.log_level("info")  # it tells the negotiated version
        self._loop = EventLoop(self.context.outlet)
        return self._loop

    async def _call(self, host: str, port: int, fingerprints: list[str], broadcast: str) -> Any:
        """Connect to the relay, and publish a broadcast there with one track."""
        import moq

        self._client = moq.Client(
            f"https://{host}:{port}", tls_fingerprints=fingerprints, websocket_enabled=False, reconnect=False
        )
        await self._client.__aenter__()
        producer = self._client.create_broadcast(broadcast)
        age = round(float(str(self.context.options["max_age_ms"])) * 1e3)
        self._producer = producer.publish_track(_TRACK, moq.TrackInfo(max_age_us=age))
        producer.announce()
        self._broadcast = producer  # it lives as long as somebody holds it
        return self._client

    async def _subscribe(self, broadcast: str) -> None:
        import moq

        there = await self._client.announced_broadcast(broadcast).available()
        age = round(float(str(self.context.options["max_age_ms"])) * 1e3)
        self._consumer = await there.subscribe_track(_TRACK, moq.Subscription(max_age_us=age))

    async def _read_groups(self) -> None:
        import moq

        with suppress(moq.Error):  # the other end has closed
            async for group in self._consumer:
                async for frame in group:
                    self.context.outlet.give(frame.payload)

    async def _read_datagrams(self) -> None:
        import moq

        order = _InOrder(self.context.outlet)
        with suppress(moq.Error):
            while (datagram := await self._consumer.recv_datagram()) is not None:
                order.add(datagram.sequence, datagram.payload)


class _Publisher(_MoqEnd):
    """The relay and the publisher."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._in_datagrams = context.options["delivery"] == "datagrams"
        self.message_bytes = _DATAGRAM_BYTES if self._in_datagrams else _GROUP_MESSAGE_BYTES
        self._sessions: list[Any] = []
        self._group: Any = None

    def start(self) -> None:
        self._started().run(self._listen(), _PATIENCE, "the relay did not start")

    def connect(self) -> None:
        assert self._loop is not None
        self._loop.run(self._wait_for_subscriber(), _PATIENCE, "nobody subscribed")

    def send(self, data: bytes, frame: Frame) -> bool:
        assert self._loop is not None
        self._loop.soon(self._publish, data, frame)
        return True

    async def _listen(self) -> None:
        import moq

        host, port = self.context.local
        self._relay = moq.Server(f"{host}:{port}", tls_generate=["localhost"])
        await self._relay.__aenter__()
        fingerprints = self._relay.cert_fingerprints()
        self.context.side.send(" ".join(fingerprints).encode())
        assert self._loop is not None
        self._loop.spawn(self._accept(), "the relay")
        await self._call(host, port, fingerprints, _THERE)

    async def _accept(self) -> None:
        async for request in self._relay:
            self._session = await request.accept()  # that of the subscriber comes last
            self._sessions.append(self._session)
            self._settings["transport"] = str(request.transport).rpartition(".")[2].lower()

    async def _wait_for_subscriber(self) -> None:
        await self._producer.used()
        await self._subscribe(_BACK)
        self._settings |= _told(self._consumer.info())
        assert self._loop is not None
        self._loop.spawn(self._read_groups(), "the way back")

    def _publish(self, data: bytes, frame: Frame) -> None:
        import moq

        timestamp_us = max(0, round(frame.captured_at * 1e6))
        try:
            if self._in_datagrams:
                self._producer.append_datagram(data, timestamp_us)
                return
            if self._group is None or (frame.keyframe and frame.track == VIDEO_TRACK):
                if self._group is not None:
                    self._group.finish()
                self._group = self._producer.append_group()
            self._group.write_frame(data, timestamp_us)
        except moq.Error as error:
            self.context.outlet.fail(f"publish: {error}")


class _Subscriber(_MoqEnd):
    """The player."""

    def start(self) -> None:
        self._started()

    def connect(self) -> None:
        assert self._loop is not None
        self.context.side.settimeout(_PATIENCE)
        try:
            fingerprints = self.context.side.recv(_FINGERPRINT_BYTES).decode().split()
        except OSError as error:
            raise PeerError(f"the relay has not told its certificate: {error}") from None
        self._loop.run(self._join(fingerprints), _PATIENCE, "subscribe")

    def send_back(self, data: bytes) -> None:
        if self._loop is not None and self._producer is not None:
            self._loop.soon(self._producer.write_frame, data)

    async def _join(self, fingerprints: list[str]) -> None:
        host, port = self.context.peer
        client = await self._call(host, port, fingerprints, _BACK)
        self._session = client.session
        await self._subscribe(_THERE)
        self._settings |= _told(self._consumer.info())
        assert self._loop is not None
        reads = self._read_datagrams if self.context.options["delivery"] == "datagrams" else self._read_groups
        self._loop.spawn(reads(), "the subscription")


class _InOrder:
    """Gives datagrams in the order of their numbers; one that is overtaken by more than _REORDERING is lost."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._early: dict[int, bytes] = {}
        self._next = 0
        self._waits = False

    def add(self, number: int, payload: bytes) -> None:
        if number >= self._next:
            self._early[number] = payload
            self._give()

    def _give(self) -> None:
        while self._next in self._early:
            self._outlet.give(self._early.pop(self._next))
            self._next += 1
        if self._early and not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_later(_REORDERING, self._skip, min(self._early))

    def _skip(self, number: int) -> None:
        """What comes before this one has had its time."""
        self._waits = False
        for lost in [each for each in sorted(self._early) if each < number]:
            self._outlet.give(self._early.pop(lost))
        self._next = max(self._next, number)
        self._give()


def _told(info: Any) -> dict[str, object]:
    """What the other end told of its track."""
    return {f"track_{name}": value for name, value in vars(info).items()}
