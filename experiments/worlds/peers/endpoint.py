"""Endpoints of the user, by their addresses: we publish stamped pictures to one, and play what another gives. What is
between is the user's. Both ends of ours stand in the network of this host.

Grey pictures are on the air from the connection to the first capture, so that others can join.
"""

import threading
from collections.abc import Callable, Mapping
from queue import Empty, Full, Queue
from typing import ClassVar

import av

from glassbench.experiments.scenario.endpoint_url import EndpointUrl, parse
from glassbench.experiments.worlds.peers.endpoint_pictures import PictureDecoder
from glassbench.experiments.worlds.peers.libsrt import Libsrt
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.raw_pictures import picture_of
from glassbench.experiments.worlds.peers.rtmp_stream import RtmpPlayer, RtmpPublisher
from glassbench.experiments.worlds.peers.rtp_stream import RtpPlayer, RtpPublisher
from glassbench.experiments.worlds.peers.streams import Player, Publisher
from glassbench.experiments.worlds.peers.ts_stream import SrtCarrier, TsPlayer, TsPublisher, UdpCarrier
from glassbench.experiments.worlds.peers.warm_up import GREY
from glassbench.sender.encoder import EncoderSettings, PictureEncoder
from glassbench.transport.contract import Frame, Unsupported

_FIRST_TIME = 10.0  # seconds, the presentation time of the first capture
_MOST_WAITING = 8  # pictures that are not encoded yet
_JOIN_PATIENCE = 10.0  # seconds until there is something to play
_RETRY = 0.2  # seconds until it is tried again
_END_PATIENCE = 1.0  # seconds for what is under way
_SRT_LATENCY = "120"  # ms, its default
_WHIP = ("http", "https")


class Endpoints(Peer):
    """Publisher and player, by the schemes of two addresses."""

    carries: ClassVar[Carries] = "pictures"

    @classmethod
    def version(cls) -> str:
        return f"FFmpeg {av.ffmpeg_version_info}"

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        for name in ("send", "receive"):
            try:
                url = parse(str(options[name]))
            except ValueError as error:
                raise Unsupported(f"{name}: {error}") from None
            if url.scheme == "srt":
                Libsrt.version()
            if url.scheme in _WHIP:
                from glassbench.experiments.worlds.peers.whip import check

                check()

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        url = parse(str(context.options["send" if context.role == "sender" else "receive"]))
        if url.scheme in _WHIP:
            from glassbench.experiments.worlds.peers.whip import WhepReceiver, WhipSender

            return WhipSender(context, url) if context.role == "sender" else WhepReceiver(context, url)
        return _EndpointSender(context, url) if context.role == "sender" else _EndpointReceiver(context, url)


