"""A transport without a network: frames reach the other end after a delay, or are reported lost."""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest

from glassbench.receiver.decoder import NullDecoder, VideoDecoder
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.receiver.playout import parse_playout
from glassbench.sender.cost import decode_cost, encode_cost
from glassbench.sender.encode_cache import CachedEncoder, EncodeCache
from glassbench.sender.encoder import EncoderSettings
from glassbench.sender.messages import Messages
from glassbench.sender.pipeline import SenderPipeline
from glassbench.sender.size_model import SizeEncoder, SizeSource
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.transport.contract import (
    Connected,
    Event,
    Frame,
    FrameLost,
    FrameReceived,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    Track,
)

START_AT = 1002.0


class LoopbackEnd:
    """One end: events come due at their instant."""

    def __init__(self) -> None:
        self.peer: LoopbackEnd | None = None
        self.delay_of: Callable[[Frame], float] = lambda frame: 0.02
        self.is_lost: Callable[[Frame], bool] = lambda frame: False
        self.reports_loss = True
        self.way_back = 0.02
        self._due: list[tuple[float, int, Event]] = []
        self._count = 0
        self._events: deque[Event] = deque()

    def schedule(self, at: float, event: Event) -> None:
        heapq.heappush(self._due, (at, self._count, event))
        self._count += 1

    def connect(self, *, now: float) -> None:
        self._events.append(Connected(now))

    def send_frame(self, frame: Frame, *, now: float) -> None:
        assert self.peer is not None
        self._events += [FrameStarted(frame.track, frame.sequence, now), FrameSent(frame.track, frame.sequence, now)]
        at = now + self.delay_of(frame)
        if not self.is_lost(frame):
            self.peer.schedule(at, FrameReceived(frame, at, at, at))
        elif self.reports_loss:
            self.peer.schedule(at, FrameLost(frame.track, frame.sequence, at))

    def request_keyframe(self, track: int, *, now: float) -> None:
        assert self.peer is not None
        self.peer.schedule(now + self.way_back, KeyframeRequested(track, now + self.way_back))

    def receive_datagram(self, data: bytes, peer: tuple[str, int], ecn: int = 0, *, now: float) -> None: ...

    def datagrams_to_send(self, *, now: float) -> list:
        return []

    def get_timer(self) -> float | None:
        return self._due[0][0] if self._due else None

    def handle_timer(self, *, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            self._events.append(heapq.heappop(self._due)[2])

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def close(self, *, now: float) -> None: ...

    def stats(self) -> dict[str, int]:
        return {}


class Run:
    """Both pipelines over a loopback, ready to be set up further and then run."""

    def __init__(
        self,
        cache: EncodeCache,
        *,
        source: str = "lognormal",
        duration: float = 2.0,
        playout: str = "immediate",
        encode: str = "fixed:2ms",
        decode: str = "fixed:1ms",
        deadline: float | None = 0.5,
        chat_deadline: float | None = None,
        settings: EncoderSettings | None = None,
        messages: tuple[float, ...] = (),
        resolution: float = 0.0,
    ) -> None:
        self.video = Track(0, "video", "h264", priority=1, deadline=deadline)
        self.chat = Track(1, "chat", "data", priority=0, deadline=chat_deadline)
        self.source = open_source(source, SourceRequest(fps=Fraction(30)))
        self.settings = settings or EncoderSettings()
        self.sending, self.receiving = LoopbackEnd(), LoopbackEnd()
        self.sending.peer, self.receiving.peer = self.receiving, self.sending
        encoder: SizeEncoder | CachedEncoder
        if isinstance(self.source, SizeSource):
            encoder = SizeEncoder(self.source, self.settings)
        else:
            encoder = CachedEncoder(self.source, self.settings, cache)
        self.sender = SenderPipeline(
            self.sending,
            encoder,
            track=self.video,
            fps=self.source.fps,
            start_at=START_AT,
            duration=duration,
            encode_cost=encode_cost(encode, width=640, height=272),
            messages=Messages(self.chat, 100, messages) if messages else None,
        )
        self.receiver = ReceiverPipeline(
            self.receiving,
            NullDecoder() if isinstance(self.source, SizeSource) else VideoDecoder("h264"),
            video=self.video,
            playout=parse_playout(playout, deadline=deadline),
            decode_cost=decode_cost(decode, width=640, height=272),
        )
        self._end_at = START_AT + duration + 2
        self._resolution = resolution

    def run(self) -> "Run":
        now = 1000.0
        self.sender.connect(now=now)
        self.receiver.connect(now=now)
        while True:
            timers = [timer for end in (self.sender, self.receiver) if (timer := end.get_timer()) is not None]
            if not timers or min(timers) > self._end_at:
                break
            now = max(now, min(timers))
            if self._resolution:
                now = -(-now // self._resolution) * self._resolution + self._resolution
            for end in (self.sender, self.receiver):
                if (timer := end.get_timer()) is not None and timer <= now:
                    end.handle_timer(now=now)
        self.receiver.finish(now=self._end_at)
        return self

    def outcomes(self) -> list[str | None]:
        """The outcome of each video frame that was sent, None where the receiver never had it."""
        received = self.receiver.records
        return [
            received[key].outcome if key in received else None for key in self.sender.records if key[0] == self.video.id
        ]


@pytest.fixture(scope="session")
def cache() -> Iterator[EncodeCache]:
    with EncodeCache(None) as cache:
        yield cache


@pytest.fixture
def make_run(cache: EncodeCache) -> Callable[..., Run]:
    return lambda **options: Run(cache, **options)
