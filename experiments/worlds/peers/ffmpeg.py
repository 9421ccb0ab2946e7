"""Two ffmpeg programs of this machine, as their users start them: pictures through libx264 and a carrier.

A receiving ffmpeg has to see some of a stream before it opens it, so grey pictures are on the air before the first
capture.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerVideo
from glassbench.experiments.worlds.peers.program import Program
from glassbench.experiments.worlds.peers.raw_pictures import RawPictures
from glassbench.experiments.worlds.peers.warm_up import GREY, WarmUp
from glassbench.transport.contract import Frame, Unsupported

_BUFFER = 0.2  # seconds of the encoder's rate control, as with our own
_PROGRESS = "progress"  # the file that it counts in
_SESSION = "session.sdp"
_TOLD = re.compile(r"^\s*(?:\[\w+ @ \w+\] (profile .*)|(Stream #0:0.*))$", re.MULTILINE)
_COUNTED = re.compile(r"^(frame|dup_frames|drop_frames|total_size)=(\d+)$", re.MULTILINE)
_TUNED_INPUT = ("-flags", "low_delay", "-threads", "1", "-analyzeduration", "100000")
_TUNED_ENCODER = ("-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1", "-sc_threshold", "0")


class Ffmpeg(Peer):
    """A program at each end."""

    carries: ClassVar[Carries] = "pictures"
    install = "apt install ffmpeg"

    @classmethod
    def version(cls) -> str:
        words = cls.told_by("ffmpeg", "-version").split()  # ffmpeg version N ...
        return words[2] if len(words) > 2 else "unknown"

    @classmethod
    def check(cls, options: Mapping[str, object], video: PeerVideo) -> None:
        super().check(options, video)
        if video.width % 2 or video.height % 2:
            raise Unsupported(f"libx264 takes pictures of even sizes, got {video.width}x{video.height}")

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        path = cls.program("ffmpeg")
        return _FfmpegSender(context, path) if context.role == "sender" else _FfmpegReceiver(context, path)


class _FfmpegEnd(PeerEnd):
    """What both ends share: a program, and what it tells of itself."""

    def __init__(self, context: PeerContext, path: str) -> None:
        super().__init__(context)
        progress = str(context.folder / _PROGRESS)
        self._command = [path, "-hide_banner", "-nostats", "-stats_period", "0.1", "-progress", progress]
        self._program: Program | None = None

    def close(self) -> None:
        if self._program is not None:
            self._program.stop()

    def counters(self) -> Mapping[str, int]:
        try:
            text = (self.context.folder / _PROGRESS).read_text(errors="replace")
        except OSError:
            return {}
        return {name: int(number) for name, number in _COUNTED.findall(text)}  # the last ones stand

    def settings(self) -> Mapping[str, object]:
        """What it said of its streams and its encoder."""
        told = _TOLD.findall(self.context.log.read_text(errors="replace"))
        return {"told": [one or other for one, other in told]}

    def address(self, host: str, port: int, mode: str) -> str:
        """The URL of its carrier."""
        carrier = self.context.options["carrier"]
        if carrier == "rtp":
            return f"rtp://{host}:{port}?pkt_size=1200"
        if carrier == "mpegts":
            return f"udp://{host}:{port}?pkt_size=1316"
        latency_us = int(str(self.context.options["latency_ms"])) * 1000
        return f"srt://{host}:{port}?mode={mode}&latency={latency_us}"


class _FfmpegSender(_FfmpegEnd):
    def connect(self) -> None:
        video, tuned = self.context.video, self.context.options["tuned"]
        raw = ["-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", f"{video.width}x{video.height}"]
        encoder = ["-c:v", "libx264", "-b:v", str(video.bitrate_bps)]
        if tuned:
            size = round(video.bitrate_bps * _BUFFER)
            encoder += [*_TUNED_ENCODER, "-maxrate", str(video.bitrate_bps), "-bufsize", str(size)]
        if video.keyframe_interval is not None:
            encoder += ["-g", str(video.keyframe_interval)]
        self._program = Program(
            [*self._command, *raw, "-framerate", str(video.fps), "-i", "pipe:0", *encoder, *self._output()],
            self.context,
            feeds=True,
        )
        self._warm_up = WarmUp(self.context, self._feed, lambda at: False, RawPictures())
        self._warm_up.start()

    def send(self, data: bytes, frame: Frame) -> bool:
        assert self._program is not None
        self._warm_up.stop()
        return self._program.feed(data)

    def close(self) -> None:
        if self._program is not None:
            self._warm_up.stop()
        super().close()

    def _feed(self, data: bytes, at: float, keyframe: bool) -> None:
        assert self._program is not None
        self._program.feed(data)

    def _output(self) -> list[str]:
        address = self.address(*self.context.peer, "caller")
        if self.context.options["carrier"] == "rtp":
            return ["-f", "rtp", address]
        tuned = ["-omit_video_pes_length", "0", "-muxdelay", "0", "-flush_packets", "1"]
        return [*(tuned if self.context.options["tuned"] else []), "-f", "mpegts", address]


class _FfmpegReceiver(_FfmpegEnd):
    def start(self) -> None:
        tuned = self.context.options["tuned"]
        output = ["-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:1"]
        self._program = Program(
            [*self._command, "-nostdin", *(_TUNED_INPUT if tuned else ()), *self._input(), *output],
            self.context,
            reads=self._read,
            may_end=True,
        )

    def connect(self) -> None:
        """Nothing: it waits for whoever sends."""

    def _input(self) -> list[str]:
        if self.context.options["carrier"] != "rtp":
            no_parser = ["-fflags", "noparse"] if self.context.options["tuned"] else []
            return [*no_parser, "-f", "mpegts", "-i", self.address(*self.context.local, "listener")]
        host, port = self.context.local
        session = self.context.folder / _SESSION
        session.write_text(
            f"v=0\no=- 0 0 IN IP4 {host}\ns=-\nc=IN IP4 {host}\nt=0 0\nm=video {port} RTP/AVP 96\n"
            "a=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1\n"
        )
        return ["-protocol_whitelist", "file,udp,rtp", "-i", str(session)]

    def _read(self, program: Program) -> None:
        size = self.context.video.width * self.context.video.height * 3 // 2
        grey = bytes([GREY]) * size
        while len(picture := program.read(size)) == size:
            if picture != grey:  # what was on the air before the first capture
                self.context.outlet.give(picture)
