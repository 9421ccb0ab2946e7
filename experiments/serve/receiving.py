"""The other half of `glass serve`: pages that send what they film, and what becomes of it here."""

import asyncio
import secrets  # noqa: TID251  what strangers must not guess must not follow from a seed
import statistics
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from urllib.parse import parse_qs, urlsplit

from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.serve.server import Server
from glassbench.experiments.worlds.browser.many_listener import SILENCE, ListeningEnd, ManyLimits, ManyListener
from glassbench.experiments.worlds.browser.sending_page import Filmed, PageDoor, SendingPage, latencies
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.transport.contract import Address, Track, TransportConfig
from glassbench.transport.quic.served import MAPPINGS
from glassbench.transport.stamp_code import MIN_HEIGHT, MIN_WIDTH

PATH = "/send"
MOST_PAGES = 4
"""That may send at a time: each has a decoder."""
CODECS = ("h264", "vp8", "vp9", "av1")
FILMED = ("camera", "screen", "canvas")

_OK, _BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 400, 401, 403, 404
_TELL = 0.5  # seconds between two words about what came of a page
_MOST_SIDE, _MOST_FPS, _MOST_BPS = 1920, 60, 50_000_000
_MOST_TOLD = 60  # latencies in one word


class Receiving:
    """Lives in the loop that runs when it is made, beside a server, whose tokens, origins and certificate hold here
    too. `left(page, number)` gets a page that has gone."""

    def __init__(
        self,
        server: Server,
        udp: UdpSocket,
        clock: LiveClock,
        *,
        said: Callable[[str], None] = lambda line: None,
        left: Callable[[SendingPage, int], None] = lambda page, number: None,
    ) -> None:
        self.port = udp.address[1]
        self.counted = Counter(dict.fromkeys(("tokens", "origins", "paths", "films"), 0))
        self._server = server
        self._clock = clock
        self._said = said
        self._left = left
        self._numbers: dict[int, int] = {}  # by the id of the page
        self._came = 0
        self._loop = asyncio.get_running_loop()
        self._listener = ManyListener(
            udp,
            clock,
            self._make,
            self._gone,
            limits=ManyLimits(connections=MOST_PAGES, handshakes=MOST_PAGES),
            make_way=server.offer.make_way,
        )
        self._timer = self._loop.call_later(_TELL, self._tell)

    @property
    def is_full(self) -> bool:
        """Whether nobody else may come now."""
        return len(self._listener.connections) >= MOST_PAGES

    @property
    def pages(self) -> list[SendingPage]:
        """Who sends now."""
        ends = [connection.end for connection in self._listener.connections.values()]
        return [end for end in ends if isinstance(end, SendingPage) and id(end) in self._numbers]

    def refusals(self) -> dict[str, int]:
        """What was turned away, by its kind."""
        return {**self.counted, **self._listener.refusals()}

    def close(self) -> None:
        """Everybody is sent away."""
        self._timer.cancel()
        self._listener.close()

    def _make(self, peer: Address) -> SendingPage:
        offer = self._server.offer
        tracks = (Track(VIDEO_TRACK, "video", offer.encoder.codec, priority=1),)
        config = TransportConfig(("0.0.0.0", self.port), peer, secrets.randbits(63), tracks)
        door = PageDoor(
            self._server.certificate,
            self._clock,
            lambda page: lambda headers: self._status(page, headers),
            self._server.clock_token,
        )
        return SendingPage(config, door)

    def _status(self, page: SendingPage, headers: Dictionary[bytes, bytes]) -> int:
        """What a caller is answered; with 200 it may send."""
        asked = urlsplit(headers.get(b":path", b"").decode(errors="replace"))
        query = {name: values[0] for name, values in parse_qs(asked.query, max_num_fields=20).items()}
        if asked.path != PATH:
            self.counted["paths"] += 1
            return _NOT_FOUND
        if headers.get(b"origin", b"").decode(errors="replace") not in self._server.offer.origins:
            self.counted["origins"] += 1
            return _FORBIDDEN
        filmed = filmed_of(query)
        if filmed is None:
            self.counted["films"] += 1
            return _BAD_REQUEST
        if not self._server.tokens.take(query.get("token", "")):
            self.counted["tokens"] += 1
            return _UNAUTHORIZED
        self._came += 1
        self._numbers[id(page)] = self._came
        page.begin(filmed)
        assert page.thread is not None
        self._loop.add_reader(page.thread.fileno(), self._decoded, page)
        size = f"{filmed.width}x{filmed.height}"
        self._said(f"page {self._came} sends its {filmed.what}, {filmed.codec}, {size}, {filmed.mapping}")
        return _OK

    def _decoded(self, page: SendingPage) -> None:
        page.handle_timer(now=self._clock.now())
        self._listener.wake(page)

    def _gone(self, end: ListeningEnd) -> None:
        assert isinstance(end, SendingPage)
        number = self._numbers.pop(id(end), None)
        if end.thread is not None:
            self._loop.remove_reader(end.thread.fileno())
        end.finish(now=self._clock.now())
        if number is not None:
            fate = f"was silent for {SILENCE:g} s" if end.silence(now=self._clock.now()) > SILENCE else "sends no more"
            self._said(f"page {number} {fate}; {len(self._numbers)} send")
            self._left(end, number)

    def _tell(self) -> None:
        """Tell each page what came of its frames."""
        for page in self.pages:
            records = page.since_told()
            seconds = latencies(records)
            page.hearing.say(
                {
                    "kind": "received",
                    "frames": len(page.records),
                    "latency_ms": [round(each * 1e3, 2) for each in seconds[-_MOST_TOLD:]],
                    "median_ms": round(statistics.median(seconds) * 1e3, 2) if seconds else None,
                    "lost": page.transport.stats()["frames_lost"],
                    "refused": sum(self.refusals().values()),
                }
            )
            if page.is_full:
                page.close(now=self._clock.now())
            self._listener.wake(page)
        self._timer = self._loop.call_later(_TELL, self._tell)


def filmed_of(query: Dictionary[str, str]) -> Filmed | None:
    """What a page asks to send, by the fields of its address; None if that cannot be."""
    try:
        width, height = int(query["width"]), int(query["height"])
        fps, bitrate = float(query["fps"]), int(query["bitrate"])
        what, codec, mapping = query["what"], query["codec"], query["mapping"]
    except (KeyError, ValueError):
        return None
    if what not in FILMED or codec not in CODECS or mapping not in MAPPINGS:
        return None
    if not (MIN_WIDTH <= width <= _MOST_SIDE and MIN_HEIGHT <= height <= _MOST_SIDE and width % 2 == height % 2 == 0):
        return None
    if not (1 <= fps <= _MOST_FPS and 50_000 <= bitrate <= _MOST_BPS):
        return None
    return Filmed(what, codec, width, height, fps, bitrate, mapping)
