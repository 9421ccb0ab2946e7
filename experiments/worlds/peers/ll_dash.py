"""Low-latency DASH: a segment is fetched while it is made, chunk by chunk (ETSI TS 103 285, section 10.20)."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree

from glassbench.experiments.worlds.peers.cmaf import ChunkReader
from glassbench.experiments.worlds.peers.http_origin import KEPT, LEAD_US, Channel, OriginEnd
from glassbench.experiments.worlds.peers.http_player import HttpStack, PlayerEnd
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError

MANIFEST = "live.mpd"
_NAMESPACE = "{urn:mpeg:dash:schema:mpd:2011}"
_CLOCK = "time"  # the path of the time of day
_PAUSE = 0.01  # seconds until another look at what there is
_PROPOSED = """
 <ServiceDescription id="0"><Latency target="200" referenceId="0"/></ServiceDescription>"""  # ms


class LlDash(HttpStack):
    """A chunked origin, and a plain client."""

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        if context.role == "receiver":
            return _DashPlayer(context)
        return origin(context)


def origin(context: PeerContext) -> OriginEnd:
    """The sending end."""
    return OriginEnd(context, {f"/{MANIFEST}": Manifest(context).answer, f"/{_CLOCK}": _tell_time})


class Manifest:
    """The MPD of a channel whose media time is that of the session and LEAD_US."""

    def __init__(self, context: PeerContext) -> None:
        self._context = context

    async def answer(self, channel: Channel, query: Mapping[str, str]) -> tuple[str, str]:
        """The MPD, as soon as there is media."""
        await channel.until(lambda: bool(channel.init))
        video = self._context.video
        started_at = time.time() - (self._context.outlet.now() - self._context.media_start) - LEAD_US / 1e6
        start = _iso(started_at)
        segment, chunk = channel.segment_us, channel.chunk_frames * channel.interval_us
        whole = "" if chunk >= segment else ' availabilityTimeComplete="false"'
        proposed = _PROPOSED if self._context.options.get("tuned", True) else ""
        host, port = self._context.local
        text = f"""<?xml version="1.0" encoding="utf-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" profiles="urn:mpeg:dash:profile:isoff-live:2011"
 availabilityStartTime="{start}" publishTime="{start}" minimumUpdatePeriod="PT30S" minBufferTime="PT{segment / 1e6:g}S"
 timeShiftBufferDepth="PT{(KEPT - 1) * segment / 1e6:g}S" maxSegmentDuration="PT{segment / 1e6:g}S">{proposed}
 <Period id="0" start="PT0S">
  <AdaptationSet contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
   <ProducerReferenceTime id="0" type="encoder" wallClockTime="{start}" presentationTime="0"/>
   <SegmentTemplate timescale="1000000" duration="{segment}" startNumber="0" initialization="init.mp4"
    media="$Number$.m4s" availabilityTimeOffset="{max(0, segment - chunk) / 1e6:g}"{whole}/>
   <Representation id="0" codecs="{channel.codec}" width="{video.width}" height="{video.height}"
    frameRate="{video.fps}" bandwidth="{video.bitrate_bps}"/>
  </AdaptationSet>
 </Period>
 <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="http://{host}:{port}/{_CLOCK}"/>
</MPD>
"""
        return text, "application/dash+xml"


async def _tell_time(channel: Channel, query: Mapping[str, str]) -> tuple[str, str]:
    return _iso(time.time()), "text/plain"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _DashPlayer(PlayerEnd):
    """It asks for the next segment as soon as one has begun to come, so that no round trip lies between them."""

    async def play(self) -> None:
        self._read(await self.fetch(MANIFEST) or b"")
        number = self._growing()
        pieces = self._begin(number)
        while not self.is_over:
            following: asyncio.Queue[bytes | None] | None = None
            reader = ChunkReader()
            while (piece := await pieces.get()) is not None:
                following = following or self._begin(number + 1)
                self.show(piece, reader)
            if following is None:  # nothing came: a segment without keyframe, or one that is not kept any more
                await asyncio.sleep(_PAUSE)
                number = self._growing()
                pieces = self._begin(number)
            else:
                number, pieces = number + 1, following

    def _begin(self, number: int) -> asyncio.Queue[bytes | None]:
        """The pieces of a segment as they come, and None at its end."""
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.beside(self._fill(number, pieces))
        return pieces

    async def _fill(self, number: int, pieces: asyncio.Queue[bytes | None]) -> None:
        try:
            async for piece in self.grow(f"{number}.m4s"):
                if piece is not None:
                    pieces.put_nowait(piece)
        finally:
            pieces.put_nowait(None)

    def _growing(self) -> int:
        """The number of the segment that grows now."""
        return int((time.time() - self._started_at) // self._duration)

    def _read(self, manifest: bytes) -> None:
        """What a manifest says. Raises PeerError."""
        try:
            mpd = ElementTree.fromstring(manifest)
            template = mpd.find(f".//{_NAMESPACE}SegmentTemplate")
            assert template is not None
            self._started_at = datetime.fromisoformat(mpd.attrib["availabilityStartTime"]).timestamp()
            self._duration = int(template.attrib["duration"]) / int(template.attrib["timescale"])
            self._settings = {
                "segment_s": self._duration,
                "availability_time_offset_s": float(template.attrib["availabilityTimeOffset"]),
            }
        except (ElementTree.ParseError, AssertionError, KeyError, ValueError) as error:
            raise PeerError(f"the manifest of the origin cannot be read: {error}") from None
