"""`glass serve` as an object: the film, its viewers, and what they say to each other."""

import asyncio
import secrets  # noqa: TID251  what strangers must not guess must not follow from a seed
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.serve.film import Film
from glassbench.experiments.serve.renditions import Choice, Rendition, renditions_of
from glassbench.experiments.serve.throttle import Throttle
from glassbench.experiments.serve.tokens import Tokens
from glassbench.experiments.worlds.browser.kept import KeptFrames
from glassbench.experiments.worlds.browser.many_listener import SILENCE, ListeningEnd, ManyLimits, ManyListener
from glassbench.experiments.worlds.browser.page_told import MOST_FRAMES
from glassbench.experiments.worlds.browser.viewer import WORDS_TRACK, FilmedPicture, Viewer, ViewerHost
from glassbench.experiments.worlds.browser.way import Way
from glassbench.netem.live.alignment_messages import TOKEN_BYTES
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.sender.encoder import EncoderSettings
from glassbench.sender.source import PixelSource
from glassbench.transport.contract import Address, Track, TransportConfig
from glassbench.transport.quic.served import MAPPINGS, Mapping
from glassbench.transport.quic.service import Admit
from glassbench.transport.quic.web_certificate import WebCertificate, make_certificate

PATH = "/watch"

_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404
_RENEW = timedelta(days=1)  # before a certificate ends
_TELL = 1.0  # seconds between two words about what a viewer is sent
_MOST_TEXT, _WORDS_PER_SECOND = 500, 5.0
_LATEST_CHAT = 20
_MOST_KEPT = 4 * MOST_FRAMES  # frames in the records of all viewers


@dataclass(frozen=True)
class Broadcast:
    """What is shown: a source, how its best rendition is encoded, what frames travel in unless a page says something
    else, the options of the transport, and the deadline of a frame in seconds. `origins` are those of the pages that
    may connect, `hosts` those of the certificate. A `poll` is a question and its answers. `make_way` makes the emulated
    network of a viewer who comes at that session time."""

    source: PixelSource
    encoder: EncoderSettings
    mapping: Mapping
    options: Dictionary[str, object]
    deadline: float | None
    origins: frozenset[str]
    hosts: tuple[str, ...]
    poll: tuple[str, ...] = ()
    max_viewers: int = 64
    make_way: Callable[[float], Way] | None = None


@dataclass
class _Seat:
    """A viewer, its number and its rendition; `place` is None until its first keyframe."""

    number: int
    viewer: Viewer
    choice: Choice
    place: int | None = None
    told_at: float = float("-inf")
    words: Throttle = field(default_factory=lambda: Throttle(_WORDS_PER_SECOND, 2 * _WORDS_PER_SECOND))


def _today() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  certificates end by the calendar


