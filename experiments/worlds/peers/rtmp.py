"""RTMP through nginx on the host of the sender, so that the link is the last mile: from the server to a player.

A player joins at a keyframe, so grey pictures are on the air before the first capture.
"""

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import av

from glassbench.experiments.worlds.peers.nginx import APPLICATION, Nginx
from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.rtmp_stream import RtmpPlayer, RtmpPublisher
from glassbench.experiments.worlds.peers.streams import TimedUnit
from glassbench.experiments.worlds.peers.tcp import check_congestion, connections, listen
from glassbench.experiments.worlds.peers.warm_up import WarmUp
from glassbench.transport.contract import Frame

_MODULE = "ngx_rtmp_module.so"
_FIRST_TIME = 10.0  # seconds, the presentation time of the first capture
_GROUP = 8  # pictures from keyframe to keyframe before the first capture
_LOOK = 0.1  # seconds
_TUNED_SERVER = "chunk_size 65536;"  # a picture is one chunk, and goes to the kernel in one piece
_TUNED_STREAM = "wait_key on; interleave off; meta copy;"


class Rtmp(Peer):
    """A publisher, nginx, and a player."""

    carries: ClassVar[Carries] = "units"
    install = "apt install nginx libnginx-mod-rtmp"

    @classmethod
    def version(cls) -> str:
        cls.module()
        told = re.search(r"nginx/(\S+)", cls.told_by("nginx", "-v"))
        return f"nginx {told[1] if told else 'unknown'}, FFmpeg {av.ffmpeg_version_info}"

    @classmethod
    def module(cls) -> str:
        """The path of the RTMP module. Raises Unsupported."""
        folder = re.search(r"--modules-path=(\S+)", cls.told_by("nginx", "-V"))
        path = Path(folder[1] if folder else "/usr/lib/nginx/modules", _MODULE)
        if not path.exists():
            raise cls.missing("RTMP module of nginx")
        return str(path)

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        cls.version()
        check_congestion(str(options["tcp"]))

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _RtmpSender(context) if context.role == "sender" else _RtmpReceiver(context)


class _RtmpSender(PeerEnd):
    """The publisher, and the server beside it."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._server: Nginx | None = None
        self._publisher = RtmpPublisher(_url(*context.local), context.local)
        self._warm_up = WarmUp(context, self._publish_early, self._begins_group)
        self._early = 0
        self._interval = float(1 / context.video.fps)
        self._group = float(str(context.options["keyframe_ms"])) / 1e3 - self._interval / 2
        self._keyframe_at = 0.0
        self._settings: dict[str, object] = {}
        self._counted: dict[str, int] = {}

    def start(self) -> None:
        options = self.context.options
        tuned = bool(options["tuned"])
        listener = listen(self.context.local, str(options["tcp"]), no_delay=tuned)
        self._server = Nginx(
            Rtmp.program("nginx"),
            Rtmp.module(),
            self.context,
            listener,
            server=_TUNED_SERVER if tuned else "",
            live=_TUNED_STREAM if tuned else "",
        )

    def connect(self) -> None:
        self._warm_up.start()

    def send(self, data: bytes, frame: Frame) -> bool:
        self._warm_up.stop()
        self._publish(data, frame.captured_at, frame.keyframe)
        if frame.keyframe:
            self._keyframe_at = frame.captured_at
        if frame.captured_at - self._keyframe_at + self._interval >= self._group:
            self.context.outlet.want_keyframe()
        return True

    def close(self) -> None:
        self._warm_up.stop()
        self._publisher.close()
        if self._server is not None:
            self._server.stop()

    def counters(self) -> Mapping[str, int]:
        """What nginx counted, and the kernel of its connection to the player."""
        if self._server is not None:
            told = self._server.told()
            self._settings |= told.settings
            self._counted |= told.counters
        for one in connections():
            if one.port == self.context.local[1] and one.peer[0] == self.context.peer[0]:
                self._settings["tcp_congestion"] = one.congestion
                self._counted |= one.counters
        return self._counted

    def settings(self) -> Mapping[str, object]:
        return self._settings

    def _begins_group(self, at: float) -> bool:
        return self._early % _GROUP == 0

    def _publish_early(self, data: bytes, at: float, keyframe: bool) -> None:
        self._early += 1
        try:
            self._publish(data, at, keyframe)
        except PeerError as error:
            self.context.outlet.fail(str(error))

    def _publish(self, data: bytes, at: float, keyframe: bool) -> None:
        self._publisher.publish(data, at - self.context.media_start + _FIRST_TIME, keyframe=keyframe)


class _RtmpReceiver(PeerEnd):
    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._player = RtmpPlayer(_url(*context.peer), context.peer, at_once=bool(context.options["tuned"]))
        self._joined, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def connect(self) -> None:
        self._thread.start()
        while not self._joined.wait(_LOOK):
            if self._over.is_set():
                raise PeerError("no stream came")

    def close(self) -> None:
        self._over.set()
        self._player.stop()

    def counters(self) -> Mapping[str, int]:
        return self._player.counters()

    def settings(self) -> Mapping[str, object]:
        return self._player.settings()

    def _play(self) -> None:
        try:
            self._player.play(self._joined.set, self._give)
        except PeerError as error:
            if self.context.outlet.now() < self.context.media_start + self.context.duration:  # else the stream may end
                self.context.outlet.fail(str(error))

    def _give(self, unit: TimedUnit) -> None:
        if unit.at >= _FIRST_TIME:  # not before the first capture
            self.context.outlet.give(unit.data)


def _url(host: str, port: int) -> str:
    return f"rtmp://{host}:{port}/{APPLICATION}/glass"
