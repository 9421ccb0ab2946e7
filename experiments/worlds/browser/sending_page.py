"""The receiving end for one page: its frames are decoded, and their stamps read, beside the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import av

from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.browser.page_hearing import PageHearing
from glassbench.experiments.worlds.browser.page_told import MOST_FRAMES
from glassbench.experiments.worlds.live.codec_thread import CodecThread
from glassbench.netem.live.clock import LiveClock
from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.receiver.playout import ImmediatePlayout
from glassbench.receiver.record import ReceivedRecord
from glassbench.transport.contract import Address, Closed, Datagram, Track, TransportConfig
from glassbench.transport.quic.served import Mapping, served_receiver
from glassbench.transport.quic.service import Admit, Service
from glassbench.transport.quic.web_certificate import WebCertificate


@dataclass(frozen=True)
class Filmed:
    """What a page says that it films: what with ("camera", "screen" or "canvas"), and how it is encoded and carried."""

    what: str
    codec: str
    width: int
    height: int
    fps: float
    bitrate_bps: int
    mapping: Mapping


@dataclass(frozen=True)
class PageDoor:
    """What all pages that send come through: `admit(page)` says who may be that page, and calls its `begin`; `token` is
    by what questions for the time are known."""

    certificate: WebCertificate
    clock: LiveClock
    admit: Callable[["SendingPage"], Admit]
    token: bytes


class SendingPage:
    """A listening end of WebTransport. Until somebody is let in there is a transport alone, then a pipeline."""

    def __init__(self, config: TransportConfig, door: PageDoor) -> None:
        self.filmed: Filmed | None = None
        self.hearing = PageHearing(VIDEO_TRACK, door.token, door.clock.now)
        service = Service(
            door.certificate.certificate,
            door.certificate.private_key,
            door.admit(self),
            self.hearing.take,
            self.hearing.answer,
        )
        self.transport = served_receiver(config, service, self._mapping, VIDEO_TRACK)
        self.hearing.end = self.transport
        self.pipeline: ReceiverPipeline | None = None
        self.thread: CodecThread[av.VideoFrame | None] | None = None
        self._clock = door.clock
        self._track: Track = next(track for track in config.tracks if track.id == VIDEO_TRACK)
        self._closed: Closed | None = None
        self._told = 0
        self.ended_at = 0.0

    @property
    def connected_at(self) -> float | None:
        return None if self.pipeline is None else self.pipeline.connected_at

    @property
    def closed(self) -> Closed | None:
        return self._closed if self.pipeline is None else self.pipeline.closed

    @property
    def records(self) -> list[ReceivedRecord]:
        """The receiver's half of the ledger."""
        return [] if self.pipeline is None else list(self.pipeline.records.values())

    @property
    def is_full(self) -> bool:
        """Whether it has sent as many frames as it may."""
        return len(self.hearing.ledger.records) >= MOST_FRAMES

    def begin(self, filmed: Filmed) -> None:
        """The page is let in, and films that."""
        self.filmed = filmed
        self.thread = CodecThread(self._clock)
        self.pipeline = ReceiverPipeline(
            self.transport,
            VideoDecoder(filmed.codec, (filmed.width, filmed.height)),
            video=self._track,
            playout=ImmediatePlayout(),
            decode_cost=self.thread.took,
            worker=self.thread,
            keep_decoded=False,
            announced={VIDEO_TRACK: MOST_FRAMES},
        )

    def since_told(self) -> list[ReceivedRecord]:
        """The frames of which it was decided since the last call what becomes of them, in the order of arrival."""
        records = []
        for record in islice(() if self.pipeline is None else self.pipeline.records.values(), self._told, None):
            if record.outcome is None:
                break
            records.append(record)
        self._told += len(records)
        return records

    def is_begun(self) -> bool:
        return self.transport.is_begun()

    def is_for(self, connection_id: bytes) -> bool:
        return self.transport.is_for(connection_id)

    def silence(self, *, now: float) -> float:
        return self.transport.silence(now=now)

    def refused(self) -> int:
        return self.transport.malformed + self.hearing.nonsense + self.hearing.ledger.refused

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        if self.pipeline is not None:
            self.pipeline.receive_datagram(data, peer, ecn, now=now)
            return
        self.transport.receive_datagram(data, peer, ecn, now=now)
        self._settle(now)

    def datagrams_to_send(self, *, now: float) -> list[Datagram]:
        end = self.pipeline or self.transport
        datagrams = list(end.datagrams_to_send(now=now))
        self._settle(now)
        return datagrams

    def get_timer(self) -> float | None:
        return (self.pipeline or self.transport).get_timer()

    def handle_timer(self, *, now: float) -> None:
        (self.pipeline or self.transport).handle_timer(now=now)
        self._settle(now)

    def close(self, *, now: float) -> None:
        (self.pipeline or self.transport).close(now=now)
        self._settle(now)

    def finish(self, *, now: float) -> None:
        """The page has gone: every frame gets its outcome, and nothing is decoded any more."""
        self.ended_at = now
        if self.thread is not None:
            self.thread.close()
        if self.pipeline is not None:
            self.pipeline.finish(now=now)

    def _settle(self, now: float) -> None:
        """Take what the transport says before there is a pipeline, which takes it itself."""
        if self.pipeline is not None:
            if self.pipeline.connected_at is None:
                self.pipeline.handle_timer(now=now)
            return
        while (event := self.transport.next_event()) is not None:
            if isinstance(event, Closed):
                self._closed = event

    def _mapping(self) -> Mapping:
        assert self.filmed is not None
        return self.filmed.mapping


def latencies(records: list[ReceivedRecord]) -> list[float]:
    """Seconds from the capture that a stamp tells to the display, of those frames that have both."""
    return [
        record.displayed_at - record.stamp_captured_at
        for record in records
        if record.displayed_at is not None and record.stamp_captured_at is not None
    ]