class Server:
    """Serves one film to any number of viewers. It lives in the loop that runs when it is made.

    `today` is the date. `said` takes a line about who comes and goes, `left(viewer, number)` a viewer that has left.
    `counted` has what was refused: `tokens`, `origins`, `paths`, `words`; and what the page's side refused: `requests`,
    and `connections` that took too long or were too many.
    """

    def __init__(
        self,
        offer: Broadcast,
        udp: UdpSocket,
        clock: LiveClock,
        *,
        today: Callable[[], datetime] = _today,
        said: Callable[[str], None] = lambda line: None,
        left: Callable[[Viewer, int], None] = lambda viewer, number: None,
    ) -> None:
        """Raises EncoderError, and Unsupported for a controller that is not for pages."""
        self.offer = offer
        self.tokens = Tokens(clock.now)
        self.clock_token = secrets.token_bytes(TOKEN_BYTES)
        self.counted = Counter(dict.fromkeys(("tokens", "origins", "paths", "words", "requests", "connections"), 0))
        self.renditions = renditions_of(offer.source.width, offer.source.height, offer.encoder.bitrate_bps)
        self.port = udp.address[1]
        self._clock = clock
        self._said = said
        self._left = left
        self._kept = KeptFrames(_MOST_KEPT)
        self._seats: dict[int, _Seat] = {}  # by the id of the viewer
        self._numbers = 0
        self._votes: dict[int, int] = {}  # by the number of the viewer
        self._chat: list[Dictionary[str, Any]] = []
        self._today = today
        self._certificate = make_certificate(offer.hosts, today())
        self._make(("192.0.2.1", 1))  # what cannot be is refused now, not when somebody comes
        self._film = Film(
            offer.source, self.renditions, self._settings(), clock, watched=self._watched, give=self._give
        )
        limits, make_way = ManyLimits(offer.max_viewers), offer.make_way
        self._listener = ManyListener(udp, clock, self._make, self._gone, limits=limits, make_way=make_way)

    @property
    def certificate(self) -> WebCertificate:
        """What a page has to expect: a new one in time before the last one ends. Sessions that stand keep theirs."""
        if self._today() > self._certificate.ends - _RENEW:
            self._certificate = make_certificate(self.offer.hosts, self._today())
        return self._certificate

    @property
    def viewers(self) -> list[Viewer]:
        """Who watches now."""
        return [seat.viewer for seat in self._seats.values()]

    def now(self) -> float:
        """Session time."""
        return self._clock.now()

    @property
    def is_full(self) -> bool:
        """Whether nobody else may come now."""
        return len(self._listener.connections) >= self.offer.max_viewers

    def refusals(self) -> dict[str, int]:
        """What was turned away, by its kind."""
        return {**self.counted, **self._listener.refusals()}

    def close(self) -> None:
        """Everybody is sent away."""
        self._film.close()
        self._listener.close()

    def _settings(self) -> list[EncoderSettings]:
        return [replace(self.offer.encoder, bitrate_bps=each.bitrate_bps) for each in self.renditions]

    def _make(self, peer: Address) -> Viewer:
        tracks = (
            Track(VIDEO_TRACK, "video", self.offer.encoder.codec, priority=1, deadline=self.offer.deadline),
            Track(WORDS_TRACK, "words", "data", priority=0),
        )
        local = "0.0.0.0", self.port
        config = TransportConfig(local, peer, secrets.randbits(63), tracks, options=self.offer.options)
        host = ViewerHost(self.certificate, self._clock, self._admit, self._hear, self._kept)
        return Viewer(config, host, token=self.clock_token)

    def _admit(self, viewer: Viewer) -> Admit:
        return lambda headers: self._status(viewer, headers)

    def _status(self, viewer: Viewer, headers: Dictionary[bytes, bytes]) -> int:
        """What a caller is answered; with 200 it has its seat."""
        asked = urlsplit(headers.get(b":path", b"").decode(errors="replace"))
        query = {name: values[0] for name, values in parse_qs(asked.query, max_num_fields=10).items()}
        mapping = query.get("mapping", self.offer.mapping)
        if asked.path != PATH or mapping not in MAPPINGS:
            self.counted["paths"] += 1
            return _NOT_FOUND
        if headers.get(b"origin", b"").decode(errors="replace") not in self.offer.origins:
            self.counted["origins"] += 1
            return _FORBIDDEN
        if not self.tokens.take(query.get("token", "")):
            self.counted["tokens"] += 1
            return _UNAUTHORIZED
        viewer.mapping = mapping
        self._numbers += 1
        seat = _Seat(self._numbers, viewer, Choice(self.renditions))
        self._seats[id(viewer)] = seat
        self._said(f"viewer {seat.number} came, {mapping}; {len(self._seats)} watch")
        asyncio.get_running_loop().call_soon(self._welcome, seat)
        return _OK

    def _welcome(self, seat: _Seat) -> None:
        self._tell(
            seat,
            {
                "kind": "welcome",
                "viewer": seat.number,
                "codec": self.offer.encoder.codec,
                "fps": float(self.offer.source.fps),
                "renditions": [_described(each) for each in self.renditions],
                "poll": self._poll(),
                "chat": self._chat,
            },
        )

    def _gone(self, end: ListeningEnd) -> None:
        seat = self._seats.pop(id(end), None)
        if seat is not None:
            self._votes.pop(seat.number, None)
            fate = f"was silent for {SILENCE:g} s" if end.silence(now=self.now()) > SILENCE else "left"
            self._said(f"viewer {seat.number} {fate}; {len(self._seats)} watch")
            self._left(seat.viewer, seat.number)

    def _watched(self) -> set[int]:
        """The renditions that are needed now: those that viewers get, and those that they wait for."""
        now = self._clock.now()
        places: set[int] = set()
        for seat in self._seats.values():
            if not seat.viewer.is_watching:
                continue
            wanted = seat.choice.look(seat.viewer.rate_bps, seat.viewer.given_up, now=now)
            if seat.place is not None:
                places.add(seat.place)
            if wanted != seat.place or seat.viewer.wants_keyframe:
                self._film.want_keyframe(wanted)
            places.add(wanted)
        return places

    def _give(self, place: int, picture: FilmedPicture) -> None:
        now = self._clock.now()
        for seat in list(self._seats.values()):
            viewer = seat.viewer
            if not viewer.is_watching:
                continue
            if picture.encoded.keyframe and place == seat.choice.current:
                seat.place, viewer.wants_keyframe = place, False
            if place == seat.place:
                viewer.offer(picture, now=now)
                self._listener.wake(viewer)  # what has room leaves before words
                if now - seat.told_at >= _TELL:
                    seat.told_at = now
                    self._tell(seat, self._sent(seat))

    def _sent(self, seat: _Seat) -> Dictionary[str, Any]:
        viewer = seat.viewer
        rate = viewer.rate_bps
        return {
            "kind": "sent",
            "rendition": seat.place,
            "rate_bps": None if rate == float("inf") else round(rate),
            "viewers": len(self._seats),
            "frames": viewer.offered,
            "given_up": viewer.given_up,
            "busy": self._film.dropped,
            "refused": sum(self.refusals().values()),
        }

    def _hear(self, viewer: Viewer, words: Dictionary[str, Any]) -> None:
        seat = self._seats.get(id(viewer))
        if seat is None or not seat.words.take(now=self._clock.now()):
            self.counted["words"] += 1
            return
        match words:
            case {"kind": "chat", "text": str(text)} if 0 < len(text) <= _MOST_TEXT:
                line = {"kind": "chat", "viewer": seat.number, "text": text}
                self._chat = [*self._chat, line][-_LATEST_CHAT:]
                self._tell_all(line)
            case {"kind": "vote", "answer": int(answer)} if 0 <= answer < len(self.offer.poll) - 1:
                self._votes[seat.number] = answer
                self._tell_all({"kind": "poll", "poll": self._poll()})
            case {"kind": "rendition", "place": int(place)} if 0 <= place < len(self.renditions):
                seat.choice.fixed = place
            case {"kind": "rendition", "place": None}:
                seat.choice.fixed = None
            case _:
                self.counted["words"] += 1

    def _poll(self) -> Dictionary[str, Any] | None:
        if not self.offer.poll:
            return None
        question, *answers = self.offer.poll
        votes = Counter(self._votes.values())
        return {"question": question, "answers": answers, "votes": [votes[place] for place in range(len(answers))]}

    def _tell(self, seat: _Seat, words: Dictionary[str, Any]) -> None:
        self.counted["words"] += seat.viewer.say(words, now=self._clock.now())
        self._listener.wake(seat.viewer)

    def _tell_all(self, words: Dictionary[str, Any]) -> None:
        for seat in list(self._seats.values()):
            if seat.viewer.is_watching:
                self._tell(seat, words)


def _described(rendition: Rendition) -> str:
    return f"{rendition.width}x{rendition.height} at {rendition.bitrate_bps / 1e6:g} Mbit/s"
