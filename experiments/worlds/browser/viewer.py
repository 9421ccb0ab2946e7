"""The sending end for one page: frames that were encoded for many, and what the page says back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.experiments.worlds.browser.kept import BLOCK, KeptFrames
from glassbench.experiments.worlds.browser.page_ledger import PageLedger
from glassbench.experiments.worlds.browser.page_told import MOST_FRAMES, PageError
from glassbench.netem.live.alignment_messages import answer_at_once
from glassbench.netem.live.clock import LiveClock
from glassbench.sender.encoder import Encoded
from glassbench.sender.end import SenderEnd
from glassbench.sender.record import SentRecord
from glassbench.transport.contract import (
    Estimated,
    Event,
    FrameDropped,
    FrameRepaired,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    RateChanged,
    Track,
    TransportConfig,
)
from glassbench.transport.quic.served import Mapping as Carried
from glassbench.transport.quic.served import served_sender
from glassbench.transport.quic.service import Admit, Service
from glassbench.transport.quic.web_certificate import WebCertificate

WORDS_TRACK = CHAT_TRACK
_OF_A_FRAME = FrameStarted, FrameSent, FrameDropped, FrameRepaired
_ON_THE_WAY = 1024  # frames, or messages, of which something may still become
WORDS_BPS = 32_000.0  # what pictures leave to words, however much of both there is
_WORDS_AT_ONCE = 1.0  # seconds of that after a silence
_COURTESY = 0.25  # seconds for which words let pictures go first
_MOST_LINES = 20  # of the chat, that wait
MOST_WORDS_BYTES = 16_384  # of what a page says beside its ledger


@dataclass(frozen=True, slots=True)
class FilmedPicture:
    """A capture and what an encoder made of it, with the session times of it all."""

    encoded: Encoded
    captured_at: float
    encode_start_at: float
    encode_end_at: float
    target_bps: float


@dataclass(frozen=True)
class ViewerHost:
    """What all viewers have in common. `admit(viewer)` says who may be that viewer, and sets its `mapping`;
    `hear(viewer, words)` takes what a page says beside its ledger, an object. `kept` bounds of how many frames the
    records stay: a page may watch for days."""

    certificate: WebCertificate
    clock: LiveClock
    admit: Callable[["Viewer"], Admit]
    hear: Callable[["Viewer", Mapping[str, Any]], None]
    kept: KeptFrames


class _Waiting(NamedTuple):
    """Words that wait for their share of the path."""

    kind: str
    said_at: float
    payload: bytes


class Viewer(SenderEnd):
    """A listening end of WebTransport for one page.

    `ledger` is what the page told. `wants_keyframe` is set when it asks for one; `rate_bps` is what the path is
    believed to carry. `token` is by what its questions for the time are known.
    """

    def __init__(self, config: TransportConfig, host: "ViewerHost", *, token: bytes) -> None:
        self.ledger = PageLedger()
        self.wants_keyframe = True
        self.rate_bps = float("inf")
        self.nonsense = 0
        self.offered = 0
        self.mapping: Carried = "datagram"
        self._clock = host.clock
        self._hear = host.hear
        self._token = token
        self._kept = host.kept
        self._keeps = True  # the records of all frames so far
        self._group = -1
        self._said = 0
        self._waiting: list[_Waiting] = []
        self._words_at = float("-inf")  # when the next words may leave
        self._tracks: dict[int, Track] = {track.id: track for track in config.tracks}
        service = Service(
            host.certificate.certificate,
            host.certificate.private_key,
            host.admit(self),
            self._take_message,
            self._answer,
        )
        self._end = served_sender(config, service, lambda: self.mapping)
        super().__init__(self._end)

    def is_begun(self) -> bool:
        return self._end.is_begun()

    def is_for(self, connection_id: bytes) -> bool:
        return self._end.is_for(connection_id)

    def silence(self, *, now: float) -> float:
        return self._end.silence(now=now)

    def refused(self) -> int:
        return self._end.malformed + self.nonsense + self.ledger.refused

    @property
    def given_up(self) -> int:
        """How many frames could not be sent in time."""
        stats = self.stats()
        return stats["dropped_expired"] + stats["dropped_full"] + stats["dropped_overtaken"]

    @property
    def is_watching(self) -> bool:
        """Whether its session stands."""
        return self._connected

    def offer(self, picture: FilmedPicture, *, now: float) -> None:
        """Send a picture. The first one has to be a keyframe."""
        encoded = picture.encoded
        self._group += encoded.keyframe
        size = "" if encoded.size is None else "{}x{}".format(*encoded.size)
        record = SentRecord(
            VIDEO_TRACK,
            self.offered,
            picture.captured_at,
            group=self._group,
            keyframe=encoded.keyframe,
            size_bytes=len(encoded.payload),
            target_bps=picture.target_bps,
            rendition=size,
            encode_start_at=picture.encode_start_at,
            encode_end_at=picture.encode_end_at,
        )
        self.offered += 1
        self._keep_record(record)
        self._send(record, self._tracks[VIDEO_TRACK], encoded.payload, now)

    def say(self, words: Mapping[str, Any], *, now: float) -> int:
        """Send words to the page: as soon as no picture waits, and after a quarter of a second ahead of those that do.
        They have WORDS_BPS at most: what is beyond waits.

        News of a kind takes the place of what waits of it. Of chat the oldest lines go; the answer is how many."""
        kind = str(words["kind"])
        self._waiting = [each for each in self._waiting if each.kind != kind or kind == "chat"]
        self._waiting.append(_Waiting(kind, round(now, 6), json.dumps(words).encode()))
        lines = [each for each in self._waiting if each.kind == "chat"]
        too_many = lines[:-_MOST_LINES]
        self._waiting = [each for each in self._waiting if each not in too_many]
        self._advance(now)
        return len(too_many)

    def finished(self, *, now: float) -> bool:
        return False

    def _due_at(self) -> float:
        return max(self._words_at, self._waiting[0].said_at + _COURTESY) if self._waiting else float("inf")

    def _advance(self, now: float) -> None:
        while self._waiting and (now >= self._due_at() or (now >= self._words_at and not self._end.has_waiting)):
            words = self._waiting.pop(0)
            self._words_at = max(self._words_at, now - _WORDS_AT_ONCE) + 8 * len(words.payload) / WORDS_BPS
            record = SentRecord(WORDS_TRACK, self._said, words.said_at, keyframe=True)
            self._said += 1
            self.records[WORDS_TRACK, record.sequence] = record
            self._send(record, self._tracks[WORDS_TRACK], words.payload, now)
            self.records.pop((WORDS_TRACK, record.sequence - _ON_THE_WAY), None)

    def _take(self, event: Event) -> None:
        if isinstance(event, KeyframeRequested):
            self.wants_keyframe = True
        elif isinstance(event, RateChanged):
            self.rate_bps = event.target_bps
        elif isinstance(event, _OF_A_FRAME):
            if (event.track, event.sequence) in self.records:
                super()._take(event)
        elif self._keeps or not isinstance(event, Estimated):
            super()._take(event)

    def _keep_record(self, record: SentRecord) -> None:
        """Records of the first frames stay for the ledger; of later ones only what is on its way is of use."""
        self.records[record.track, record.sequence] = record
        if self._keeps and len(self.captured) % BLOCK == 0:
            self._keeps = self._kept.take(self, MOST_FRAMES)
        if self._keeps:
            self.captured.append(record)
        elif (old := record.sequence - _ON_THE_WAY) >= len(self.captured):
            self.records.pop((record.track, old), None)

    def _answer(self, data: bytes, now: float) -> bytes | None:
        return answer_at_once(data, self._token, self._clock.now, received_at=now)

    def _take_message(self, content: bytes, now: float) -> None:
        try:
            said = json.loads(content)
            if not isinstance(said, dict):
                raise PageError("what a page says is an object")
            if said.get("kind") == "ledger":
                self.ledger.take(said, sent=self.offered, kept=len(self.captured))
            elif len(content) > MOST_WORDS_BYTES:
                raise PageError("words of a page are short")
            else:
                self._hear(self, said)
        except (ValueError, RecursionError):
            self.nonsense += 1