class _EndpointSender(PeerEnd):
    """A thread encodes and publishes, so that a server that is slow keeps nobody else waiting."""

    def __init__(self, context: PeerContext, url: EndpointUrl) -> None:
        super().__init__(context)
        self._url = url
        self._publisher: Publisher | None = None
        self._waiting: Queue[tuple[bytes, float]] = Queue(_MOST_WAITING)
        self._over, self._wants_keyframe = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._publish_all, daemon=True)

    def start(self) -> None:
        video = self.context.video
        every = max(1, round(float(str(self.context.options["keyframe_ms"])) / 1e3 * video.fps))
        settings = EncoderSettings("h264", video.bitrate_bps, keyframe_interval=video.keyframe_interval or every)
        self._encoder = PictureEncoder(settings, width=video.width, height=video.height, fps=video.fps)

    def connect(self) -> None:
        self._publisher = publisher_of(self.context, self._url, self._wants_keyframe.set)
        try:
            self._publisher.connect()
        except PeerError as error:
            raise PeerError(f"publish to {self._url.shown}: {error}") from None
        self._thread.start()

    def send(self, data: bytes, frame: Frame) -> bool:
        try:
            self._waiting.put_nowait((data, frame.captured_at))
        except Full:
            return False
        return True

    def close(self) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(_END_PATIENCE)
        if self._publisher is not None and not self._thread.is_alive():
            self._publisher.close()

    def settings(self) -> Mapping[str, object]:
        told = {} if self._publisher is None else self._publisher.settings()
        return {"endpoint": self._url.shown, **told}

    def counters(self) -> Mapping[str, int]:
        return {} if self._publisher is None else self._publisher.counters()

    def _publish_all(self) -> None:
        video, outlet = self.context.video, self.context.outlet
        grey = bytes([GREY]) * (video.width * video.height * 3 // 2)
        try:
            while not self._over.is_set():
                try:
                    data, at = self._waiting.get(timeout=float(1 / video.fps))
                except Empty:
                    if outlet.now() >= self.context.media_start:
                        continue
                    data, at = grey, outlet.now()
                self._publish(picture_of(data, video.width, video.height), at)
        except PeerError as error:
            if not self._over.is_set():
                outlet.fail(f"publish to {self._url.shown}: {error}")

    def _publish(self, picture: av.VideoFrame, at: float) -> None:
        assert self._publisher is not None
        asked = self._wants_keyframe.is_set()
        self._wants_keyframe.clear()
        encoded = self._encoder.encode(picture, force_keyframe=asked)
        time = at - self.context.media_start + _FIRST_TIME
        self._publisher.publish(encoded.payload, time, keyframe=encoded.keyframe)


class _EndpointReceiver(PeerEnd):
    """A thread plays and decodes. As long as there is nothing to play it tries again."""

    def __init__(self, context: PeerContext, url: EndpointUrl) -> None:
        super().__init__(context)
        self._url = url
        self._player: Player | None = None
        self._decoder = PictureDecoder(context)
        self._over, self._joined = threading.Event(), threading.Event()
        self._reason = "nothing came"
        self._thread = threading.Thread(target=self._play_all, daemon=True)

    def start(self) -> None:
        self._player = player_of(self.context, self._url)
        self._listen(self._player)

    def connect(self) -> None:
        self._thread.start()
        # The arm ends before the patience does if its media are short; then the reason would be lost.
        if not self._joined.wait(min(_JOIN_PATIENCE, 2.0 + self.context.duration)):
            raise PeerError(f"play from {self._url.shown}: {self._reason}")

    def close(self) -> None:
        self._over.set()
        if self._player is not None:
            self._player.stop()
        if self._thread.ident is not None:
            self._thread.join(_END_PATIENCE)

    def settings(self) -> Mapping[str, object]:
        told = {} if self._player is None else self._player.settings()
        return {"endpoint": self._url.shown, "codec": self._decoder.codec, **told}

    def counters(self) -> Mapping[str, int]:
        return {} if self._player is None else self._player.counters()

    def _listen(self, player: Player) -> None:
        try:
            player.listen()
        except PeerError as error:
            raise PeerError(f"receive at {self._url.shown}: {error}") from None

    def _play_all(self) -> None:
        assert self._player is not None
        while not self._over.is_set():
            try:
                self._player.play(self._joined.set, self._decoder.take)
                self._reason = "the stream ended"
            except PeerError as error:
                self._reason = str(error)
            if self._joined.is_set():
                break
            self._over.wait(_RETRY)
            self._player = player_of(self.context, self._url)
            self._listen(self._player)
        if not self._over.is_set() and self.context.outlet.now() < self._last:
            self.context.outlet.fail(f"play from {self._url.shown}: {self._reason}")

    @property
    def _last(self) -> float:
        """The session time of the last capture: a stream may end after it."""
        return self.context.media_start + self.context.duration


def publisher_of(context: PeerContext, url: EndpointUrl, want_keyframe: Callable[[], None]) -> Publisher:
    """What publishes to an address."""
    there = url.host, url.port
    if url.scheme == "rtmp":
        return RtmpPublisher(url.text, there)
    if url.scheme == "rtp":
        return RtpPublisher(there, context.seed, context.outlet, want_keyframe)
    carrier = UdpCarrier(there) if url.scheme == "udp" else _srt(context, url)
    return TsPublisher(carrier, context.video)


def player_of(context: PeerContext, url: EndpointUrl) -> Player:
    """What plays from an address."""
    there = url.host, url.port
    if url.scheme == "rtmp":
        return RtmpPlayer(url.text, there)
    if url.scheme == "rtp":
        return RtpPlayer(there, context.seed, context.outlet)
    return TsPlayer(UdpCarrier(there) if url.scheme == "udp" else _srt(context, url))


def _srt(context: PeerContext, url: EndpointUrl) -> SrtCarrier:
    options = {
        "latency_ms": int(url.query.get("latency", _SRT_LATENCY)),
        "tlpktdrop": True,
        "reader": "poll",
        "fec": "",
        "passphrase": url.query.get("passphrase", ""),
        "streamid": url.query.get("streamid", ""),
    }
    return SrtCarrier(context, (url.host, url.port), url.query.get("mode", "caller"), options)
